"""Health before results: each fault is named with its numbers, and a sound experiment has none."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from intelligence.experiments.health import (
    Problem,
    effects_by_age,
    exposure_without_outcome,
    health,
    imbalance_before_start,
    is_healthy,
    novelty,
    sample_ratio_mismatch,
    telemetry_at_fault,
    units_in_two_arms,
)
from intelligence.experiments.moments import arms, moments
from intelligence.metrics.registry import Metric
from tests.intelligence.experiments.frames import ALL, ORDERS, REVENUE, users

HALVES = {"control": 0.5, "treatment": 0.5}
METRICS = [metric for metric in ALL if metric.kind != "quantile"]


def problems_of(frame: pl.DataFrame, **options) -> dict[str, Problem]:
    found = health(moments(frame, METRICS, experiment="e"), METRICS, shares=HALVES, control="control", **options)
    return {each.name: each for each in found}


@pytest.mark.parametrize("seed", range(5))
def test_a_sound_experiment_has_no_problem(seed: int) -> None:
    assert problems_of(users(seed=seed, lift=0.2)) == {}


def test_a_sample_ratio_mismatch_blocks() -> None:
    (found,) = problems_of(users(share=0.55)).values()
    assert found.name == "sample_ratio"
    assert found.blocking
    assert "planned 50.0%" in found.sentence


def test_a_variant_that_is_not_declared_blocks() -> None:
    found = sample_ratio_mismatch({"control": 10, "treatment": 10, "third": 1}, HALVES)
    assert found == Problem("sample_ratio", "third has units and is no declared variant")


def test_without_units_there_is_no_mismatch() -> None:
    assert sample_ratio_mismatch({}, HALVES) is None


def test_a_few_units_in_two_arms_are_told_and_many_block() -> None:
    few, many = units_in_two_arms(5, 995), units_in_two_arms(50, 950)
    assert units_in_two_arms(0, 1_000) is None
    assert few
    assert many
    assert (few.blocking, many.blocking) == (False, True)


def test_outcomes_that_are_missing_more_often_in_one_arm_block() -> None:
    lost = pl.when((pl.col("variant") == "treatment") & (pl.col("user_id") % 10 == 0)).then(None)
    found = problems_of(users().with_columns(revenue=lost.otherwise(pl.col("revenue"))))
    assert found["no_outcome"].blocking
    assert "revenue is missing for 0 of" in found["no_outcome"].sentence


def test_outcomes_that_are_missing_for_many_alike_are_told() -> None:
    lost = pl.when(pl.col("user_id") % 3 == 0).then(None)
    found = problems_of(users().with_columns(revenue=lost.otherwise(pl.col("revenue"))))
    assert not found["no_outcome"].blocking


def test_retention_that_cannot_be_known_yet_is_no_problem() -> None:
    retention = Metric(name="retention", kind="retention", column="retained", after_days=7)
    frame = users().with_columns(retained=pl.when(pl.col("user_id") % 3 == 0).then(pl.col("converted")))
    found = arms(moments(frame, [retention], experiment="e"), retention)
    assert exposure_without_outcome(retention, found) is None


@pytest.mark.parametrize("metric", [REVENUE, ORDERS], ids=lambda each: each.name)
def test_arms_that_differed_before_block(metric: Metric) -> None:
    shifted = pl.when(pl.col("variant") == "treatment").then(1.5).otherwise(1.0)
    frame = users().with_columns((pl.col(metric.covariate) * shifted).alias(metric.covariate))
    found = imbalance_before_start(metric, arms(moments(frame, [metric], experiment="e"), metric), control="control")
    assert found
    assert "before the exposure" in found.sentence


def test_a_covariate_of_nobody_is_no_imbalance() -> None:
    frame = users().with_columns(pre_revenue=pl.lit(None, pl.Float64))
    assert (
        imbalance_before_start(REVENUE, arms(moments(frame, [REVENUE], experiment="e"), REVENUE), control="control")
        is None
    )


def test_days_of_faulty_telemetry_are_named_and_many_block() -> None:
    days = [date(2026, 5, 4), date(2026, 5, 5), date(2026, 5, 6), date(2026, 5, 7)]
    few, many = telemetry_at_fault(days[:1], 14), telemetry_at_fault(days, 14)
    assert telemetry_at_fault([], 14) is None
    assert few
    assert many
    assert (few.blocking, many.blocking) == (False, True)
    assert many.sentence.endswith("4 of 14 days: 2026-05-04, 2026-05-05, 2026-05-06, …")


def by_age(effects: np.ndarray, error: float = 0.01) -> pl.DataFrame:
    return pl.DataFrame({"days_since": range(len(effects)), "effect": effects, "standard_error": error})


def test_an_effect_that_wears_off_is_novelty() -> None:
    found = novelty(by_age(0.1 * np.exp(-np.arange(14) / 4)), "revenue")
    assert found
    assert not found.blocking
    assert found.sentence.startswith("the effect on revenue goes from 0.1")


def panel(lifts: np.ndarray, *, units: int = 3_000) -> pl.DataFrame:
    """The moments of users by day since exposure, with a taste that stays, and a lift by day since exposure."""
    random = np.random.default_rng(4)
    is_treated = random.random(units) < 0.5
    taste = random.gamma(2.0, 0.5, units)
    days = [
        pl.DataFrame(
            {
                "variant": np.where(is_treated, "treatment", "control"),
                "days_since": np.full(units, age),
                "revenue": taste * random.gamma(4.0, 0.25, units) + lift * is_treated,
                "pre_revenue": taste,
            }
        )
        for age, lift in enumerate(lifts)
    ]
    return pl.concat([of_day(age, rows) for age, rows in enumerate(days)])


def of_day(age: int, rows: pl.DataFrame) -> pl.DataFrame:
    return moments(rows, [REVENUE], experiment="e", exposed_on=date(2026, 5, 4)).with_columns(days_since=pl.lit(age))


@pytest.mark.parametrize(("wears_off_after", "is_told"), [(3.0, True), (1e9, False)])
def test_the_effect_by_age_shows_what_wears_off(wears_off_after: float, is_told: bool) -> None:
    lifts = 0.3 * np.exp(-np.arange(14) / wears_off_after)
    ages = effects_by_age(panel(lifts), REVENUE, control="control", treatment="treatment")
    assert ages["days_since"].to_list() == list(range(14))
    np.testing.assert_allclose(ages["effect"], lifts, atol=0.12)
    assert (novelty(ages, "revenue") is not None) == is_told


def test_ages_of_one_arm_have_no_effect() -> None:
    assert effects_by_age(panel(np.zeros(2)), REVENUE, control="control", treatment="other").is_empty()


def test_a_steady_effect_is_no_novelty() -> None:
    noise = np.random.default_rng(3).normal(0, 0.01, (400, 14))
    alarms = [novelty(by_age(0.1 + each), "revenue") is not None for each in noise]
    assert np.mean(alarms) < 0.03


def test_a_few_days_tell_nothing_of_novelty() -> None:
    assert novelty(by_age(np.array([0.5, 0.1, 0.0])), "revenue") is None


def test_an_experiment_is_healthy_while_nothing_blocks() -> None:
    assert is_healthy([Problem("novelty", "", blocking=False)])
    assert not is_healthy([Problem("novelty", "", blocking=False), Problem("two_arms", "")])
