"""Slow trends, named before a promise breaks: a robust slope with its interval, and the day on which the limit would be crossed."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from intelligence.signals.detectors import TREND_DAYS

Floats = NDArray[np.float64]

HORIZON_DAYS: Final = 28
_Z95: Final = 1.959964


@dataclass(frozen=True, slots=True)
class Slopes:
    """Robust slopes per day (Sen 1968), one for each window.

    Attributes:
        slope: Median slope of all pairs of days.
        low: Lower bound of its 95 % interval, by the variance of Kendall's rank correlation.
        high: Upper bound.
        now: Value of the line on the last day.
    """

    slope: Floats
    low: Floats
    high: Floats
    now: Floats

    def days_to(self, limit: Floats) -> tuple[Floats, Floats, Floats]:
        """Return in how many days the line crosses the limit from below, with the interval; infinite where it does not.

        A line that has crossed it already has 0 days to go.

        Args:
            limit: The limit of each window; NaN without one.
        """
        room = limit - self.now
        return _days(room, self.slope), _days(room, self.high), _days(room, self.low)


def _days(room: Floats, slope: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(room <= 0, 0.0, np.where(slope > 0, room / slope, np.inf))
    return np.where(np.isnan(room), np.inf, found)


def slopes(windows: Floats) -> Slopes:
    """Return the robust slope of each window.

    Args:
        windows: Shape (windows, days), the last day last; a missing day is NaN.

    >>> found = slopes(np.arange(21.0)[None, :] / 2)
    >>> found.slope.item(), found.days_to(np.array([12.0]))[0].item()
    (0.5, 4.0)
    """
    days = windows.shape[1]
    first, second = np.triu_indices(days, 1)
    each = np.sort((windows[:, second] - windows[:, first]) / (second - first), axis=1)
    pairs = np.isfinite(each).sum(axis=1)
    count = np.isfinite(windows).sum(axis=1)
    half = _Z95 * np.sqrt(count * (count - 1) * (2 * count + 5) / 18) / 2
    line = np.arange(len(windows))

    def at(place: Floats) -> Floats:
        lower = np.clip(np.floor(place), 0, np.maximum(pairs - 1, 0)).astype(np.int64)
        upper = np.clip(np.ceil(place), 0, np.maximum(pairs - 1, 0)).astype(np.int64)
        found: Floats = (each[line, lower] + each[line, upper]) / 2
        return found

    middle = (pairs - 1) / 2
    slope = at(middle)
    back = np.arange(days) - (days - 1)
    with np.errstate(invalid="ignore"):
        now = np.nanmedian(windows - slope[:, None] * back, axis=1) if len(windows) else np.empty(0)
    return Slopes(slope, at(middle - half), at(middle + half), now)


def windows_at(values: Floats, who: NDArray[np.int64], when: NDArray[np.int64]) -> Floats:
    """Return the last three weeks before and including each place; NaN before the first day.

    Args:
        values: Shape (series, days).
        who: Positions of series.
        when: Positions of days.
    """
    days = when[:, None] - TREND_DAYS + 1 + np.arange(TREND_DAYS)
    found: Floats = np.where(days >= 0, values[who[:, None], np.maximum(days, 0)], np.nan)
    return found
