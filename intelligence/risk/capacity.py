"""Which rows can be reviewed: a share of the rows of each time, or of several times together where each has too few rows.

Five per cent of seven rows are a third of a row. Rounded up for each time, that would be one row of seven, and every row of
a time with a single one. So consecutive times form a stretch that is long enough for one row, and the remainder of the
share is carried over to the next stretch. Up to the end of any stretch no more rows are flagged than the share allows.
"""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROUNDING: Final = 1e-9
TIES_SEED: Final = 41


def fewest_rows(capacity: float) -> int:
    """Return the least number of rows of which the share `capacity`, in (0, 1], is one row.

    >>> fewest_rows(0.05), fewest_rows(1.0)
    (20, 1)
    """
    return math.ceil(1 / capacity - ROUNDING)


def stretches(times: Ints, capacity: float) -> Ints | None:
    """Return the number of the stretch that each row belongs to, from 0; None where all rows together are too few for one.

    A stretch is one time with at least `fewest_rows(capacity)` rows, or the consecutive times that together have them; times
    that remain at the end belong to the last stretch.

    Args:
        times: Time of each row as a whole number, shape (rows,).
        capacity: Share of the rows that can be reviewed, in (0, 1].

    >>> stretches(np.array([5, 5, 7, 8, 9]), 0.5).tolist()
    [0, 0, 1, 1, 1]
    """
    needed = fewest_rows(capacity)
    if len(times) < needed:
        return None
    _, place, sizes = np.unique(times, return_inverse=True, return_counts=True)
    first_of = np.zeros(len(sizes), dtype=np.int64)
    first_of[list(_starts(np.cumsum(sizes), needed))] = 1
    numbers: Ints = (np.cumsum(first_of) - 1)[place]
    return numbers


def _starts(until: Ints, needed: int) -> Iterator[int]:
    """Yield the index of each time at which a stretch begins; `until` is the cumulative number of rows by time."""
    start, before, total = 0, 0, int(until[-1])
    while start < len(until) and total - before >= needed:
        yield start
        start = int(np.searchsorted(until, before + needed)) + 1
        before = int(until[start - 1])


def flagged_at_capacity(scores: Floats, times: Ints, capacity: float) -> Bools | None:
    """Return which rows have the highest scores of their stretch, up to the capacity; None where the rows are too few.

    Ties are broken at random with a fixed seed, so that the same rows are flagged each time.

    Args:
        scores: Score of each row, shape (rows,).
        times: Time of each row as a whole number, shape (rows,).
        capacity: Share of the rows that can be reviewed, in (0, 1].
    """
    numbers = stretches(times, capacity)
    if numbers is None:
        return None
    lot = np.random.default_rng(TIES_SEED).permutation(len(scores))
    order = np.lexsort((lot, -scores, numbers))
    sizes = np.bincount(numbers)
    until = np.cumsum(sizes)
    allowed = np.diff(np.floor(capacity * until + ROUNDING), prepend=0.0)
    rank = np.arange(len(scores)) - np.repeat(until - sizes, sizes)
    flagged = np.zeros(len(scores), dtype=bool)
    flagged[order] = rank < np.repeat(allowed, sizes)
    return flagged


def capacity_in_words(times: Ints, capacity: float, *, a_time: str) -> str:
    """Return which rows can be reviewed, in words that follow "Looking at"; why none can, where the rows are too few.

    Args:
        times: Time of each row as a whole number, shape (rows,).
        capacity: Share of the rows that can be reviewed, in (0, 1].
        a_time: What one time is called, such as "day".

    >>> capacity_in_words(np.repeat(np.arange(3), 40), 0.05, a_time="day")
    '5% of the rows of each day'
    >>> capacity_in_words(np.arange(60), 0.05, a_time="day")
    '5% of the rows of every 20 days, since a single one has too few'
    >>> capacity_in_words(np.arange(6), 0.05, a_time="day")
    'nothing: 6 rows are fewer than the 20 of which one is 5%'
    """
    numbers = stretches(times, capacity)
    if numbers is None:
        return f"nothing: {len(times)} rows are fewer than the {fewest_rows(capacity)} of which one is {_percent(capacity)}"
    distinct = np.unique(times)
    count = int(numbers.max()) + 1
    if count == len(distinct):
        return f"{_percent(capacity)} of the rows of each {a_time}"
    together = round(len(distinct) / count)
    if together == 1:
        return f"{_percent(capacity)} of the rows of each {a_time}, those with too few taken with the next"
    return f"{_percent(capacity)} of the rows of every {together} {a_time}s, since a single one has too few"


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
