"""The simulator keeps its promises: same plan, same stream; and what it says it planted can be seen in the stream."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from intelligence.telemetry.simulation import (
    EVENT_SCHEMA,
    PlantedTruth,
    Simulation,
    SimulationPlan,
    planted_truths,
    simulated_day,
    simulated_feature_names,
    simulation,
)

PLAN = SimulationPlan(features=40, events_per_day=16_000)
SMALL = SimulationPlan(features=12, days=30, events_per_day=600)
DAY = timedelta(days=1)
FAILED = pl.col("error_count") > 0
ON_DAY = pl.col("event_time").dt.date()


@pytest.fixture(scope="module")
def quarter() -> Simulation:
    return simulation(PLAN)


@pytest.fixture(scope="module")
def clean_quarter() -> Simulation:
    return simulation(SimulationPlan(features=40, events_per_day=8_000, planted=False))


@pytest.fixture(scope="module")
def feature_days(quarter: Simulation) -> pl.DataFrame:
    return quarter.events.group_by("feature", ON_DAY.alias("day")).agg(
        pl.len().alias("events"),
        FAILED.sum().alias("failed"),
        pl.col("crashed").sum().alias("crashes"),
        pl.col("error_count").sum().alias("errors"),
        pl.col("latency_ms").quantile(0.99).alias("p99_latency_ms"),
        pl.col("latency_ms").median().alias("median_latency_ms"),
        pl.col("rating").sum().alias("stars"),
        pl.col("rating").count().alias("ratings"),
    )


def number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def of_kind(truths: tuple[PlantedTruth, ...], kind: str) -> list[PlantedTruth]:
    return [truth for truth in truths if truth.kind == kind]


def between(first: date, last: date) -> pl.Expr:
    return pl.col("day").is_between(first, last)


def ratio(rows: pl.DataFrame, numerator: str, denominator: str) -> float:
    return number(rows[numerator].sum()) / number(rows[denominator].sum())


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
    assert sorted(truth.effect for truth in truths if truth.kind == "experiment") == [0.0, 0.08]


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


# --- planted truths


def test_bad_releases_breach_the_error_budget_while_they_last(quarter: Simulation, feature_days: pl.DataFrame) -> None:
    for truth in of_kind(quarter.truths, "bad_release"):
        mine = feature_days.filter(feature=truth.feature)
        during = mine.filter(between(truth.starts_on, truth.ends_on))
        before = mine.filter(between(truth.starts_on - 14 * DAY, truth.starts_on - DAY))
        after = mine.filter(between(truth.ends_on + DAY, truth.ends_on + 7 * DAY))
        assert 0.035 < ratio(during, "failed", "events") < 0.13, truth
        assert ratio(before, "failed", "events") < 0.01
        assert after.is_empty() or ratio(after, "failed", "events") < 0.015
        assert ratio(during, "crashes", "events") > 5 * ratio(before, "crashes", "events")


def test_a_bad_release_fails_and_displeases_only_on_its_platform_and_version(quarter: Simulation) -> None:
    stars: dict[bool, list[pl.Series]] = {True: [], False: []}
    for truth in of_kind(quarter.truths, "bad_release"):
        _, version, _, platform = truth.detail.split(":")[0].split()
        days = pl.col("event_time").dt.date().is_between(truth.starts_on, truth.ends_on)
        mine = quarter.events.filter(days, feature=truth.feature)
        hit = (pl.col("platform") == platform) & (pl.col("app_version") == version)
        exposed = mine.filter(hit)
        tolerance = 4 * float(np.sqrt(0.25 / exposed.height)) + 0.01
        assert exposed.select(FAILED.mean()).item() == pytest.approx(truth.effect, abs=tolerance)
        assert mine.filter(~hit).select(FAILED.mean()).item() < 0.01
        for exposure, rows in ((True, exposed), (False, mine.filter(~hit))):
            stars[exposure].append(rows["rating"])
        assert version not in quarter.events.filter(truth.ends_on < ON_DAY, platform=platform)["app_version"]


def test_slow_decays_breach_on_the_day_that_the_truth_names(quarter: Simulation, feature_days: pl.DataFrame) -> None:
    aligned = pl.concat(
        [
            feature_days.filter(feature=truth.feature).with_columns(
                (pl.col("day") - truth.starts_on).dt.total_days().alias("offset")
            )
            for truth in of_kind(planted_truths(PLAN), "slow_decay")
        ]
    )

    def pooled(first: int, last: int) -> float:
        return ratio(aligned.filter(pl.col("offset").is_between(first, last)), "failed", "events")

    assert pooled(-30, -11) < 0.006
    assert pooled(-4, -2) < 0.02 < pooled(1, 3)
    assert pooled(-6, -4) < pooled(-3, -1) < pooled(0, 2) < pooled(3, 9)
    assert 0.035 < pooled(8, 10) < 0.065


def test_slow_decays_stay_broken_until_they_end(quarter: Simulation, feature_days: pl.DataFrame) -> None:
    for truth in of_kind(quarter.truths, "slow_decay"):
        mine = feature_days.filter(feature=truth.feature)
        late = mine.filter(between(truth.ends_on - 2 * DAY, truth.ends_on))
        assert truth.precursor_from is not None
        before = mine.filter(between(truth.precursor_from - 14 * DAY, truth.precursor_from - DAY))
        after = mine.filter(between(truth.ends_on + DAY, truth.ends_on + 7 * DAY))
        assert ratio(late, "failed", "events") > 0.02, truth
        slower = number(late["median_latency_ms"].mean()) / number(before["median_latency_ms"].mean())
        assert slower == pytest.approx(truth.effect, rel=0.25)
        assert after.is_empty() or ratio(after, "failed", "events") < 0.015


def test_slow_decays_announce_themselves_before_the_breach(quarter: Simulation, feature_days: pl.DataFrame) -> None:
    for truth in of_kind(quarter.truths, "slow_decay"):
        assert truth.precursor_from is not None
        mine = feature_days.filter(feature=truth.feature)
        sound = mine.filter(between(truth.precursor_from - 21 * DAY, truth.precursor_from - DAY))
        early = mine.filter(between(truth.precursor_from, truth.starts_on - DAY))
        assert number(early["p99_latency_ms"].mean()) > 1.25 * number(sound["p99_latency_ms"].mean())
        assert ratio(early, "errors", "events") > ratio(sound, "errors", "events")
        assert ratio(early, "failed", "events") < 0.02


def test_clean_features_stay_sound(quarter: Simulation, feature_days: pl.DataFrame) -> None:
    clean = feature_days.filter(pl.col("feature").is_in(quarter.clean_features))
    assert len(quarter.clean_features) == 40 - len({t.feature for t in quarter.truths if t.feature is not None})
    for by in ("day", "feature"):
        pooled = clean.group_by(by).agg(pl.col("failed").sum() / pl.col("events").sum())
        assert number(pooled["failed"].max()) < (0.02 if by == "day" else 0.006)


def test_the_pipeline_fault_leaves_its_hours_empty(quarter: Simulation) -> None:
    (fault,) = of_kind(quarter.truths, "pipeline_fault")
    hours = set(quarter.events.filter(fault.starts_on == ON_DAY)["event_time"].dt.hour())
    assert hours == {*range(8), *range(20, 24)}
    assert fault.effect == 0.5
    others = (
        quarter.events.filter(fault.starts_on != ON_DAY)
        .group_by(ON_DAY.alias("day"))
        .agg(pl.col("event_time").dt.hour().n_unique().alias("hours"))
    )
    assert others["hours"].min() == 24


def completion_lift(events: pl.DataFrame) -> tuple[float, float]:
    """Return the relative lift of completions per event and its standard error over users (delta method)."""
    users = events.group_by("variant", "user_id").agg(
        (pl.col("event_type") == "complete").sum().alias("done"), pl.len().alias("n")
    )
    logs, variances = {}, {}
    for variant in ("control", "treatment"):
        done, n = (users.filter(variant=variant)[name].to_numpy().astype(float) for name in ("done", "n"))
        rate = done.sum() / n.sum()
        logs[variant] = float(np.log(rate))
        variances[variant] = float(((done - rate * n) ** 2).sum() / done.sum() ** 2)
    return float(np.expm1(logs["treatment"] - logs["control"])), float(np.sqrt(sum(variances.values())))


def test_the_experiment_lifts_completions_by_its_effect_and_the_a_a_test_by_nothing() -> None:
    plan = SimulationPlan(features=6, events_per_day=25_000)
    real, sham = sorted(of_kind(planted_truths(plan), "experiment"), key=lambda truth: -truth.effect)
    for truth in (real, sham):
        days = pl.concat([simulated_day(plan, truth.starts_on + index * DAY) for index in range(28)])
        measured = days.filter(pl.col("variant").is_not_null())
        if truth.feature is not None:
            measured = measured.filter(feature=truth.feature)
        lift, error = completion_lift(measured)
        assert error < 0.025
        assert abs(lift - truth.effect) < 3 * error
        assert (abs(lift) > 2.5 * error) == (truth is real)


def test_experiments_are_sticky_balanced_and_run_on_their_days_only(quarter: Simulation) -> None:
    for truth in of_kind(quarter.truths, "experiment"):
        name = truth.detail.split(":")[0]
        exposed = quarter.events.filter(experiment=name)
        assert exposed["event_time"].dt.date().min() == truth.starts_on
        assert exposed["event_time"].dt.date().max() == truth.ends_on
        arms = exposed.group_by("user_id").agg(pl.col("variant").n_unique().alias("arms"), pl.col("variant").first())
        assert arms["arms"].max() == 1
        assert (arms["variant"] == "treatment").mean() == pytest.approx(0.5, abs=0.05)
        running = quarter.events.filter(ON_DAY.is_between(truth.starts_on, truth.ends_on))
        of_assigned = running.filter(pl.col("user_id").is_in(arms["user_id"].implode()))
        assert of_assigned["experiment"].null_count() == 0
        assert arms.height / running["user_id"].n_unique() == pytest.approx(0.8, abs=0.04)


def test_an_unplanted_plan_has_experiments_and_no_trouble(clean_quarter: Simulation) -> None:
    assert {truth.kind for truth in clean_quarter.truths} == {"experiment"}
    assert len(clean_quarter.clean_features) == 39
    by_feature = clean_quarter.events.group_by("feature").agg(FAILED.mean().alias("rate"))
    assert number(by_feature["rate"].max()) < 0.007
    assert not clean_quarter.events["app_version"].str.ends_with(".1").any()
    hours = clean_quarter.events.group_by(ON_DAY.alias("day")).agg(pl.col("event_time").dt.hour().n_unique())
    assert hours["event_time"].min() == 24


def test_planting_changes_nothing_about_who_comes_when_and_for_what() -> None:
    sound = SimulationPlan(features=12, events_per_day=600, planted=False)
    troubled = SimulationPlan(features=12, events_per_day=600)
    day = troubled.last_day
    names = ["event_id", "event_time", "user_id", "session_id", "feature", "platform", "duration_s", "variant"]
    mine, theirs = simulated_day(troubled, day), simulated_day(sound, day)
    assert_frame_equal(mine.select(names), theirs.select(names))
    in_trouble = {truth.feature for truth in planted_truths(troubled) if truth.ends_on == day}
    untouched = ~pl.col("feature").is_in(in_trouble)
    assert_frame_equal(mine.filter(untouched).drop("app_version"), theirs.filter(untouched).drop("app_version"))
    assert not mine.equals(theirs)
