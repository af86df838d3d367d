"""Plans: more units for smaller effects and for looking more often, fewer with a covariate, and nothing impossible."""

from typing import Any

import polars as pl
import pytest

from intelligence.core.errors import ExperimentError, NotEnoughEvidence
from intelligence.experiments.moments import Arm, arms, moments
from intelligence.experiments.plan import inflation, plans, spread
from intelligence.metrics.registry import Metric
from tests.intelligence.experiments.frames import CONVERTED, MEDIAN, ORDERS, REVENUE, users


def past(metric: Metric, frame: pl.DataFrame | None = None) -> Arm:
    frame = users() if frame is None else frame
    return arms(moments(frame.with_columns(variant=pl.lit("all")), [metric], experiment="past"), metric)["all"]


@pytest.mark.parametrize("metric", [REVENUE, ORDERS], ids=lambda each: each.name)
def test_a_covariate_saves_units(metric: Metric) -> None:
    plain, adjusted = plans(past(metric), metric, relative=0.03, units_per_day=500)
    assert (plain.is_adjusted, adjusted.is_adjusted) == (False, True)
    assert adjusted.units <= plain.units
    assert plain.days == -(-plain.units // 500)
    assert plain.smallest_effects[7] > plain.smallest_effects[28] > 0


def test_what_is_planned_for_is_the_smallest_effect_of_its_days() -> None:
    (plan,) = plans(past(CONVERTED), CONVERTED, relative=0.05, units_per_day=100)
    assert plan.days
    (again,) = plans(past(CONVERTED), CONVERTED, relative=0.05, units_per_day=100, days=[plan.days])
    assert again.smallest_effects[plan.days] == pytest.approx(0.05, rel=0.03)


def test_looking_costs_units_and_not_knowing_the_end_costs_more() -> None:
    fixed, looked, watched = (inflation(each) for each in ("fixed", "group_sequential", "always_valid"))
    assert fixed == 1 < looked < 1.06 < watched < 2.1


def test_a_lift_makes_the_variant_more_different_and_a_decrease_is_not_relied_on() -> None:
    assert spread(REVENUE, 10.0, 0.1, share=0.5) == pytest.approx((1 + 1.1**2) / 2)
    assert spread(CONVERTED, 0.5, 0.1, share=0.5) == 1.0
    assert spread(CONVERTED, 0.1, 0.5, share=0.25) == pytest.approx(0.25 + 0.75 * (0.15 * 0.85) / (0.1 * 0.9))
    assert spread(REVENUE, 10.0, -0.5, share=0.5) == 1.0


def test_without_units_there_are_no_days() -> None:
    (plan,) = plans(past(CONVERTED), CONVERTED, relative=0.05, units_per_day=0)
    assert (plan.days, plan.smallest_effects) == (None, {})


@pytest.mark.parametrize(
    ("metric", "options", "words"),
    [
        (REVENUE, {"relative": 0.0}, "cannot change by 0"),
        (REVENUE, {"relative": 1e-9}, "cannot change by 1e-09"),
        (REVENUE, {"relative": 1e300}, "cannot change by 1e.300"),
        (REVENUE, {"relative": float("nan")}, "cannot change by nan"),
        (REVENUE, {"relative": -1.5}, "cannot fall by 150.0% of it"),
        (CONVERTED, {"relative": 20.0}, "beyond 100%"),
        (REVENUE, {"share": 1.0}, "the share 1"),
        (REVENUE, {"share": 0.9999999}, "the share 1"),
        (REVENUE, {"alpha": 0.0}, "alpha 0"),
        (REVENUE, {"power": 1.0}, "power 1"),
        (MEDIAN, {}, "is a quantile"),
    ],
)
def test_what_cannot_be_planned_is_named(metric: Metric, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        plans(past(REVENUE), metric, **{"relative": 0.1, "units_per_day": 100, **options})


def test_a_metric_without_a_value_cannot_be_planned_in_shares() -> None:
    with pytest.raises(ExperimentError, match="has the value 0"):
        plans(past(REVENUE, users().with_columns(revenue=pl.lit(0.0))), REVENUE, relative=0.1, units_per_day=100)


def test_a_past_in_which_all_are_alike_is_not_enough() -> None:
    with pytest.raises(NotEnoughEvidence):
        plans(past(REVENUE, users().with_columns(revenue=pl.lit(5.0))), REVENUE, relative=0.1, units_per_day=100)


@pytest.mark.parametrize("relative", [2.0, 50.0, 1_000.0])
@pytest.mark.parametrize("share", [0.5, 0.01, 0.999])
def test_a_very_large_effect_needs_as_many_units_as_can_be_estimated_from(relative: float, share: float) -> None:
    for plan in plans(past(REVENUE), REVENUE, relative=relative, units_per_day=100, share=share):
        assert plan.units * min(share, 1 - share) >= 10


def test_no_smallest_effect_is_one_that_cannot_be() -> None:
    for plan in plans(past(CONVERTED), CONVERTED, relative=0.1, units_per_day=2, days=[7, 14, 2_000]):
        value = plan.effect / plan.relative
        assert all(each <= max(1, 1 / value - 1) for each in plan.smallest_effects.values())
        assert 2_000 in plan.smallest_effects
