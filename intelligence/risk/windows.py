"""Trailing windows over a grid of features and days.

Each sum adds its days in order, so that the result of a day is bit for bit the same whichever other days are computed with
it: later rows cannot change an earlier row.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def trailing_sums(values: Floats, width: int, *, behind: int = 0) -> Floats:
    """Return, along the last axis, the sum of the `width` days that end `behind` days before each day.

    Args:
        values: Values by day along the last axis, shape (..., days); days before the first count as 0.
        width: Number of days in the window.
        behind: Number of days between the end of the window and the day itself.

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
    """Return the mean over the window's days with a value; NaN where too few have one.

    Args:
        values: Values by day along the last axis, shape (..., days); NaN where there is none.
        width: Number of days in the window.
        behind: Number of days between the end of the window and the day itself.
        least: Number of days that must have a value.
    """
    known = ~np.isnan(values)
    sums = trailing_sums(np.where(known, values, 0.0), width, behind=behind)
    counts = trailing_sums(known.astype(float), width, behind=behind)
    return ratio(sums, np.where(counts >= least, counts, 0.0))


def trailing_deviations(values: Floats, width: int, *, least: int) -> Floats:
    """Return the standard deviation over the window's days with a value; NaN where too few have one.

    Args:
        values: Values by day along the last axis, shape (..., days); NaN where there is none.
        width: Number of days in the window.
        least: Number of days that must have a value.
    """
    mean = trailing_means(values, width, least=least)
    mean_of_squares = trailing_means(values**2, width, least=least)
    deviation: Floats = np.sqrt(np.maximum(mean_of_squares - mean**2, 0.0))
    return deviation


def trailing_ewma(values: Floats, width: int, *, weight: float) -> Floats:
    """Return the exponentially weighted mean (Roberts 1959) of the window's days with a value; NaN without any.

    Args:
        values: Values by day along the last axis, shape (..., days); NaN where there is none.
        width: Number of days in the window.
        weight: Weight of the newest day, in (0, 1); each earlier day weighs 1 - weight times as much as the next.

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
    """Return part / whole, element by element; NaN where the whole is 0.

    Args:
        part: Numerators.
        whole: Denominators, 0 or more, of a shape that broadcasts with `part`.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        quotient: Floats = np.where(whole > 0, part / whole, np.nan)
    return quotient


def share_difference(bad: Floats, total: Floats, usual_bad: Floats, usual_total: Floats) -> Floats:
    """Return how far the recent bad share lies above the usual one, in standard errors of the difference; NaN without events.

    This is the two-proportion z statistic, with a pooled share that is smoothed by Laplace's rule of succession, so that the
    standard error is never 0 and a single failure never looks certain.

    Args:
        bad: Recent bad events, of any shape.
        total: All recent events, of the same shape.
        usual_bad: Bad events of the period to compare with.
        usual_total: All events of that period.

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
    """Return how far the bad share of recent days lies above that of the days before, in standard errors.

    Args:
        bad: Bad events by day along the last axis, shape (..., days).
        total: All events, of the same shape.
        recent: Number of recent days.
        baseline: Number of days before them to compare with.
    """
    return share_difference(
        trailing_sums(bad, recent),
        trailing_sums(total, recent),
        trailing_sums(bad, baseline, behind=recent),
        trailing_sums(total, baseline, behind=recent),
    )


def growth(values: Floats, earlier: Floats) -> Floats:
    """Return the natural logarithm of values / earlier; NaN where either is missing or 0.

    Args:
        values: Values, of any shape.
        earlier: Earlier values, of the same shape.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.where((values > 0) & (earlier > 0), np.log(values / earlier), np.nan)
    return found
