"""The loop over a broker: librdkafka's own mock cluster, which speaks Kafka's protocol on loopback."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from intelligence.catalog.product import product_from
from intelligence.core.errors import StoreError
from resources.config.faults import ONLINE_FAULT_POINTS
from resources.online.processor import Processor
from resources.online.store import OnlineStore
from resources.online.stream import Stream
from tests.lakes import lake_in
from tests.resources.online.streamed import NOW_MS, PRODUCT, Online, contents, said

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "tests" / "programs" / "read_stream.py"


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    # The cluster lives as long as the producer that owns it.
    owner = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "ignored", "log_level": 0})
    yield ",".join(f"{each.host}:{each.port}" for each in owner.list_topics(timeout=10).brokers.values())
    del owner


Made = Callable[..., Stream]


@pytest.fixture
def made(brokers: str, online: Online, tmp_path: Path) -> Iterator[Made]:
    """Makes the stream of a product that reads a topic of the test's own."""
    streams = []

    def stream(topic: str, folder: Path = tmp_path) -> Stream:
        source = online.product.sources[0].model_copy(update={"topics": (topic,)})
        product = online.product.model_copy(update={"sources": (source,)})
        store = OnlineStore(folder / f"{topic}.db")
        found = Stream(
            product, Processor(product, online.lake, store), store, brokers=brokers, landing=folder / "landing"
        )
        streams.append(found)
        return found

    yield stream
    for each in streams:
        each.close()


def send(brokers: str, topic: str, events: list, **facts: object) -> None:
    producer = Producer({"bootstrap.servers": brokers, "log_level": 0})
    for each in events:
        payload = json.dumps(each, separators=(",", ":")).encode() if isinstance(each, dict) else each
        key = str(each["user_id"]).encode() if isinstance(each, dict) else b"junk"
        producer.produce(topic, payload, key=key, timestamp=NOW_MS, **facts)
    assert producer.flush(30) == 0


def read(stream: Stream, messages: int, *, within_s: float = 60) -> list:
    decided, end = [], time.monotonic() + within_s
    while sum(stream._store.tallies().values()) < messages:
        assert time.monotonic() < end, stream.heard
        decided += stream.turn()
    return decided


def test_messages_of_all_partitions_are_read_decided_and_land(brokers: str, made: Made, tmp_path: Path) -> None:
    send(brokers, "all", [said(n, event_id=f"e{n}", user_id=f"u{n % 9}") for n in range(200)])
    stream = made("all")
    assert len(read(stream, 200)) == 200
    assert set(stream.lag().values()) == {0}
    (file,) = stream.deliver(all_rows=True)
    assert len(file.read_text().splitlines()) == 200
    assert stream.deliver(all_rows=True) == []


def test_broken_messages_go_to_the_dead_letters_with_reason_and_origin(brokers: str, made: Made) -> None:
    send(brokers, "bad", [b"junk", said(1), said(2, event_type=...)])
    stream = made("bad")
    read(stream, 3)
    assert stream.send_dead_letters() + len(stream._store.dead_letters()) in (0, 2)
    consumer = Consumer(
        {"bootstrap.servers": brokers, "group.id": "dead", "auto.offset.reset": "earliest", "log_level": 0}
    )
    consumer.assign([TopicPartition("bad.dead", number, 0) for number in range(4)])
    found = []
    while len(found) < 2:
        found += [each for each in consumer.consume(2, timeout=1) if each.error() is None]
    consumer.close()
    letters = {each.value(): dict(each.headers() or []) for each in found}
    assert letters[b"junk"]["reason"] == b"unreadable line: not a JSON object"
    assert {each["topic"] for each in letters.values()} == {b"bad"}
    assert b"event_type is missing" in [each["reason"] for each in letters.values()]
    assert stream._store.dead_letters() == []


def test_a_second_process_is_kept_away_from_the_store(made: Made) -> None:
    made("alone")
    with pytest.raises(StoreError, match="another process reads the stream"):
        made("alone")


def test_a_new_start_continues_from_the_offsets_in_the_store(brokers: str, made: Made) -> None:
    send(brokers, "again", [said(n, event_id=f"e{n}") for n in range(20)])
    first = made("again")
    read(first, 20)
    first.close()
    send(brokers, "again", [said(n, event_id=f"e{n}") for n in range(20, 30)])
    assert [each.event.id for each in read(made("again"), 30)] == [f"e{n}" for n in range(20, 30)]


def test_a_broker_that_was_made_anew_is_read_from_its_start_and_ids_tell_what_is_known(
    brokers: str, made: Made
) -> None:
    send(brokers, "short", [said(n, event_id=f"e{n}", user_id="u") for n in range(5)])
    first = made("short")
    read(first, 5)
    ((key, offset),) = first._processor.offsets.items()
    first.close()
    # The store has read further than this broker ever was, as if the broker had been replaced.
    store = first._store
    with store.writing():
        store.write_offsets({key: type(offset)(500, offset.newest_minute)})
    again = made("short")
    read(again, 10)
    assert again._store.tallies() == {("short", "counted"): 5, ("short", "duplicate"): 5}
    assert "was made anew" in again.heard.notes[0]


def test_a_broker_that_goes_away_is_said_and_stops_nothing(made: Made, online: Online, tmp_path: Path) -> None:
    owner = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "ignored", "log_level": 0})
    address = next(f"{each.host}:{each.port}" for each in owner.list_topics(timeout=10).brokers.values())
    send(address, "events", [said(1)])
    stream = Stream(online.product, online.processor, online.store, brokers=address, landing=tmp_path / "landing")
    read(stream, 1)
    del owner
    end = time.monotonic() + 20
    while not stream.heard.errors and time.monotonic() < end:
        assert stream.turn() == []
    assert stream.heard.errors
    stream.close()


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments_all_is_as_in_the_undisturbed_run(brokers: str, tmp_path: Path, seed: int) -> None:
    number, draw = 2_000, random.Random(seed)
    events: list = []
    for place in range(number):
        facts = {
            "event_id": f"{seed}-{place}",
            "user_id": f"u{draw.randrange(40)}",
            "error_count": draw.randrange(2),
            "value": place % 7,
        }
        events.append(draw.choice(events) if place and draw.random() < 0.05 else said(place % 900, **facts))
    topic = "events"
    send(brokers, topic, [b"junk" if draw.random() < 0.03 else each for each in events])
    total = number * (seed + 1)
    # All runs of this module read one topic from its start, so that later seeds see the messages of earlier ones too.
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert started(whole, brokers, total).wait(240) == 0
    moments = [*(("", draw.uniform(0.05, 2.5)) for _ in range(5)), *((point, 60.0) for point in ONLINE_FAULT_POINTS)]
    for point, patience in moments:
        process = started(killed, brokers, total, kill_at=point)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    assert started(killed, brokers, total).wait(240) == 0
    assert ended(killed) == ended(whole)


def started(folder: Path, brokers: str, messages: int, *, kill_at: str = "") -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "INTELLIGENCE_KILL_AT": kill_at}
    command = [sys.executable, str(PROGRAM), str(folder), brokers, str(messages)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    return process


def ended(folder: Path) -> tuple:
    """Windows, decisions and statuses in the store, and the lines that landed."""
    product, store, lake = product_from(PRODUCT), OnlineStore(folder / "online.db"), lake_in(folder / "lake")
    online = Online(folder, product, lake, store, Processor(product, lake, store))
    online.land()
    found = (*contents(online), store.tallies(), online.ledger(), online.rejected().rows())
    events = lake.frame(
        "SELECT * EXCLUDE (ingested_at, batch_id, source_file, source_row) FROM telemetry.raw_events ORDER BY ALL"
    )
    lake.close()
    return (*found, events.rows())


def test_a_stream_whose_windows_cannot_be_stored_gives_its_lock_back(made: Made, monkeypatch) -> None:
    stream = made("closing")

    def fails() -> None:
        raise StoreError("online.db", "the disk is full.", hint="Make room.")

    with monkeypatch.context() as patched:
        patched.setattr(stream._processor, "store_windows", fails)
        with pytest.raises(StoreError, match="disk is full"):
            stream.close()
    assert not stream._lock.is_locked
