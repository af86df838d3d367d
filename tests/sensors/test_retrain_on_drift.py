"""Drift asks for one training of its episode, however ticks, restarts, failures and repetitions fall."""

import dagster as dg
import pytest

from assets.graph.requests import EPISODE_TAG
from sensors.retrain_on_drift import retrain_on_drift
from tests.platforms import ruled_by
from tests.sensors.house import Deployment
from tests.sensors.verdicts import BEGIN, MODEL, Watched


@pytest.fixture
def watched(watched: Watched) -> Watched:
    """Return a deployment in which three days in a row are enough."""
    rules = watched.platform.product.drift.model_copy(update={"consecutive_days": 3})
    watched.platform = ruled_by(watched.platform, drift=rules)
    watched.open()
    return watched


def test_before_there_is_a_model_nothing_is_asked_for(tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = Deployment(tmp_path_factory.mktemp("empty") / "product")
    assert empty.tick(retrain_on_drift) == "Nothing was trained yet."


def test_a_steady_world_asks_for_nothing_and_says_why(watched: Watched) -> None:
    watched.write("sssss")
    reason = watched.tick(retrain_on_drift)
    assert reason == "feature: The world looks as it did in training. user: No champion is watched yet."
    watched.write("sssmm")
    assert "on fewer than 3 days in a row" in watched.tick(retrain_on_drift)


def test_days_in_a_row_ask_for_the_training_of_that_model_alone_with_cause_and_link(watched: Watched) -> None:
    watched.write("smmm")
    (request,) = watched.tick(retrain_on_drift)
    assert [key.path for key in request.asset_selection] == [["risk", "feature_training"], ["risk", "feature_verdict"]]
    cause = request.tags["intelligence/cause"]
    assert cause.startswith("drift since ")
    assert "slow_rise_7d by 0.80, limit 0.30" in cause
    assert "Page: http://127.0.0.1:8090/" in cause
    assert (
        request.tags[EPISODE_TAG]
        == f"drift of {MODEL} version {watched.version} since {BEGIN.replace(day=BEGIN.day + 1)}"
    )


def test_repeated_ticks_restarts_and_lost_cursors_ask_for_the_same_training(watched: Watched) -> None:
    watched.write("smmm")
    (first,) = watched.tick(retrain_on_drift)
    keys = {watched.tick(retrain_on_drift)[0].run_key for _ in range(3)}
    watched.restart()
    keys |= {watched.tick(retrain_on_drift, cursor=cursor)[0].run_key for cursor in (None, "lost", "0")}
    assert keys == {first.run_key}
    watched.write("smmmm")
    assert watched.tick(retrain_on_drift)[0].run_key == first.run_key, "the same episode, a day later"


def test_a_run_under_way_is_waited_for_and_one_that_succeeded_is_not_repeated(watched: Watched) -> None:
    watched.write("smmm")
    (request,) = watched.tick(retrain_on_drift)
    watched.leave_run(request, dg.DagsterRunStatus.STARTED)
    assert "is under way" in watched.tick(retrain_on_drift)
    (run,) = watched.instance.get_runs()
    watched.instance.report_run_canceled(run)
    (again,) = watched.tick(retrain_on_drift)
    assert again.run_key != request.run_key
    watched.leave_run(again, dg.DagsterRunStatus.SUCCESS)
    assert "A run was made for risk.feature_training already" in watched.tick(retrain_on_drift)
    watched.write("smmmmmmm")
    assert "A run was made for risk.feature_training already" in watched.tick(retrain_on_drift)


def test_a_failed_training_is_asked_for_three_times_and_no_more(watched: Watched) -> None:
    watched.write("smmm")
    keys = []
    for _ in range(3):
        watched.restart()
        (request,) = watched.tick(retrain_on_drift)
        keys.append(request.run_key)
        watched.leave_run(request, dg.DagsterRunStatus.FAILURE)
    assert len(set(keys)) == 3
    assert "failed 3 times" in watched.tick(retrain_on_drift)


def test_the_next_episode_is_asked_for_although_the_last_one_failed(watched: Watched) -> None:
    watched.write("smmm")
    (before,) = watched.tick(retrain_on_drift)
    for _ in range(3):
        watched.leave_run(before, dg.DagsterRunStatus.FAILURE)
    watched.write("smmmsssmmm")
    (after,) = watched.tick(retrain_on_drift)
    assert after.tags[EPISODE_TAG] != before.tags[EPISODE_TAG]


def test_suspended_days_ask_for_nothing(watched: Watched) -> None:
    watched.write("sxxxxxx")
    assert "The world looks as it did in training" in watched.tick(retrain_on_drift)


def test_verdicts_on_another_champion_ask_for_nothing(watched: Watched) -> None:
    watched.write("smmmm", version=watched.version + 7)
    assert "The world looks as it did in training" in watched.tick(retrain_on_drift)


def test_nothing_is_trained_on_broken_ground(watched: Watched) -> None:
    watched.write("smmm")
    watched.instance.report_runless_asset_event(schema_check(passed=False))
    assert "risk/feature_panel does not satisfy schema_is_as_defined: mend it" in watched.tick(retrain_on_drift)
    watched.instance.report_runless_asset_event(schema_check(passed=True))
    assert isinstance(watched.tick(retrain_on_drift), list)


def schema_check(*, passed: bool) -> dg.AssetCheckEvaluation:
    key = dg.AssetKey(["risk", "feature_panel"])
    return dg.AssetCheckEvaluation(asset_key=key, check_name="schema_is_as_defined", passed=passed, metadata={})
