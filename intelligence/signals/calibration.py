"""How surprising a score is, by the product's own past, and from which surprise on it is an anomaly.

The product asks for a number of false alarms per week. With so many series a day, each may alarm by chance with a probability of that
number divided by seven and by the series. Such a probability is far out in the tail, where a short past has no example. So the
tail goes through two quantiles of the past that examples support, as that of a power of a normal variable, and a prior of 400 examples
stands for what is not known yet. What was an anomaly itself teaches nothing.
"""

from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BINS: Final = 500
PRIOR_EXAMPLES: Final = 400.0
# Examples that the outer quantile has to lie within, so that no single one decides.
FEWEST_BEYOND: Final = 12
MOST_SURPRISE: Final = 14.0
FORGOTTEN_DAYS: Final = 14
# With weeks of examples a day more changes little.
FITTED_DAILY, FITTED_EVERY = 28, 4
# What lies as far out as this many standard deviations of a normal variable is no example of what is usual.
FURTHEST: Final = 4.0
_NORMAL: Final = NormalDist()
_GRID: Final = np.linspace(0.0, MOST_SURPRISE, 2_801)


@lru_cache(maxsize=1)
def _normal_quantiles() -> Floats:
    """Return the normal quantiles of tails of 10^-x for every x of the grid."""
    return np.array([-_NORMAL.inv_cdf(min(10**-x, 1 - 1e-12)) for x in _GRID.tolist()])


def _quantile_of(share: Floats) -> Floats:
    return np.interp(-np.log10(share), _GRID, _normal_quantiles())


@dataclass(frozen=True, slots=True, kw_only=True)
class TailShape:
    """What is assumed of a tail.

    Attributes:
        inner: Upper share of the past at the inner quantile.
        outer: Largest upper share at the outer quantile, with little past.
        deepest: Smallest one, with much past.
        powers: Smallest and largest power of a normal variable.
        prior: Scores that `inner` and `outer` of all exceed before anything is known.
        step: Width of a bin of scores.
        least: Smallest standard deviation: that of scores that are in standard deviations already, as the counts give them.
    """

    inner: float
    outer: float
    deepest: float
    powers: tuple[float, float]
    prior: tuple[float, float]
    step: float
    least: float = 0.0


RESIDUAL: Final = TailShape(
    inner=0.02, outer=0.004, deepest=0.001, powers=(0.9, 1.6), prior=(2.3, 3.0), step=0.05, least=1.0
)
# The windows of neighbouring days overlap, and whatever lasts weighs on many of them: the quantiles lie where troubles are few.
WINDOW: Final = TailShape(
    inner=0.2, outer=0.08, deepest=0.08, powers=(1.0, 1.25), prior=(1.1, 1.9), step=0.05, least=1.0
)
ISOLATION: Final = TailShape(inner=0.02, outer=0.004, deepest=0.0001, powers=(0.2, 0.8), prior=(0.60, 0.68), step=0.002)
COMBINED: Final = TailShape(inner=0.02, outer=0.004, deepest=0.0001, powers=(1.4, 2.2), prior=(1.5, 2.2), step=0.02)


class Tails:
    """The upper tails of scores, one for each group, learnt day by day.

    Args:
        groups: Number of groups.
        shape: What is assumed of them.
    """

    def __init__(self, groups: int, shape: TailShape) -> None:
        self._shape = shape
        power = float(np.log(shape.prior[1] / shape.prior[0]) / np.log(_ratio(shape.inner, np.array([shape.outer]))[0]))
        unit = shape.prior[0] / float(_quantile_of(np.array([shape.inner]))[0]) ** power
        edges = (np.arange(BINS + 1) * shape.step / unit) ** (1 / power)
        above = 10.0 ** -np.interp(edges, _normal_quantiles()[_GRID > 0.31], _GRID[_GRID > 0.31], left=0.0)
        self._counts: Floats = np.tile(PRIOR_EXAMPLES * -np.diff(above, append=0.0)[:BINS], (groups, 1))
        self._others: Floats = np.zeros(groups)
        self._days = 0
        self._unit = self._power = np.empty(0)
        self._lately: deque[tuple[Ints, Ints]] = deque(maxlen=FORGOTTEN_DAYS)
        self._fit()

    def learn(self, who: Ints, group: Ints, scores: Floats, others: Ints) -> None:
        """Add the scores of a day.

        Args:
            who: Position of the series of each score.
            group: The group of each score.
            scores: Scores from 0 up.
            others: Groups of examples whose score is not known, only that it lies far below the tail.
        """
        usual = scores < self._unit[group] * FURTHEST ** self._power[group]
        who, group, scores = who[usual], group[usual], scores[usual]
        cell = group * BINS + np.minimum((scores / self._shape.step).astype(np.int64), BINS - 1)
        self._count(cell, 1.0)
        self._others += np.bincount(others, minlength=len(self._others))
        self._lately.append((who, cell))
        self._days += 1
        if self._days <= FITTED_DAILY or self._days % FITTED_EVERY == 0:
            self._fit()

    def forget(self, series: Bools) -> None:
        """Take back what these series taught in the last two weeks: their trouble had begun before it showed.

        Args:
            series: Whether each series is to be forgotten.
        """
        for place, (who, cell) in enumerate(self._lately):
            gone = series[who]
            if gone.any():
                self._count(cell[gone], -1.0)
                self._lately[place] = (who[~gone], cell[~gone])

    def _count(self, cell: Ints, by: float) -> None:
        groups = len(self._others)
        self._counts += by * np.bincount(cell, minlength=groups * BINS).reshape(groups, BINS)

    def _fit(self) -> None:
        shape = self._shape
        above = np.cumsum(self._counts[:, ::-1], axis=1)[:, ::-1]
        total = above[:, 0] + self._others
        outer = np.clip(FEWEST_BEYOND / total, shape.deepest, shape.outer)
        near, far = self._quantile(above, shape.inner * total), self._quantile(above, outer * total)
        with np.errstate(divide="ignore"):
            power = np.log(np.maximum(far / near, 1.0)) / np.log(_ratio(shape.inner, outer))
        self._power = np.clip(power, *shape.powers)
        self._unit = np.maximum(far / _quantile_of(outer) ** self._power, shape.least)

    def _quantile(self, above: Floats, count: Floats) -> Floats:
        """Return the score that `count` examples of each group exceed, linear within a bin."""
        last = np.maximum((above >= count[:, None]).sum(axis=1) - 1, 0)
        line = np.arange(len(above))
        here, after = above[line, last], np.append(above, np.zeros((len(above), 1)), axis=1)[line, last + 1]
        within = np.clip((here - count) / np.maximum(here - after, 1e-12), 0, 1)
        found: Floats = np.maximum((last + within) * self._shape.step, self._shape.step)
        return found

    def surprise(self, group: Ints, scores: Floats) -> Floats:
        """Return -log10 of the probability that a score as high comes by chance; 0 for NaN.

        Args:
            group: The group of each score.
            scores: Scores from 0 up.
        """
        found = np.zeros(len(scores))
        with np.errstate(invalid="ignore"):
            high = np.flatnonzero(scores >= 0.5 * self._unit[group])
        chosen = group[high]
        normal = (scores[high] / self._unit[chosen]) ** (1 / self._power[chosen])
        found[high] = np.interp(normal, _normal_quantiles(), _GRID)
        return found


def _ratio(inner: float, outer: Floats) -> Floats:
    """Return the normal quantile of the outer share over that of the inner one."""
    return _quantile_of(outer) / _quantile_of(np.full_like(outer, inner))


def needed_surprise(false_alarms_per_week: float, *, share: float, tests: int) -> float:
    """Return the surprise from which a score is an anomaly.

    Args:
        false_alarms_per_week: How many false alarms per week the product asks for.
        share: Share of them that this detector may use up.
        tests: Scores of a day: so many chances of a false alarm there are.

    >>> round(needed_surprise(1.0, share=0.5, tests=1200), 2)
    4.23
    """
    return float(-np.log10(false_alarms_per_week * share / 7 / max(tests, 1)))
