"""The loop over Kafka: all partitions of a product's topics, read from the offsets in the store.

One process reads a product: its windows are in its memory. A lock beside the store keeps a second one away. Offsets are committed to
the broker too, but only so that its tools show the lag; what counts are those in the store.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka import Message as KafkaMessage
from filelock import FileLock, Timeout

from intelligence.catalog.product import Product
from intelligence.core.errors import StoreError
from resources.online.files import written_files
from resources.online.processor import Decided, Message, Processor
from resources.online.store import DeadLetter, OnlineStore

DEAD_SUFFIX: Final = ".dead"
PATIENCE_S: Final = 10.0
# How long a reading waits for more messages: the price of a batch in latency.
_TOGETHER_S: Final = 0.005
_LOOK_FOR_PARTITIONS_S: Final = 30.0
_WRITE_FILES_S: Final = 1.0


@dataclass(slots=True)
class Heard:
    """What the broker said that a person should know.

    Attributes:
        errors: The newest error of each kind, by its name.
        notes: Sentences about offsets that the broker no longer has.
    """

    errors: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Stream:
    """Reads the topics of one product."""

    def __init__(
        self,
        product: Product,
        processor: Processor,
        store: OnlineStore,
        *,
        brokers: str,
        landing: Path,
        watch: Callable[[], None] = lambda: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """Connect, and continue from the offsets in the store.

        Args:
            product: The product.
            processor: Takes in the messages.
            store: The store of the processor.
            brokers: Addresses of brokers, `host:port`, separated by commas.
            landing: Folder for files that the lake takes in.
            watch: Called after each batch is committed: the guard, and whoever passes the windows on.
            ended: Called once nothing more is read.

        Raises:
            StoreError: Another process reads the stream into this store.
        """
        self._product, self._processor, self._store, self._landing = product, processor, store, landing
        self._lock = FileLock(store.path.with_suffix(".lock"), timeout=0)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise StoreError(
                str(store.path), "another process reads the stream into it.", hint="End that process first."
            ) from error
        self.heard = Heard()
        self._watch, self._ended = watch, ended
        common = {"bootstrap.servers": brokers, "log_level": 0, "error_cb": self._hear}
        self._consumer = Consumer(
            {
                **common,
                "group.id": f"intelligence-{product.name}",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 5,
                "topic.metadata.refresh.interval.ms": 10_000,
            }
        )
        self._producer = Producer({**common, "enable.idempotence": True})
        self._assigned: dict[tuple[str, int], TopicPartition] = {}
        self._looked_at = self._wrote_at = float("-inf")

    def _hear(self, error: Any) -> None:
        self.heard.errors[error.name()] = error.str()

    def close(self) -> None:
        """Store the windows, end the connections and give the lock back; what was committed stays."""
        try:
            self._processor.store_windows()
            self._ended()
        finally:
            # Without a broker librdkafka may wait for ever for the answer to a commit, which only shows the lag.
            closing = threading.Thread(target=self._consumer.close, daemon=True)
            closing.start()
            closing.join(PATIENCE_S)
            self._lock.release()

    def run(self, *, until: Callable[[], bool], told: Callable[[Sequence[Decided]], None] = lambda _: None) -> None:
        """Read until told to stop.

        Args:
            until: Returns whether to stop.
            told: Receives the decisions of each batch.
        """
        while not until():
            told(self.turn())

    def turn(self) -> list[Decided]:
        """Read what there is, take it in, and write the files and dead letters that are due; return the decisions."""
        if time.monotonic() - self._looked_at > _LOOK_FOR_PARTITIONS_S or not self._assigned:
            self._assign()
        found = self._consumer.consume(self._product.online.batch_events, timeout=_TOGETHER_S)
        messages = [_message(each) for each in found if each.error() is None]
        for each in found:
            if each.error() is not None:
                self._hear(each.error())
        decided = self._processor.process(messages, now=_now()) if messages else []
        self._watch()
        if time.monotonic() - self._wrote_at > _WRITE_FILES_S:
            self.deliver()
        return decided

    def deliver(self, *, all_rows: bool = False) -> list[Path]:
        """Send dead letters, tell the broker the offsets, and write the files that are due; return these.

        Args:
            all_rows: Whether files are written for all messages that wait, however few.
        """
        self._wrote_at = time.monotonic()
        self.send_dead_letters()
        with suppress(KafkaException):
            offsets = [TopicPartition(*key, each.next_offset) for key, each in self._processor.offsets.items()]
            if offsets:
                self._consumer.commit(offsets=offsets, asynchronous=True)
        return written_files(self._product, self._landing, self._store, now=datetime.now(UTC), all_rows=all_rows)

    def lag(self) -> dict[tuple[str, int], int]:
        """Return the number of messages that the broker has and that were not taken in, by topic and partition."""
        found = {}
        for key, partition in self._assigned.items():
            with suppress(KafkaException):
                _, end = self._consumer.get_watermark_offsets(partition, timeout=PATIENCE_S, cached=True)
                taken = self._processor.offsets[key].next_offset if key in self._processor.offsets else 0
                found[key] = max(end - taken, 0)
        return found

    def _assign(self) -> None:
        """Read all partitions that there are, new ones too, each from its offset in the store."""
        self._looked_at = time.monotonic()
        partitions = {}
        try:
            for topic in self._processor.topics:
                known = self._consumer.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions
                partitions.update({(topic, number): TopicPartition(topic, number) for number in known})
        except KafkaException as error:
            self._hear(error.args[0])
            return
        added = {key: partition for key, partition in partitions.items() if key not in self._assigned}
        for key, partition in added.items():
            partition.offset = self._first_offset(key, partition)
        if added and not self._assigned:
            self._consumer.assign(list(added.values()))
        elif added:
            self._consumer.incremental_assign(list(added.values()))
        self._assigned |= added

    def _first_offset(self, key: tuple[str, int], partition: TopicPartition) -> int:
        known = self._processor.offsets.get(key)
        if known is None:
            return int(OFFSET_BEGINNING)
        try:
            first, end = self._consumer.get_watermark_offsets(partition, timeout=PATIENCE_S)
        except KafkaException as error:
            self._hear(error.args[0])
            return known.next_offset
        place = f"{key[0]}, partition {key[1]}"
        if known.next_offset < first:
            self.heard.notes.append(
                f"{place}: the broker deleted {first - known.next_offset:,} messages before they were read."
            )
        elif known.next_offset > end:
            self.heard.notes.append(
                f"{place}: {known.next_offset:,} messages were read and the broker has {end:,}; it was made anew and is read from"
                " its start, and events that were decided on in the last hours are passed over by their ids."
            )
            self._processor.read_from_start(*key)
            return int(OFFSET_BEGINNING)
        return known.next_offset

    def send_dead_letters(self) -> int:
        """Send messages that break the contract to the topic of dead letters, and return how many arrived.

        A message is forgotten once the broker has it: after a crash it may be there twice, with the same origin in its headers.
        """
        letters = self._store.dead_letters()
        arrived: list[DeadLetter] = []
        for letter in letters:
            self._producer.produce(
                letter.topic + DEAD_SUFFIX,
                value=letter.payload,
                headers=_headers(letter),
                on_delivery=partial(_note, letter, arrived),
            )
        if letters:
            self._producer.flush(PATIENCE_S)
            self._producer.purge()
            self._store.forget_dead_letters(arrived)
        return len(arrived)


def _note(letter: DeadLetter, arrived: list[DeadLetter], error: object, _: object) -> None:
    if error is None:
        arrived.append(letter)


def _headers(letter: DeadLetter) -> dict[str, str | bytes | None]:
    origin: Mapping[str, object] = {
        "reason": letter.reason,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
    }
    return {name: str(value).encode() for name, value in origin.items()}


def _message(found: KafkaMessage) -> Message:
    kind, at_ms = found.timestamp()
    if kind == TIMESTAMP_NOT_AVAILABLE:
        at_ms = int(time.time() * 1000)
    return Message(str(found.topic()), int(found.partition() or 0), int(found.offset() or 0), at_ms, found.value())


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
