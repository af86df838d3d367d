"""Runs that this process carries out itself: their tags, their log, and the closing of runs whose process was killed."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

# The only tag that marks a run that a daemon launched; it has no public name.
from dagster._core.storage.tags import GRPC_INFO_TAG
from filelock import FileLock

from intelligence.core.errors import StoreError
from resources.config.process_identity import ProcessIdentity, this_machine, this_process
from resources.config.settings import ROOT, Settings
from resources.config.store_failures import BACKUP, ROOM, store_failures_reported
from resources.processes.run_databases import broken_databases, storage_of

TERMINAL = "terminal"
# The folder of Dagster's state, as dagster.yaml names it.
STATE = ".dagster/"
CREATION_PATIENCE_S = 600
PROCESS_TAG = "intelligence/process"
HOST_TAG = "intelligence/host"
BIRTH_TAG = "intelligence/birth"
STOPPED_TAG = "intelligence/stopped"
# How many events resources/processes/event_log.py writes in one transaction.
EVENTS_AT_ONCE = 500
# Seconds by which the clock may have been set since the events of a run.
CLOCK_S = 5.0
UNFINISHED = [
    status
    for status in dg.DagsterRunStatus
    if status not in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
]


def dagster_home(settings: Settings) -> Path:
    """Return the folder whose dagster.yaml is used for these settings: the project's own, or one in the data folder.

    Products with another data folder have their own runs, so that the runs of two products are never mixed.
    """
    if settings.data == ROOT / "data":
        return ROOT
    home = settings.data / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(_moved(yaml.safe_load((ROOT / "dagster.yaml").read_text()), home), allow_unicode=True)
    file = home / "dagster.yaml"
    if not file.exists() or file.read_text() != text:
        # Another process may be reading it.
        unfinished = home / f".dagster.yaml.{os.getpid()}"
        unfinished.write_text(text)
        unfinished.replace(file)
    return home


def _moved(configured: Any, home: Path) -> Any:
    """Return the content of dagster.yaml with folders in `home` instead of .dagster/."""
    if isinstance(configured, Mapping):
        return {name: _moved(value, home) for name, value in configured.items()}
    if isinstance(configured, str) and configured.startswith(STATE):
        return str(home / configured.removeprefix(STATE))
    return configured


def instance_for(settings: Settings) -> dg.DagsterInstance:
    """Return the Dagster instance that the UI of the same settings shows; one process at a time creates its stores.

    Raises StoreError where one of its databases is broken, or its folder cannot be written.
    """
    os.chdir(ROOT)
    with run_store_failures_reported(settings):
        home = dagster_home(settings)
        os.environ["DAGSTER_HOME"] = str(home)
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(EVENTS_AT_ONCE))
        stores = home / STATE if home == ROOT else home
        stores.mkdir(exist_ok=True)
        _demand_whole(settings)
        with FileLock(stores / "creation.lock", timeout=CREATION_PATIENCE_S):
            instance = dg.DagsterInstance.get()
        # A truncated database can be opened and fails only when it is read.
        instance.get_runs_count()
        instance.has_asset_key(dg.AssetKey("none"))
        return instance


def _demand_whole(settings: Settings) -> None:
    for file, problem in broken_databases(settings):
        raise StoreError(str(file), f"{problem}.", hint=_WITHOUT_RUNS)


@contextmanager
def run_store_failures_reported(settings: Settings) -> Iterator[None]:
    """Turn errors of Dagster's databases into one StoreError that names the broken database, or else their folder.

    Raises StoreError in their place.
    """
    try:
        with store_failures_reported(storage_of(settings)):
            yield
    except StoreError as error:
        if error.culprit == str(storage_of(settings)):
            _demand_whole(settings)
            hint = error.hint if error.hint == ROOM else _WITHOUT_RUNS
            raise StoreError(error.culprit, error.problem, hint=hint) from error
        raise


_WITHOUT_RUNS = (
    f"Bring it back from a backup ({BACKUP}), or move the folder `storage` away: what Dagster shows of past runs is then"
    " lost, and nothing else."
)


@dg.logger(None, description="Hands the events of a run to the terminal that started it.")
def terminal_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """Return the Python logger to which the terminal listens."""
    logger = logging.getLogger(TERMINAL)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    return logger


def process_tags() -> dict[str, str]:
    """Return tags that identify this process, so that a later process can find out whether it is still alive."""
    me = this_process()
    return {PROCESS_TAG: str(me.number), HOST_TAG: me.host, BIRTH_TAG: f"{me.number} {me.birth}"}


def close_orphaned_runs(instance: dg.DagsterInstance) -> int:
    """Mark unfinished runs whose process on this machine has ended as failed, and return how many there were."""
    orphaned = [*_of_terminals(instance), *_of_daemons(instance)]
    for run in orphaned:
        instance.report_run_failed(run, "The process that carried it out was killed; the next run takes up its work.")
    return len(orphaned)


def close_stopped_runs(instance: dg.DagsterInstance) -> int:
    """Mark runs that ended because the daemon was stopped as failed and with STOPPED_TAG, and return how many there were.

    Their work is requested again, as after any failed run; but nobody is notified, and the attempt does not count.
    """
    stopped = _of_daemons(instance)
    for run in stopped:
        instance.add_run_tags(run.run_id, {STOPPED_TAG: "true"})
        instance.report_run_failed(run, "It was stopped together with the daemon; the next run takes up its work.")
    return len(stopped)


def _of_terminals(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    records = instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))
    # A run that the UI started as a copy of such a run has its tags, but belongs to a process of Dagster's.
    return [
        record.dagster_run
        for record in records
        if HOST_TAG in record.dagster_run.tags
        and record.dagster_run.remote_job_origin is None
        and _process_in(record.dagster_run.tags).is_gone(noted_at=record.create_timestamp.timestamp())
    ]


def _process_in(tags: Mapping[str, str]) -> ProcessIdentity:
    """Return the process that these tags name; former versions recorded only its number."""
    number, birth = tags.get(PROCESS_TAG, ""), tags.get(BIRTH_TAG, "").partition(" ")
    return ProcessIdentity(
        tags[HOST_TAG],
        int(number) if number.isascii() and number.isdigit() else 0,
        birth[2] if birth[2] and birth[0] == number else None,
    )


def _of_daemons(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Return the runs that a daemon on this machine had started in a process that has ended.

    Dagster's default launcher does not watch its processes, so that a killed run would be in progress for ever.
    """
    begun = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    return [run for run in begun if GRPC_INFO_TAG in run.tags and _was_killed(instance, run)]


def _was_killed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    launches = [(event.get_dagster_event().engine_event_data.metadata.get("pid"), event.timestamp) for event in events]
    processes = [(int(str(pid.value)), at) for pid, at in launches if pid]
    if not processes:
        return False
    process, at = processes[-1]
    return ProcessIdentity(this_machine().host, process).is_gone(noted_at=at + CLOCK_S)
