"""Rates of few cases: the forecast is the rate, its interval holds what is observed, and a steady rate is no surprise."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.forecasts.accuracy import accuracy_rows
from intelligence.forecasts.backtest import LEVELS
from intelligence.forecasts.cleaning import Name, history
from intelligence.forecasts.forecast import QUANTILES, Outlook, outlook
from intelligence.forecasts.rates import bounds, expected_cases, reaches

DAY = date(2026, 8, 2)
PAST, AHEAD, PRODUCTS = 120, 28, 10


def observed(rate: float, cases: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rates and the cases of days before and after the day of the forecast."""
    random = np.random.default_rng(seed)
    many = np.maximum(random.poisson(cases, PAST + AHEAD), 1)
    return random.binomial(many, rate) / many, many.astype(float)


def found_of(values: np.ndarray, cases: np.ndarray, until: date = DAY) -> Outlook:
    days = [until - timedelta(days=len(values) - 1 - number) for number in range(len(values))]
    made = history(
        Name("conversion_rate", "all", ""),
        dict(zip(days, map(float, values), strict=True)),
        dict(zip(days, map(float, cases), strict=True)),
        until,
    )
    return outlook([made], until, ahead=AHEAD)


@pytest.mark.parametrize("cases", [10, 25, 100, 1_000])
@pytest.mark.parametrize("rate", [0.0, 0.005, 0.02, 0.2, 0.6, 0.98, 1.0])
def test_the_forecast_is_the_rate_and_its_interval_holds_what_is_observed(rate: float, cases: int) -> None:
    expected, held, tested = [], [], []
    for seed in range(PRODUCTS):
        values, many = observed(rate, cases, 1_000 * cases + seed)
        found = found_of(values[:PAST], many[:PAST])
        quantiles = found.forecasts[0].quantiles
        expected.append(quantiles[:, QUANTILES.index("value")].mean())
        low, high = (quantiles[:, QUANTILES.index(name)] for name in ("low_80", "high_80"))
        held.append(np.mean((values[PAST:] >= low) & (values[PAST:] <= high)))
        tested.append(found.backtest.coverage[0][1][0].share)
    # What a forecast knows is a few weeks of days, and all products are one sample.
    noise = np.sqrt(rate * (1 - rate) / (cases * 28 * PRODUCTS))
    assert abs(np.mean(expected) - rate) <= 4 * noise + 1e-9
    assert np.mean(held) >= 0.75
    assert abs(np.mean(tested) - np.mean(held)) < 0.12


@pytest.mark.parametrize("rate", [0, 1])
def test_what_never_happened_is_forecast_as_such_and_may_happen(rate: int) -> None:
    quantiles = found_of(np.full(90, float(rate)), np.full(90, 25.0)).forecasts[0].quantiles
    assert (quantiles[:, QUANTILES.index("value")] == rate).all()
    open_end = np.abs(quantiles[:, QUANTILES.index("low_95" if rate else "high_95")] - rate)
    # 25 cases on each of 56 days: of so many none leaves about three in as many possible.
    assert ((open_end > 0.5 / (25 * 56)) & (open_end < 5 / (25 * 56))).all()


@pytest.mark.parametrize(("rate", "cases"), [(0.0, 25), (0.02, 25), (0.3, 10), (1.0, 25)])
def test_a_steady_rate_is_no_signal(rate: float, cases: int) -> None:
    signals = 0
    for seed in range(4):
        values, many = observed(rate, cases, seed)
        quantiles = found_of(values[:PAST], many[:PAST]).forecasts[0].quantiles
        key = {"series": "conversion_rate", "segment": "all", "feature": ""}
        made = [
            {
                **key,
                "event_date": DAY,
                "horizon_days": ahead,
                "forecast_date": DAY + timedelta(days=ahead),
                **dict(zip(QUANTILES, map(float, quantiles[ahead - 1]), strict=True)),
            }
            for ahead in range(1, AHEAD + 1)
        ]
        came = [
            {**key, "event_date": DAY + timedelta(days=ahead), "value": values[PAST + ahead - 1]}
            for ahead in range(1, AHEAD + 1)
        ]
        for last in range(7, AHEAD + 1):
            rows = accuracy_rows(pl.DataFrame(made), pl.DataFrame(came), DAY + timedelta(days=last), faulty=[])
            signals += sum(row["is_signal"] for row in rows)
    assert signals == 0


def test_a_rate_with_a_week_and_many_cases_keeps_its_week() -> None:
    random = np.random.default_rng(5)
    week = np.array([0.30, 0.31, 0.32, 0.31, 0.30, 0.20, 0.21])
    many = np.full(PAST, 5_000)
    values = random.binomial(many, np.tile(week, PAST // 7 + 1)[:PAST]) / many
    expected = found_of(values, many).forecasts[0].quantiles[:, QUANTILES.index("value")]
    assert np.abs(expected - np.tile(week, 30)[PAST : PAST + AHEAD]).max() < 0.012


@settings(max_examples=80, deadline=None)
@given(
    share=st.floats(0, 1),
    spread=st.floats(0, 2),
    cases=st.floats(1, 1e6),
    before=st.floats(0, 1e7),
    factor=st.floats(0.1, 20),
)
def test_bounds_are_rates_in_order(share: float, spread: float, cases: float, before: float, factor: float) -> None:
    centre, known = np.array([[share]]), np.array([before])
    expected = np.array([[cases]])
    for level in LEVELS:
        down, up = reaches(centre, np.array([[spread]]), expected, known, level)
        assert (down > 0).all()
        assert (up > 0).all()
        low, high = bounds(centre, centre - factor * down, centre + factor * up, expected, known, level)
        assert 0 <= low.item() <= share <= high.item() <= 1


def test_as_many_cases_are_expected_as_on_such_days_before() -> None:
    cases = np.array([[100.0, 10.0] * 6, [np.nan] * 12, [np.nan] * 11 + [50.0]])
    found = expected_cases(cases, 11, ahead=3, period=2)
    assert found[0].tolist() == pytest.approx([100.0, 10.0, 100.0])
    assert found[1].tolist() == [1.0] * 3
    assert found[2].tolist() == pytest.approx([50.0, 50.0, 50.0])
