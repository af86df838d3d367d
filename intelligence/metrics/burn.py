"""Burn rates of error budgets over several windows: how fast the promises of features are broken.

After Beyer et al., The Site Reliability Workbook (2018), chapter 5: the burn rate is the share of bad events divided by
the allowed share, and an alarm needs a short and a long window to agree. Windows are in days here, since a row is a
feature-day.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WILSON_Z: Final = 2.33


def trailing_sums(counts: Floats, window: int) -> Floats:
    """Return the sum of each day and the days before it in the window, in the shape of `counts`.

    Args:
        counts: Counts with the days in order on the last axis.
        window: Length of the window in days, the day itself included.

    >>> trailing_sums(np.array([1.0, 2.0, 3.0]), 2)
    array([1., 3., 5.])
    """
    total = np.cumsum(counts, axis=-1)
    shifted = np.zeros_like(total)
    shifted[..., window:] = total[..., :-window]
    difference: Floats = total - shifted
    return difference


def burn_rates(bad: Floats, total: Floats, allowed: Floats) -> Floats:
    """Return the burn rates (bad / total) / allowed; NaN where there are no events.

    Args:
        bad: Number of bad events.
        total: Number of all events, in the same shape.
        allowed: Allowed share of bad events, in (0, 1]; its shape broadcasts to that of `bad`.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        burn: Floats = np.where(total > 0, bad / total / allowed, np.nan)
    return burn


def wilson_lower_bounds(bad: Floats, total: Floats, *, z: float = WILSON_Z) -> Floats:
    """Return the lower bound of the share of bad events by Wilson's score interval (1927); 0 where there are no events.

    Args:
        bad: Number of bad events.
        total: Number of all events, independent of one another, in the same shape.
        z: Standard normal quantile of the one-sided confidence.

    >>> wilson_lower_bounds(np.array([5.0]), np.array([100.0])).round(3)
    array([0.019])
    """
    return share_lower_bounds(bad / np.maximum(total, 1.0), total, z=z)


def share_lower_bounds(share: Floats, total: Floats, *, z: float = WILSON_Z) -> Floats:
    """Return the lower bound of a share by Wilson's score interval (1927), from an effective number of events; 0 without any.

    Args:
        share: Observed share, in [0, 1].
        total: Effective number of independent events, not necessarily whole, in the same shape.
        z: Standard normal quantile of the one-sided confidence.
    """
    n = np.maximum(total, 1e-9)
    centre = share + z**2 / (2 * n)
    half_width = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    bounds: Floats = np.where(total > 0, (centre - half_width) / (1 + z**2 / n), 0.0)
    clipped: Floats = np.clip(bounds, 0.0, share)
    return clipped
