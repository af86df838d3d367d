"""What drift asks for and what has to be told of it, read from the lake and the registry."""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta

import polars as pl

from assets.house import PRODUCT
from assets.panels import MODELS, horizon_days
from assets.steps import Step
from intelligence.actions.action import Kind
from intelligence.drift.episodes import Retraining, Training, Waiting, notices, retraining
from intelligence.drift.pages import page_name
from intelligence.drift.tables import DRIFT_PAGES, MODEL_WATCH
from intelligence.layers import TRAINED
from intelligence.risk.versions import overruling
from intelligence.tables import Table
from resources.announcer import Announcer
from resources.drift_reports import INDEX, DriftReports
from resources.lake import Lake
from resources.mlflow_store import MlflowUnreachable
from resources.registry import Registry


def retrainings(lake: Lake, registry: Registry, reports: DriftReports) -> Iterator[tuple[Step, Retraining | Waiting]]:
    """Yield for each model the training that drift asks for, or why there is none."""
    for scores, tables in TRAINED.items():
        model = MODELS[scores.path]
        watch, champion = _watch(lake, model), registry.champion(model)
        newest = watch["event_date"].max()
        found = retraining(
            watch,
            _trainings(lake, tables[1]),
            champion=int(champion.version) if champion else None,
            newest_label=newest - timedelta(days=horizon_days(scores)) if isinstance(newest, date) else None,
            # The gate compares on days whose outcome lies wholly after what the champion had seen.
            trained_through=date.fromisoformat(champion.trained_through) + timedelta(days=horizon_days(scores))
            if champion
            else None,
            rules=PRODUCT.drift,
        )
        cause = f"{found.cause} {_link(lake, reports, model)}" if isinstance(found, Retraining) else None
        yield Step(tables, cause=cause), found


def _watch(lake: Lake, model: str) -> pl.DataFrame:
    """Return the verdict of each day that was given first: what a later champion says of it is hindsight."""
    query = f"""
        SELECT event_date, model, model_version, state, that_matter, reason FROM {MODEL_WATCH.path} WHERE model = $model
        QUALIFY row_number() OVER (PARTITION BY event_date ORDER BY lake_snapshot, model_version) = 1"""
    return lake.frame(query, {"model": model})


def _trainings(lake: Lake, verdicts: Table) -> list[Training]:
    query = f"SELECT as_of, challenger, decision, reason FROM {verdicts.path} ORDER BY as_of, challenger"
    return [Training(*row) for row in lake.frame(query).iter_rows()]


def _link(lake: Lake, reports: DriftReports, model: str) -> str:
    """Return where the alarm can be looked at; where its page is not made yet, where it will be."""
    found = lake.frame(_ALARM, {"model": model})
    if found.is_empty():
        return f"Page: {reports.url(INDEX)}"
    day, version, page = found.row(0)
    return f"Page: {reports.url(page or page_name(day, model, version))}"


_ALARM = f"""
WITH moved AS (
    SELECT event_date, model_version FROM {MODEL_WATCH.path} WHERE model = $model AND state = 'moved'
    ORDER BY event_date DESC, lake_snapshot, model_version LIMIT 1
), steady AS (
    SELECT max(event_date) AS last_day FROM {MODEL_WATCH.path} SEMI JOIN moved USING (model_version)
    WHERE model = $model AND state = 'steady' AND event_date < (SELECT event_date FROM moved)
), alarms AS (
    SELECT drift_page, event_date FROM {DRIFT_PAGES.path} SEMI JOIN moved USING (model_version)
    WHERE model = $model AND kind = 'alarm'
)
SELECT event_date, model_version,
       (SELECT arg_min(drift_page, event_date) FROM alarms
        WHERE event_date > coalesce((SELECT last_day FROM steady), DATE '0001-01-01')) AS drift_page
FROM moved
"""


def told_of_drift(lake: Lake, announcer: Announcer, reports: DriftReports) -> list[str]:
    """Return the titles of what was told now and had not been before."""
    from intelligence.drift.faults_told import FAULTY, telemetry_notices

    notifier, told = announcer.notifier(), []
    quality = lake.frame("FROM telemetry.day_quality")
    faulty = quality.filter(pl.col("verdict").is_in(FAULTY))["event_date"].to_list()
    alarmed = {entry.action.episode for entry in notifier.outbox.entries() if entry.action.kind is Kind.ALERT}
    for notice in telemetry_notices(quality):
        # The policy's own alert of the same fault is message enough.
        if notice.key not in alarmed and notifier.told(
            notice.episode, notice.title, notice.text, _channel(), topic=notice.key
        ):
            told.append(notice.title)
    for scores, tables in TRAINED.items():
        model = MODELS[scores.path]
        for notice in notices(_watch(lake, model), _trainings(lake, tables[1]), rules=PRODUCT.drift, faulty=faulty):
            # A message's addresses are made inert on the way; without its scheme one can be copied whole.
            link = re.sub(r"https?://", "", f"\n{_link(lake, reports, model)}") if notice.has_page else ""
            if notifier.told(notice.episode, notice.title, notice.text + link, _channel(), topic=notice.key):
                told.append(notice.title)
    return told


def told_of_overruled(registry: Registry, announcer: Announcer) -> list[str]:
    """Return the titles of what was told now: champions that a person chose although the gate had not let them pass.

    A move that was made in MLflow is recorded on the way; while MLflow is silent, what is recorded already is told.
    """
    told: list[str] = []
    for model in MODELS.values() if registry.exists() else ():
        with suppress(MlflowUnreachable):
            registry.noticed(model)
        for found in filter(None, map(overruling, registry.history(model))):
            if announcer.notifier().told(found.key, found.title, found.text, _channel(), topic=found.key):
                told.append(found.title)
    return told


def _channel() -> str:
    return PRODUCT.actions.channel_of(PRODUCT.owner)
