"""How far the values of now lie from those of the baseline.

The distance is the normed Wasserstein distance that Evidently shows: the area between the two distribution functions over
the baseline's standard deviation, so that 0.1 is a shift of all values by a tenth of it. Values are counted on a grid of
the baseline's own quantiles and of points evenly between, for values of now may lie where the baseline has few. The outermost
half per cent is drawn in, so that one wild value cannot pass for drift.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from intelligence.risk.model import Floats

GRID_POINTS: Final = 64
EVEN_POINTS: Final = 33
DRAWN_IN: Final = (0.005, 0.995)
# Values that differ by less than this share of themselves are alike: what differs is their last bits.
ROUNDING: Final = 1e-9

Measure = Literal["distribution", "mean"]


@dataclass(frozen=True, slots=True)
class Scale:
    """The grid on which a column is counted, and what its distances are divided by."""

    grid: Floats
    sd: float
    measure: Measure = "distribution"

    def counts(self, values: Floats) -> Floats:
        """Return how many values lie at or below each point of the grid, those beyond its end at the last; NaN is left out."""
        places = self.places(values[~np.isnan(values)])
        counted: Floats = np.cumsum(np.bincount(places, minlength=len(self.grid)).astype(np.float64))
        return counted

    def places(self, values: Floats) -> NDArray[np.int64]:
        """Return for each value the first point of the grid that is not below it."""
        found: NDArray[np.int64] = np.minimum(np.searchsorted(self.grid, values, side="left"), len(self.grid) - 1)
        return found

    def distances(self, now: Floats, baseline: Floats) -> Floats:
        """Return the distance between cumulated counts, shape (..., points) each; NaN where one side is empty.

        As the measure `mean` it is the difference of the two means, without regard to shape.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            gap = now[..., :-1] / now[..., -1:] - baseline[..., :-1] / baseline[..., -1:]
        widths = np.diff(self.grid)
        area: Floats = np.abs(gap) @ widths if self.measure == "distribution" else np.abs(gap @ widths)
        return area / self.sd


def outcome_scale(scores: Floats) -> Scale | None:
    """Return the scale for outcomes less their scores, whose spread is the one that the scores themselves promise.

    A baseline may hold no single positive, and the first ones to come must not be drawn in with its outermost values.
    """
    sd = float(np.sqrt(np.nanmean(scores * (1 - scores)))) if np.isfinite(scores).any() else 0.0
    return Scale(np.linspace(-1.0, 1.0, GRID_POINTS + 1), sd, "mean") if sd > 0 else None


def scale_of(values: Floats) -> Scale | None:
    """Return the scale that a baseline's values give; None where they are all alike or absent, so that nothing can move.

    >>> scale_of(np.array([1.0, 1.0])) is None
    True
    """
    present = values[~np.isnan(values)]
    if not len(present):
        return None
    low, high = np.quantile(present, DRAWN_IN)
    if low == high:
        low, high = present.min(), present.max()
    inner = np.clip(present, low, high)
    quantiles = np.quantile(inner, np.linspace(0, 1, GRID_POINTS))
    grid = np.unique(np.concatenate([quantiles, np.linspace(low, high, EVEN_POINTS)]))
    if len(grid) < 2:
        return None
    counts = Scale(grid, 1.0).counts(present)
    sd = spread(grid, counts / counts[-1])
    return Scale(grid, sd) if sd > ROUNDING * np.abs(grid).max() else None


def spread(grid: Floats, shares: Floats) -> float:
    """Return the standard deviation of values of which `shares` lie at or below each point of the grid."""
    weights = np.diff(shares, prepend=0.0)
    return float(np.sqrt(((grid - grid @ weights) ** 2) @ weights))
