"""Intervals hold what they say, measured on days of which they knew nothing."""

import numpy as np
import pytest

from intelligence.forecasts.backtest import BANDS, LEVELS, backtested
from tests.intelligence.forecasts.test_models import WEEK


def product(seed: int, days: int, series: int = 20) -> np.ndarray:
    """Return log counts with a rhythm of weeks, a common drift, a holiday dip, and a shift of the level in some."""
    random = np.random.default_rng(seed)
    steps = np.arange(days)
    drift = np.cumsum(random.normal(0, 0.003, days))
    shift, dip = random.integers(days // 3, days), random.integers(days // 4, days - 14)
    numbers = np.empty((series, days))
    for row in range(series):
        noise = np.zeros(days)
        for step in range(1, days):
            noise[step] = 0.4 * noise[step - 1] + random.normal(0, 0.04)
        numbers[row] = random.uniform(4, 8) + drift + WEEK[steps % 7] + noise
        if row % 3 == 0:
            numbers[row, shift:] += random.normal(0, 0.2)
        numbers[row, dip : dip + 5] -= 0.4
    return numbers


@pytest.mark.parametrize("days", [120, 250])
def test_intervals_hold_what_they_say(days: int) -> None:
    shares = []
    for seed in range(8):
        found = backtested(product(seed, days), ["counts"] * 20, ahead=28)
        shares.append([[found.pooled[level][band].share for band in (0, 1)] for level in range(len(LEVELS))])
    mean = np.mean(shares, axis=0)
    assert (np.abs(mean[0] - 0.8) < 0.07).all(), mean
    assert (np.abs(mean[1] - 0.95) < 0.05).all(), mean


def test_what_is_shown_is_what_was_held() -> None:
    found = backtested(product(1, 150), ["counts"] * 20, ahead=40)
    for level in range(len(LEVELS)):
        for band, (first, last) in enumerate(BANDS):
            part = found.inside[level, :, :, first - 1 : min(last, 40)]
            assert found.pooled[level][band].share == pytest.approx(np.nanmean(part))
            own = found.coverage[level][band][3]
            assert own.share == pytest.approx(np.nanmean(part[3]))
            assert own.low <= own.share <= own.high
    assert (found.factors[1] >= found.factors[0]).all()


def test_a_series_that_was_missed_gets_wider_intervals() -> None:
    random = np.random.default_rng(4)
    calm = product(1, 160)
    restless = calm.copy()
    # Its level moves from week to week by more than days differ within a week.
    restless[0] += np.repeat(np.cumsum(random.normal(0, 0.25, 23)), 7)[:160]
    before, after = (backtested(each, ["counts"] * 20, ahead=28) for each in (calm, restless))
    reach = [found.factors[0, 0] * found.spread[0] for found in (before, after)]
    assert (reach[1][7:] > 1.5 * reach[0][7:]).all()


def test_few_origins_leave_the_coverage_uncertain() -> None:
    short, long = (backtested(product(2, days), ["counts"] * 20, ahead=7).pooled[0][0] for days in (49, 250))
    assert short.high - short.low > 1.5 * (long.high - long.low)


def test_nothing_is_measured_where_nothing_came() -> None:
    found = backtested(product(3, 60), ["counts"] * 20, ahead=90)
    assert found.pooled[0][2] is not None
    assert backtested(product(3, 45), ["counts"] * 20, ahead=90).pooled[0][2] is None
