"""From a step that is due to the run request for Dagster, and the reasons to delay it."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

# The status of a check is public only during its evaluation, not when it is looked up afterwards.
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from assets.graph.checks import SCHEMA_CHECK
from assets.graph.tables import key_of
from intelligence.catalog.layers import DELIVERED, TABLES, claims_of
from intelligence.core.tables import ALWAYS, Table
from resources.processes.runs import STOPPED_TAG, UNFINISHED, close_orphaned_runs
from resources.services.due import Step

CAUSE_TAG = "intelligence/cause"
STEP_TAG = "intelligence/step"
EPISODE_TAG = "intelligence/episode"
MOST_ATTEMPTS = 3
_IN_VAIN = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def run_request(
    instance: dg.DagsterInstance, step: Step, *, because: str, tags: dict[str, str] | None = None
) -> dg.RunRequest | dg.SkipReason:
    """Return the run request for the step, or why it is not requested.

    A step is run once for each cause; after a failed or killed run it is requested again, MOST_ATTEMPTS times in all.
    Attempts are counted by the runs themselves, so that neither a lost cursor nor a restart forgets one.

    Args:
        instance: The Dagster instance, which knows earlier runs.
        step: The tables and days to build.
        because: What identifies the cause: another text allows another run.
        tags: Further tags of the run.
    """
    days = step.days or ALWAYS
    last = days.end - timedelta(days=1)
    named = f"{' '.join(table.path for table in step.tables)} {days.start} {last} {because}"
    key = hashlib.sha256(named.encode()).hexdigest()[:20]
    runs = instance.get_runs(dg.RunsFilter(tags={STEP_TAG: key}))
    what = f"{step.tables[0].path}{f' of {days.start} to {last}' if step.days else ''}"
    if any(run.status not in _IN_VAIN for run in runs):
        return dg.SkipReason(f"A run was made for {what} already, and nothing has changed since.")
    attempts = sum(STOPPED_TAG not in run.tags for run in runs)
    if attempts >= MOST_ATTEMPTS:
        return dg.SkipReason(f"{what} failed {attempts} times; it is asked for again when something has changed.")
    all_tags = {**(tags or {}), STEP_TAG: key} | ({CAUSE_TAG: step.cause} if step.cause else {})
    if step.days and step.days.start < last:
        all_tags |= {
            "dagster/asset_partition_range_start": str(days.start),
            "dagster/asset_partition_range_end": str(last),
        }
    return dg.RunRequest(
        run_key=f"{key}-{len(runs) + 1}",
        asset_selection=[key_of(table) for table in step.tables],
        partition_key=str(days.start) if step.days and days.start == last else None,
        tags=all_tags,
    )


def run_under_way(instance: dg.DagsterInstance) -> str | None:
    """Return which run has to end first, since only one run at a time works on the lake; None where no run is in progress."""
    close_orphaned_runs(instance)
    running = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED), limit=1)
    return f"Run {running[0].run_id[:8]} is under way." if running else None


def failed_upstream_check(instance: dg.DagsterInstance, step_tables: Sequence[Table]) -> str | None:
    """Return a sentence on a blocking check upstream of these tables that failed; None where there is none.

    In a run that is in progress Dagster stops at such a check by itself. This function stops later requests until the
    check has passed.

    Args:
        instance: The Dagster instance, which knows the last results of checks.
        step_tables: The tables that are to be built.
    """
    first = min(TABLES.index(table) for table in step_tables)
    before = dict.fromkeys((*DELIVERED, *TABLES[:first]))
    keys = [
        dg.AssetCheckKey(key_of(table), name)
        for table in before
        if table not in step_tables
        for name in _blocking_checks(table)
    ]
    for key, record in instance.event_log_storage.get_latest_asset_check_execution_by_key(keys).items():
        if _last_evaluated(instance, key, record.status) == AssetCheckExecutionRecordStatus.FAILED:
            return f"{key.asset_key.to_user_string()} does not satisfy {key.name}: mend it and materialize it again."
    return None


def _blocking_checks(table: Table) -> list[str]:
    blocking = [claim.name for claim in claims_of(table) if claim.blocking and claim.severity == "ERROR"]
    return [SCHEMA_CHECK, *blocking]


def _last_evaluated(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, status: AssetCheckExecutionRecordStatus
) -> AssetCheckExecutionRecordStatus | None:
    """Return the last result of the check: where a killed run only planned it, the result before that."""
    if status != AssetCheckExecutionRecordStatus.PLANNED:
        return status
    ended = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}
    before = instance.event_log_storage.get_asset_check_execution_history(key, limit=1, status=ended)
    return before[0].status if before else None
