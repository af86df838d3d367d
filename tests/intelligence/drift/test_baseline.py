"""The baseline has one row for each predictor, for the score, for the outcome and for the expectation."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from intelligence.core.errors import NotEnoughEvidence
from intelligence.drift.baseline import (
    EXPECTATION,
    LEAST_DAYS,
    LONGEST_DAYS,
    OUTCOME,
    SCORE,
    WARM_UP_DAYS,
    Window,
    baseline,
    expectation_bound,
    training_window,
    with_scores,
)
from intelligence.drift.history import history
from intelligence.risk.model import RiskModel
from tests.intelligence.drift.panels import FIRST, calm, linear_model

DAYS = 42
WINDOW = Window(FIRST, FIRST + timedelta(days=DAYS - 1))
MODEL = linear_model(3, weights=(1.0, 0.5, 0.0))


def labelled(rows: pl.DataFrame, *, model: RiskModel = MODEL, unknown_days: int = 7, seed: int = 1) -> pl.DataFrame:
    """Return the rows with outcomes drawn from the model's probabilities, unknown on the last days."""
    drawn = np.random.default_rng(seed).random(rows.height) < model.probabilities(rows)
    last = rows["event_date"].max() - timedelta(days=unknown_days)
    known = pl.col("event_date") <= last
    return rows.with_columns(label=pl.when(known).then(pl.Series(drawn)).otherwise(None))


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return labelled(calm(days=DAYS, units=30, columns=3, seed=6).with_columns(x2=pl.lit(1.0)))


@pytest.fixture(scope="module")
def found(rows: pl.DataFrame) -> pl.DataFrame:
    return baseline(rows, MODEL, unit="unit", window=WINDOW, false_alarms_per_week=0.01, smallest=0.1)


def line(found: pl.DataFrame, name: str) -> dict:
    return found.row(by_predicate=pl.col("predictor") == name, named=True)


def test_there_is_one_line_each_and_their_roles_say_what_they_are(found: pl.DataFrame) -> None:
    assert found["predictor"].to_list() == ["x0", "x1", "x2", SCORE, OUTCOME, EXPECTATION]
    assert found["role"].to_list() == ["predictor"] * 3 + ["score", "outcome", "expectation"]
    assert set(found["first_day"]) == {WINDOW.first}
    assert set(found["last_day"]) == {WINDOW.last}


def test_importance_is_the_share_of_what_moves_the_score(found: pl.DataFrame) -> None:
    shares = {name: line(found, name)["importance"] for name in ("x0", "x1", "x2")}
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["x0"] > shares["x1"] > shares["x2"] == 0
    assert line(found, SCORE)["importance"] is None


def test_a_constant_is_not_assessed_and_has_no_limit(found: pl.DataFrame) -> None:
    assert not line(found, "x2")["is_judged"]
    assert line(found, "x2")["limit"] is None
    assert line(found, "x0")["is_judged"]


def test_what_moves_with_the_calendar_is_not_assessed(rows: pl.DataFrame) -> None:
    renamed = rows.rename({"x1": "tenure_days"})
    model = RiskModel(MODEL.kind, ("x0", "tenure_days", "x2"), MODEL.calibration, MODEL.linear)
    result = baseline(renamed, model, unit="unit", window=WINDOW, false_alarms_per_week=0.01, smallest=0.1)
    assert not line(result, "tenure_days")["is_judged"]
    assert line(result, "tenure_days")["mean"] == pytest.approx(rows["x1"].mean())


def test_no_limit_is_below_the_smallest_distance_that_counts(rows: pl.DataFrame) -> None:
    result = baseline(rows, MODEL, unit="unit", window=WINDOW, false_alarms_per_week=0.01, smallest=5.0)
    assert set(result.filter("is_judged")["limit"]) == {5.0}


def test_numbers_are_those_of_the_window(rows: pl.DataFrame, found: pl.DataFrame) -> None:
    result = line(found, "x0")
    values = rows["x0"].to_numpy()
    assert (result["mean"], result["sd"]) == (pytest.approx(values.mean()), pytest.approx(values.std()))
    assert (result["p05"], result["p50"], result["p95"]) == pytest.approx(tuple(np.quantile(values, (0.05, 0.5, 0.95))))
    assert (result["rows"], result["missing_rate"]) == (rows.height, 0)
    assert result["shares"] == sorted(result["shares"])
    assert result["shares"][-1] == 1
    assert line(found, OUTCOME)["missing_rate"] == pytest.approx(7 / DAYS)


def test_the_least_expected_pr_auc_is_what_the_champion_seldom_fell_below_in_training(rows: pl.DataFrame) -> None:
    scored = with_scores(rows, MODEL)
    past = history(scored, [SCORE], unit="unit", first_day=WINDOW.first, day_count=DAYS)
    seldom, often = (expectation_bound(past, false_alarms_per_week=share) for share in (0.01, 0.5))
    assert seldom is not None
    assert often is not None
    assert 0 < seldom < often < 1


def test_no_outcome_known_leaves_the_outcome_unassessed(rows: pl.DataFrame) -> None:
    result = baseline(
        rows.with_columns(label=pl.lit(None, dtype=pl.Boolean)),
        MODEL,
        unit="unit",
        window=WINDOW,
        false_alarms_per_week=0.01,
        smallest=0.1,
    )
    assert not line(result, OUTCOME)["is_judged"]
    assert line(result, OUTCOME)["limit"] is None


def test_the_same_rows_give_the_same_baseline_whatever_their_order(rows: pl.DataFrame, found: pl.DataFrame) -> None:
    shuffled = rows.sample(fraction=1, shuffle=True, seed=8)
    again = baseline(shuffled, MODEL, unit="unit", window=WINDOW, false_alarms_per_week=0.01, smallest=0.1)
    assert again.equals(found)


def test_a_window_leaves_the_warm_up_out_where_there_is_enough_and_ends_with_the_training() -> None:
    last = FIRST + timedelta(days=99)
    assert training_window(FIRST, last) == Window(FIRST + timedelta(days=WARM_UP_DAYS), last)
    short = FIRST + timedelta(days=40)
    assert training_window(FIRST, short) == Window(FIRST, short)


def test_a_window_is_never_longer_than_its_longest() -> None:
    window = training_window(date(2020, 1, 1), FIRST)
    assert window.day_count == LONGEST_DAYS - WARM_UP_DAYS
    assert window.last == FIRST


def test_a_training_on_too_few_days_has_no_window() -> None:
    assert training_window(FIRST, FIRST + timedelta(days=LEAST_DAYS - 1)).day_count == LEAST_DAYS
    with pytest.raises(NotEnoughEvidence, match="trained on 27 days"):
        training_window(FIRST, FIRST + timedelta(days=LEAST_DAYS - 2))
