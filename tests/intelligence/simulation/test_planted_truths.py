"""What the simulator says it planted can be seen in the stream, and nowhere else."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from intelligence.simulation.stream import (
    Simulation,
    SimulationPlan,
    planted_truths,
    simulated_day,
)
from tests.intelligence.simulation.simulated_quarters import DAY, FAILED, ON_DAY, PLAN, between, number, of_kind, ratio


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


def test_an_unplanted_plan_has_experiments_and_no_trouble(clean_quarter: Simulation) -> None:
    assert [truth.kind for truth in clean_quarter.truths] == ["experiment"] * 6
    assert len(clean_quarter.clean_features) == 34
    harmless = (pl.col("experiment") != "eager_loading").fill_null(value=True)
    by_feature = clean_quarter.events.filter(harmless).group_by("feature").agg(FAILED.mean().alias("rate"))
    assert number(by_feature["rate"].max()) < 0.007
    assert not clean_quarter.events["app_version"].str.ends_with(".1").any()
    hours = clean_quarter.events.group_by(ON_DAY.alias("day")).agg(pl.col("event_time").dt.hour().n_unique())
    assert hours["event_time"].min() == 24


def test_planting_changes_nothing_about_who_comes_when_and_for_what() -> None:
    sound = SimulationPlan(features=12, events_per_day=600, planted=False)
    troubled = SimulationPlan(features=12, events_per_day=600)
    day = troubled.last_day
    names = [
        "event_id",
        "event_time",
        "user_id",
        "session_id",
        "feature",
        "platform",
        "duration_s",
        "experiment",
        "variant",
    ]
    mine, theirs = simulated_day(troubled, day), simulated_day(sound, day)
    # Newcomers of one week stay away where truths are planted.
    theirs = theirs.join(mine, on="event_id", how="semi", maintain_order="left")
    assert_frame_equal(mine.select(names), theirs.select(names))
    in_trouble = {
        truth.feature
        for truth in planted_truths(troubled)
        if (truth.is_trouble or truth.kind == "broken_step") and truth.ends_on == day
    }
    untouched = ~pl.col("feature").is_in(in_trouble)
    assert_frame_equal(mine.filter(untouched).drop("app_version"), theirs.filter(untouched).drop("app_version"))
    assert not mine.equals(theirs)
