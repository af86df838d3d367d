"""The null distribution of the distances: each week of the baseline compared with the rest of it, with units resampled.

The procedure is a moving-block bootstrap (Künsch 1989) over days, in blocks as long as the recent window, crossed with a
cluster bootstrap over units. Every column uses the same blocks and the same resamples, so the largest standardised distance
keeps its distribution however the columns are correlated (Westfall and Young 1993): the limits control the false alarms
of all columns together. A week has seven verdicts whose windows overlap, so the limits apply to the largest of seven
consecutive distances.

Resampling units adds sampling noise to blocks that contain such noise already. It widens the limits by up to 1.4 times,
which compensates for the small number of independent weeks in a baseline.
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
    """Return the limit of each column's distance; together the limits keep to the allowed share of false alarms.

    Args:
        history: Rows of the baseline, with a column for each scale.
        scales: The scale of each column, by column name.
        false_alarms_per_week: Share of weeks without drift in which at least one column may exceed its limit, in [0, 1].
        units_change: Whether recent units will be others than those of the baseline. The week and the rest of the baseline
            are then resampled independently, so that differences between units do not cancel.
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
    """Return the bootstrap weights of the groups, shape (1 + DRAWS, groups); in the first row each weight is 1."""
    drawn = np.random.default_rng(SEED).multinomial(groups, np.full(groups, 1 / groups), size=DRAWS)
    return np.vstack([np.ones(groups), drawn])


def largest_of_a_week(by_start: Floats) -> Floats:
    """Return the maximum of every seven consecutive entries along the first axis; the maximum of all where there are fewer."""
    length = min(VERDICTS_PER_WEEK, len(by_start))
    rolled: Floats = np.lib.stride_tricks.sliding_window_view(by_start, length, axis=0).max(axis=-1)
    return rolled


def chance_distances(
    history: History, name: str, scale: Scale, weights: Floats, others: Floats | None = None
) -> Floats:
    """Return the distance of each block of seven days from the rest of the baseline, shape (blocks, resamples).

    Days within three weeks of a block are left out of the rest, as long as at least 30 % of the values remain.

    Args:
        history: Rows of the baseline.
        name: Column to compare.
        scale: The scale of that column.
        weights: Weight of each group in each resample, shape (resamples, groups).
        others: Weights for the rest of the baseline, of the same shape; `weights` where it is None.
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
    """Return the counts of the block and the days near it; those of the block alone where too few values would remain."""
    days = len(until) - 1
    first, last = max(0, start - APART_DAYS), min(days, start + WINDOW_DAYS + APART_DAYS)
    near: Counts = until[last] - until[first]
    if everything[:, -1].sum() - near[:, -1].sum() >= LEAST_SHARE * everything[:, -1].sum():
        return near
    block: Counts = until[start + WINDOW_DAYS] - until[start]
    return block


def _counts_until(history: History, name: str, scale: Scale) -> Counts:
    """Return the cumulative counts of all days before each day, shape (days + 1, groups, points)."""
    values, groups, points = history.columns[name], history.group_count, len(scale.grid)
    present = ~np.isnan(values)
    cell = (history.days[present] * groups + history.groups[present]) * points + scale.places(values[present])
    counts = np.bincount(cell, minlength=history.day_count * groups * points)
    by_day = np.cumsum(counts.reshape(history.day_count, groups, points), axis=2, dtype=np.float32)
    return np.concatenate([np.zeros((1, groups, points), np.float32), np.cumsum(by_day, axis=0)])
