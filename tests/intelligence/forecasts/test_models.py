"""The damped trend is what statsmodels computes, knows nothing of later days, and is not poisoned by shifts and outliers."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.forecasts import models
from intelligence.forecasts.backtest import backtested, origins_of
from intelligence.forecasts.cleaning import SERIES, Name, history
from intelligence.forecasts.forecast import QUANTILES, forecast_rows
from intelligence.forecasts.models import Grid, simulated, smoothed
from intelligence.forecasts.scales import Scale

DAY = date(2026, 8, 2)
WEEK = np.array([0.0, 0.05, 0.05, 0.02, -0.05, -0.4, -0.35])


def weekly(days: int, *, seed: int = 1, level: float = 6.0, noise: float = 0.03, trend: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    steps = np.arange(days)
    return level + trend * steps + WEEK[steps % 7] + random.normal(0, noise, days)


def histories(values: np.ndarray, series: str = "dau", **more: object) -> list:
    days = [DAY - timedelta(days=len(values) - 1 - number) for number in range(len(values))]
    found = {day: None if np.isnan(value) else float(value) for day, value in zip(days, values, strict=True)}
    return [history(Name(series, "all", ""), found, {}, DAY, **more)]


def test_it_is_the_recursion_of_statsmodels(monkeypatch: pytest.MonkeyPatch) -> None:
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    monkeypatch.setattr(models, "CUT", 1e9)
    monkeypatch.setattr(models, "FAR", 1e9)
    numbers, (alpha, beta, gamma, phi) = weekly(100, trend=0.002), (0.3, 0.1, 0.2, 0.95)
    level, trend, season = 6.0, 0.01, WEEK - WEEK.mean()
    theirs = ExponentialSmoothing(
        numbers,
        trend="add",
        damped_trend=True,
        seasonal="add",
        seasonal_periods=7,
        initialization_method="known",
        initial_level=level,
        initial_trend=trend,
        initial_seasonal=season,
    ).fit(smoothing_level=alpha, smoothing_trend=beta, smoothing_seasonal=gamma, damping_trend=phi, optimized=False)
    state = models._State(
        np.array([[level]]),
        np.array([[trend]]),
        season[None, None, :].copy(),
        np.ones((1, 1)),
        np.zeros(1, dtype=np.int64),
        Grid.of([(alpha, alpha * beta, gamma, phi)]),
    )
    for step, value in enumerate(numbers):
        state.moved(np.array([value]), step)
    ours, *_ = state.forecast(99, 28)
    # Whole weeks ahead statsmodels takes the season as it was before the last day; here it is as it was after it.
    others = np.arange(1, 29) % 7 != 0
    assert np.allclose(ours[0][others], theirs.forecast(28)[others], atol=1e-9)
    assert np.abs(ours[0] - theirs.forecast(28)).max() < 0.02


def test_later_days_change_no_earlier_forecast() -> None:
    numbers = np.stack([weekly(120, seed=seed) for seed in range(3)])
    changed = numbers.copy()
    changed[:, 100:] += 5.0
    before, after = (smoothed(each, [60, 99], ahead=28) for each in (numbers, changed))
    assert np.array_equal(before.centre, after.centre)
    assert np.array_equal(before.spread, after.spread)
    assert np.array_equal(before.naive, after.naive)
    found = [backtested(each[:, :100], ["counts"] * 3, ahead=28) for each in (numbers, changed)]
    assert np.array_equal(found[0].factors, found[1].factors)


def test_series_are_forecast_as_if_alone_however_long_the_others_are() -> None:
    long, short = weekly(120, seed=1), weekly(70, seed=2)
    panel = np.full((2, 120), np.nan)
    panel[0], panel[1, -70:] = long, short
    together, alone = smoothed(panel, [119], ahead=14), smoothed(np.pad(short, (1, 0))[None, 1:], [69], ahead=14)
    assert np.allclose(together.centre[1], alone.centre[0])
    assert np.allclose(together.naive[1], alone.naive[0])


def test_an_outlier_and_missing_days_hardly_move_a_forecast() -> None:
    clean = weekly(100)
    broken = clean.copy()
    broken[97] -= 3.0
    broken[[40, 41, 80]] = np.nan
    found = smoothed(np.stack([clean, broken]), [99], ahead=14).centre[:, 0]
    assert np.abs(found[0] - found[1]).max() < 0.06


def test_after_a_shift_of_the_level_the_later_part_counts() -> None:
    numbers = weekly(100)
    numbers[80:] += 1.0
    found = smoothed(numbers[None], [99], ahead=14)
    assert np.abs(found.centre[0, 0] - (7.0 + WEEK[(100 + np.arange(14)) % 7])).max() < 0.15
    assert 80 <= found.shifts[0] <= 92
    note = forecast_rows(histories(np.exp(numbers)), DAY, ahead=14)[0]["note"]
    assert "Its level shifted by" in note


def test_the_season_of_another_period_is_found() -> None:
    steps = np.arange(120)
    numbers = 5 + np.sin(2 * np.pi * steps / 12) + 0.01 * np.random.default_rng(1).normal(size=120)
    found = smoothed(numbers[None], [119], ahead=12, period=12).centre[0, 0]
    assert np.abs(found - (5 + np.sin(2 * np.pi * np.arange(120, 132) / 12))).max() < 0.1


def test_paths_spread_as_the_model_says() -> None:
    found = smoothed(weekly(200)[None], [199], ahead=28)
    paths = simulated(found.ending, 0, ahead=28, paths=4000, seed=3)
    assert np.allclose(paths.mean(axis=0), found.centre[0, 0], atol=0.02)
    assert np.allclose(paths.std(axis=0), found.spread[0, 0], rtol=0.15)
    assert np.array_equal(paths, simulated(found.ending, 0, ahead=28, paths=4000, seed=3))


def test_the_seasonal_naive_forecast_is_made_where_it_misses_by_less() -> None:
    random = np.random.default_rng(2)
    # Each weekday wanders on its own: nothing is known but its last value.
    wandering = np.exp(5 + np.cumsum(random.normal(0, 0.5, (20, 7)), axis=0).ravel())
    rows = forecast_rows(histories(wandering), DAY, ahead=28)
    assert {row["model"] for row in rows} == {"seasonal_naive"}
    assert [row["value"] for row in rows] == pytest.approx([*wandering[-7:]] * 4)
    assert "It repeats the last week" in rows[0]["note"]
    drifting = np.exp(weekly(150, trend=0.004, noise=0.15))
    rows = forecast_rows(histories(drifting), DAY, ahead=28)
    assert {row["model"] for row in rows} == {"damped_trend"}
    assert all(row["error"] < 1 for row in rows)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.array([5.0]), "1 days of history"),
        (np.full(41, 3.0), "41 days of history"),
        (np.where(np.arange(90) % 2 == 0, np.nan, 4.0), "of its 89 days are known"),
        (np.concatenate([np.full(80, 4.0), np.full(7, np.nan)]), "None of its last 7 days"),
    ],
)
def test_too_little_history_is_not_enough_evidence(values: np.ndarray, why: str) -> None:
    [row] = forecast_rows(histories(values), DAY, ahead=28)
    assert why in row["note"]
    assert row["horizon_days"] == 0
    assert "value" not in row


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_constant_series_stays_what_it_is(value: float) -> None:
    rows = forecast_rows(histories(np.full(60, value)), DAY, ahead=28)
    assert {round(row["value"], 6) for row in rows} == {value}
    assert all(row["low_95"] <= value + 1e-9 and row["high_95"] >= value - 1e-9 for row in rows)
    assert "It never changed so far." in rows[0]["note"]


def test_faulty_days_do_not_count() -> None:
    values = np.exp(weekly(90))
    broken = values.copy()
    broken[85] = 1.0
    faulty = [DAY - timedelta(days=4)]
    [clean], [left_out] = histories(values, faulty=faulty), histories(broken, faulty=faulty)
    rows = [forecast_rows([each], DAY, ahead=14) for each in (clean, left_out)]
    assert [row["value"] for row in rows[0]] == [row["value"] for row in rows[1]]
    assert "1 day with faulty telemetry left out." in rows[0][0]["note"]


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(sorted(SERIES)),
    st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=42, max_size=70),
    st.integers(1, 90),
)
def test_quantiles_are_in_order_and_in_bounds(series: str, shares: list[float | None], ahead: int) -> None:
    kind = SERIES[series][0]
    stretch = {"rate": lambda share: share, "rating": lambda share: 1 + 4 * share}.get(kind, lambda share: 1000 * share)
    values = np.array([np.nan if share is None else stretch(share) for share in shares])
    rows = [row for row in forecast_rows(histories(values, series), DAY, ahead=ahead) if row["horizon_days"]]
    top = {"rate": 1.0, "rating": 5.0}.get(kind, np.inf)
    for row in rows:
        quantiles = [row[name] for name in QUANTILES]
        assert quantiles == sorted(quantiles)
        assert (1 if kind == "rating" else 0) <= quantiles[0]
        assert quantiles[-1] <= top
        assert np.isfinite(quantiles[2])


def test_longer_windows_hold_more_users() -> None:
    random = np.random.default_rng(5)
    shared = np.exp(weekly(100, noise=0.2))
    found = [
        *histories(shared * random.uniform(0.9, 1.0, 100)),
        *histories(shared * 1.01, "wau"),
        *histories(shared * 1.02, "mau"),
    ]
    rows = {(row["series"], row["horizon_days"]): row for row in forecast_rows(found, DAY, ahead=60)}
    for ahead in range(1, 61):
        for name in QUANTILES:
            one, two, three = (rows[series, ahead][name] for series in ("dau", "wau", "mau"))
            assert one <= two <= three


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("count", [0, 1, 50]),
        ("amount", [0.0, 2.5, 900.0]),
        ("amount", [-3.0, 2.5, 900.0]),
        ("rate", [0.0, 0.5, 1.0]),
        ("rating", [1.0, 3.2, 5.0]),
    ],
)
def test_scales_lead_back(kind: str, values: list[float]) -> None:
    there = np.array(values, dtype=float)
    scale = Scale.of(kind, there)
    assert np.allclose(scale.back(scale.there(there)), there)


def test_origins_lie_a_week_apart() -> None:
    assert origins_of(91)[-1] == 90
    assert set(np.diff(origins_of(91))) == {7}
    assert origins_of(91)[0] >= 20
    assert len(origins_of(4000)) == 53
