"""How fast promises are broken: burn rates of error budgets over several windows.

After Beyer et al., The Site Reliability Workbook (2018), chapter 5: the burn rate is the bad share over the share
allowed, and an alarm needs a short and a long window to agree. Windows here are days, since a row is a feature-day.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WILSON_Z: Final = 2.33


def trailing_sums(counts: Floats, window: int) -> Floats:
    """Return, along the last axis, the sum of each day and the `window - 1` days before it.

    >>> trailing_sums(np.array([1.0, 2.0, 3.0]), 2)
    array([1., 3., 5.])
    """
    total = np.cumsum(counts, axis=-1)
    shifted = np.zeros_like(total)
    shifted[..., window:] = total[..., :-window]
    difference: Floats = total - shifted
    return difference


def burn_rates(bad: Floats, total: Floats, allowed: Floats) -> Floats:
    """Return (bad / total) / allowed; NaN where there is nothing to judge."""
    with np.errstate(invalid="ignore", divide="ignore"):
        burn: Floats = np.where(total > 0, bad / total / allowed, np.nan)
    return burn


def wilson_lower_bounds(bad: Floats, total: Floats, *, z: float = WILSON_Z) -> Floats:
    """Return the lower bound of the bad share by Wilson's score interval (1927); 0 where there is nothing to judge.

    >>> wilson_lower_bounds(np.array([5.0]), np.array([100.0])).round(3)
    array([0.019])
    """
    return share_lower_bounds(bad / np.maximum(total, 1.0), total, z=z)


def share_lower_bounds(share: Floats, total: Floats, *, z: float = WILSON_Z) -> Floats:
    """Return the same of a share that is known from as much as `total` independent events, which need be no whole number."""
    n = np.maximum(total, 1e-9)
    centre = share + z**2 / (2 * n)
    half_width = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    bounds: Floats = np.where(total > 0, (centre - half_width) / (1 + z**2 / n), 0.0)
    clipped: Floats = np.clip(bounds, 0.0, share)
    return clipped
