"""What distances come up by chance: each week of the baseline held against the rest of it, with the units drawn anew.

A moving-block bootstrap (Kunsch 1989) over days, in blocks as long as the window of now, crossed with a cluster bootstrap
over units. Every column meets the same blocks and the same draws, so that the largest of all standardised distances has
its true distribution, whatever the columns have to do with each other (Westfall and Young 1993): the limits hold for the
whole family. A week has seven verdicts whose windows overlap, so the largest of seven in a row is what is limited.

The drawing adds the sampling noise of units to blocks that hold it already. The limits are up to 1.4 times as wide for
it, which pays for how few independent weeks a baseline has.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from intelligence.drift.distance import Scale
from intelligence.drift.history import History
from intelligence.risk.model import Floats

Counts = NDArray[np.float32]
WINDOW_DAYS: Final = 7
VERDICTS_PER_WEEK: Final = 7
APART_DAYS: Final = 21
LEAST_SHARE: Final = 0.3
DRAWS: Final = 60
SEED: Final = 20_261


def limits(
    history: History, scales: Mapping[str, Scale], *, false_alarms_per_week: float, units_change: bool = False
) -> dict[str, float]:
    """Return for each column the distance that one of all columns exceeds in that share of weeks without any drift.

    Where `units_change`, those of now are in time others than those of the baseline: week and rest are then drawn apart,
    so that what sets one unit off from another does not cancel.
    """
    weights = drawn_weights(history.group_count)
    others = np.vstack([weights[:1], np.roll(weights[1:], 1, axis=0)]) if units_change else weights
    names = list(scales)
    roots = np.sqrt(np.stack([chance_distances(history, name, scales[name], weights, others) for name in names]))
    centre, spread = np.nanmean(roots, axis=(1, 2)), np.nanstd(roots, axis=(1, 2))
    standardised = (roots - centre[:, None, None]) / np.where(spread > 0, spread, 1.0)[:, None, None]
    largest = np.nanmax(np.where(np.isnan(standardised), -np.inf, standardised), axis=0)
    bound = float(np.quantile(largest_of_a_week(largest), 1 - false_alarms_per_week))
    reached = np.maximum(centre + bound * spread, 0.0) ** 2
    return dict(zip(names, map(float, reached), strict=True))


def drawn_weights(groups: int) -> Floats:
    """Return how often each group counts, shape (1 + DRAWS, groups); the first line counts each once."""
    drawn = np.random.default_rng(SEED).multinomial(groups, np.full(groups, 1 / groups), size=DRAWS)
    return np.vstack([np.ones(groups), drawn])


def largest_of_a_week(by_start: Floats) -> Floats:
    """Return the largest of each seven in a row along the first axis; of all, where there are fewer."""
    length = min(VERDICTS_PER_WEEK, len(by_start))
    rolled: Floats = np.lib.stride_tricks.sliding_window_view(by_start, length, axis=0).max(axis=-1)
    return rolled


def chance_distances(
    history: History, name: str, scale: Scale, weights: Floats, others: Floats | None = None
) -> Floats:
    """Return the distance of each block of days from the days apart from it, shape (blocks, lines of weights).

    `others` are the weights of the days apart, where they are not those of the block.
    """
    others = weights if others is None else others
    until = _counts_until(history, name, scale)
    everything = until[-1]
    found = []
    for start in range(history.day_count - WINDOW_DAYS + 1):
        block = until[start + WINDOW_DAYS] - until[start]
        rest = everything - _near(until, start, everything)
        found.append(scale.distances(weights @ block, others @ rest))
    return np.stack(found)


def _near(until: Counts, start: int, everything: Counts) -> Counts:
    """Return the counts of the block and of the days too close to it, as long as enough days remain without them."""
    days = len(until) - 1
    first, last = max(0, start - APART_DAYS), min(days, start + WINDOW_DAYS + APART_DAYS)
    near: Counts = until[last] - until[first]
    if everything[:, -1].sum() - near[:, -1].sum() >= LEAST_SHARE * everything[:, -1].sum():
        return near
    block: Counts = until[start + WINDOW_DAYS] - until[start]
    return block


def _counts_until(history: History, name: str, scale: Scale) -> Counts:
    """Return the cumulated counts by group of all days before each day, shape (days + 1, groups, points)."""
    values, groups, points = history.columns[name], history.group_count, len(scale.grid)
    present = ~np.isnan(values)
    cell = (history.days[present] * groups + history.groups[present]) * points + scale.places(values[present])
    counts = np.bincount(cell, minlength=history.day_count * groups * points)
    by_day = np.cumsum(counts.reshape(history.day_count, groups, points), axis=2, dtype=np.float32)
    return np.concatenate([np.zeros((1, groups, points), np.float32), np.cumsum(by_day, axis=0)])
