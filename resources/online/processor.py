"""From messages to what follows from them: judged, counted, decided, and committed together with their offsets."""

import gc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from intelligence.catalog.product import Product
from intelligence.online.deciding import Known, Learned, OnlineDecision, online_decision
from intelligence.online.events import InTime, StreamEvent, standing_in_time, text_of
from intelligence.online.guard import Pulse, present_minute
from intelligence.online.outcomes import outcomes_in, refusal
from intelligence.online.windows import HOUR_MS, MINUTE_MS, EntityWindows, FeatureWindows
from resources.config.faults import reach
from resources.lake.door import Lake
from resources.online.champion import FollowedChampion, Scoring
from resources.online.judging import Judge
from resources.online.store import DeadLetter, Offset, OnlineStore, StoredDecision, WaitingRow

# How an event stands in time; or it came before, or breaks the contract.
Status = InTime | Literal["duplicate", "rejected"]
DECIDED: Final = ("counted", "late", "early")
_encoder = msgspec.json.Encoder()


class Message(msgspec.Struct, frozen=True):
    """A message of a topic.

    Attributes:
        topic: Its topic.
        partition: Its partition.
        offset: Its offset in the partition.
        at_ms: When it was produced, in ms since 1970.
        payload: Its content; None where it has none.
    """

    topic: str
    partition: int
    offset: int
    at_ms: int
    payload: bytes | None


class Decided(msgspec.Struct, frozen=True):
    """An event and the decision on its entity.

    Attributes:
        event: The event.
        decision: The decision.
    """

    event: StreamEvent
    decision: OnlineDecision


class _Taken(msgspec.Struct):
    """A message on its way."""

    message: Message
    source: str
    line: str
    event: StreamEvent | None
    reason: str
    status: Status


class Processor:
    """Holds the windows of a product, and takes in messages."""

    def __init__(
        self, product: Product, lake: Lake, store: OnlineStore, *, champion: FollowedChampion | None = None
    ) -> None:
        """Continue from the last commit of the store.

        Args:
            product: The product, of which the sources with topics are read.
            lake: Its lake, for temporary tables.
            store: The store.
            champion: The model that scores entities; None where none does.
        """
        self._product, self._store, self._champion = product, store, champion
        self._sources = {topic: source.name for source in product.sources for topic in source.topics}
        self._judges = {each.name: Judge(lake, product, each) for each in product.sources if each.topics}
        self._ids = {name: product.sources_of_one_id(name)[0] for name in self._judges}
        self._version = product.decisions.version
        self._since_stored = 0
        self.newest_ms = self._now_ms = 0
        self._restart()

    def _restart(self) -> None:
        self.entities = EntityWindows(self._product.online)
        self.features = FeatureWindows(self._product.online)
        self.begins_anew = self._store.has_other_windows(self.entities, self.features)
        self._store.fill(self.entities, self.features)
        self.offsets = self._store.offsets()
        self.releases = self._store.releases()
        # Who was there in the last minutes; after a new start those of its first minutes may count twice.
        self._users, self._odd_users = dict[int, set[str]](), dict[int, set[str]]()

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics that are read."""
        return (*self._sources, *self._product.online.outcomes.topics)

    def process(self, messages: Sequence[Message], *, now: datetime) -> list[Decided]:
        """Take in messages and return the decisions, in the order of the messages; all or nothing is committed.

        Messages before the stored offset of their partition are passed over: they were taken in before.

        Args:
            messages: Messages of the topics; those of one partition in the order of their offsets.
            now: The current time, UTC without a time zone.

        Raises:
            StoreError: The store cannot be written. Nothing of the messages counts; they can be given again.
        """
        with _collection_paused():
            return self._processed(messages, now=now)

    def _processed(self, messages: Sequence[Message], *, now: datetime) -> list[Decided]:
        self._now_ms = int(now.replace(tzinfo=UTC).timestamp() * 1000)
        offsets = dict(self.offsets)
        fresh = self._fresh(messages, offsets)
        outcomes = [each for each in fresh if each.topic not in self._sources]
        taken = self._judged([each for each in fresh if each.topic in self._sources], now=now)
        if not fresh:
            return []
        try:
            with self._store.writing():
                self._store_outcomes(outcomes, now=now.replace(tzinfo=UTC))
                if taken:
                    decided = self._committed(taken, offsets, now)
                else:
                    decided = []
                    self._store.write_offsets(offsets)
                reach("online.written")
        except BaseException:
            self._restart()
            raise
        self.offsets = offsets
        reach("online.committed")
        return decided

    def _fresh(self, messages: Sequence[Message], offsets: dict[tuple[str, int], Offset]) -> list[Message]:
        found, following = [], {partition: each.next_offset for partition, each in offsets.items()}
        for message in messages:
            partition = (message.topic, message.partition)
            if message.offset >= following.get(partition, 0):
                following[partition] = message.offset + 1
                found.append(message)
        for partition, next_offset in following.items():
            offsets[partition] = replace(offsets.get(partition, Offset(0, -1)), next_offset=next_offset)
        return found

    def _store_outcomes(self, messages: Sequence[Message], *, now: datetime) -> None:
        """Store what became true of decisions until it is recorded; what is no outcome is a dead letter."""
        if not messages:
            return
        kinds, whole, dead = self._product.online.outcomes.all, list[bytes](), list[DeadLetter]()
        tallies = Counter[tuple[str, str]]()
        for each in messages:
            found = outcomes_in(each.payload or b"")
            reason = (
                found
                if isinstance(found, str)
                else next(filter(None, (refusal(one, kinds, now=now) for one in found)), "")
            )
            if reason:
                dead.append(DeadLetter(0, each.topic, each.partition, each.offset, reason, each.payload or b""))
            else:
                whole.append(each.payload or b"")
            tallies[each.topic, "rejected" if reason else "outcome"] += 1
        self._store.write_outcomes(whole, dead, tallies)

    def _judged(self, messages: Sequence[Message], *, now: datetime) -> list[_Taken]:
        taken = [
            _Taken(each, self._sources[each.topic], text_of(each.payload), None, "", "rejected") for each in messages
        ]
        for source, judge in self._judges.items():
            own = [each for each in taken if each.source == source]
            for each, found in zip(own, judge.judged([each.line for each in own], now=now), strict=True):
                if isinstance(found, StreamEvent):
                    each.event, each.status = found, "counted"
                else:
                    each.reason = found
        return taken

    def _committed(
        self, taken: Sequence[_Taken], offsets: dict[tuple[str, int], Offset], now: datetime
    ) -> list[Decided]:
        self._mark_repeats(taken)
        self._mark_out_of_time(taken, offsets)
        asked = [each for each in taken if each.status == "counted"]
        rows, counted = self.entities.counted([each.event for each in asked if each.event])
        scoring = self._champion.present() if self._champion else Scoring()
        scores = scoring.scores(rows)
        known: dict[int, Known] = {}
        for place, (each, row) in enumerate(zip(asked, rows.tolist(), strict=True)):
            if each.event and counted[place]:
                windows = dict(zip(self.entities.predictors, row, strict=True))
                known[id(each)] = scores.known(place, each.event, windows)
            else:
                each.status = "late"
        events = [each.event for each in asked if each.event and each.status == "counted"]
        self.features.count(events)
        decided = [
            (
                each,
                Decided(
                    each.event,
                    self._decision(known.get(id(each)) or Known(each.event.entity, each.event.value), scoring.learned),
                ),
            )
            for each in taken
            if each.event and each.status in DECIDED
        ]
        self._store.write_batch(
            waiting=[_waiting(each, now) for each in taken],
            dead=[_dead(each) for each in taken if each.status == "rejected"],
            decisions=[self._stored(each, found, known.get(id(each))) for each, found in decided],
            counted=events,
            decided=Counter((each.decision.answer, each.decision.by, each.decision.rule or "") for _, each in decided),
            made_ms=self._now_ms,
        )
        self._write_for_the_guard(taken, events, offsets)
        self._store.write_offsets({key: each for key, each in offsets.items() if self.offsets.get(key) != each})
        self._since_stored += len(taken)
        if self._since_stored >= self._product.online.snapshot_events:
            self._store_windows(offsets)
        return [found for _, found in decided]

    def _write_for_the_guard(
        self, taken: Sequence[_Taken], events: Sequence[StreamEvent], offsets: Mapping[tuple[str, int], Offset]
    ) -> None:
        """Store how many events each minute had, and which releases are new."""
        newest = max(each.newest_minute for each in offsets.values())
        if newest < 0:
            return
        minutes = [each.at_ms // MINUTE_MS for each in events]
        counted, users = Counter(minutes), dict[int, set[str]]()
        for minute, each in zip(minutes, events, strict=True):
            users.setdefault(minute, set()).add(each.entity)
        pulse = {}
        for minute, number in counted.items():
            known = self._users.setdefault(minute, set())
            pulse[minute] = Pulse(len(users[minute] - known), number, 0)
            known |= users[minute]
        self._store.write_pulse(pulse, newest=newest)
        present = present_minute(self._store.pulse())
        present = newest if present is None else present
        odd = {each.event.entity for each in taken if each.event and each.status in ("late", "early")}
        known = self._odd_users.setdefault(present, set())
        self._store.write_pulse({present: Pulse(0, 0, len(odd - known))}, newest=newest)
        known |= odd
        for by_minute in (self._users, self._odd_users):
            for minute in [each for each in by_minute if each < present - self._product.online.lateness_minutes]:
                del by_minute[minute]
        self.newest_ms = max([self.newest_ms, *(each.at_ms for each in events)])
        new = {(each.platform, each.release) for each in events} - self.releases.keys()
        if new and len(self.releases) + len(new) <= self._product.online.most_series:
            # Of a batch that reaches over minutes each release has its own first one.
            first = dict.fromkeys(new, newest)
            for minute, each in zip(minutes, events, strict=True):
                if (key := (each.platform, each.release)) in new:
                    first[key] = min(minute, first[key])
            self._store.write_releases(first)
            self.releases |= first

    def _mark_repeats(self, taken: Sequence[_Taken]) -> None:
        for source in dict.fromkeys(self._ids.values()):
            own = [each for each in taken if each.event and self._ids[each.source] == source]
            known = self._store.known(source, [each.event.id for each in own if each.event])
            for each in own:
                if each.event and each.event.id in known:
                    each.status = "duplicate"
                elif each.event:
                    known.add(each.event.id)

    def _mark_out_of_time(self, taken: Sequence[_Taken], offsets: dict[tuple[str, int], Offset]) -> None:
        """Mark events that are too late or too early for windows; an event that lies ahead does not make others late."""
        allowed = self._product.online.lateness_minutes
        for each in taken:
            if each.event is None or each.status != "counted":
                continue
            partition = (each.message.topic, each.message.partition)
            minute, newest = each.event.at_ms // MINUTE_MS, offsets[partition].newest_minute
            each.status = standing_in_time(
                each.event.at_ms, received_ms=each.message.at_ms, newest_minute=newest, lateness_minutes=allowed
            )
            if each.status == "counted" and minute > newest:
                offsets[partition] = replace(offsets[partition], newest_minute=minute)

    def _decision(self, known: Known, learned: Learned | None) -> OnlineDecision:
        return online_decision(known, online=self._product.online, decisions=self._product.decisions, learned=learned)

    def _stored(self, taken: _Taken, found: Decided, known: Known | None) -> StoredDecision:
        event, trace = found.event, trace_of(found.decision)
        message = taken.message
        trace |= score_of(known)
        trace |= {
            "windows": known.windows if known else None,
            "value": event.value,
            "feature": event.feature,
            "status": taken.status,
            "policy": self._version,
            "message": {"topic": message.topic, "partition": message.partition, "offset": message.offset},
        }
        return StoredDecision(
            self._ids[taken.source], event.id, event.entity, event.at_ms, found.decision.code, _encoder.encode(trace)
        )

    def _store_windows(self, offsets: Mapping[tuple[str, int], Offset]) -> None:
        self._store.write_windows(self.entities, self.features)
        self._since_stored = 0
        # The slowest partition decides, so that none of its repeats is taken for new; one without an event has none.
        reached = [
            each.newest_minute for key, each in offsets.items() if key[0] in self._sources and each.newest_minute >= 0
        ]
        if reached:
            remembered_ms = self._product.online.remembered_hours * HOUR_MS
            self._store.forget_decisions(
                before_ms=min(reached) * MINUTE_MS - remembered_ms, made_before_ms=self._now_ms - remembered_ms
            )

    def read_from_start(self, topic: str, partition: int) -> None:
        """Take messages of a partition from its first offset on, since the broker numbers them anew.

        Args:
            topic: The topic.
            partition: The partition.
        """
        with self._store.writing():
            self._store.write_offsets({(topic, partition): Offset(0, self.offsets[topic, partition].newest_minute)})
        self.offsets = self._store.offsets()

    def store_windows(self) -> None:
        """Store the windows now, so that a new start has nothing to count once more."""
        if self.offsets:
            with self._store.writing():
                self._store_windows(self.offsets)


@contextmanager
def _collection_paused() -> Iterator[None]:
    """Look for no cycles among objects: a batch makes many at once and none with cycles, and the search costs a quarter of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def trace_of(decision: OnlineDecision) -> dict[str, Any]:
    """Return why a decision was made, as values for JSON.

    Args:
        decision: The decision.
    """
    return {
        **msgspec.structs.asdict(decision),
        "code": decision.code,
        "delay_s": decision.delay_s,
        "is_enforced": decision.is_enforced,
    }


def score_of(known: Known | None) -> dict[str, Any]:
    """Return the score of an entity and the model that gave it, as values for JSON; nulls where there is none.

    Args:
        known: What is known of the entity.
    """
    facts = (known.facts if known else None) or {}
    names = ("risk_low", "risk_high", "model_version")
    return {"risk_score": known.risk_score if known else None, **{name: facts.get(name) for name in names}}


def _waiting(taken: _Taken, now: datetime) -> WaitingRow:
    message, taken_ms = taken.message, int(now.replace(tzinfo=UTC).timestamp() * 1000)
    return WaitingRow(
        taken.source, message.topic, message.partition, message.offset, taken_ms, taken.status, taken.line
    )


def _dead(taken: _Taken) -> DeadLetter:
    message = taken.message
    return DeadLetter(0, message.topic, message.partition, message.offset, taken.reason, message.payload or b"")
