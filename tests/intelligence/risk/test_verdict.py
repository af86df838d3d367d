"""The rows on which a challenger is evaluated: only those whose outcome the champion could not have seen."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from intelligence.risk.candidates import logistic_regression
from intelligence.risk.model import Platt
from intelligence.risk.model_specs import ModelSpec, feature_spec
from intelligence.risk.settings import Risk
from intelligence.risk.tables import FEATURE_VERDICT
from intelligence.risk.verdict import evaluated_challenger, verdict_row

START, LENGTH, UNITS = date(2026, 4, 1), 40, 60


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return feature_spec(Risk(horizon_days=7))


@pytest.fixture(scope="module")
def rows(spec: ModelSpec) -> pl.DataFrame:
    rng = np.random.default_rng(9)
    shape = (LENGTH, UNITS)
    signal = rng.normal(size=shape)
    chance = 1 / (1 + np.exp(2.5 - 1.8 * signal))
    constant = dict.fromkeys(spec.task.predictors, 0.0)
    return pl.DataFrame(
        {
            "event_date": [START + timedelta(days=n // UNITS) for n in range(LENGTH * UNITS)],
            "feature": [f"f{n:02}" for n in np.tile(np.arange(UNITS), LENGTH)],
            "label": (rng.random(shape) < chance).ravel(),
            "score": chance.ravel(),
            "chosen": "xgboost",
            "choice": "the lowest Brier score",
            "model_version": 4,
            "lake_snapshot": 77,
        }
    ).with_columns(
        **{name: pl.lit(value) for name, value in constant.items()},
    ).with_columns(
        error_burn_1d=pl.Series(signal.ravel()),
        error_ewma=pl.Series(signal.ravel() + 4 * rng.normal(size=UNITS * LENGTH)),
        degraded_days_28d=pl.lit(None, dtype=pl.Float64),
    )  # fmt: skip


def halves(rows: pl.DataFrame, spec: ModelSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    unseen = rows.select(
        "event_date", "feature", "label", "score", "chosen", "choice", "model_version", "lake_snapshot"
    )
    return unseen, rows.select("event_date", "feature", "label", *spec.task.predictors)


def test_a_first_model_is_evaluated_on_all_unseen_rows_against_floors_that_may_be_unknown(
    rows: pl.DataFrame, spec: ModelSpec
) -> None:
    found = evaluated_challenger(*halves(rows, spec), spec)
    assert (found.decision, found.against, found.rows) == ("promote", "ewma", LENGTH * UNITS)


@pytest.mark.parametrize("through", [5, 20, 31])
def test_only_rows_whose_horizon_lies_behind_what_the_champion_had_seen_count(
    through: int, rows: pl.DataFrame, spec: ModelSpec
) -> None:
    names = ("error_burn_1d", "error_ewma")
    champion = replace(logistic_regression(rows, rows["label"].to_numpy(), names, {}, 1), calibration=Platt(0.2, -1.5))
    found = evaluated_challenger(
        *halves(rows, spec), spec, champion=champion, champion_trained_through=START + timedelta(days=through)
    )
    last_outcome_seen = through + spec.task.horizon
    assert found.rows == (LENGTH - 1 - last_outcome_seen) * UNITS


def test_a_champion_that_has_seen_all_leaves_nothing_to_compare(rows: pl.DataFrame, spec: ModelSpec) -> None:
    champion = logistic_regression(rows, rows["label"].to_numpy(), ("error_burn_1d",), {}, 1)
    found = evaluated_challenger(
        *halves(rows, spec), spec, champion=champion, champion_trained_through=START + timedelta(days=LENGTH - 8)
    )
    assert found.decision == "not_enough_evidence"
    assert "that the champion had not seen; the horizon is 7 days" in found.reason


def test_a_champion_that_needs_other_predictors_counts_as_none(rows: pl.DataFrame, spec: ModelSpec) -> None:
    old = rows.rename({"error_burn_1d": "old_burn"})
    champion = logistic_regression(old, rows["label"].to_numpy(), ("old_burn",), {}, 1)
    halved = halves(rows, spec)
    found = evaluated_challenger(*halved, spec, champion=champion, champion_trained_through=START)
    without = evaluated_challenger(*halved, spec)
    assert found.reason == (
        f"The champion looks at old_burn, which is no longer there, so the floors are the measure. {without.reason}"
    )
    assert (found.decision, found.against, found.rows) == (without.decision, without.against, without.rows)


def test_without_a_training_the_verdict_says_what_is_missing(rows: pl.DataFrame, spec: ModelSpec) -> None:
    unseen, panel = halves(rows, spec)
    found = evaluated_challenger(unseen.clear(), panel.with_columns(label=pl.lit(None, dtype=pl.Boolean)), spec)
    assert (found.decision, found.rows) == ("not_enough_evidence", 0)
    assert "0 have a known label" in found.reason
    empty = pl.DataFrame(schema={"event_date": pl.Date, "label": pl.Boolean})
    assert "of 0 rows 0 have a known label" in evaluated_challenger(unseen.clear(), empty, spec).reason


def test_a_verdict_is_a_row_of_its_table(rows: pl.DataFrame, spec: ModelSpec) -> None:
    unseen, panel = halves(rows, spec)
    promoted = verdict_row(
        evaluated_challenger(unseen, panel, spec),
        unseen,
        spec,
        champion=None,
        as_of=START,
        snapshot=5,
        is_promoted=True,
    )
    assert promoted.columns == [column.name for column in FEATURE_VERDICT.columns]
    row = promoted.row(0, named=True)
    assert (row["challenger"], row["champion"], row["kind"], row["lake_snapshot"]) == (4, None, "xgboost", 77)
    assert row["advantage_low"] < row["advantage"] < row["advantage_high"]
    nothing = evaluated_challenger(unseen.clear(), panel.clear(), spec)
    empty = verdict_row(nothing, unseen.clear(), spec, champion=2, as_of=START, snapshot=5, is_promoted=False)
    assert empty.schema == promoted.schema
    assert empty.row(0, named=True)["lake_snapshot"] == 5
    assert (row["choice"], empty.row(0, named=True)["choice"]) == ("the lowest Brier score", None)
