"""Scenarios: a change moves what it is said to move, by what was measured, or by an assumption that says so."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from intelligence.core.errors import ForecastError, NotEnoughEvidence
from intelligence.forecasts.cleaning import Name, history
from intelligence.forecasts.forecast import Outlook, forecast_rows, outlook
from intelligence.forecasts.scenarios import ASSUMED, GIVEN, MEASURED, Evidence, change_of, scenario
from tests.intelligence.forecasts.test_models import DAY, weekly

RESULTS = {"experiment": "digest", "feature": "polls", "grade": "A"}


def result(metric: str, low: float, middle: float, high: float, **more: str) -> dict[str, object]:
    return {**RESULTS, **more, "metric": metric, "relative": middle, "relative_low": low, "relative_high": high}


@pytest.fixture(scope="module")
def found() -> Outlook:
    days = [DAY - timedelta(days=119 - number) for number in range(120)]
    values = {
        "dau": np.exp(weekly(120, seed=1)),
        "mau": np.exp(weekly(120, seed=2, level=7.0, noise=0.01) - 0.2),
        "new_users": np.exp(weekly(120, seed=3, level=3.0, noise=0.1)),
        "conversion_rate": 0.2 + 0.01 * np.random.default_rng(4).normal(size=120),
        "value": np.exp(weekly(120, seed=5, level=5.0, noise=0.1)),
    }
    return outlook(
        [
            history(Name(series, "all", ""), dict(zip(days, map(float, each), strict=True)), {}, DAY)
            for series, each in values.items()
        ],
        DAY,
        ahead=40,
    )


def mean_of(result: pl.DataFrame, column: str) -> float:
    return float(result.filter(horizon_days=0)[column].item())


def test_without_evidence_it_says_assumed(found: Outlook) -> None:
    moved = scenario(change_of("conversion +2 points"), found, Evidence(), series="value", days=28)
    assert moved.link.how == ASSUMED
    assert "assumed" in moved.link.text
    assert mean_of(moved.days, "scenario_value") / mean_of(moved.days, "base_value") == pytest.approx(1.1, abs=0.01)
    back = scenario(change_of("rollback polls"), found, Evidence(share=0.4, only=0.03), series="dau", days=28)
    assert back.link.how == ASSUMED
    assert mean_of(back.days, "difference_value") / mean_of(back.days, "base_value") == pytest.approx(-0.03, abs=0.002)


def test_an_experiment_measures_what_a_rollback_does(found: Outlook) -> None:
    results = pl.DataFrame([result("active_days_per_unit", 0.05, 0.10, 0.15)])
    moved = scenario(change_of("rollback polls"), found, Evidence(results, share=0.5), series="dau", days=28)
    assert (moved.link.how, moved.link.grade) == (MEASURED, "A")
    expected = -0.5 * 0.10 / 1.10
    assert moved.link.estimate == pytest.approx(expected)
    assert mean_of(moved.days, "difference_value") / mean_of(moved.days, "base_value") == pytest.approx(
        expected, abs=0.003
    )
    # The interval of the effect is in that of the difference.
    assert mean_of(moved.days, "difference_low_95") < expected * mean_of(moved.days, "base_value") * 1.3


def test_an_estimate_without_an_experiment_has_its_grade_and_an_association_is_not_used(found: Outlook) -> None:
    row = {"estimate": 2.0, "low": 1.0, "high": 3.0, "baseline": 8.0, "grade": "C"}
    known = Evidence(effects=pl.DataFrame([row]), share=0.5, only=0.01)
    moved = scenario(change_of("rollback polls"), found, known, series="dau", days=28)
    assert (moved.link.how, moved.link.grade) == (MEASURED, "C")
    assert moved.link.estimate == pytest.approx(-0.1)
    only = Evidence(effects=pl.DataFrame([{**row, "grade": "D"}]), share=0.5, only=0.01)
    moved = scenario(change_of("rollback polls"), found, only, series="dau", days=28)
    assert moved.link.how == ASSUMED
    assert "association (grade D)" in moved.link.text


def test_experiments_say_how_value_follows_conversion(found: Outlook) -> None:
    rows = [result("conversion_rate", 0.08, 0.10, 0.12), result("value_per_unit", 0.01, 0.05, 0.09)]
    moved = scenario(change_of("conversion +2 points"), found, Evidence(pl.DataFrame(rows)), series="value", days=28)
    assert moved.link.how == MEASURED
    assert moved.link.estimate == pytest.approx(0.5 * 0.1, abs=0.003)
    # An effect on conversion that may be none says nothing.
    rows[0] = result("conversion_rate", -0.01, 0.10, 0.21)
    moved = scenario(change_of("conversion +2 points"), found, Evidence(pl.DataFrame(rows)), series="value", days=28)
    assert moved.link.how == ASSUMED


def test_fewer_new_users_are_missed_as_often_as_earlier_ones_came(found: Outlook) -> None:
    returns = pl.DataFrame(
        {"day": range(60), "users": 1000, "dau": [1000] + [250] * 59, "wau": 1000, "mau": 1000, "again": 900}
    )
    change = change_of("new_users -50 %")
    moved = scenario(change, found, Evidence(returns=returns), series="dau", days=28)
    assert moved.link.how == MEASURED
    new = scenario(change_of("new_users -50 %"), found, Evidence(), series="new_users", days=28)
    missing = -new.days.filter(pl.col("horizon_days") > 0)["difference_value"].to_numpy()
    last = moved.days.filter(horizon_days=28)["difference_value"].item()
    assert last == pytest.approx(-(missing[-1] + 0.25 * missing[:-1].sum()), rel=0.05)
    assert moved.days.filter(horizon_days=1)["difference_value"].item() > last
    few = scenario(change, found, Evidence(returns=returns.with_columns(users=3)), series="dau", days=28)
    assert few.link.how == ASSUMED


@pytest.mark.parametrize("last", [3, 10, 20, 27, 28, 40])
@pytest.mark.parametrize("series", ["dau", "mau"])
def test_the_day_that_is_named_is_known_and_later_ones_hold(series: str, last: int, found: Outlook) -> None:
    days = range(last + 1)
    returns = pl.DataFrame(
        {
            "day": days,
            "users": 1000,
            "dau": [1000 - 10 * day for day in days],
            "wau": 1000,
            # A first use counts for 28 days; then only those count who came again.
            "mau": [1000 if day < 28 else 600 for day in days],
            "again": [min(20 * day, 600) for day in days],
        }
    )
    moved = scenario(change_of("new_users -10 %"), found, Evidence(returns=returns), series=series, days=40)
    text = moved.link.text
    assert ("four weeks later" in text) == (last >= 28)
    assert (f"beyond {last} days" in text) == (last < 39)
    new = scenario(change_of("new_users -10 %"), found, Evidence(), series="new_users", days=40)
    missing = -new.days.filter(pl.col("horizon_days") > 0)["difference_value"].to_numpy()
    if series == "dau":
        share = np.array([1 - 0.01 * min(day, last) for day in range(40)])
    else:
        late = 0.6 if last >= 28 else min(0.02 * last, 0.6)
        share = np.array([1.0 if day < 28 else late for day in range(40)])
    lost = (missing * share[::-1]).sum()
    assert -moved.days.filter(horizon_days=40)["difference_value"].item() == pytest.approx(lost, rel=0.05)


def test_nothing_changes_where_nothing_is_changed(found: Outlook) -> None:
    same = scenario(change_of("dau +0 %"), found, Evidence(), series="dau", days=28)
    assert same.link.how == GIVEN
    assert np.allclose(same.days["difference_value"].to_numpy(), 0.0)
    assert same.days["base_value"].equals(same.days["scenario_value"])


def test_the_base_path_is_the_forecast(found: Outlook) -> None:
    base = scenario(change_of("dau +0 %"), found, Evidence(), series="dau", days=28).days.filter(
        pl.col("horizon_days") > 0
    )
    [forecast] = [each for each in found.forecasts if each.history.name.series == "dau"]
    assert np.allclose(base["base_value"].to_numpy(), forecast.quantiles[:28, 2], rtol=0.02)
    assert np.allclose(base["base_low_80"].to_numpy(), forecast.quantiles[:28, 1], rtol=0.03)
    assert np.allclose(base["base_high_80"].to_numpy(), forecast.quantiles[:28, 3], rtol=0.03)


def test_rates_stay_rates(found: Outlook) -> None:
    moved = scenario(change_of("conversion_rate +79 points"), found, Evidence(), series="conversion_rate", days=7)
    assert moved.days["scenario_high_95"].max() <= 1.0
    moved = scenario(change_of("conversion_rate -100 %"), found, Evidence(), series="conversion_rate", days=7)
    assert moved.days["scenario_value"].max() == 0.0


@pytest.mark.parametrize(
    ("text", "series", "why"),
    [
        ("a miracle", "dau", "is no change"),
        ("karma +5 %", "dau", "is not forecast"),
        ("dau +5 points", "dau", "is no rate"),
        ("dau -150 %", "dau", "fall by more than 100"),
        ("conversion_rate +95 points", "conversion_rate", r"up to 20.* and stays between 0 and 100 %.*79.* points up"),
        ("conversion_rate -40 points", "value", r"at most 19.* points down"),
        ("conversion_rate +500 %", "conversion_rate", r"at most 100 % down and 39\d.* % up"),
        ("conversion_rate +200 points", "value", "has 100 points"),
        ("dau +99999999999999999999 %", "dau", "more than 1,000 %"),
        ("dau +5 %", "conversion_rate", "nothing says what it does"),
        ("rollback polls", "value", "nothing measured what it does"),
        ("dau +5 %", "wau", "is not forecast"),
        ("rollback gone", "dau", "nobody used it"),
    ],
)
def test_what_cannot_be_answered_is_refused(text: str, series: str, why: str, found: Outlook) -> None:
    known = Evidence(share=0.0 if "gone" in text else 0.3, only=0.01)
    with pytest.raises((ForecastError, NotEnoughEvidence), match=why):
        scenario(change_of(text), found, known, series=series, days=28)


def test_without_history_there_is_no_scenario() -> None:
    short = [history(Name("dau", "all", ""), {DAY: 5.0}, {}, DAY)]
    with pytest.raises(ForecastError, match="1 days of history"):
        scenario(change_of("dau +5 %"), outlook(short, DAY, ahead=28), Evidence(), series="dau", days=28)
    assert forecast_rows(short, DAY, ahead=28)[0]["forecast_date"] == date(2026, 8, 2)
