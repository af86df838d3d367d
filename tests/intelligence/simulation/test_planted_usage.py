"""The broken step and the week whose newcomers stay away are in the stream, and touch nothing else."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from intelligence.core.truths import PlantedTruth
from intelligence.simulation import stream
from intelligence.simulation.planted_truths import planted_truths
from intelligence.simulation.planted_usage import LOST_SHARE
from intelligence.simulation.stream import SimulationPlan, simulated_day

PLAN = SimulationPlan(features=24, events_per_day=12_000)
UNTOUCHED = [
    "event_id",
    "event_time",
    "user_id",
    "feature",
    "latency_ms",
    "error_count",
    "crashed",
    "rating",
    "duration_s",
]


def truth(kind: str, plan: SimulationPlan = PLAN) -> PlantedTruth:
    (found,) = (each for each in planted_truths(plan) if each.kind == kind)
    return found


@pytest.fixture
def unplanted(monkeypatch: pytest.MonkeyPatch):
    """Return a function that simulates a day without what this module plants."""

    def day(plan: SimulationPlan, index: int) -> pl.DataFrame:
        with monkeypatch.context() as patch:
            patch.setattr(stream._Today, "_as_broken", lambda _, event_type, __: event_type)
            patch.setattr(stream, "stays_away", lambda _, crowd, __, spared: spared() & False)
            return simulated_day(plan, plan.date_of(index))

    return day


def test_a_broken_step_loses_completions_of_one_feature_on_one_platform_and_nothing_else(unplanted) -> None:
    broken = truth("broken_step")
    for index in ((broken.starts_on - PLAN.first_day).days + n for n in (-1, 0, 9)):
        mine, theirs = simulated_day(PLAN, PLAN.date_of(index)), unplanted(PLAN, index)
        theirs = theirs.join(mine.select("event_id"), on="event_id", how="semi", maintain_order="left")
        assert_frame_equal(mine.select(UNTOUCHED), theirs.select(UNTOUCHED))
        lost = mine.filter(mine["event_type"] != theirs["event_type"])
        assert lost.is_empty() == (index < (broken.starts_on - PLAN.first_day).days)
        assert set(lost["event_type"]) <= {"use"}
        assert set(lost["feature"]) <= {broken.feature}
        assert all(f" on {platform} " in broken.detail for platform in set(lost["platform"]))


def test_as_many_completions_are_lost_as_the_truth_says(unplanted) -> None:
    broken = truth("broken_step")
    days = range((broken.starts_on - PLAN.first_day).days, 90)
    mine, theirs = (
        pl.concat(each)
        for each in zip(*((simulated_day(PLAN, PLAN.date_of(n)), unplanted(PLAN, n)) for n in days), strict=True)
    )
    left, had = (
        each.filter(feature=broken.feature, event_type="complete").group_by("platform").len() for each in (mine, theirs)
    )
    both = had.join(left, on="platform").with_columns(kept=pl.col("len_right") / pl.col("len"))
    assert both["kept"].min() == pytest.approx(1 - LOST_SHARE, abs=0.1)
    assert sorted(both["kept"])[1] > 0.9


def test_newcomers_of_one_week_stay_away_and_no_other_user_does(unplanted) -> None:
    week = truth("leaving_cohort")
    first, last = ((each - PLAN.first_day).days for each in (week.starts_on, week.ends_on))
    before = [(simulated_day(PLAN, PLAN.date_of(n)), unplanted(PLAN, n)) for n in (0, first - 1)]
    assert all(mine.select(UNTOUCHED).equals(theirs.select(UNTOUCHED)) for mine, theirs in before)
    had = pl.concat([unplanted(PLAN, n) for n in range(first, 90, 3)])
    mine = pl.concat([simulated_day(PLAN, PLAN.date_of(n)) for n in range(first, 90, 3)])
    missing = had.join(mine.select("event_id"), on="event_id", how="anti")
    earliest = missing["event_time"].dt.date().min()
    assert week.starts_on + timedelta(days=3) <= earliest <= week.ends_on + timedelta(days=8)  # type: ignore[operator]
    later = mine.filter(pl.col("event_time").dt.date() > week.ends_on + timedelta(days=9))
    gone = set(missing["user_id"])
    assert gone.isdisjoint(set(later["user_id"]))
    old = {f"u{number:06}" for number in range(round(12_000 / 6 * 0.6))}
    assert gone.isdisjoint(old)
    signed_up = (12_000 / 6 * 0.4) / 90 * 7
    # Who hardly ever comes is not missed.
    assert 0.4 * week.effect * signed_up < len(gone) <= 1.1 * week.effect * signed_up
    assert 0.2 < week.effect < 0.6
    assert missing.height < 0.02 * had.height
    assert last - first == 6
    assert week.starts_on.weekday() == 0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), features=st.integers(4, 120), cycle=st.integers(0, 3))
def test_each_cycle_has_its_truths_on_features_of_their_own(seed: int, features: int, cycle: int) -> None:
    plan = SimulationPlan(features=features, days=90 * (cycle + 1), seed=seed)
    truths = planted_truths(plan)
    assert len([each for each in truths if each.kind == "leaving_cohort"]) == cycle + 1
    for broken in (each for each in truths if each.kind == "broken_step"):
        others = [each for each in truths if each.feature == broken.feature and each != broken]
        assert all((t.precursor_from or t.starts_on) > broken.ends_on or t.ends_on < broken.starts_on for t in others)
    kinds = {each.kind for each in planted_truths(replace(plan, planted=False))}
    assert kinds == {"experiment"}
