"""Days are built step by step in the order of the graph, and never on broken ground."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from assets.graph.building import Graph
from assets.graph.partitions import Calendar
from intelligence.catalog.layers import TRAINED
from resources.processes.runs import STOPPED_TAG
from sensors.build_stale_days import build_stale_days
from sensors.close_the_night import nightly_close
from sensors.take_in_new_files import take_in_new_files
from sensors.train_when_due import train_when_due
from tests.sensors.house import FIRST, Deployment

DAYS = 3
TODAY = FIRST + timedelta(days=DAYS)


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    made = Deployment(tmp_path / "product")
    made.today = TODAY
    made.deliver(range(DAYS))
    made.carry_out(made.tick(take_in_new_files)[0])
    yield made
    made.lake.close()


def carried_out(deployment: Deployment, sensor: dg.SensorDefinition) -> list[dg.RunRequest]:
    """Return the requests of ticks that are carried out until nothing is asked for any more."""
    done = []
    while isinstance(found := deployment.tick(sensor), list):
        assert len(found) == 1
        assert deployment.carry_out(found[0]).success
        done += found
        assert len(done) < 20
    return done


def test_before_anything_was_taken_in_nothing_is_asked_for(tmp_path: Path) -> None:
    empty = Deployment(tmp_path / "empty")
    assert empty.tick(build_stale_days) == "Nothing was taken in yet."
    assert empty.tick(train_when_due) == "Nothing was taken in yet."


def test_the_first_step_is_asked_for_alone_and_its_range_is_one_run(deployment: Deployment) -> None:
    (request,) = deployment.tick(build_stale_days)
    assert request.tags["dagster/asset_partition_range_start"] == str(FIRST)
    assert request.tags["dagster/asset_partition_range_end"] == str(TODAY - timedelta(days=1))
    assert deployment.tick(build_stale_days)[0].run_key == request.run_key
    deployment.restart()
    assert deployment.tick(build_stale_days, cursor="lost")[0].run_key == request.run_key


def test_a_step_that_failed_is_asked_for_three_times_and_again_after_new_telemetry(deployment: Deployment) -> None:
    keys = set()
    for number in range(5):
        (request,) = deployment.tick(build_stale_days)
        # Two of five were stopped with the daemon, which is no fault of theirs.
        tags = {STOPPED_TAG: "true"} if number in (1, 3) else {}
        deployment.leave_run(request.with_replaced_attrs(tags={**request.tags, **tags}), dg.DagsterRunStatus.FAILURE)
        keys.add(request.run_key)
    assert len(keys) == 5
    assert "failed 3 times" in deployment.tick(build_stale_days)
    deployment.deliver([1, DAYS])
    deployment.carry_out(deployment.tick(take_in_new_files)[0])
    assert isinstance(deployment.tick(build_stale_days), list)


@pytest.mark.proof
def test_a_failed_blocking_check_stops_what_stands_on_it_until_it_passes(deployment: Deployment) -> None:
    deployment.lake.commit(
        lambda connection: connection.execute("UPDATE telemetry.batches SET rows_in = rows_in + 1 WHERE rows_in > 0")
    )
    deployment.deliver([DAYS])
    (request,) = deployment.tick(take_in_new_files)
    assert not deployment.carry_out(request).success
    reason = deployment.tick(build_stale_days)
    assert reason == "telemetry/batches does not satisfy events_are_conserved: mend it and materialize it again."
    deployment.lake.commit(
        lambda connection: connection.execute("UPDATE telemetry.batches SET rows_in = accepted + duplicates + rejected")
    )
    assert deployment.carry_out(request).success
    assert isinstance(deployment.tick(build_stale_days), list)


def test_a_check_that_a_killed_run_only_planned_leaves_what_was_found_before(deployment: Deployment) -> None:
    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

    from assets.graph.requests import _last_evaluated
    from assets.graph.tables import key_of
    from intelligence.telemetry.tables import BATCHES

    key = dg.AssetCheckKey(key_of(BATCHES), "events_are_conserved")
    planned = AssetCheckExecutionRecordStatus.PLANNED
    assert _last_evaluated(deployment.instance, key, planned) == AssetCheckExecutionRecordStatus.SUCCEEDED
    never = dg.AssetCheckKey(key_of(BATCHES), "never_evaluated")
    assert _last_evaluated(deployment.instance, never, planned) is None


def test_data_from_before_the_first_known_day_asks_for_a_reload_and_no_run(deployment: Deployment) -> None:
    deployment.calendar = Calendar(FIRST + timedelta(days=1), None, "UTC")
    assert "reload the code location" in deployment.tick(build_stale_days)


def night(deployment: Deployment) -> dg.RunRequest | dg.SkipReason:
    # Without `with` the instance stays the one that definitions are loaded by, also when it is gone.
    schedule, named = nightly_close(Graph.of(deployment.platform)), deployment.resources()
    wanted = {name: named[name] for name in schedule.required_resource_keys}
    with dg.build_schedule_context(instance=nights(deployment), resources=wanted) as context:
        return schedule(context)


@cache
def nights(deployment: Deployment) -> dg.DagsterInstance:
    """Return an instance that lasts, which is all that a schedule can look at."""
    (deployment.folder / "nights").mkdir(exist_ok=True)
    return dg.DagsterInstance.local_temp(str(deployment.folder / "nights"))


def leave_night(deployment: Deployment, request: dg.RunRequest, status: dg.DagsterRunStatus) -> None:
    create_run_for_test(nights(deployment), job_name="by_hand", status=status, tags=dict(request.tags))


@pytest.mark.proof
def test_from_files_to_scores_by_ticks_alone_and_the_night_is_closed(deployment: Deployment) -> None:
    assert deployment.tick(train_when_due) == "Days wait to be built first."
    carried_out(deployment, build_stale_days)
    assert "Every day is built" in deployment.tick(build_stale_days)
    assert deployment.lake.frame("SELECT count(DISTINCT event_date) AS n FROM metrics.feature_health").item() == DAYS

    asked = carried_out(deployment, train_when_due)
    trained = [request for request in asked if request.partition_key is None]
    assert len(trained) == len(TRAINED)
    assert {request.tags["intelligence/cause"] for request in trained} == {"no model was trained yet"}
    assert {request.partition_key for request in asked} == {None, str(TODAY - timedelta(days=1))}
    assert deployment.tick(train_when_due) == "Models are young enough and the newest day is scored."

    deployment.deliver([DAYS])
    deployment.carry_out(deployment.tick(take_in_new_files)[0])
    assert "Every day is built" in deployment.tick(build_stale_days), "the day is not over"
    tomorrow = TODAY + timedelta(days=1)
    deployment.today = tomorrow
    assert {request.partition_key for request in deployment.tick(build_stale_days)} == {str(TODAY)}

    request = night(deployment)
    assert isinstance(request, dg.RunRequest)
    assert (request.partition_key, night(deployment).run_key) == (str(TODAY), request.run_key)
    chosen = [dg.AssetKey(["telemetry", name]) for name in ("events", "day_quality")]
    assert deployment.carry_out(dg.RunRequest(asset_selection=chosen, partition_key=str(TODAY))).success
    leave_night(deployment, request, dg.DagsterRunStatus.FAILURE)
    assert night(deployment).run_key != request.run_key, "a close that failed is tried again an hour later"
    leave_night(deployment, request, dg.DagsterRunStatus.SUCCESS)
    assert isinstance(night(deployment), dg.SkipReason)
    judged = deployment.lake.frame("SELECT events FROM telemetry.day_quality WHERE event_date = $day", {"day": TODAY})
    assert judged.item() > 0
    deployment.today = tomorrow + timedelta(days=3)
    missed = night(deployment)
    assert (missed.tags["dagster/asset_partition_range_start"], missed.partition_key) == (str(tomorrow), None)


def test_a_product_whose_data_has_ended_has_no_night_to_close(deployment: Deployment) -> None:
    deployment.calendar = Calendar(FIRST, TODAY, "UTC")
    deployment.today = TODAY + timedelta(days=40)
    assert isinstance(night(deployment), dg.SkipReason)
