"""How far the rate that is observed on a day may lie from the one that is expected, where few cases leave much to chance.

A rate is forecast as it is: on the scale of log odds a day without any case would have no place, and what gives it one moves the
forecast. Its interval is one for the *observed* rate: the chance of the day's expected number of cases is in it, and what the rate
itself moves beyond that. Both together are the variance of a beta distribution, so an interval near 0 reaches further up than down.
"""

from typing import Final

import numpy as np
from scipy import special

from intelligence.forecasts.scales import Floats

# A day is taken to have as many cases as the days of the same phase in this many periods before.
CASE_PERIODS: Final = 4
# How well a rate is known follows from the cases of this many periods.
KNOWN_PERIODS: Final = 8
# Half a case before and half a case without: Jeffreys' prior.
HALF: Final = 0.5
# A bound below this share of a case holds a day without any and no other one.
NO_CASE: Final = 0.75
# The variance of a share is at most that of a share that is only 0 or 1; a beta distribution needs a little less.
MOST_VARIANCE: Final = 0.9
# With fewer cases expected on either side, what is not known of the rate itself may reach further than the rate of one day.
FEW: Final = 3.0
_TINY: Final = 1e-9


def expected_cases(cases: Floats, origin: int, *, ahead: int, period: int) -> Floats:
    """Return the number of cases to expect on each step ahead: the harmonic mean of the same phase before, at least 1.

    Args:
        cases: One row per series, one column per step; NaN where they are not known.
        origin: Index of the last known step.
        ahead: Number of steps ahead.
        period: Steps of a season.

    >>> expected_cases(np.array([[10.0, 40.0] * 5]), 9, ahead=3, period=2)
    array([[10., 40., 10.]])
    """
    length = CASE_PERIODS * period
    window = np.full((len(cases), length), np.nan)
    known = cases[:, max(0, origin + 1 - length) : origin + 1]
    window[:, length - known.shape[1] :] = known
    by_phase = _harmonic(window.reshape(len(cases), CASE_PERIODS, period).swapaxes(1, 2))
    by_phase = np.where(np.isfinite(by_phase), by_phase, _harmonic(window)[:, None])
    # Before a series has begun nothing is known, and nothing is judged.
    return np.asarray(np.where(np.isfinite(by_phase), by_phase, 1.0)[:, np.arange(ahead) % period])


def _harmonic(cases: Floats) -> Floats:
    known = np.isfinite(cases) & (cases > 0)
    inverse = np.where(known, 1 / np.where(known, cases, 1.0), 0.0).sum(axis=-1)
    return np.asarray(np.where(inverse > 0, known.sum(axis=-1) / np.where(inverse > 0, inverse, 1.0), np.nan))


def cases_before(cases: Floats, origin: int, *, period: int) -> Floats:
    """Return over how many cases the rate of each series is known at an origin.

    Args:
        cases: One row per series, one column per step; NaN where they are not known.
        origin: Index of the last known step.
        period: Steps of a season.
    """
    return np.asarray(np.nansum(cases[:, max(0, origin + 1 - KNOWN_PERIODS * period) : origin + 1], axis=1))


def mean_before(rates: Floats, cases: Floats, origin: int, *, period: int) -> Floats:
    """Return the rate of each series over the cases that it is known from at an origin; NaN where there are none.

    Args:
        rates: One row per series, one column per step.
        cases: Denominators; NaN where the rate is not known.
        origin: Index of the last known step.
        period: Steps of a season.
    """
    window = slice(max(0, origin + 1 - KNOWN_PERIODS * period), origin + 1)
    known = np.nan_to_num(cases[:, window])
    total = known.sum(axis=1)
    met = (np.nan_to_num(rates[:, window]) * known).sum(axis=1)
    return np.asarray(np.where(total > 0, met / np.where(total > 0, total, 1.0), np.nan))


def beyond_chance(centre: Floats, spread: Floats, expected: Floats) -> Floats:
    """Return which share of the variance of what is observed chance does not explain.

    Args:
        centre: Expected rates.
        spread: Standard deviations of what is observed.
        expected: Number of cases to expect.
    """
    share = np.clip(centre, 0.0, 1.0)
    by_chance = share * (1 - share) / expected
    return np.asarray(np.clip(1 - by_chance / np.maximum(spread, _TINY) ** 2, 0.0, 1.0))


def reaches(centre: Floats, spread: Floats, expected: Floats, before: Floats, level: float) -> tuple[Floats, Floats]:
    """Return how far an interval of this level reaches down and up by chance; the arrays have a row per series, a column per step.

    Args:
        centre: Expected rates.
        spread: Standard deviations of what is observed, as the model has seen them so far.
        expected: Number of cases to expect.
        before: Over how many cases each series' rate is known.
        level: Such as 0.8.
    """
    share = np.clip(centre, 0.0, 1.0)
    middle = (share * before[:, None] + HALF) / (before[:, None] + 1)
    most = middle * (1 - middle)
    variance = np.minimum(np.maximum(spread**2, most / expected), MOST_VARIANCE * most)
    size = most / variance - 1
    low, high = (
        special.betaincinv(middle * size, (1 - middle) * size, place) for place in (HALF - level / 2, HALF + level / 2)
    )
    half = HALF / expected
    return np.maximum(share - low + half, _TINY), np.maximum(high + half - share, _TINY)


def bounds(
    centre: Floats, low: Floats, high: Floats, expected: Floats, before: Floats, level: float
) -> tuple[Floats, Floats]:
    """Return the bounds of intervals for the observed rate, at rates that some number of cases can have.

    Where hardly a case is expected, an interval of the observed rate would be none: it holds at least the rates that the cases so
    far leave possible (Jeffreys' interval).

    Args:
        centre: Expected rates.
        low: Lower bounds, which may be any number.
        high: Upper bounds.
        expected: Number of cases to expect.
        before: Over how many cases each series' rate is known.
        level: Such as 0.8.
    """
    share = np.clip(centre, 0.0, 1.0)
    low, high = np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
    low = np.where(low * expected < HALF, 0.0, np.where((1 - low) * expected < NO_CASE, 1.0, low))
    high = np.where((1 - high) * expected < HALF, 1.0, np.where(high * expected < NO_CASE, 0.0, high))
    few = np.minimum(share, 1 - share) * expected < FEW
    cases = np.broadcast_to(before[:, None], share.shape)[few]
    least, most = (
        special.betaincinv(share[few] * cases + HALF, (1 - share[few]) * cases + HALF, place)
        for place in (HALF - level / 2, HALF + level / 2)
    )
    low[few], high[few] = np.minimum(low[few], least), np.maximum(high[few], most)
    return np.minimum(low, share), np.maximum(high, share)
