"""Runs the graph in this process: new files are taken in, then every day whose telemetry has changed is built."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta

import dagster as dg
from typing_extensions import override

from assets.graph.partitions import Calendar
from assets.graph.requests import CAUSE_TAG
from assets.graph.tables import key_of
from intelligence.catalog.changes import Outcome
from intelligence.catalog.layers import ACT, DELIVERED, NEWEST_DAY_TABLES, TRAINED, WATCH, WITH_THE_DAY
from intelligence.core.errors import PlatformError
from intelligence.core.progress import PHASES, Listener, weight
from intelligence.core.tables import Days
from intelligence.decisions.tables import ENTITY_DECISIONS
from intelligence.drift.episodes import Retraining
from resources.platform import Platform
from resources.processes.retention import forgotten_runs
from resources.processes.runs import TERMINAL, close_orphaned_runs, process_tags
from resources.services.due import Step
from resources.services.panels import scores_of


def brought_up_to_date(
    definitions: Callable[[Platform], dg.Definitions],
    platform: Platform,
    instance: dg.DagsterInstance,
    *,
    today: date,
    listener: Listener,
) -> Outcome:
    """Return the result of taking in all new files and building every stale day.

    Args:
        definitions: Returns the code location of a product; called again where the files taken in have changed the calendar.
        platform: The platform of the product.
        instance: The Dagster instance that records the runs.
        today: Today on the product's clock; earlier days are over.
        listener: Called with the progress; see `intelligence/core/progress.py`.
    """
    close_orphaned_runs(instance)
    outcome = Outcome()
    with _listening(listener):
        listener("expect", PHASES)
        listener("plan", ("taking in files", {"delivered": PHASES["taking in files"]}))
        calendar, defs = Calendar.of(platform), definitions(platform)
        delivered = (*DELIVERED, ENTITY_DECISIONS) if platform.entity_decisions.is_behind() else DELIVERED
        if _ran(defs, instance, Step(delivered), outcome):
            if Calendar.of(platform) != calendar:
                defs = definitions(platform)
            steps = platform.due.steps_to_build(today=today)
            if _all_ran(defs, instance, steps, outcome, listener, phase="building tables") and _all_ran(
                defs, instance, platform.due.model_steps(today=today), outcome, listener
            ):
                _follow_drift(defs, platform, instance, outcome, listener, today=today)
        forgotten_runs(instance, keep_days=platform.product.keep_runs_days)
    return outcome


def _follow_drift(
    defs: dg.Definitions,
    platform: Platform,
    instance: dg.DagsterInstance,
    outcome: Outcome,
    listener: Listener,
    *,
    today: date,
) -> None:
    """Train where drift requires it, and notify people of what is new."""
    newest = platform.lake.newest_complete_day(before=today)
    for step, found in platform.retraining.retrainings():
        if isinstance(found, Retraining) and newest:
            steps = [step, Step((scores_of(step.tables[0]),), newest, step.cause)]
            _all_ran(defs, instance, [*steps, *_after_scores(newest, step.cause)], outcome, listener)
    outcome.told += platform.retraining.notified_of_drift()
    outcome.told += platform.retraining.notified_of_overruled()


def _after_scores(days: Days | None, cause: str | None) -> list[Step]:
    """Return the steps that follow new scores: champions are compared, and the day is decided on."""
    return [Step(WATCH, days, cause), Step(ACT, days, cause)]


def rescored(defs: dg.Definitions, platform: Platform, instance: dg.DagsterInstance, *, listener: Listener) -> Outcome:
    """Return the result of scoring the newest day again in every table whose scores are not the champion's.

    Args:
        defs: The code location of the product.
        platform: The platform of the same product.
        instance: The Dagster instance that records the runs.
        listener: Called with the progress; see `intelligence/core/progress.py`.
    """
    outcome = Outcome()
    with _listening(listener):
        steps = [
            Step((table,), Days(found.day, found.day + timedelta(days=1)), found.cause)
            for table, found in platform.models.rescorings()
        ]
        after = _after_scores(steps[-1].days, steps[-1].cause) if steps else []
        _all_ran(defs, instance, [*steps, *after], outcome, listener)
    return outcome


def trained_anew(
    defs: dg.Definitions,
    platform: Platform,
    instance: dg.DagsterInstance,
    *,
    today: date,
    cause: str,
    listener: Listener,
) -> Outcome:
    """Return the result of training and evaluating all models at once, whether due or not, and scoring the newest day.

    Args:
        defs: The code location of the product.
        platform: The platform of the same product.
        instance: The Dagster instance that records the runs.
        today: Today on the product's clock; earlier days are over.
        cause: Why, in words; it is recorded with the runs and versions.
        listener: Called with the progress; see `intelligence/core/progress.py`.
    """
    outcome, newest = Outcome(), platform.lake.newest_complete_day(before=today)
    with _listening(listener):
        for scores, trained in TRAINED.items() if newest else ():
            steps = [Step(trained, cause=cause), Step((scores,), newest, cause)]
            if not _all_ran(defs, instance, steps, outcome, listener):
                return outcome
        if newest:
            _all_ran(defs, instance, _after_scores(newest, cause), outcome, listener)
    return outcome


def _all_ran(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    steps: list[Step],
    outcome: Outcome,
    listener: Listener,
    *,
    phase: str = "drift and decisions",
) -> bool:
    planned: dict[str, float] = {}
    for step in steps:
        days = (step.days.end - step.days.start).days if step.days else 1
        for table in step.tables:
            name = f"{table.layer}__{table.name}"
            planned[name] = planned.get(name, 0.0) + weight(table.path, days)
    listener("plan", (phase, planned))
    return all(_ran(defs, instance, step, outcome) for step in together(steps))


def together(steps: Sequence[Step]) -> list[Step]:
    """Return the steps with neighbours as one that a single run can do: for the same days, and for no other cause.

    A run orders its tables by what they are made from, as the steps are, and each run costs as much as building a small table.

    Args:
        steps: Steps in the order of the graph.
    """
    found: list[Step] = []
    for step in steps:
        last = found[-1] if found else None
        if last is None or _differ(last.days, step.days) or _differ(last.cause, step.cause):
            found.append(step)
        else:
            tables = tuple(dict.fromkeys((*last.tables, *step.tables)))
            found[-1] = Step(tables, last.days or step.days, last.cause or step.cause)
    return found


def _differ(one: object, other: object) -> bool:
    return one is not None and other is not None and one != other


def _ran(defs: dg.Definitions, instance: dg.DagsterInstance, step: Step, outcome: Outcome) -> bool:
    tags = process_tags() | ({CAUSE_TAG: step.cause} if step.cause else {})
    if step.days:
        last = step.days.end - timedelta(days=1)
        tags |= {
            "dagster/asset_partition_range_start": str(step.days.start),
            "dagster/asset_partition_range_end": str(last),
        }
        own = [table for table in step.tables if table not in WITH_THE_DAY]
        if own and not any(table in NEWEST_DAY_TABLES for table in own):
            outcome.days.update(step.days.each)
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
        if "changed" in check.metadata:
            outcome.changed += str(check.metadata["changed"].value).splitlines()
        if "left" in check.metadata:
            outcome.left += [(str(row.data["file"]), str(row.data["why"])) for row in _records(check, "left")]
        if "refused" in check.metadata:
            for row in _records(check, "refused"):
                file, problem, next_step = (str(row.data[name]) for name in ("file", "problem", "next_step"))
                outcome.refused.append((file, problem, next_step))
    failures = [event for event in result.all_node_events if event.is_step_failure]
    if not result.success:
        outcome.error = _cause(failures[0]) if failures else "The run failed before its first step."
        outcome.interrupted = any(_was_interrupted(failure) for failure in failures)
    return result.success


def _records(check: dg.AssetCheckEvaluation, name: str) -> Sequence[dg.TableRecord]:
    value = check.metadata[name]
    if not isinstance(value, dg.TableMetadataValue):
        raise TypeError(f"{check.check_name}: `{name}` is no table")
    return value.records


def _was_interrupted(failure: dg.DagsterEvent) -> bool:
    """Return whether a person stopped the step, which Dagster reports as an error."""
    error = failure.step_failure_data.error
    return error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__


def _cause(failure: dg.DagsterEvent) -> str:
    """Return what stopped a step: the platform's own error where there is one, else the first cause."""
    error = failure.step_failure_data.error
    while error and error.cause and error.cls_name not in _OWN:
        error = error.cause
    message = error.message.strip() if error else "unknown error"
    if error and error.cls_name in _OWN:
        return f"{failure.step_key}: {message.partition(': ')[2]}"
    return f"{failure.step_key}: {message}"


def _errors_of(kind: type[PlatformError]) -> Iterator[str]:
    yield kind.__name__
    for each in kind.__subclasses__():
        yield from _errors_of(each)


_OWN = frozenset(_errors_of(PlatformError))


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

    @override
    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", None) or {}
        event = meta.get("dagster_event")
        if event is None:
            self._listener("note", str(meta.get("orig_message", record.getMessage())))
        elif event.event_type == dg.DagsterEventType.STEP_START:
            self._listener("start", event.step_key)
        elif event.event_type == dg.DagsterEventType.STEP_SUCCESS:
            self._listener("done", event.step_key)
