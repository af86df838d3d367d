"""Rings of buckets: the compiled updates of windows, and of sketches that can be merged.

A slot (an entity, or a series) has one ring. A ring of R buckets holds the newest R buckets of its slot; a window of W buckets
of an event that comes L buckets late is complete where R is at least W + L.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

NOTHING: Final = -1
REGISTERS: Final = 256
LATENCY_BINS: Final = 48
# Bins of latency grow by this factor from 1 ms: bin 47 begins after about three hours.
LATENCY_GROWTH: Final = 1.41
_FIRST_SLOTS: Final = 64


@njit(cache=True)
def _first_begun(newest: int, bucket: int, length: int) -> int:
    """Return the first of the buckets that begin anew with an event of this one; the one after it where none does."""
    if bucket <= newest:
        return bucket + 1
    return bucket - length + 1 if newest < 0 else max(newest + 1, bucket - length + 1)


@njit(cache=True)
def step(
    counts: Floats, head: Ints, slots: Ints, buckets: Ints, amounts: Floats, windows: Ints, sums: Floats, counted: Bools
) -> None:
    """Add events to rings one after the other, and write the sums of the windows as they are after each event.

    Args:
        counts: Content of the rings by slot, bucket modulo the ring's length, and counter; changed.
        head: Newest bucket of each slot, -1 for none; changed.
        slots: Slot of each event.
        buckets: Bucket of each event, as a number since the epoch.
        amounts: What each event adds to each counter.
        windows: Lengths of the windows in buckets, ascending; may be empty.
        sums: Receives the sums by event, window and counter: those of the window that ends with the event's own bucket.
        counted: Receives whether the event was added; one older than the ring is not.
    """
    length, kinds = counts.shape[1], counts.shape[2]
    for each in range(slots.size):
        slot, bucket = slots[each], buckets[each]
        newest = head[slot]
        if newest >= 0 and bucket <= newest - length:
            counted[each] = False
            continue
        for begun in range(_first_begun(newest, bucket, length), bucket + 1):
            for kind in range(kinds):
                counts[slot, begun % length, kind] = 0.0
        head[slot] = max(newest, bucket)
        for kind in range(kinds):
            counts[slot, bucket % length, kind] += amounts[each, kind]
        counted[each] = True
        oldest = max(head[slot] - length + 1, 0)
        for kind in range(kinds):
            total, reached = 0.0, bucket
            for window in range(windows.size):
                last = max(bucket - windows[window] + 1, oldest)
                while reached >= last:
                    total += counts[slot, reached % length, kind]
                    reached -= 1
                sums[each, window, kind] = total


@njit(cache=True)
def sketch_step(
    registers: npt.NDArray[np.uint8], head: Ints, slots: Ints, buckets: Ints, places: Ints, ranks: Ints, wanted: Bools
) -> None:
    """Raise the registers of distinct counts, bucket by bucket.

    Args:
        registers: Registers by slot, bucket modulo the ring's length, and place; changed.
        head: Newest bucket of each slot, -1 for none; changed.
        slots: Slot of each event.
        buckets: Bucket of each event.
        places: Register of each event's user.
        ranks: Rank of each event's user.
        wanted: Whether the event's user is counted; the ring moves on all the same.
    """
    length, most = registers.shape[1], registers.shape[2]
    for each in range(slots.size):
        slot, bucket = slots[each], buckets[each]
        newest = head[slot]
        if newest >= 0 and bucket <= newest - length:
            continue
        for begun in range(_first_begun(newest, bucket, length), bucket + 1):
            for place in range(most):
                registers[slot, begun % length, place] = 0
        head[slot] = max(newest, bucket)
        if wanted[each] and registers[slot, bucket % length, places[each]] < ranks[each]:
            registers[slot, bucket % length, places[each]] = ranks[each]


def register_of(hashed: int) -> tuple[int, int]:
    """Return the register and the rank of a user in a HyperLogLog of REGISTERS registers.

    Args:
        hashed: A hash of the user, 64 bits.

    >>> register_of(0x0100000000000005)
    (5, 8)
    """
    rest = hashed >> 8
    return hashed & (REGISTERS - 1), 57 - rest.bit_length()


def distinct(registers: npt.NDArray[np.uint8]) -> float:
    """Return the number of distinct users that merged registers stand for (HyperLogLog, Flajolet et al. 2007).

    Few users are counted by the registers that are still empty; the standard error beyond that is 6.5 %.

    Args:
        registers: Registers of any number of buckets, one bucket a row; the largest of each column counts.

    >>> distinct(np.zeros((3, REGISTERS), dtype=np.uint8))
    0.0
    """
    merged = registers.reshape(-1, REGISTERS).max(axis=0).astype(np.float64)
    estimate = (0.7213 / (1 + 1.079 / REGISTERS)) * REGISTERS**2 / float(np.sum(2.0**-merged))
    empty = int(np.count_nonzero(merged == 0))
    return REGISTERS * math.log(REGISTERS / empty) if empty and estimate <= 2.5 * REGISTERS else estimate


def latency_bin(latency_ms: float) -> int:
    """Return the bin of a latency.

    >>> latency_bin(0.5), latency_bin(100), latency_bin(1e12)
    (0, 14, 47)
    """
    return 0 if latency_ms < 1 else min(LATENCY_BINS - 1, 1 + int(math.log(latency_ms) / math.log(LATENCY_GROWTH)))


def latency_quantile(bins: Floats, share: float) -> float | None:
    """Return a quantile of latency in ms by bins, within a fifth of its value; None without any latency.

    Args:
        bins: Numbers of events by bin.
        share: The quantile, in [0, 1].

    >>> bins = np.zeros(LATENCY_BINS); bins[latency_bin(100)] = 10
    >>> 80 < latency_quantile(bins, 0.95) < 120
    True
    """
    total = float(bins.sum())
    if total <= 0:
        return None
    found = int(np.searchsorted(np.cumsum(bins), share * total))
    return 0.5 if found == 0 else LATENCY_GROWTH ** (min(found, LATENCY_BINS - 1) - 0.5)


@dataclass(slots=True)
class Ring:
    """The rings of all slots for one length of bucket: counters, and if asked for registers of distinct users.

    Attributes:
        length: Number of buckets.
        counters: Number of counters.
        sketches: Number of sketches of distinct users.
        counts: Content by slot, bucket and counter.
        head: Newest bucket of each slot.
        registers: Registers of each sketch, by slot, bucket and place.
        sketch_head: Newest bucket of each slot, by sketch.
    """

    length: int
    counters: int
    sketches: int = 0
    counts: Floats = field(init=False)
    head: Ints = field(init=False)
    registers: list[npt.NDArray[np.uint8]] = field(init=False)
    sketch_head: list[Ints] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = np.zeros((_FIRST_SLOTS, self.length, self.counters))
        self.head = np.full(_FIRST_SLOTS, NOTHING, dtype=np.int64)
        self.registers = [np.zeros((_FIRST_SLOTS, self.length, REGISTERS), np.uint8) for _ in range(self.sketches)]
        self.sketch_head = [self.head.copy() for _ in range(self.sketches)]

    def make_room(self, slots: int) -> None:
        """Make room for at least that many slots; the content stays.

        Args:
            slots: Number of slots.
        """
        missing = max(slots, 2 * len(self.head)) - len(self.head) if slots > len(self.head) else 0
        if not missing:
            return
        empty = np.full(missing, NOTHING, dtype=np.int64)
        self.counts = np.concatenate([self.counts, np.zeros((missing, *self.counts.shape[1:]))])
        self.head = np.concatenate([self.head, empty])
        more = np.zeros((missing, self.length, REGISTERS), np.uint8)
        self.registers = [np.concatenate([each, more]) for each in self.registers]
        self.sketch_head = [np.concatenate([each, empty]) for each in self.sketch_head]

    def clear(self, slot: int) -> None:
        """Empty a slot.

        Args:
            slot: Its number.
        """
        self.head[slot] = NOTHING
        self.counts[slot] = 0
        for registers, head in zip(self.registers, self.sketch_head, strict=True):
            registers[slot], head[slot] = 0, NOTHING

    def content(self, slot: int) -> bytes:
        """Return the content of a slot as bytes, which `restore` reads.

        Args:
            slot: Its number.
        """
        heads = np.array([self.head[slot], *(head[slot] for head in self.sketch_head)], dtype=np.int64)
        return b"".join(
            [heads.tobytes(), self.counts[slot].tobytes(), *(each[slot].tobytes() for each in self.registers)]
        )

    @property
    def content_bytes(self) -> int:
        """Return the number of bytes of `content`."""
        return 8 * (1 + self.sketches) + 8 * self.length * self.counters + self.sketches * self.length * REGISTERS

    def restore(self, slot: int, content: bytes) -> None:
        """Fill a slot with the bytes that `content` returned.

        Args:
            slot: Its number.
            content: The bytes.
        """
        heads = np.frombuffer(content, dtype=np.int64, count=1 + self.sketches)
        start = heads.nbytes
        counts = np.frombuffer(content, dtype=np.float64, count=self.length * self.counters, offset=start)
        self.head[slot] = heads[0]
        self.counts[slot] = counts.reshape(self.length, self.counters)
        start += counts.nbytes
        for place, registers in enumerate(self.registers):
            size = self.length * REGISTERS
            found = np.frombuffer(content, dtype=np.uint8, count=size, offset=start + place * size)
            registers[slot] = found.reshape(self.length, REGISTERS)
            self.sketch_head[place][slot] = heads[1 + place]

    def buckets(self, slot: int, *, until: int, length: int) -> Ints:
        """Return the positions in the ring of those of the `length` buckets up to `until` that it holds.

        Args:
            slot: Number of the slot.
            until: Newest bucket of the window.
            length: Number of buckets of the window.
        """
        newest = int(self.head[slot])
        if newest < 0:
            return np.empty(0, dtype=np.int64)
        first = max(until - length + 1, newest - self.length + 1, 0)
        return np.arange(first, min(until, newest) + 1, dtype=np.int64) % self.length
