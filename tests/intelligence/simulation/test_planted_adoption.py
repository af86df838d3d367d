"""The confounded feature: a plain comparison of its adopters has the wrong sign, an adjusted one finds the planted effect."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from intelligence.causality.effect import Effect, effect
from intelligence.causality.estimation import Rules
from intelligence.causality.trial import arms, eligible, times_zero
from intelligence.simulation.people import people
from intelligence.simulation.planned_changes import PlannedDrift
from intelligence.simulation.planted_adoption import (
    CLOSES,
    OPENS,
    AdoptionEffect,
    adopted,
    adoption_days,
    adoption_effect,
    confounded_feature,
    extra_visitors,
    sized,
)
from intelligence.simulation.product import catalogue
from intelligence.simulation.stream import PlantedTruth, SimulationPlan, planted_truths, simulated_day
from tests.intelligence.simulation.simulated_quarters import TESTED, number, of_kind

EXTRA = pl.col("event_id").str.contains("-a")
BEFORE = ["active_days_28d", "active_days_7d", "days_since_visit", "events_28d", "sessions_28d", "tenure_days"]


@pytest.fixture(scope="module")
def truth() -> PlantedTruth:
    (found,) = of_kind(planted_truths(TESTED), "confounded_feature")
    return found


@pytest.fixture(scope="module")
def trial(tested_quarter: pl.DataFrame, truth: PlantedTruth) -> pl.DataFrame:
    """Return the users who were active on the day that leaves 28 days to follow up, in the arm of who adopted on it or not."""
    days = tested_quarter.rename({"day": "event_date"})
    user_days = days.group_by("user_id", "event_date").agg(
        pl.len().alias("events"), pl.col("session_id").n_unique().alias("sessions")
    )
    uses = days.filter(feature=truth.feature).select("user_id", "event_date", pl.col("error_count").alias("errors"))
    zeros = times_zero(TESTED.first_day, TESTED.last_day)
    return arms(eligible(user_days, zeros), uses).drop_nulls("adopted")


def estimate(trial: pl.DataFrame, outcome: str) -> Effect:
    rules = Rules(target="treated", refute=False)
    return effect(trial, treatment="adopted", outcome=outcome, confounders=BEFORE, unit="user_id", rules=rules)


def test_the_plain_difference_has_the_wrong_sign_and_the_adjusted_one_is_the_truth(
    trial: pl.DataFrame, truth: PlantedTruth
) -> None:
    assert truth.effect > 2
    found = estimate(trial, "active_days_after")
    assert found.naive.high < 0 < found.estimate.low
    assert found.estimate.low < truth.effect < found.estimate.high


def test_within_strata_of_earlier_activity_the_sign_is_right(trial: pl.DataFrame) -> None:
    strata = trial.with_columns(stratum=pl.col("active_days_28d") // 2)
    means = strata.group_by("stratum", "adopted").agg(pl.col("active_days_after").mean().alias("after"), pl.len())
    both = means.filter("adopted").join(means.filter(~pl.col("adopted")), on="stratum")
    within = number((both["len"] * (both["after"] - both["after_right"])).sum()) / number(both["len"].sum())
    plain = dict(trial.group_by("adopted").agg(pl.col("active_days_after").mean()).rows())
    assert plain[True] - plain[False] < -1 < 1 < within
    earlier = dict(trial.group_by("adopted").agg(pl.col("active_days_28d").mean()).rows())
    assert earlier[True] < earlier[False] - 5


def test_nobody_touches_the_feature_before_adopting_it(tested_quarter: pl.DataFrame, truth: PlantedTruth) -> None:
    mine = tested_quarter.filter(feature=truth.feature)
    first = mine.group_by("user_id").agg(pl.col("day").min())
    days = adoption_days(sized(TESTED))
    planned = {f"u{user:06}": TESTED.date_of(int(days[user])) for user in np.flatnonzero(days <= CLOSES)}
    assert dict(first.rows()) == planned
    assert (first["day"].min(), first["day"].max()) == (truth.starts_on, truth.ends_on)


def test_who_adopts_visits_on_that_day_anyway(tested_quarter: pl.DataFrame) -> None:
    days = adoption_days(sized(TESTED))
    planned = pl.DataFrame(
        {"user_id": [f"u{user:06}" for user in range(len(days))], "index": days}, schema_overrides={"index": pl.Int64}
    ).filter(pl.col("index") <= CLOSES)
    usual = tested_quarter.filter(~EXTRA).select("user_id", index=(pl.col("day") - TESTED.first_day).dt.total_days())
    missing = planned.join(usual.unique(), on=["user_id", "index"], how="anti")
    # The only event of a visit may have been on the feature itself, or in hours that the pipeline lost.
    assert missing.height < 0.02 * planned.height


def test_the_effect_is_that_of_the_extra_visits_in_the_stream(tested_quarter: pl.DataFrame) -> None:
    days, found = adoption_days(sized(TESTED)), adoption_effect(sized(TESTED))
    followed = np.flatnonzero(days <= TESTED.days - 1 - 28)
    since = pl.DataFrame({"user_id": [f"u{user:06}" for user in followed], "adopted": days[followed]})
    after = (
        tested_quarter.with_columns(index=(pl.col("day") - TESTED.first_day).dt.total_days())
        .join(since, on="user_id")
        .filter((pl.col("index") - pl.col("adopted")).is_between(1, 28))
    )
    sessions = after.filter(EXTRA)["session_id"].n_unique() / len(followed)
    is_extra = after.group_by("user_id", "index").agg(EXTRA.all().alias("only_extra"))["only_extra"]
    assert sessions == pytest.approx(found.sessions_28d, rel=0.05)
    assert number(is_extra.sum()) / len(followed) == pytest.approx(found.active_days_28d, rel=0.07)
    assert found.sessions_7d < found.sessions_28d
    assert 0 < found.active_days_7d < found.active_days_28d < found.sessions_28d
    assert 0 < found.retained_28d < 0.2


def test_everything_else_is_as_without_the_feature_planted() -> None:
    planted, sound = (SimulationPlan(features=24, events_per_day=3_000, planted=each) for each in (True, False))
    apart = catalogue(24, planted.seed).names[confounded_feature(planted) or 0]
    assert confounded_feature(sound) is None
    for index in (3, OPENS, 75, 95):
        mine, theirs = (simulated_day(plan, planted.date_of(index)) for plan in (planted, sound))
        usual, others = mine.filter(~EXTRA), theirs.filter(pl.col("feature") != apart)
        # Newcomers of one week stay away where truths are planted.
        others = others.join(usual, on="event_id", how="semi", maintain_order="left")
        assert others.height > 0.9 * theirs.filter(pl.col("feature") != apart).height
        names = ["event_id", "event_time", "user_id", "session_id", "feature", "platform", "duration_s", "variant"]
        assert_frame_equal(usual.filter(pl.col("feature") != apart).select(names), others.select(names))
        assert usual.filter(feature=apart).join(theirs, on="event_id", how="anti").is_empty()
        assert mine.filter(EXTRA).is_empty() == (index < OPENS)
        assert set(mine.filter(EXTRA)["user_id"]) <= {f"u{u:06}" for u in range(len(people(3_000, 7, 1).left))}
        assert mine["event_id"].is_unique().all()
        assert mine["event_time"].is_sorted()


def test_an_extra_visit_begins_with_the_feature() -> None:
    plan = SimulationPlan(features=24, events_per_day=3_000)
    extra = simulated_day(plan, plan.date_of(70)).filter(EXTRA)
    first = extra.group_by("session_id", maintain_order=True).agg(pl.col("feature").first())
    assert set(first["feature"]) == {catalogue(24, plan.seed).names[confounded_feature(plan) or 0]}
    assert extra["feature"].n_unique() > 10


def test_adoption_lasts_and_a_later_cycle_only_appends_users() -> None:
    now, later = people(3_000, 7, 0), people(3_000, 7, 1)
    plan = SimulationPlan(features=24, events_per_day=3_000)
    mine, theirs = adopted(plan, now, 89), adopted(plan, later, 300)
    assert mine.sum() == theirs.sum() > 20
    assert (theirs[: len(mine)] == mine).all()
    assert len(extra_visitors(plan, now, OPENS - 1)) == 0


def test_users_who_left_for_a_drift_make_no_extra_visits() -> None:
    plan = SimulationPlan(features=24, events_per_day=3_000)
    shifted = replace(plan, drift=PlannedDrift(kind="label_shift", from_day=56, size=5))
    before, after = (simulated_day(each, plan.date_of(80)) for each in (plan, shifted))
    kept = before.join(after.select("event_id"), on="event_id", how="semi", maintain_order="left")
    assert_frame_equal(after, kept)
    assert 0 < after.filter(EXTRA).height < before.filter(EXTRA).height


def test_a_new_platforms_users_do_not_see_the_feature() -> None:
    plan = SimulationPlan(features=24, events_per_day=3_000)
    wider = replace(plan, drift=PlannedDrift(kind="new_platform", from_day=56, size=2.0))
    theirs = simulated_day(wider, plan.date_of(80)).filter(platform="tv")
    apart = catalogue(24, plan.seed).names[confounded_feature(plan) or 0]
    assert theirs.height > 1_000
    assert apart not in set(theirs["feature"])


def test_too_few_features_leave_none_for_adoption() -> None:
    assert confounded_feature(SimulationPlan(features=7)) is None
    assert {truth.kind for truth in planted_truths(SimulationPlan(features=7))}.isdisjoint({"confounded_feature"})


def test_without_users_who_adopt_there_is_no_effect() -> None:
    plan = next(
        plan
        for plan in (sized(SimulationPlan(features=40, events_per_day=1, seed=seed)) for seed in range(50))
        if (adoption_days(plan) > CLOSES).all()
    )
    assert adoption_effect(plan) == AdoptionEffect(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
