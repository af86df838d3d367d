"""Runs whose process was killed are marked as failed; those of living processes, and of other machines, are not."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.events import EngineEventData
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import GRPC_INFO_TAG

from resources.config.settings import ROOT, settings
from resources.processes.runs import (
    EVENTS_AT_ONCE,
    HOST_TAG,
    PROCESS_TAG,
    STOPPED_TAG,
    close_orphaned_runs,
    close_stopped_runs,
    dagster_home,
    instance_for,
    process_tags,
)

STARTED = dg.DagsterRunStatus.STARTED
OURS = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, STARTED, dg.DagsterRunStatus.CANCELING]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def living_process() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    yield process.pid
    process.communicate()


def add(instance: dg.DagsterInstance, tags: dict[str, str], status: dg.DagsterRunStatus = STARTED) -> str:
    return instance.add_run(dg.DagsterRun(job_name="everything", status=status, tags=tags)).run_id


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run
    return run.status


def test_a_started_run_of_a_dead_process_is_marked_as_failed_and_says_why(
    instance: dg.DagsterInstance, dead_process: int
) -> None:
    run_id = add(instance, {**process_tags(), PROCESS_TAG: str(dead_process)})
    assert close_orphaned_runs(instance) == 1
    assert status_of(instance, run_id) is dg.DagsterRunStatus.FAILURE
    messages = [event.user_message or event.dagster_event.message for event in instance.all_logs(run_id)]
    assert any("was killed" in message for message in messages)


@pytest.mark.parametrize("status", OURS)
def test_a_run_that_a_dead_process_left_in_any_unfinished_state_is_closed(
    instance: dg.DagsterInstance, dead_process: int, status: dg.DagsterRunStatus
) -> None:
    run_id = add(instance, {**process_tags(), PROCESS_TAG: str(dead_process)}, status)
    assert close_orphaned_runs(instance) == 1
    assert status_of(instance, run_id) is dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("status", OURS)
def test_the_runs_of_living_processes_go_on(
    instance: dg.DagsterInstance, living_process: int, status: dg.DagsterRunStatus
) -> None:
    living = {**process_tags(), PROCESS_TAG: str(living_process)}
    runs = [add(instance, process_tags(), status), add(instance, living, status)]
    assert close_orphaned_runs(instance) == 0
    assert {status_of(instance, run_id) for run_id in runs} == {status}


@pytest.mark.parametrize("status", [*OURS, dg.DagsterRunStatus.QUEUED])
def test_a_copy_that_the_ui_started_of_a_dead_processs_run_goes_on(
    instance: dg.DagsterInstance, dead_process: int, status: dg.DagsterRunStatus
) -> None:
    location = GrpcServerCodeLocationOrigin(host="127.0.0.1", port=4266)
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), "everything")
    tags = {**process_tags(), PROCESS_TAG: str(dead_process)}
    copy = dg.DagsterRun(job_name="everything", status=status, tags=tags, remote_job_origin=origin)
    run_id = instance.add_run(copy).run_id
    assert close_orphaned_runs(instance) == 0
    assert status_of(instance, run_id) is status


def test_a_process_of_another_user_is_alive(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: int, signal: int) -> None:
        raise PermissionError(process, signal)

    run_id = add(instance, {**process_tags(), PROCESS_TAG: "1"})
    monkeypatch.setattr(os, "kill", refuse)
    assert close_orphaned_runs(instance) == 0
    assert status_of(instance, run_id) is STARTED


def test_runs_of_another_machine_and_runs_of_the_ui_are_left_alone(
    instance: dg.DagsterInstance, dead_process: int
) -> None:
    elsewhere = add(instance, {PROCESS_TAG: str(dead_process), HOST_TAG: "elsewhere.example"})
    of_the_ui = add(instance, {})
    assert close_orphaned_runs(instance) == 0
    assert {status_of(instance, run_id) for run_id in (elsewhere, of_the_ui)} == {STARTED}


@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
)
def test_a_run_that_is_over_keeps_its_status(
    instance: dg.DagsterInstance, dead_process: int, status: dg.DagsterRunStatus
) -> None:
    run_id = add(instance, {**process_tags(), PROCESS_TAG: str(dead_process)}, status)
    assert close_orphaned_runs(instance) == 0
    assert status_of(instance, run_id) is status


def test_closing_twice_closes_once(instance: dg.DagsterInstance, dead_process: int) -> None:
    add(instance, {**process_tags(), PROCESS_TAG: str(dead_process)})
    add(instance, {**process_tags(), PROCESS_TAG: str(dead_process)})
    assert [close_orphaned_runs(instance), close_orphaned_runs(instance)] == [2, 0]


def test_a_product_with_data_of_its_own_has_runs_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INTELLIGENCE_DATA", raising=False)
    assert dagster_home(settings()) == ROOT
    monkeypatch.setenv("INTELLIGENCE_DATA", str(tmp_path / "data"))
    home = dagster_home(settings())
    assert home == tmp_path / "data" / "dagster"
    configuration = yaml.safe_load((home / "dagster.yaml").read_text())
    folders = [
        storage["config"]["base_dir"] for storage in configuration.values() if "base_dir" in storage.get("config", {})
    ]
    assert len(folders) >= 5
    assert [folder for folder in folders if not folder.startswith(f"{home}/")] == []


def test_the_instance_writes_its_events_in_batches_beside_the_products_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("INTELLIGENCE_DATA", str(tmp_path / "data"))
    with instance_for(settings()) as instance:
        assert os.environ["DAGSTER_EVENT_BATCH_SIZE"] == str(EVENTS_AT_ONCE)
        assert type(instance.event_log_storage).__name__ == "BatchedSqliteEventLog"
        assert Path(instance.root_directory).is_relative_to(tmp_path / "data" / "dagster")
        assert list((tmp_path / "data" / "dagster" / "storage" / "history").iterdir())


def add_of_daemon(instance: dg.DagsterInstance, process: int) -> str:
    """Add a run as Dagster's own launcher leaves it: its number stands in the events alone."""
    run_id = add(instance, {GRPC_INFO_TAG: '{"host": "localhost", "socket": "/tmp/gone"}'})
    run = instance.get_run_by_id(run_id)
    instance.report_engine_event("Executing steps in process", run, EngineEventData.in_process(process))
    return run_id


def test_a_run_of_the_daemon_whose_process_was_killed_is_not_under_way_for_ever(
    instance: dg.DagsterInstance, dead_process: int, living_process: int
) -> None:
    killed, alive = add_of_daemon(instance, dead_process), add_of_daemon(instance, living_process)
    begins = add(instance, {GRPC_INFO_TAG: "{}"})
    assert close_orphaned_runs(instance) == 1
    assert [status_of(instance, each) for each in (killed, alive, begins)] == [
        dg.DagsterRunStatus.FAILURE,
        STARTED,
        STARTED,
    ]


def test_what_was_stopped_together_with_the_daemon_is_marked_as_such(
    instance: dg.DagsterInstance, dead_process: int
) -> None:
    stopped, of_a_terminal = add_of_daemon(instance, dead_process), add(instance, {PROCESS_TAG: str(dead_process)})
    assert [close_stopped_runs(instance), close_stopped_runs(instance)] == [1, 0]
    assert [status_of(instance, each) for each in (stopped, of_a_terminal)] == [dg.DagsterRunStatus.FAILURE, STARTED]
    assert STOPPED_TAG in instance.get_run_by_id(stopped).tags


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="only Linux tells when a process began")
def test_the_number_of_a_dead_process_may_have_gone_to_another(
    instance: dg.DagsterInstance, living_process: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = add_of_daemon(instance, living_process)
    monkeypatch.setattr(
        "resources.processes.runs.CLOCK_S", -3600.0
    )  # as if the run had begun an hour before the process
    assert close_orphaned_runs(instance) == 1
    assert status_of(instance, run_id) is dg.DagsterRunStatus.FAILURE
