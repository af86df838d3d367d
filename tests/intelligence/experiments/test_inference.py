"""Effects from moments, compared with scipy on the values themselves."""

import math

import numpy as np
import polars as pl
import pytest
import tea_tasting as tt
from scipy import stats
from tea_tasting.aggr import Aggregates

from intelligence.core.errors import ExperimentError, NotEnoughEvidence
from intelligence.experiments.inference import (
    Effect,
    adjusted_p,
    chance_to_win,
    detectable,
    effect,
    units_needed,
)
from intelligence.experiments.moments import Arm, arms, moments
from intelligence.experiments.sample_ratio import sample_ratio_p
from intelligence.metrics.registry import Metric
from tests.intelligence.experiments.frames import CONVERTED, ERRORS, MEDIAN, ORDERS, REVENUE, users

FRAME = users(3_000, lift=0.05)
EXACT = 1e-9


def values(column: str, variant: str) -> np.ndarray:
    return FRAME.filter(pl.col("variant") == variant)[column].to_numpy().astype(float)


def found(metric: Metric, frame: pl.DataFrame = FRAME, **options: float) -> Effect:
    by_variant = arms(moments(frame, [metric], experiment="e"), metric)
    return effect(by_variant["control"], by_variant["treatment"], metric, **options)


def test_a_mean_is_compared_by_welchs_test() -> None:
    ours = found(REVENUE, with_covariate=False)
    theirs = stats.ttest_ind(values("revenue", "treatment"), values("revenue", "control"), equal_var=False)
    interval = theirs.confidence_interval(0.95)
    assert ours.p == pytest.approx(theirs.pvalue, rel=EXACT)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=EXACT)
    assert ours.effect / ours.standard_error == pytest.approx(theirs.statistic, rel=EXACT)


def test_a_covariate_is_taken_out_by_its_slope_over_both_arms() -> None:
    ours = found(REVENUE)
    x, a = FRAME["revenue"].to_numpy(), FRAME["pre_revenue"].to_numpy()
    slope = np.cov(x, a)[0, 1] / a.var(ddof=1)
    rest = x - slope * (a - a.mean())
    is_treated = (FRAME["variant"] == "treatment").to_numpy()
    theirs = stats.ttest_ind(rest[is_treated], rest[~is_treated], equal_var=False)
    assert ours.p == pytest.approx(theirs.pvalue, rel=EXACT)
    assert ours.is_adjusted
    assert ours.variance_left < 0.6


def test_a_ratio_has_the_error_of_the_delta_method() -> None:
    ours = found(ORDERS, with_covariate=False)
    ratios, errors = {}, {}
    for name in ("control", "treatment"):
        x, y = values("orders", name), values("sessions", name)
        ratios[name] = x.sum() / y.sum()
        rest = (x - ratios[name] * y) / y.mean()
        errors[name] = rest.var(ddof=1) / len(rest)
    assert ours.effect == pytest.approx(ratios["treatment"] - ratios["control"], rel=EXACT)
    assert ours.standard_error == pytest.approx(math.sqrt(sum(errors.values())), rel=EXACT)


def test_a_proportion_is_compared_without_a_continuity_correction() -> None:
    ours = found(CONVERTED)
    table = [
        [values("converted", name).sum(), (1 - values("converted", name)).sum()] for name in ("control", "treatment")
    ]
    assert ours.p == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, rel=EXACT)
    assert ours.effect - ours.low == pytest.approx(1.959963984540054 * ours.standard_error, rel=EXACT)


def test_swapping_the_arms_turns_the_effect_round() -> None:
    by_variant = arms(moments(FRAME, [REVENUE], experiment="e"), REVENUE)
    there = effect(by_variant["control"], by_variant["treatment"], REVENUE)
    back = effect(by_variant["treatment"], by_variant["control"], REVENUE)
    assert (there.effect, there.p, there.low) == pytest.approx((-back.effect, back.p, -back.high), rel=EXACT)


def test_at_a_look_that_allows_nothing_the_interval_has_no_ends() -> None:
    ours = found(REVENUE, confidence=1.0)
    assert (ours.low, ours.high, ours.relative_high) == (-math.inf, math.inf, math.inf)


def test_equal_arms_have_no_effect_and_still_an_error() -> None:
    (arm,) = (
        each for name, each in arms(moments(FRAME, [REVENUE], experiment="e"), REVENUE).items() if name == "control"
    )
    ours = effect(arm, arm, REVENUE, with_covariate=False)
    assert (ours.effect, ours.p) == (0.0, 1.0)
    assert ours.standard_error == pytest.approx(math.sqrt(2 * arm.covariances[0, 0] / arm.n), rel=1e-3)


def test_without_a_value_above_zero_there_is_no_relative_effect() -> None:
    ours = found(REVENUE, FRAME.with_columns(pl.col("revenue") - 1_000), with_covariate=False)
    assert (ours.relative, ours.relative_low) == (None, None)


@pytest.mark.parametrize(
    ("metric", "change", "words"),
    [
        (REVENUE, pl.lit(5.0).alias("revenue"), "no two units of an arm differ"),
        (REVENUE, pl.lit(None, pl.Float64).alias("revenue"), "0 units of the control have an outcome"),
        (CONVERTED, (pl.col("user_id") == 0).alias("converted"), "only 1 units differ from all others"),
        (ORDERS, pl.col("sessions").alias("orders"), "no two units of an arm differ"),
        (ORDERS, pl.lit(0).alias("sessions"), "its denominator is 0 in the control"),
    ],
)
def test_where_nothing_can_be_known_there_is_no_number(metric: Metric, change: pl.Expr, words: str) -> None:
    with pytest.raises(NotEnoughEvidence, match=words):
        found(metric, FRAME.with_columns(change))


def test_a_constant_covariate_is_left_aside() -> None:
    ours = found(REVENUE, FRAME.with_columns(pre_revenue=pl.lit(3.0)))
    assert not ours.is_adjusted
    assert ours.variance_left == 1.0


def test_a_proportion_of_other_numbers_is_refused() -> None:
    with pytest.raises(ExperimentError, match="neither 0 nor 1"):
        found(CONVERTED, FRAME.with_columns(converted=pl.col("revenue") / 1_000))


def test_a_quantile_has_no_moments() -> None:
    arm = Arm(20, 20, 0, np.ones(4), np.eye(4))
    with pytest.raises(ExperimentError, match="quantile_effect"):
        effect(arm, arm, MEDIAN)


def test_three_arms_are_compared_with_their_shares_by_chi_square() -> None:
    ours = sample_ratio_p({"a": 500, "b": 260, "c": 240}, {"a": 0.5, "b": 0.25, "c": 0.25})
    assert ours == pytest.approx(stats.chisquare([500, 260, 240], [500, 250, 250]).pvalue)


@pytest.mark.parametrize("share", [0.5, 0.2, 0.9])
@pytest.mark.parametrize("units", [(10, 30), (0, 7), (1, 0), (499, 500), (90, 409)])
def test_few_units_are_compared_with_their_shares_exactly(units: tuple[int, int], share: float) -> None:
    ours = sample_ratio_p({"a": units[0], "b": units[1]}, {"a": 1 - share, "b": share})
    assert ours == pytest.approx(stats.binomtest(units[1], sum(units), share).pvalue, rel=1e-9)


@pytest.mark.parametrize("units", [(5_000, 5_200), (900, 100), (2_003, 499)])
def test_many_units_are_compared_as_tea_tasting_does(units: tuple[int, int]) -> None:
    found = tt.SampleRatio(0.25, correction=False).analyze(
        {name: Aggregates(count) for name, count in zip("ab", units, strict=True)}, "a", "b"
    )
    assert sample_ratio_p(dict(zip("ab", units, strict=True)), {"a": 4, "b": 1}) == pytest.approx(found.pvalue)


def test_no_p_value_has_none_adjusted() -> None:
    assert adjusted_p([]) == []


def test_adjusting_for_one_changes_nothing_and_never_makes_smaller() -> None:
    p = [0.2, 0.001, 0.04, 0.04]
    assert adjusted_p([0.03]) == [0.03]
    assert all(after >= before for after, before in zip(adjusted_p(p), p, strict=True))


def test_the_chance_to_win_is_one_half_without_an_effect_and_follows_the_wanted_direction() -> None:
    ours = found(ERRORS, users(3_000, more_errors=0.5))
    assert chance_to_win(ours) > 0.999
    assert chance_to_win(ours, sign=-1) < 0.001
    assert 0.5 < chance_to_win(ours, prior_sd=ours.standard_error / 100) < 0.6


def test_planning_goes_there_and_back() -> None:
    arm = arms(moments(users(3_000).with_columns(variant=pl.lit("all")), [REVENUE], experiment="e"), REVENUE)["all"]
    options = {"share": 0.5, "alpha": 0.05, "power": 0.8}
    units = units_needed(arm, REVENUE, effect=0.3, **options)
    assert detectable(arm, REVENUE, units=units, **options) == pytest.approx(0.3, rel=1e-3)
    assert units < units_needed(arm, REVENUE, effect=0.3, with_covariate=False, **options)
    textbook = 4 * (1.959964 + 0.841621) ** 2 * arm.covariances[0, 0] / 0.3**2
    assert units_needed(arm, REVENUE, effect=0.3, with_covariate=False, **options) == pytest.approx(textbook, rel=2e-3)
