"""The windows of entities and of features, in memory: events in, figures out."""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

from intelligence.online.events import StreamEvent
from intelligence.online.rings import (
    LATENCY_BINS,
    NOTHING,
    REGISTERS,
    Bools,
    Floats,
    Ints,
    Ring,
    distinct,
    latency_bin,
    latency_quantile,
    register_of,
    sketch_step,
    step,
)
from intelligence.online.settings import COUNTERS, MINUTES_PER_HOUR, Online

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
Key = TypeVar("Key")
Series = tuple[str, str, str]
_NO_WINDOWS: Final = np.empty(0, dtype=np.int64)


@njit(cache=True)
def _since_last(last_ms: Ints, slots: Ints, at_ms: Ints, counted: Bools, since_s: Floats) -> None:
    for each in range(slots.size):
        last = last_ms[slots[each]]
        since_s[each] = math.nan if last < 0 else max(at_ms[each] - last, 0) / 1000.0
        if counted[each]:
            last_ms[slots[each]] = max(last, at_ms[each])


class _Slots(Generic[Key]):
    """Which slot belongs to whom; the one not seen for longest gives its slot away when all are taken."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.of: OrderedDict[Key, int] = OrderedDict()
        self.changed: OrderedDict[Key, None] = OrderedDict()
        self.gone: set[Key] = set()
        self.evictions = 0

    def is_full_for(self, key: Key) -> bool:
        return key not in self.of and len(self.of) >= self.most

    def slot(self, key: Key) -> tuple[int, bool]:
        """Return the slot, and whether it was another's or never used before and is to be emptied."""
        found = self.of.get(key)
        is_new = found is None
        if found is None:
            if len(self.of) >= self.most:
                other, found = self.of.popitem(last=False)
                self.changed.pop(other, None)
                self.gone.add(other)
                self.evictions += 1
            else:
                found = len(self.of)
            self.gone.discard(key)
        self.of[key] = found
        self.of.move_to_end(key)
        self.changed[key] = None
        self.changed.move_to_end(key)
        return found, is_new


@dataclass(frozen=True, slots=True)
class Stored(Generic[Key]):
    """What a store must write to have the windows as they are.

    Attributes:
        changed: The content of the slots that changed, those seen last at the end.
        gone: Those that were evicted.
    """

    changed: Mapping[Key, bytes]
    gone: frozenset[Key]


class EntityWindows:
    """Counts of each entity in windows that end with its newest event."""

    def __init__(self, settings: Online) -> None:
        """Start without any entity.

        Args:
            settings: Lengths of windows and limits.
        """
        short, long = settings.short_windows, settings.long_windows
        late_hours = math.ceil(settings.lateness_minutes / MINUTES_PER_HOUR) if long else 0
        self.predictors = settings.predictors
        self._short, self._long = np.array(short, dtype=np.int64), np.array(long, dtype=np.int64)
        self._minutes = Ring(max(short, default=1) + settings.lateness_minutes, len(COUNTERS))
        self._hours = Ring(max(long, default=0) + late_hours + 1, len(COUNTERS))
        self._last_ms = np.full(len(self._minutes.head), NOTHING, dtype=np.int64)
        self._slots = _Slots[str](settings.most_entities)

    def __len__(self) -> int:
        return len(self._slots.of)

    @property
    def layout(self) -> str:
        """Return how the stored bytes are to be read: lengths and counters; others cannot be restored."""
        return f"{self._minutes.length} min, {self._hours.length} h, {', '.join(COUNTERS)}"

    @property
    def evictions(self) -> int:
        """Return how many entities were evicted since the start."""
        return self._slots.evictions

    def counted(self, events: Sequence[StreamEvent]) -> tuple[Floats, Bools]:
        """Count events one after the other, and return the windows of each event's entity just after it.

        Args:
            events: The events.

        Returns:
            One row per event with the columns `predictors`, and whether the event was counted; one that is older than its entity's
            ring is not, and its row means nothing.
        """
        rows, counted = np.zeros((len(events), len(self.predictors))), np.zeros(len(events), dtype=np.bool_)
        start, slots = 0, list[int]()
        for place, event in enumerate(events):
            if self._slots.is_full_for(event.entity):
                # An entity that is evicted may have had an event in this very batch.
                self._count(events[start:place], slots, rows[start:place], counted[start:place])
                start, slots = place, []
            slots.append(self._slot(event.entity))
        self._count(events[start:], slots, rows[start:], counted[start:])
        return rows, counted

    def _slot(self, entity: str) -> int:
        slot, is_new = self._slots.slot(entity)
        if is_new:
            self._minutes.make_room(slot + 1)
            self._hours.make_room(slot + 1)
            missing = len(self._minutes.head) - len(self._last_ms)
            if missing:
                self._last_ms = np.concatenate([self._last_ms, np.full(missing, NOTHING, dtype=np.int64)])
            self._minutes.clear(slot)
            self._hours.clear(slot)
            self._last_ms[slot] = NOTHING
        return slot

    def _count(self, events: Sequence[StreamEvent], slots: Sequence[int], rows: Floats, counted: Bools) -> None:
        if not events:
            return
        places, at_ms = np.array(slots, dtype=np.int64), np.array([each.at_ms for each in events], dtype=np.int64)
        amounts = amounts_of(events)
        short = np.zeros((len(events), len(self._short), len(COUNTERS)))
        step(
            self._minutes.counts, self._minutes.head, places, at_ms // MINUTE_MS, amounts, self._short, short, counted
        )  # fmt: skip
        kept = np.flatnonzero(counted)
        long = np.zeros((len(kept), len(self._long), len(COUNTERS)))
        step(
            self._hours.counts, self._hours.head, places[kept], at_ms[kept] // HOUR_MS, amounts[kept], self._long, long,
            np.zeros(len(kept), dtype=np.bool_),
        )  # fmt: skip
        rows[:, : short[0].size] = short.reshape(len(events), -1)
        rows[kept, short[0].size : -1] = long.reshape(len(kept), len(self._long) * len(COUNTERS))
        _since_last(self._last_ms, places, at_ms, counted, rows[:, -1])

    def to_store(self) -> Stored[str]:
        """Return what changed since the last call."""
        changed = self.contents(self._slots.changed)
        gone = frozenset(self._slots.gone)
        self._slots.changed.clear()
        self._slots.gone.clear()
        return Stored(changed, gone)

    @property
    def names(self) -> Iterator[str]:
        """Return all entities."""
        return iter(self._slots.of)

    def contents(self, entities: Iterable[str]) -> dict[str, bytes]:
        """Return the content of those of the entities that are known, which `restore` takes over.

        Args:
            entities: The entities.
        """
        return {each: self._content(self._slots.of[each]) for each in entities if each in self._slots.of}

    def _content(self, slot: int) -> bytes:
        last = np.int64(self._last_ms[slot]).tobytes()
        return last + self._minutes.content(slot) + self._hours.content(slot)

    def restore(self, entity: str, content: bytes) -> None:
        """Take over an entity's windows; call it in the order in which entities were last seen.

        Args:
            entity: The entity.
            content: What `to_store` returned for it.
        """
        slot = self._slot(entity)
        self._slots.changed.pop(entity, None)
        middle = 8 + self._minutes.content_bytes
        self._last_ms[slot] = int(np.frombuffer(content[:8], dtype=np.int64)[0])
        self._minutes.restore(slot, content[8:middle])
        self._hours.restore(slot, content[middle:])

    def figures(self, entity: str, *, at_ms: int) -> dict[str, float] | None:
        """Return an entity's windows as they are at a time, without an event; None for an entity that is not known.

        Args:
            entity: The entity.
            at_ms: The time, in ms since 1970: the windows end with its minute and its hour.
        """
        slot = self._slots.of.get(entity)
        if slot is None:
            return None
        sums: list[float] = []
        for ring, windows, length_ms in ((self._minutes, self._short, MINUTE_MS), (self._hours, self._long, HOUR_MS)):
            for window in windows:
                places = ring.buckets(slot, until=at_ms // length_ms, length=int(window))
                sums += [float(each) for each in ring.counts[slot, places].sum(axis=0)]
        return dict(zip(self.predictors, [*sums, max(at_ms - int(self._last_ms[slot]), 0) / 1000], strict=True))

    def expected(self, event: StreamEvent) -> dict[str, float]:
        """Return the windows that an event's entity would have just after it, without counting it.

        Args:
            event: The event.
        """
        added = amounts_of([event])[0].tolist()
        known = self.figures(event.entity, at_ms=event.at_ms)
        if known is None:
            known = {**dict.fromkeys(self.predictors, 0.0), "since_last_s": math.nan}
        sums = zip(self.predictors[:-1], added * (len(self.predictors) // len(COUNTERS)), strict=True)
        return {**{name: known[name] + amount for name, amount in sums}, "since_last_s": known["since_last_s"]}


def amounts_of(events: Sequence[StreamEvent]) -> Floats:
    """Return what each event adds to each counter of COUNTERS.

    Args:
        events: The events.
    """
    amounts = [(1.0, float(each.errors), float(each.crashed), each.value or 0.0) for each in events]
    return np.array(amounts, dtype=np.float64).reshape(len(events), len(COUNTERS))


@dataclass(frozen=True, slots=True)
class SeriesFigures:
    """Figures of a feature on a platform and release, in one window.

    Attributes:
        events: Number of events.
        errors: Number of events with an error.
        crashes: Number of events that ended in a crash.
        value: Sum of the events' values.
        users: Number of distinct users, estimated.
        harmed_users: Number of distinct users with an error or a crash, estimated.
        p50_latency_ms: Median latency; None without any.
        p95_latency_ms: The latency that one event in twenty exceeds; None without any.
    """

    events: int
    errors: int
    crashes: int
    value: float
    users: float
    harmed_users: float
    p50_latency_ms: float | None
    p95_latency_ms: float | None


def _series_figures(sums: Floats, registers: Sequence[npt.NDArray[np.uint8]]) -> SeriesFigures:
    users, harmed = (distinct(each) if len(each) else 0.0 for each in registers)
    bins = sums[len(COUNTERS) :]
    return SeriesFigures(
        events=int(sums[0]),
        errors=int(sums[1]),
        crashes=int(sums[2]),
        value=float(sums[3]),
        users=users,
        harmed_users=harmed,
        p50_latency_ms=latency_quantile(bins, 0.5),
        p95_latency_ms=latency_quantile(bins, 0.95),
    )


class FeatureWindows:
    """Counts, distinct users and latencies of each feature × platform × release."""

    def __init__(self, settings: Online) -> None:
        """Start without any series.

        Args:
            settings: Lengths of windows and limits.
        """
        late_hours = math.ceil(settings.lateness_minutes / MINUTES_PER_HOUR)
        self._counters = len(COUNTERS) + LATENCY_BINS
        short = max((*settings.short_windows, settings.guard.long_minutes))
        long = max(settings.long_windows, default=0)
        self._minutes = Ring(short + settings.lateness_minutes, self._counters, sketches=2)
        self._hours = Ring(long + late_hours + 1, self._counters, sketches=2)
        self._slots = _Slots[Series](settings.most_series)

    @property
    def series(self) -> Iterator[Series]:
        """Return the feature, platform and release of all series."""
        return iter(self._slots.of)

    @property
    def layout(self) -> str:
        """Return how the stored bytes are to be read: lengths and counters; others cannot be restored."""
        return f"{self._minutes.length} min, {self._hours.length} h, {self._counters} counters"

    @property
    def evictions(self) -> int:
        """Return how many series were evicted since the start."""
        return self._slots.evictions

    def count(self, events: Sequence[StreamEvent]) -> None:
        """Count events.

        Args:
            events: The events.
        """
        start, slots = 0, list[int]()
        for place, event in enumerate(events):
            key = (event.feature, event.platform, event.release)
            if self._slots.is_full_for(key):
                self._count(events[start:place], slots)
                start, slots = place, []
            slots.append(self._slot(key))
        self._count(events[start:], slots)

    def _slot(self, key: Series) -> int:
        slot, is_new = self._slots.slot(key)
        if is_new:
            for ring in (self._minutes, self._hours):
                ring.make_room(slot + 1)
                ring.clear(slot)
        return slot

    def _count(self, events: Sequence[StreamEvent], slots: Sequence[int]) -> None:
        if not events:
            return
        places, at_ms = np.array(slots, dtype=np.int64), np.array([each.at_ms for each in events], dtype=np.int64)
        amounts = np.zeros((len(events), self._counters))
        amounts[:, : len(COUNTERS)] = amounts_of(events)
        for place, event in enumerate(events):
            if event.latency_ms is not None:
                amounts[place, len(COUNTERS) + latency_bin(event.latency_ms)] = 1
        registers = np.array([_register_of_user(event.entity) for event in events], dtype=np.int64)
        harmed = np.array([event.errors or event.crashed for event in events], dtype=np.bool_)
        everybody, nothing = np.ones(len(events), dtype=np.bool_), np.zeros((len(events), 0, self._counters))
        for ring, length_ms in ((self._minutes, MINUTE_MS), (self._hours, HOUR_MS)):
            buckets, counted = at_ms // length_ms, np.zeros(len(events), dtype=np.bool_)
            step(ring.counts, ring.head, places, buckets, amounts, _NO_WINDOWS, nothing, counted)
            for place, wanted in enumerate((everybody, harmed)):
                sketch_step(
                    ring.registers[place], ring.sketch_head[place], places, buckets,
                    registers[:, 0].copy(), registers[:, 1].copy(), wanted,
                )  # fmt: skip

    def figures(self, series: Series, *, at_ms: int, minutes: int) -> SeriesFigures | None:
        """Return the figures of a series in the window that ends at a time; None for a series that is not known.

        Args:
            series: Feature, platform and release.
            at_ms: The time, in ms since 1970: the window ends with its minute, or its hour for windows beyond an hour.
            minutes: Length of the window.
        """
        slot = self._slots.of.get(series)
        if slot is None:
            return None
        is_long = minutes > MINUTES_PER_HOUR
        ring, length_ms = (self._hours, HOUR_MS) if is_long else (self._minutes, MINUTE_MS)
        buckets = ring.buckets(
            slot, until=at_ms // length_ms, length=minutes // MINUTES_PER_HOUR if is_long else minutes
        )
        return _series_figures(ring.counts[slot, buckets].sum(axis=0), [each[slot, buckets] for each in ring.registers])

    def totals(self, *, at_ms: int, minutes: int) -> tuple[list[Series], Floats]:
        """Return all series, and the counters of COUNTERS of each in the window that ends at a time.

        Args:
            at_ms: The time, in ms since 1970.
            minutes: Length of the window, up to the longest that is counted by the minute.
        """
        names, ring = list(self._slots.of), self._minutes
        slots = np.fromiter(self._slots.of.values(), dtype=np.int64, count=len(names))
        until = at_ms // MINUTE_MS
        buckets = np.arange(max(until - minutes + 1, 0), until + 1, dtype=np.int64)
        heads = ring.head[slots][:, None]
        is_held = (buckets <= heads) & (buckets > heads - ring.length)
        counts = ring.counts[slots[:, None], buckets % ring.length, : len(COUNTERS)]
        found: Floats = (counts * is_held[:, :, None]).sum(axis=1)
        return names, found

    def together(self, series: Iterable[Series], *, at_ms: int, minutes: int) -> SeriesFigures:
        """Return the figures of several series as if they were one; each user counts once.

        Args:
            series: Features, platforms and releases; those that are not known count as nothing.
            at_ms: The time, in ms since 1970.
            minutes: Length of the window.
        """
        is_long = minutes > MINUTES_PER_HOUR
        ring, length_ms = (self._hours, HOUR_MS) if is_long else (self._minutes, MINUTE_MS)
        length = minutes // MINUTES_PER_HOUR if is_long else minutes
        sums, merged = np.zeros(self._counters), [np.zeros(REGISTERS, dtype=np.uint8) for _ in ring.registers]
        for slot in (self._slots.of[each] for each in series if each in self._slots.of):
            buckets = ring.buckets(slot, until=at_ms // length_ms, length=length)
            if len(buckets):
                sums += ring.counts[slot, buckets].sum(axis=0)
                merged = [
                    np.maximum(one, registers[slot, buckets].max(axis=0))
                    for one, registers in zip(merged, ring.registers, strict=True)
                ]
        return _series_figures(sums, merged)

    def to_store(self) -> Stored[Series]:
        """Return what changed since the last call."""
        changed = self.contents(self._slots.changed)
        gone = frozenset(self._slots.gone)
        self._slots.changed.clear()
        self._slots.gone.clear()
        return Stored(changed, gone)

    def contents(self, series: Iterable[Series]) -> dict[Series, bytes]:
        """Return the content of those of the series that are known, which `restore` takes over.

        Args:
            series: Features, platforms and releases.
        """
        slots = {each: self._slots.of[each] for each in series if each in self._slots.of}
        return {each: self._minutes.content(slot) + self._hours.content(slot) for each, slot in slots.items()}

    def restore(self, series: Series, content: bytes) -> None:
        """Take over the windows of a series; call it in the order in which series were last seen.

        Args:
            series: Feature, platform and release.
            content: What `to_store` returned for it.
        """
        slot = self._slot(series)
        self._slots.changed.pop(series, None)
        self._minutes.restore(slot, content[: self._minutes.content_bytes])
        self._hours.restore(slot, content[self._minutes.content_bytes :])


@lru_cache(maxsize=200_000)
def _register_of_user(entity: str) -> tuple[int, int]:
    hashed = hashlib.blake2b(entity.encode(errors="surrogatepass"), digest_size=8).digest()
    return register_of(int.from_bytes(hashed, "little"))
