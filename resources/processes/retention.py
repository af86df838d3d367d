"""How long Dagster keeps runs: afterwards their logs are deleted, while the last state of each asset's days is kept.

Everything that explains a decision is in the lake and in the store of actions; no log of a run is needed for it.
"""

import logging
from datetime import UTC, datetime, timedelta

import dagster as dg

FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
AT_ONCE = 500


def forgotten_runs(instance: dg.DagsterInstance, *, keep_days: int, now: datetime | None = None) -> int:
    """Return how many finished runs older than `keep_days` were deleted, with their events, logs and tags.

    The newest materialization of each asset and day is kept without its tables and pictures, and the newest result of
    each check, so that the UI still shows past days as built and automation conditions give the same results. Nothing
    is deleted where Dagster uses another event log than the project's own.

    Args:
        instance: The Dagster instance.
        keep_days: Days after its last update for which a run is kept.
        now: The current time in UTC; None: by the clock.
    """
    # `delete_run` leaves the tags of a run behind, and no public call reaches them.
    from dagster._core.storage.runs.schema import RunTagsTable
    from sqlalchemy import delete
    from sqlalchemy.exc import OperationalError

    from resources.processes.event_log import BatchedSqliteEventLog

    log = instance.event_log_storage
    if not isinstance(log, BatchedSqliteEventLog):
        return 0
    before = (now or datetime.now(UTC)) - timedelta(days=keep_days)
    old = dg.RunsFilter(statuses=FINISHED, updated_before=before)
    forgotten = 0
    try:
        while ids := [record.dagster_run.run_id for record in instance.get_run_records(old, limit=AT_ONCE)]:
            # The run itself is deleted last, so that the next call finds it again where this one is killed.
            log.forget_runs(ids, before=before)
            for run_id in ids:
                instance.compute_log_manager.delete_logs(prefix=[run_id])
            with instance.run_storage.connect() as connection:  # type: ignore[attr-defined] # a storage in a database has it
                connection.execute(delete(RunTagsTable).where(RunTagsTable.c.run_id.in_(ids)))
            for run_id in ids:
                instance.run_storage.delete_run(run_id)
            forgotten += len(ids)
        if forgotten:
            log.shrink()
    except OperationalError as error:
        if "locked" not in str(error):
            raise
        logging.getLogger(__name__).info("Another process uses Dagster's databases; old runs are deleted next time.")
    return forgotten
