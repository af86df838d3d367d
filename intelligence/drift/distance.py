"""How far recent values lie from those of the baseline.

The distance is the normed Wasserstein distance that Evidently shows: the area between the two distribution functions
divided by the baseline's standard deviation. A distance of 0.1 corresponds to a shift of all values by 0.1 standard
deviations. Values are counted on a grid that consists of the baseline's quantiles and of evenly spaced points, since recent
values may lie where the baseline has few. Values below the 0.5th or above the 99.5th percentile of the baseline are clipped
to it, so that a single extreme value does not count as drift.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from intelligence.risk.model import Floats

GRID_POINTS: Final = 64
EVEN_POINTS: Final = 33
CLIP_QUANTILES: Final = (0.005, 0.995)
# Values whose relative difference is smaller than this are equal: they differ by rounding only.
ROUNDING: Final = 1e-9

Measure = Literal["distribution", "mean"]


@dataclass(frozen=True, slots=True)
class Scale:
    """The grid on which the values of a column are counted, and the unit of its distances.

    Attributes:
        grid: Points in rising order, in the unit of the column.
        sd: The standard deviation by which distances are divided.
        measure: `distribution` compares whole distributions, `mean` only their means.
    """

    grid: Floats
    sd: float
    measure: Measure = "distribution"

    def counts(self, values: Floats) -> Floats:
        """Return how many values lie at or below each point of the grid.

        Values beyond the end of the grid count at its last point; NaN is not counted.
        """
        places = self.places(values[~np.isnan(values)])
        counted: Floats = np.cumsum(np.bincount(places, minlength=len(self.grid)).astype(np.float64))
        return counted

    def places(self, values: Floats) -> NDArray[np.int64]:
        """Return for each value the index of the first point of the grid that is not below it, the last index where none is."""
        found: NDArray[np.int64] = np.minimum(np.searchsorted(self.grid, values, side="left"), len(self.grid) - 1)
        return found

    def distances(self, now: Floats, baseline: Floats) -> Floats:
        """Return the distance between two arrays of cumulative counts, in standard deviations; NaN where one side is empty.

        With the measure `mean` it is the absolute difference of the two means, whatever the shapes of the distributions.

        Args:
            now: Recent cumulative counts from `counts`, shape (..., points).
            baseline: Cumulative counts of the baseline, or its cumulative shares, of a shape that broadcasts with `now`.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            gap = now[..., :-1] / now[..., -1:] - baseline[..., :-1] / baseline[..., -1:]
        widths = np.diff(self.grid)
        area: Floats = np.abs(gap) @ widths if self.measure == "distribution" else np.abs(gap @ widths)
        return area / self.sd


def outcome_scale(scores: Floats) -> Scale | None:
    """Return the scale for outcomes minus scores; None where no score is known or all are 0 or 1.

    The standard deviation is the one that calibrated scores imply, the root of the mean of p (1 - p). The grid spans -1 to
    1, because a baseline without any positive row gives no range to which later positive rows could be clipped.
    """
    sd = float(np.sqrt(np.nanmean(scores * (1 - scores)))) if np.isfinite(scores).any() else 0.0
    return Scale(np.linspace(-1.0, 1.0, GRID_POINTS + 1), sd, "mean") if sd > 0 else None


def scale_of(values: Floats) -> Scale | None:
    """Return the scale for the values of a baseline; None where they are all equal or missing, so that drift is undefined.

    >>> scale_of(np.array([1.0, 1.0])) is None
    True
    """
    present = values[~np.isnan(values)]
    if not len(present):
        return None
    low, high = np.quantile(present, CLIP_QUANTILES)
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
    """Return the standard deviation of a distribution on a grid.

    Args:
        grid: Points in rising order, shape (points,).
        shares: Share of the values at or below each point, in [0, 1], shape (points,).
    """
    weights = np.diff(shares, prepend=0.0)
    return float(np.sqrt(((grid - grid @ weights) ** 2) @ weights))
