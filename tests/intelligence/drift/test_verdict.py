"""What has moved, what only the platform's own actions moved, and when there is no verdict."""

from datetime import date, timedelta

import polars as pl
import pytest

from intelligence.drift.baseline import EXPECTATION, OUTCOME, SCORE, Window, baseline, with_scores
from intelligence.drift.verdict import DRIFT_SCHEMA, LEAST_ROWS, DayVerdict, day_verdict, drift_rows, window_of
from intelligence.drift.watch import day_drift, day_watch, run_report, watched
from tests.intelligence.drift.panels import FIRST, calm, linear_model
from tests.intelligence.drift.test_baseline import labelled

DAYS, UNITS = 70, 30
TRAINED = FIRST + timedelta(days=41)
NEWEST = FIRST + timedelta(days=DAYS - 1)
MODEL = linear_model(3, weights=(0.8, 0.4, 0.01))
PANEL = labelled(calm(days=DAYS, units=UNITS, columns=3, seed=12), model=MODEL)
LAST_WEEK = pl.col("event_date") > NEWEST - timedelta(days=7)
NOTHING_KNOWN = with_scores(PANEL, MODEL).clear()


@pytest.fixture(scope="module")
def past() -> pl.DataFrame:
    rows = PANEL.filter(pl.col("event_date") <= TRAINED)
    window = Window(FIRST, TRAINED)
    return baseline(rows, MODEL, unit="unit", window=window, false_alarms_per_week=0.01, smallest=0.1)


def last_week(**changed: pl.Expr) -> pl.DataFrame:
    return with_scores(PANEL.filter(LAST_WEEK).with_columns(**changed), MODEL)


def rows_of(now: pl.DataFrame, past: pl.DataFrame, **others: object) -> pl.DataFrame:
    return drift_rows(now, others.pop("known", NOTHING_KNOWN), past, unit="unit", **others)


def verdict_of(
    rows: pl.DataFrame, *, faulty_days: tuple[tuple[date, str], ...] = (), **others: float | None
) -> DayVerdict:
    terms = {"expected": None, "bound": None, "matters_from": 0.03, **others}
    return day_verdict(rows, faulty_days, **terms)


def test_a_calm_week_is_steady(past: pl.DataFrame) -> None:
    rows = rows_of(last_week(), past)
    assert rows.schema == DRIFT_SCHEMA
    assert rows.filter("is_moved").is_empty()
    assert verdict_of(rows).state == "steady"


def test_a_shift_is_named_with_its_distance_its_limit_and_the_change_of_its_mean(past: pl.DataFrame) -> None:
    verdict = verdict_of(rows_of(last_week(x0=pl.col("x0") + 3), past))
    assert verdict.state == "moved"
    assert {"x0", SCORE} <= set(verdict.moved)
    assert {"x0", SCORE} <= set(verdict.that_matter)
    assert "x0 by " in verdict.reason
    assert ", limit " in verdict.reason


def test_what_the_model_hardly_looks_at_has_moved_but_does_not_matter(past: pl.DataFrame) -> None:
    verdict = verdict_of(rows_of(last_week(x2=pl.col("x2") + 3), past))
    assert verdict.state == "moved"
    assert verdict.moved == ("x2",)
    assert verdict.that_matter == ()


def test_outcomes_that_no_longer_follow_the_scores_have_moved(past: pl.DataFrame) -> None:
    known = with_scores(PANEL.filter(LAST_WEEK).with_columns(label=pl.lit(value=True)), MODEL)
    verdict = verdict_of(rows_of(last_week(), past, known=known))
    assert verdict.moved == (OUTCOME,)
    assert verdict.that_matter == (OUTCOME,)
    assert "outcomes lie +" in verdict.reason


def test_what_moves_only_where_the_platform_acted_is_its_own_doing(past: pl.DataFrame) -> None:
    acted_on = [str(unit) for unit in range(10)]
    shifted = pl.when(pl.col("unit").is_in(acted_on)).then(pl.col("x0") + 6).otherwise(pl.col("x0"))
    rows = rows_of(last_week(x0=shifted), past, acted_on=acted_on)
    assert rows.filter(predictor="x0")["is_own_doing"].item()
    verdict = verdict_of(rows)
    assert verdict.state == "steady"
    assert "x0" in verdict.own_doing
    assert "own actions" in verdict.reason


def test_what_moves_everywhere_is_not_excused_by_actions(past: pl.DataFrame) -> None:
    verdict = verdict_of(rows_of(last_week(x0=pl.col("x0") + 3), past, acted_on=["1", "2"]))
    assert "x0" in verdict.that_matter
    assert verdict.own_doing == ()


def test_a_column_gone_empty_suspends_the_verdict_and_names_it(past: pl.DataFrame) -> None:
    rows = rows_of(last_week(x1=pl.lit(None, dtype=pl.Float64)), past)
    verdict = verdict_of(rows)
    assert verdict.state == "suspended"
    assert "x1 holds no value in 100% of the rows" in verdict.reason
    assert not rows.filter(predictor="x1")["is_moved"].item()


def test_a_flat_line_suspends_the_verdict_and_names_its_value(past: pl.DataFrame) -> None:
    verdict = verdict_of(rows_of(last_week(x0=pl.lit(0.25)), past))
    assert verdict.state == "suspended"
    assert "x0 is 0.25 in every row" in verdict.reason


def test_a_value_that_used_to_be_common_may_fill_a_week() -> None:
    mostly_zero = PANEL.with_columns(x0=pl.when(pl.col("x0") < 0.5).then(0.0).otherwise(pl.col("x0")))
    past = baseline(
        mostly_zero.filter(pl.col("event_date") <= TRAINED),
        MODEL,
        unit="unit",
        window=Window(FIRST, TRAINED),
        false_alarms_per_week=0.01,
        smallest=0.1,
    )
    assert rows_of(last_week(x0=pl.lit(0.0)), past).filter(predictor="x0")["fault"].item() is None


def test_too_few_rows_are_not_assessed(past: pl.DataFrame) -> None:
    few = last_week(x0=pl.col("x0") + 9).head(LEAST_ROWS - 1)
    rows = rows_of(few, past)
    assert rows["distance"].null_count() == rows.height
    assert verdict_of(rows).state == "unknown"
    assert rows_of(few.clear(), past)["missing_rate_now"].null_count() == rows.height


def test_a_faulty_day_suspends_whatever_has_moved(past: pl.DataFrame) -> None:
    rows = rows_of(last_week(x0=pl.col("x0") + 3), past)
    verdict = verdict_of(rows, faulty_days=((NEWEST, "no event in 12 hours"),))
    assert verdict.state == "suspended"
    assert verdict.moved == ()
    assert f"{NEWEST} is not whole" in verdict.reason


def test_an_expectation_below_its_bound_matters_by_itself(past: pl.DataFrame) -> None:
    verdict = verdict_of(rows_of(last_week(), past), expected=0.1, bound=0.2)
    assert (verdict.state, verdict.moved, verdict.that_matter) == ("moved", (EXPECTATION,), (EXPECTATION,))
    assert verdict_of(rows_of(last_week(), past), expected=0.2, bound=0.2).state == "steady"


def test_the_window_is_seven_days_and_ends_when_asked() -> None:
    assert window_of(date(2026, 8, 10)) == (date(2026, 8, 4), date(2026, 8, 10))
    assert window_of(date(2026, 8, 10), ends_days_before=7) == (date(2026, 7, 28), date(2026, 8, 3))


def test_outcomes_count_only_where_the_champion_had_not_seen_them() -> None:
    windows = watched(PANEL, MODEL, NEWEST, horizon_days=7, trained_through=TRAINED)
    assert windows.known["event_date"].min() > TRAINED
    assert windows.known["event_date"].max() == NEWEST - timedelta(days=7)
    assert windows.known_week["event_date"].n_unique() == 7
    assert windows.now["label"].null_count() == windows.now.height
    early = watched(PANEL, MODEL, TRAINED + timedelta(days=10), horizon_days=7, trained_through=TRAINED)
    assert early.known["event_date"].n_unique() == 3
    assert early.known_week.is_empty()


def test_the_row_of_a_day_contains_verdict_expectation_and_what_came_true(past: pl.DataFrame) -> None:
    windows = watched(PANEL, MODEL, NEWEST, horizon_days=7, trained_through=TRAINED)
    drift = day_drift(windows, past, unit="unit")
    row = day_watch(windows, drift, past, [], unit="unit", capacity=0.1, threshold=0.3, matters_from=0.03)
    assert row["state"] == "steady", row["reason"]
    assert row["rows"] == 7 * UNITS
    assert row["expected_pr_auc_low"] <= row["expected_pr_auc"] <= row["expected_pr_auc_high"]
    assert row["least_expected_pr_auc"] <= row["expected_pr_auc"]
    assert row["known_through"] == NEWEST - timedelta(days=7)
    # The labels were drawn from the model's own probabilities, so that its expectation holds.
    assert row["pr_auc_low"] <= row["expected_pr_auc"] <= row["pr_auc_high"]
    report = run_report(row, drift, past)
    assert report["verdict"]["state"] == "steady"
    assert {each["predictor"] for each in report["data_drift"]} == {"x0", "x1", "x2", SCORE, OUTCOME}
    assert "grid" not in report["baseline_stats"][0]


def test_without_outcomes_nothing_is_said_to_have_come_true(past: pl.DataFrame) -> None:
    windows = watched(PANEL, MODEL, TRAINED + timedelta(days=2), horizon_days=7, trained_through=TRAINED)
    drift = day_drift(windows, past, unit="unit")
    row = day_watch(windows, drift, past, [], unit="unit", capacity=0.1, threshold=0.3, matters_from=0.03)
    assert (row["known_rows"], row["known_through"]) == (0, None)
    assert "pr_auc" not in row
