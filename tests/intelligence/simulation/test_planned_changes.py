"""A simulated world drifts and a simulated pipeline breaks as planned, and nothing else changes."""

from dataclasses import replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from intelligence.catalog.product import product_from
from intelligence.core.errors import ProductFileError
from intelligence.simulation.planned_changes import RAMP_DAYS, PlannedDrift, PlannedFault
from intelligence.simulation.stream import SimulationPlan, simulated_day

PLAN = SimulationPlan(features=12, days=60, events_per_day=2_000, planted=False)
FROM_DAY = 20
KINDS = ("latency_shift", "latency_ramp", "new_platform", "label_shift")


def drifting(kind: str, size: float = 1.3) -> SimulationPlan:
    return replace(PLAN, drift=PlannedDrift.model_validate({"kind": kind, "from_day": FROM_DAY, "size": size}))


def on(plan: SimulationPlan, index: int) -> pl.DataFrame:
    return simulated_day(plan, plan.date_of(index))


@pytest.mark.parametrize("kind", KINDS)
def test_before_its_first_day_no_drift_touches_a_byte(kind: str) -> None:
    assert_frame_equal(on(drifting(kind), FROM_DAY - 1), on(PLAN, FROM_DAY - 1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_of_drift_does_not_depend_on_the_length_of_the_plan(kind: str) -> None:
    plan = drifting(kind)
    assert_frame_equal(on(plan, FROM_DAY + 9), on(replace(plan, days=3), FROM_DAY + 9))


def test_a_latency_shift_multiplies_every_latency_and_changes_nothing_else() -> None:
    before, after = on(PLAN, FROM_DAY), on(drifting("latency_shift"), FROM_DAY)
    assert_frame_equal(after.drop("latency_ms"), before.drop("latency_ms"))
    ratio = (after["latency_ms"] / before["latency_ms"]).drop_nulls()
    assert ratio.is_between(1.28, 1.32).all()


def test_a_ramp_takes_thirty_days_to_its_size() -> None:
    drift = drifting("latency_ramp").drift
    assert drift is not None
    steps = [drift.latency_multiplier(FROM_DAY + since) for since in range(-1, RAMP_DAYS + 5)]
    assert steps == sorted(steps)
    assert (steps[0], steps[RAMP_DAYS], steps[-1]) == (1.0, 1.3, 1.3)


def test_a_new_platform_brings_its_own_users_who_come_seldom_and_leaves_the_others_alone() -> None:
    before, after = on(PLAN, FROM_DAY + 5), on(drifting("new_platform"), FROM_DAY + 5)
    is_new = pl.col("platform") == "tv"
    assert_frame_equal(after.filter(~is_new), before)
    theirs = after.filter(is_new)
    assert 1.2 < after.height / before.height < 1.4
    assert set(theirs["user_id"]).isdisjoint(before["user_id"])
    assert after["event_id"].n_unique() == after.height
    assert after["event_time"].is_sorted()
    assert set(theirs["app_version"]) <= set(before.filter(platform="web")["app_version"])


def test_with_a_label_shift_users_leave_for_good_and_those_who_stay_do_what_they_did() -> None:
    plan = drifting("label_shift", size=4)
    days = range(FROM_DAY, FROM_DAY + 30)
    before, after = (pl.concat([on(each, index) for index in days]) for each in (PLAN, plan))
    assert_frame_equal(after, before.join(after.select("event_id"), on="event_id", how="semi", maintain_order="left"))
    last = after.group_by("user_id").agg(seen=pl.col("event_time").max())
    kept = before.join(last, on="user_id").filter(pl.col("event_time") <= pl.col("seen"))
    assert kept.height == after.height  # nobody comes back, and nobody comes less before
    assert after.filter(pl.col("event_time") >= plan.date_of(FROM_DAY + 25)).height < 0.8 * (
        before.filter(pl.col("event_time") >= plan.date_of(FROM_DAY + 25)).height
    )


@pytest.mark.parametrize("kind", ["lost_hours", "emptied_column", "flat_line"])
def test_a_fault_hits_its_days_only(kind: str) -> None:
    plan = replace(PLAN, fault=PlannedFault.model_validate({"kind": kind, "from_day": FROM_DAY, "days": 2}))
    for index in (FROM_DAY - 1, FROM_DAY + 2):
        assert_frame_equal(on(plan, index), on(PLAN, index))
    sound, broken = on(PLAN, FROM_DAY + 1), on(plan, FROM_DAY + 1)
    latency = broken["latency_ms"].drop_nulls()
    said = {
        "lost_hours": broken.height < 0.6 * sound.height,
        "emptied_column": broken.height == sound.height and latency.is_empty(),
        "flat_line": broken.height == sound.height and latency.n_unique() == 1,
    }
    assert said[kind]


def test_product_yaml_plans_drift_and_faults_and_refuses_what_it_does_not_know() -> None:
    changes = "drift: {{kind: {kind}, from_day: 30}}, fault: {{kind: flat_line, from_day: 40}}"
    text = f"name: D\nsources: [{{{{name: app, simulate: {{{{{changes}}}}}}}}}]"
    simulated = product_from(text.format(kind="latency_ramp")).sources[0].simulate
    assert simulated is not None
    assert simulated.plan().drift == PlannedDrift(kind="latency_ramp", from_day=30)
    assert simulated.plan().fault == PlannedFault(kind="flat_line", from_day=40)
    with pytest.raises(ProductFileError, match="latency_ramp"):
        product_from(text.format(kind="latency_rmap"))
