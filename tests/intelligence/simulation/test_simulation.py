"""The simulator keeps its promises: same plan, same stream, in the shape and rhythm of a real product."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from intelligence.simulation.stream import (
    EVENT_SCHEMA,
    Simulation,
    SimulationPlan,
    planted_truths,
    simulated_day,
    simulated_feature_names,
    simulation,
)
from tests.intelligence.simulation.simulated_quarters import DAY, FAILED, ON_DAY, PLAN, SMALL, number

# --- determinism and stability


def test_the_same_plan_gives_the_same_stream() -> None:
    first, second = simulation(SMALL), simulation(SMALL)
    assert_frame_equal(first.events, second.events)
    assert first.truths == second.truths
    assert first.clean_features == second.clean_features


def test_another_seed_gives_another_stream() -> None:
    other = SimulationPlan(features=12, days=30, events_per_day=600, seed=8)
    assert not simulation(SMALL).events.equals(simulation(other).events)


def test_a_longer_plan_changes_no_earlier_day() -> None:
    quarter, longer = (SimulationPlan(features=12, days=days, events_per_day=300) for days in (90, 91))
    short, long = simulation(quarter), simulation(longer)
    assert_frame_equal(short.events, long.events.filter(pl.col("event_time") < longer.last_day))
    assert set(short.truths) <= set(long.truths)
    assert all(truth.starts_on > quarter.last_day for truth in set(long.truths) - set(short.truths))


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    index=st.integers(0, 400),
    days=st.integers(1, 400),
    features=st.integers(4, 60),
    planted=st.booleans(),
)
def test_a_day_made_alone_keeps_its_promises_whatever_the_plan(
    seed: int, index: int, days: int, features: int, planted: bool
) -> None:
    plan = SimulationPlan(features=features, days=days, events_per_day=400, seed=seed, planted=planted)
    day = plan.first_day + index * DAY
    events = simulated_day(plan, day)
    assert_frame_equal(
        events,
        simulated_day(SimulationPlan(features=features, days=1, events_per_day=400, seed=seed, planted=planted), day),
    )
    assert events.schema == EVENT_SCHEMA
    assert events["event_id"].is_unique().all()
    assert events["event_time"].is_sorted()
    assert events["event_time"].dt.date().unique().to_list() == [day]
    assert set(events["feature"]) <= set(simulated_feature_names(features))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), features=st.integers(4, 200), cycle=st.integers(0, 4))
def test_every_cycle_ends_in_trouble_and_no_feature_has_two_troubles(seed: int, features: int, cycle: int) -> None:
    plan = SimulationPlan(features=features, days=90 * (cycle + 1), seed=seed)
    start, last_two = plan.first_day + 90 * cycle * DAY, (plan.last_day - DAY, plan.last_day)
    truths = [truth for truth in planted_truths(plan) if truth.starts_on >= start]
    bad, decays = ([t for t in truths if t.kind == kind] for kind in ("bad_release", "slow_decay"))
    assert len(bad) == max(1, round(0.05 * features))
    assert len(decays) == max(1, round(0.08 * features))
    assert len({truth.feature for truth in bad + decays}) == len(bad + decays)
    for troubles in (bad, decays):
        assert any(truth.starts_on <= day <= truth.ends_on for truth in troubles for day in last_two[:1])
        assert any(truth.starts_on <= day <= truth.ends_on for truth in troubles for day in last_two[1:])
    (fault,) = (truth for truth in truths if truth.kind == "pipeline_fault")
    assert 35 <= (fault.starts_on - start).days <= 60
    assert all(3 <= (truth.ends_on - truth.starts_on).days + 1 <= 7 for truth in bad)
    for decay in decays:
        assert decay.precursor_from is not None
        assert start <= decay.precursor_from
        assert 6 <= (decay.starts_on - decay.precursor_from).days <= 10
        assert 10 <= (decay.ends_on - decay.starts_on).days <= 20
    tests = [truth for truth in truths if truth.kind == "experiment"]
    assert 1 <= len(tests) == len({truth.feature for truth in tests}) <= 6
    assert all(truth.ends_on - truth.starts_on == 27 * DAY for truth in tests)
    assert all(truth.ends_on <= plan.last_day for truth in tests if truth.starts_on < start + 51 * DAY)
    late = [truth for truth in tests if truth.starts_on >= start + 51 * DAY]
    assert len(late) == (len(tests) == 6)
    assert all(truth.starts_on < plan.last_day < truth.ends_on for truth in late)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), features=st.integers(24, 200), cycle=st.integers(0, 4))
def test_no_experiment_meets_trouble_or_another_experiment_on_its_feature(seed: int, features: int, cycle: int) -> None:
    truths = planted_truths(SimulationPlan(features=features, days=90 * (cycle + 1), seed=seed))
    (apart,) = {truth.feature for truth in truths if truth.kind == "confounded_feature"} or {""}
    for test in (truth for truth in truths if truth.kind == "experiment"):
        others = [truth for truth in truths if truth.feature == test.feature and truth != test]
        assert all((t.precursor_from or t.starts_on) > test.ends_on or t.ends_on < test.starts_on for t in others)
    assert [truth.kind for truth in truths if truth.feature == apart] in ([], ["confounded_feature"])


def test_days_after_the_plans_end_go_on_and_days_before_it_are_refused() -> None:
    assert simulated_day(SMALL, SMALL.last_day + 100 * DAY).height > 0
    with pytest.raises(ValueError, match=r"2026-05-03.*Begin with 2026-05-04"):
        simulated_day(SMALL, SMALL.first_day - DAY)


@pytest.mark.parametrize(
    "nonsense", [{"features": 0}, {"days": 0}, {"events_per_day": 0}, {"seed": -1}, {"features": 3}]
)
def test_nonsense_plans_are_refused_by_name_and_value(nonsense: dict[str, int]) -> None:
    ((name, value),) = nonsense.items()
    with pytest.raises(ValueError, match=rf"{name}: {value} "):
        SimulationPlan(**nonsense)  # type: ignore[arg-type]


def test_one_feature_is_enough_for_a_clean_plan() -> None:
    assert simulation(SimulationPlan(features=1, days=2, events_per_day=50, planted=False)).events.height > 0


def test_feature_names_are_unique_readable_and_do_not_depend_on_the_count() -> None:
    names = simulated_feature_names(2_500)
    assert len(set(names)) == 2_500
    assert simulated_feature_names(120) == names[:120]
    assert pl.Series(names).str.contains(r"^[a-z]+(_[a-z0-9]+)+$").all()


# --- shape


def test_the_columns_are_exactly_those_promised(quarter: Simulation) -> None:
    assert quarter.events.schema == EVENT_SCHEMA
    assert list(EVENT_SCHEMA.items())[:2] == [("event_id", pl.String), ("event_time", pl.Datetime("us"))]
    nullable = {"latency_ms", "rating", "value", "experiment", "variant", "properties"}
    nulls = quarter.events.null_count().row(0, named=True)
    assert {name for name, count in nulls.items() if count} == nullable


def test_ids_are_unique_and_sessions_have_one_user_and_one_day(quarter: Simulation) -> None:
    events = quarter.events
    assert events["event_id"].n_unique() == events.height
    sessions = events.group_by("session_id").agg(pl.col("user_id").n_unique(), ON_DAY.n_unique().alias("days"))
    assert sessions["user_id"].max() == 1
    assert sessions["days"].max() == 1


def test_events_are_sorted_and_cover_the_plans_days(quarter: Simulation) -> None:
    assert quarter.events["event_time"].is_sorted()
    days = quarter.events["event_time"].dt.date().unique().sort().to_list()
    assert days == [PLAN.first_day + index * DAY for index in range(PLAN.days)]


def test_values_stay_in_their_range(quarter: Simulation) -> None:
    events = quarter.events
    assert events["rating"].drop_nulls().is_between(1, 5).all()
    assert (events["latency_ms"].drop_nulls() > 0).all()
    assert events["duration_s"].is_between(0, 86_400).all()
    assert events.filter(pl.col("crashed") & ~FAILED).is_empty()
    assert set(events.filter(pl.col("value").is_not_null())["event_type"]) == {"subscribe"}
    assert (events.filter(event_type="subscribe")["value"] > 0).all()
    assert set(events.filter(pl.col("rating").is_not_null(), pl.col("properties").is_null())["event_type"]) == {"rate"}
    answers = events.filter(pl.col("properties").is_not_null())
    assert answers["properties"].str.json_path_match("$.model").is_in(["tutor-1", "tutor-2"]).all()


# --- rhythm and population


def test_a_week_has_the_planned_volume_and_the_rhythm_of_a_school(clean_quarter: Simulation) -> None:
    days = clean_quarter.events.group_by(ON_DAY.alias("day")).len().sort("day")
    weekly = days["len"].to_numpy()[:84].reshape(12, 7)
    assert weekly.mean(axis=1) == pytest.approx(8_000, rel=0.08)
    assert weekly[-3:].mean() > weekly[:3].mean()
    assert (weekly[:, :4].min(axis=1) > 1.8 * weekly[:, 5:].max(axis=1)).all()


def test_every_feature_is_used_on_a_school_day_of_the_default_plan() -> None:
    for seed in range(5):
        plan = SimulationPlan(seed=seed)
        uses = simulated_day(plan, date(2026, 7, 29))["feature"].value_counts()
        assert uses.height == plan.features
        assert number(uses["count"].min()) >= 60


def test_new_features_and_new_users_arrive_and_some_users_leave(clean_quarter: Simulation) -> None:
    first = clean_quarter.events.group_by("feature").agg(ON_DAY.min().alias("first"))
    late_features = number((first["first"] > PLAN.first_day + 4 * DAY).mean())
    assert 0 < late_features < 0.3
    users = clean_quarter.events.group_by("user_id").agg(ON_DAY.min().alias("first"), ON_DAY.max().alias("last"))
    assert 0.2 < number((users["first"] > PLAN.first_day + 21 * DAY).mean()) < 0.5
    regulars = clean_quarter.events.filter(PLAN.first_day + 14 * DAY > ON_DAY)["user_id"].value_counts()
    regulars = regulars.filter(pl.col("count") >= 60).join(users, on="user_id")
    assert 0.15 < number((regulars["last"] < PLAN.last_day - 21 * DAY).mean()) < 0.6


def test_users_slow_down_before_they_leave(clean_quarter: Simulation) -> None:
    last = clean_quarter.events.group_by("user_id").agg(ON_DAY.max().alias("last"), pl.len().alias("events"))
    gone = last.filter(
        pl.col("last").is_between(PLAN.first_day + 45 * DAY, PLAN.last_day - 21 * DAY), pl.col("events") > 150
    )
    before = clean_quarter.events.join(gone, on="user_id").with_columns(
        (pl.col("last") - ON_DAY).dt.total_days().alias("days_left")
    )
    per_week = [before.filter(pl.col("days_left").is_between(7 * week, 7 * week + 6)).height for week in range(5)]
    assert per_week[0] < 0.75 * np.mean(per_week[3:])


def test_a_user_never_goes_back_to_an_older_version(quarter: Simulation) -> None:
    numbers = pl.col("app_version").str.split(".").list.eval(pl.element().cast(pl.Int64))
    version = quarter.events.select(
        "user_id", "event_time", (numbers.list.get(1) * 10 + numbers.list.get(2)).alias("version")
    )
    assert (version.select(pl.col("version").diff().over("user_id")).drop_nulls().to_series() >= 0).all()
    assert quarter.events["app_version"].n_unique() >= 6


def test_a_release_reaches_nine_in_ten_users_in_about_a_week(clean_quarter: Simulation) -> None:
    web = clean_quarter.events.filter(platform="web")
    arrived = web.filter(app_version="3.8.0")["event_time"].dt.date().min()
    assert isinstance(arrived, date)
    shares = [
        number((web.filter(arrived + after * DAY == ON_DAY)["app_version"] == "3.8.0").mean()) for after in (0, 6)
    ]
    assert shares[0] == pytest.approx(0.28, abs=0.1)
    assert shares[1] == pytest.approx(0.9, abs=0.06)
