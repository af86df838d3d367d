"""Trailing windows over a grid of features and days.

Each sum adds its days one after the other, so that a day's result is the same to the last bit whichever days were
computed with it: rows that come later cannot touch an earlier row.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def trailing_sums(values: Floats, width: int, *, behind: int = 0) -> Floats:
    """Return, along the last axis, the sum of the `width` days that end `behind` days before each day.

    Days before the first count as 0.

    >>> trailing_sums(np.array([1.0, 2.0, 3.0]), 2)
    array([1., 3., 5.])
    >>> trailing_sums(np.array([1.0, 2.0, 3.0]), 2, behind=1)
    array([0., 1., 3.])
    """
    days = values.shape[-1]
    before = np.zeros((*values.shape[:-1], width + behind))
    padded = np.concatenate([before, values], axis=-1)
    total: Floats = np.zeros_like(values)
    for offset in range(width):
        start = width - offset
        total = total + padded[..., start : start + days]
    return total


def trailing_means(values: Floats, width: int, *, behind: int = 0, least: int = 1) -> Floats:
    """Return the mean of the days of the window that have a value; NaN where fewer than `least` have one."""
    known = ~np.isnan(values)
    sums = trailing_sums(np.where(known, values, 0.0), width, behind=behind)
    counts = trailing_sums(known.astype(float), width, behind=behind)
    return ratio(sums, np.where(counts >= least, counts, 0.0))


def trailing_deviations(values: Floats, width: int, *, least: int) -> Floats:
    """Return the standard deviation over the window's days with a value; NaN where fewer than `least` have one."""
    mean = trailing_means(values, width, least=least)
    mean_of_squares = trailing_means(values**2, width, least=least)
    deviation: Floats = np.sqrt(np.maximum(mean_of_squares - mean**2, 0.0))
    return deviation


def trailing_ewma(values: Floats, width: int, *, weight: float) -> Floats:
    """Return the exponentially weighted mean (Roberts 1959) of the window's days with a value; NaN without any.

    >>> trailing_ewma(np.array([0.0, 0.0, 1.0]), 2, weight=0.5).round(2)
    array([0.  , 0.  , 0.67])
    """
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    total, weights = np.zeros_like(values), np.zeros_like(values)
    for behind in range(width):
        share = weight * (1 - weight) ** behind
        total = total + share * trailing_sums(filled, 1, behind=behind)
        weights = weights + share * trailing_sums(known.astype(float), 1, behind=behind)
    return ratio(total, weights)


def ratio(part: Floats, whole: Floats) -> Floats:
    """Return part / whole; NaN where there is no whole."""
    with np.errstate(invalid="ignore", divide="ignore"):
        quotient: Floats = np.where(whole > 0, part / whole, np.nan)
    return quotient


def share_difference(bad: Floats, total: Floats, usual_bad: Floats, usual_total: Floats) -> Floats:
    """Return how far one bad share lies above another, in standard errors of the difference; NaN without events.

    The pooled share behind the error is Laplace's, so that a first failure never looks certain.

    >>> share_difference(*(np.array([n]) for n in (6.0, 100.0, 2.0, 100.0))).round(1)
    array([1.4])
    """
    share = (bad + usual_bad + 1) / (total + usual_total + 2)
    now, then = np.maximum(total, 1), np.maximum(usual_total, 1)
    error = np.sqrt(share * (1 - share) * (1 / now + 1 / then))
    empty = (total == 0) | (usual_total == 0)
    found: Floats = np.where(empty, np.nan, (bad / now - usual_bad / then) / error)
    return found


def rise(bad: Floats, total: Floats, *, recent: int, baseline: int) -> Floats:
    """Return how far the bad share of the `recent` days lies above that of the `baseline` days before them."""
    return share_difference(
        trailing_sums(bad, recent),
        trailing_sums(total, recent),
        trailing_sums(bad, baseline, behind=recent),
        trailing_sums(total, baseline, behind=recent),
    )


def growth(values: Floats, earlier: Floats) -> Floats:
    """Return the logarithm of values / earlier; NaN where either is missing or 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.where((values > 0) & (earlier > 0), np.log(values / earlier), np.nan)
    return found
