"""Each planted experiment does to its users what its truth says, and to nobody else."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.stats import binomtest

from intelligence.simulation.planted_experiments import Experiment, Marks, marks, variants
from intelligence.simulation.stream import EVENT_SCHEMA, PlantedTruth, SimulationPlan, planted_truths, simulated_day
from tests.intelligence.simulation.simulated_quarters import DAY, FAILED, ON_DAY, TESTED, number, of_kind

DONE = pl.col("event_type") == "complete"
LAST_SHARE = 0.02


def truth_of(name: str) -> PlantedTruth:
    (found,) = (each for each in of_kind(planted_truths(TESTED), "experiment") if each.detail.startswith(f"{name}:"))
    return found


def difference(events: pl.DataFrame, what: pl.Expr) -> tuple[float, float]:
    """Return the relative difference of a share of events in the treatment, and its z by the delta method over users."""
    users = events.group_by("variant", "user_id").agg(what.sum().alias("hits"), pl.len().alias("n"))
    rates, variances = {}, {}
    for variant in ("control", "treatment"):
        hits, n = (users.filter(variant=variant)[name].to_numpy().astype(float) for name in ("hits", "n"))
        rates[variant] = hits.sum() / n.sum()
        variances[variant] = float(((hits - rates[variant] * n) ** 2).sum() / n.sum() ** 2)
    added = float(rates["treatment"] - rates["control"])
    return added / float(rates["control"]), added / float(np.sqrt(sum(variances.values())))


def users_in(events: pl.DataFrame, variant: str) -> int:
    return events.filter(variant=variant)["user_id"].n_unique()


@pytest.mark.parametrize("name", ["onboarding_checklist", "eager_loading", "new_editor"])
def test_a_lift_is_as_large_as_its_truth_and_beyond_doubt(tested_quarter: pl.DataFrame, name: str) -> None:
    lift, z = difference(tested_quarter.filter(experiment=name), DONE)
    assert z > 3.5
    assert abs(lift - truth_of(name).effect) < 3 * lift / z


def test_an_a_a_test_finds_nothing(tested_quarter: pl.DataFrame) -> None:
    both = tested_quarter.filter(experiment="button_colour")
    assert truth_of("button_colour").effect == 0.0
    assert max(abs(difference(both, what)[1]) for what in (DONE, FAILED)) < 2.5


def test_eager_loading_harms_the_treatment_and_keeps_the_feature_within_its_promise(
    tested_quarter: pl.DataFrame,
) -> None:
    truth = truth_of("eager_loading")
    both = tested_quarter.filter(experiment="eager_loading")
    assert difference(both, FAILED)[1] > 8
    rates = dict(both.group_by("variant").agg(FAILED.mean()).rows())
    assert 0.015 < rates["treatment"] - rates["control"] < 0.021
    assert abs(difference(both, pl.col("crashed"))[1]) < 3
    mine = tested_quarter.filter(pl.col("day").is_between(truth.starts_on, truth.ends_on), feature=truth.feature)
    assert number(mine.select(FAILED.mean()).item()) < 0.013
    assert number(mine.group_by("day").agg(FAILED.mean())["error_count"].max()) < LAST_SHARE


def test_novelty_wears_off(tested_quarter: pl.DataFrame) -> None:
    truth = truth_of("celebrations")
    both = tested_quarter.filter(experiment="celebrations").with_columns(
        week=(pl.col("day") - truth.starts_on).dt.total_days() // 7
    )
    weeks = [difference(both.filter(week=week), DONE) for week in range(4)]
    later = difference(both.filter(pl.col("week") >= 2), DONE)
    assert weeks[0][1] > 2.5
    assert weeks[0][0] > max(lift for lift, _ in weeks[1:])
    assert abs(later[1]) < 2.5
    lift, z = difference(both, DONE)
    assert abs(lift - truth.effect) < 3 * abs(lift / z)


def test_an_experiment_that_loses_marks_has_too_few_users_in_its_treatment_and_the_others_do_not(
    tested_quarter: pl.DataFrame,
) -> None:
    def p_value(name: str) -> float:
        mine = tested_quarter.filter(experiment=name)
        both = [users_in(mine, variant) for variant in ("treatment", "control")]
        return float(binomtest(both[0], sum(both)).pvalue)

    assert p_value("new_editor") < 1e-4
    assert min(p_value(name) for name in running(TESTED) if name != "new_editor") > 0.001
    mine = tested_quarter.filter(experiment="new_editor")
    assert users_in(mine, "treatment") / users_in(mine, "control") == pytest.approx(0.85, abs=0.06)


def running(plan: SimulationPlan) -> list[str]:
    return [truth.detail.split(":")[0] for truth in of_kind(planted_truths(plan), "experiment")]


def test_experiments_run_at_the_same_time_on_their_days_and_features_only(tested_quarter: pl.DataFrame) -> None:
    marked = tested_quarter.filter(pl.col("experiment").is_not_null())
    assert set(marked["experiment"]) == set(running(TESTED))
    assert marked["variant"].null_count() == 0
    assert tested_quarter.filter(pl.col("experiment").is_null(), pl.col("variant").is_not_null()).is_empty()
    assert number(marked.group_by("day").agg(pl.col("experiment").n_unique())["experiment"].max()) >= 3
    for truth in of_kind(planted_truths(TESTED), "experiment"):
        mine = marked.filter(experiment=truth.detail.split(":")[0])
        assert set(mine["feature"]) == {truth.feature}
        assert (mine["day"].min(), mine["day"].max()) == (truth.starts_on, min(truth.ends_on, TESTED.last_day))
        assert mine.group_by("user_id").agg(pl.col("variant").n_unique())["variant"].max() == 1
        on_days = tested_quarter.filter(pl.col("day").is_between(truth.starts_on, truth.ends_on), feature=truth.feature)
        share = mine["user_id"].n_unique() / on_days["user_id"].n_unique()
        assert share == pytest.approx(0.74 if "never carry" in truth.detail else 0.8, abs=0.04)
    assert truth_of("weekly_digest").ends_on > TESTED.last_day


def test_the_experiment_that_begins_late_goes_on_into_the_next_cycle() -> None:
    plan = SimulationPlan(features=24, days=100, events_per_day=2_000)
    truth = next(each for each in planted_truths(plan) if each.detail.startswith("weekly_digest:"))
    last, after = (simulated_day(plan, day) for day in (truth.ends_on, truth.ends_on + DAY))
    assert set(last["experiment"].drop_nulls()) == {"weekly_digest"}
    assert after["experiment"].null_count() == after.height


@pytest.mark.parametrize("index", [12, 30, 45, 60, 89])
def test_an_event_without_the_treatment_is_the_same_with_experiments_and_without(
    index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = SimulationPlan(features=24, events_per_day=4_000)
    with_tests = simulated_day(plan, plan.date_of(index))
    monkeypatch.setattr("intelligence.simulation.stream.marks", without_tests)
    without = simulated_day(plan, plan.date_of(index))
    of_outcome = ["event_type", "error_count", "rating", "value", "properties", "experiment", "variant"]
    assert_frame_equal(with_tests.drop(of_outcome), without.drop(of_outcome))
    untreated = (with_tests["variant"] != "treatment").fill_null(value=True)
    names = [name for name in EVENT_SCHEMA if name not in ("experiment", "variant")]
    assert_frame_equal(with_tests.filter(untreated).select(names), without.filter(untreated).select(names))
    assert 0 < (~untreated).sum() < with_tests.height / 4


def without_tests(seed: int, tests: Sequence[Experiment], **arrays: object) -> Marks:
    del tests
    return marks(seed, (), **arrays)  # type: ignore[arg-type]


@given(seed=st.integers(0, 2**32), users=st.integers(1, 300), more=st.integers(0, 300))
def test_a_users_variant_does_not_depend_on_how_many_users_there_are(seed: int, users: int, more: int) -> None:
    test = Experiment("new_editor", 0, 0, 27, unmarked_share=0.15)
    assert (variants(seed, test, users) == variants(seed, test, users + more)[:users]).all()


def test_experiments_run_without_planted_trouble_too() -> None:
    planted, sound = (SimulationPlan(features=40, events_per_day=600, planted=each) for each in (True, False))
    with_harm, without = (of_kind(planted_truths(plan), "experiment") for plan in (planted, sound))
    harming = next(truth for truth in with_harm if truth.detail.startswith("eager_loading"))
    assert [truth for truth in with_harm if truth != harming] == [
        truth for truth in without if not truth.detail.startswith("eager_loading")
    ]
    (harmless,) = (truth for truth in without if truth.detail.startswith("eager_loading"))
    assert replace(harmless, detail=harming.detail, effect=harming.effect) == harming
    assert harmless.effect == pytest.approx(0.14), "the lift stays, the failures go"
    day = planted.date_of(89)
    marked = [simulated_day(plan, day).filter(pl.col("experiment").is_not_null()) for plan in (planted, sound)]
    usual = marked[0].filter(~pl.col("event_id").str.contains("-a"))
    assert_frame_equal(usual.drop("app_version"), marked[1].drop("app_version"))
    assert set(usual.select(ON_DAY).to_series()) == {day}
