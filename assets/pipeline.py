"""The graph run in this process: take in what is new, then build every day whose telemetry has changed."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from assets.house import DAY, PRODUCT, key_of
from assets.models import CAUSE_TAG, rescorings
from intelligence.drift.tables import MODEL_WATCH
from intelligence.layers import DAILY_TABLES, DELIVERED, NEWEST_DAY_TABLES, TRAINED, WATCH
from intelligence.risk.due import training_due
from intelligence.risk.predictors import FEATURE_PREDICTORS, USER_PREDICTORS, names_of
from intelligence.risk.tables import FEATURE_VERDICT, USER_VERDICT
from intelligence.tables import Days, Table
from resources.lake import Lake
from resources.registry import Registry
from resources.runs import TERMINAL, close_orphaned_runs, process_tags

WATCHED_AT_ONCE_DAYS = 7
PREDICTORS = {FEATURE_VERDICT.path: FEATURE_PREDICTORS, USER_VERDICT.path: USER_PREDICTORS}


@dataclass(frozen=True, slots=True)
class Step:
    """One run to come: these tables for these days; no days means the intake of files or a training, and why."""

    tables: tuple[Table, ...]
    days: Days | None = None
    cause: str | None = None


@dataclass(slots=True)
class Outcome:
    """What happened: runs done, days built, checks that did not pass, and the error that stopped it, if one did.

    `calendar_grew` says that data arrived from before the first day that the definitions know: load them again.
    """

    runs: int = 0
    days: set[date] = field(default_factory=set)
    failed_checks: list[tuple[str, str, str]] = field(default_factory=list)
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    error: str | None = None
    calendar_grew: bool = False


Listener = Callable[[str, str], None]


def steps_to_build(lake: Lake, *, today: date) -> list[Step]:
    """Return the runs that bring every table up to date with the telemetry, in the order of the graph.

    Tables next to each other that need the same days share a run; a new day is one run, the whole past is one run.
    """
    stale = lake.stale(before=today)
    groups: list[tuple[list[Table], list[Days]]] = []
    for table in DAILY_TABLES:
        ranges = stale.get(table.path) if table not in NEWEST_DAY_TABLES else None
        if not ranges:
            continue
        if groups and groups[-1][1] == ranges:
            groups[-1][0].append(table)
        else:
            groups.append(([table], ranges))
    return [Step(tuple(tables), days) for tables, ranges in groups for days in ranges]


def model_steps(lake: Lake, *, today: date) -> list[Step]:
    """Return the trainings that are due, the scoring of the newest day and the look for drift, in the order of the graph.

    A day is scored when it is new or was built anew, and after each training; so are champions held against the present.
    """
    newest = lake.newest_complete_day(before=today)
    if newest is None:
        return []
    stale, steps = lake.stale(before=today), []
    for scores, trained in TRAINED.items():
        cause = _training_cause(lake, trained[1], newest)
        if cause:
            steps.append(Step(trained, cause=cause))
        if cause or scores.path in stale:
            steps.append(Step((scores,), newest))
    if steps or MODEL_WATCH.path in stale:
        steps.append(Step(WATCH, _days_to_watch(lake, newest)))
    return steps


def _days_to_watch(lake: Lake, newest: Days) -> Days:
    """Return the newest day with those of the week before it that arrived since the last look."""
    last = lake.frame(f"SELECT max(event_date) AS day FROM {MODEL_WATCH.path}").item()
    if last is None or last >= newest.start:
        return newest
    return Days(max(last + timedelta(days=1), newest.end - timedelta(days=WATCHED_AT_ONCE_DAYS)), newest.end)


def _training_cause(lake: Lake, verdicts: Table, newest: Days) -> str | None:
    query = f"SELECT as_of, decision, predictors FROM {verdicts.path} ORDER BY as_of DESC, lake_snapshot DESC LIMIT 1"
    last = lake.frame(query)
    as_of, decision, predictors = last.row(0) if last.height else (None, None, None)
    return training_due(
        as_of,
        newest.start,
        decision=decision,
        retrain_after_days=PRODUCT.risk.retrain_after_days,
        same_predictors=predictors == ", ".join(names_of(PREDICTORS[verdicts.path])),
    )


def brought_up_to_date(
    defs: dg.Definitions, lake: Lake, instance: dg.DagsterInstance, *, today: date, listener: Listener
) -> Outcome:
    """Return what happened when all new files were taken in and every stale day was built.

    `listener` is told ("plan", number of assets), ("start", asset), ("done", asset) and ("note", text).
    """
    close_orphaned_runs(instance)
    outcome = Outcome()
    with _listening(listener):
        listener("plan", str(len(DELIVERED)))
        if _ran(defs, instance, Step(DELIVERED), outcome):
            steps = steps_to_build(lake, today=today)
            if any(step.days and step.days.start < DAY.start.date() for step in steps):
                outcome.calendar_grew = True
                return outcome
            if _all_ran(defs, instance, steps, outcome, listener):
                _all_ran(defs, instance, model_steps(lake, today=today), outcome, listener)
    return outcome


def rescored(
    defs: dg.Definitions, lake: Lake, registry: Registry, instance: dg.DagsterInstance, *, listener: Listener
) -> Outcome:
    """Return what happened when every table whose newest scores do not come from the champion was scored anew."""
    outcome = Outcome()
    with _listening(listener):
        steps = [
            Step((table,), Days(found.day, found.day + timedelta(days=1)), found.cause)
            for table, found in rescorings(lake, registry)
        ]
        watch = [Step(WATCH, steps[-1].days, steps[-1].cause)] if steps else []
        _all_ran(defs, instance, [*steps, *watch], outcome, listener)
    return outcome


def trained_anew(
    defs: dg.Definitions, lake: Lake, instance: dg.DagsterInstance, *, today: date, cause: str, listener: Listener
) -> Outcome:
    """Return what happened when all models were trained and judged, and the newest day was scored, out of turn."""
    outcome, newest = Outcome(), lake.newest_complete_day(before=today)
    with _listening(listener):
        for scores, trained in TRAINED.items() if newest else ():
            steps = [Step(trained, cause=cause), Step((scores,), newest, cause)]
            if not _all_ran(defs, instance, steps, outcome, listener):
                return outcome
        if newest:
            _all_ran(defs, instance, [Step(WATCH, newest, cause)], outcome, listener)
    return outcome


def _all_ran(
    defs: dg.Definitions, instance: dg.DagsterInstance, steps: list[Step], outcome: Outcome, listener: Listener
) -> bool:
    listener("plan", str(sum(len(step.tables) for step in steps)))
    return all(_ran(defs, instance, step, outcome) for step in steps)


def _ran(defs: dg.Definitions, instance: dg.DagsterInstance, step: Step, outcome: Outcome) -> bool:
    tags = process_tags() | ({CAUSE_TAG: step.cause} if step.cause else {})
    if step.days:
        last = step.days.end - timedelta(days=1)
        tags |= {
            "dagster/asset_partition_range_start": str(step.days.start),
            "dagster/asset_partition_range_end": str(last),
        }
        if not any(table in NEWEST_DAY_TABLES for table in step.tables):
            outcome.days |= {step.days.start + timedelta(days=n) for n in range((step.days.end - step.days.start).days)}
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[key_of(table) for table in step.tables],
        run_config={"loggers": {TERMINAL: {}}},
        tags=tags,
        raise_on_error=False,
    )
    outcome.runs += 1
    for check in result.get_asset_check_evaluations():
        if not check.passed:
            outcome.failed_checks.append((check.asset_key.to_user_string(), check.check_name, check.severity.value))
        if "refused" in check.metadata:
            records = check.metadata["refused"].records
            outcome.refused += [(row.data["file"], row.data["problem"], row.data["next_step"]) for row in records]
    failures = [event for event in result.all_node_events if event.is_step_failure]
    if not result.success:
        outcome.error = _cause(failures[0]) if failures else "The run failed before its first step."
    return result.success


def _cause(failure: dg.DagsterEvent) -> str:
    error = failure.step_failure_data.error
    while error and error.cause:
        error = error.cause
    return f"{failure.step_key}: {error.message.strip() if error else 'unknown error'}"


@contextmanager
def _listening(listener: Listener) -> Iterator[None]:
    handler = _Events(listener)
    logger = logging.getLogger(TERMINAL)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Events(logging.Handler):
    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener

    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", None) or {}
        event = meta.get("dagster_event")
        if event is None:
            self._listener("note", str(meta.get("orig_message", record.getMessage())))
        elif event.event_type == dg.DagsterEventType.STEP_START:
            self._listener("start", event.step_key)
        elif event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            self._listener("done", event.asset_key.to_user_string())


def today_utc() -> date:
    """Return today's UTC date: only days before it are over and may be built."""
    return datetime.now(UTC).date()
