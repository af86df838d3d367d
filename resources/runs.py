"""Runs that this process carries out itself: their tags, their log, and the tidying of those that were killed."""

import logging
import os
import socket
from pathlib import Path

import dagster as dg

from resources.settings import ROOT, Settings

TERMINAL = "terminal"
PROCESS_TAG = "intelligence/process"
HOST_TAG = "intelligence/host"
# How many events resources/event_log.py writes in one transaction.
EVENTS_AT_ONCE = 500
UNFINISHED = [
    status
    for status in dg.DagsterRunStatus
    if status not in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
]


def dagster_home(settings: Settings) -> Path:
    """Return the folder whose dagster.yaml holds for these settings: the project's own, or one beside other data.

    Products with data of their own keep runs of their own, so that one product's days never stand beside another's.
    """
    if settings.data == ROOT / "data":
        return ROOT
    home = settings.data / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    text = (ROOT / "dagster.yaml").read_text().replace("base_dir: .dagster/", f"base_dir: {home}/")
    (home / "dagster.yaml").write_text(text)
    return home


def instance_for(settings: Settings) -> dg.DagsterInstance:
    """Return the Dagster instance that the UI of the same settings shows."""
    os.chdir(ROOT)
    os.environ["DAGSTER_HOME"] = str(dagster_home(settings))
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(EVENTS_AT_ONCE))
    return dg.DagsterInstance.get()


@dg.logger(description="Hands the events of a run to the terminal that started it.")
def terminal_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """Return the Python logger to which a terminal listens."""
    logger = logging.getLogger(TERMINAL)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    return logger


def process_tags() -> dict[str, str]:
    """Return tags that name this process, so that a later one can tell whether it is still alive."""
    return {PROCESS_TAG: str(os.getpid()), HOST_TAG: socket.gethostname()}


def close_orphaned_runs(instance: dg.DagsterInstance) -> int:
    """Mark unfinished runs of processes on this machine that are gone as failed; return how many there were."""
    unfinished = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED, tags={HOST_TAG: socket.gethostname()}))
    # A run that the UI started as a copy of one of ours bears its tags, but belongs to a process of Dagster's own.
    orphaned = [
        run
        for run in unfinished
        if run.remote_job_origin is None and not _is_alive(int(run.tags.get(PROCESS_TAG, "0")))
    ]
    for run in orphaned:
        instance.report_run_failed(run, "The process that carried it out was killed; the next run takes up its work.")
    return len(orphaned)


def _is_alive(process: int) -> bool:
    if process == os.getpid():
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process > 0
