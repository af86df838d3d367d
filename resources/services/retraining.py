"""Which trainings drift requires and which messages are due about it, read from the lake and the registry."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from intelligence.actions.action import Kind
from intelligence.catalog.layers import TRAINED
from intelligence.catalog.product import Product
from intelligence.core.sql import sql
from intelligence.core.tables import Table
from intelligence.drift.episodes import Retraining, Training, Waiting, notices, retraining
from intelligence.drift.pages import page_name
from intelligence.risk.versions import overruling
from resources.lake.door import Lake
from resources.messages.announcer import Announcer
from resources.models.mlflow_store import MlflowUnreachable
from resources.models.registry import Registry
from resources.reports.drift import INDEX, DriftReports
from resources.services.due import Step
from resources.services.panels import ALL_MODELS, MODELS, Panels

_ALARM = sql("drift/alarm_page.sql")


@dataclass(frozen=True, slots=True)
class RetrainingService:
    """Decides whether drift requires a training, and notifies people of drift."""

    product: Product
    lake: Lake
    registry: Registry
    reports: DriftReports
    announcer: Announcer
    panels: Panels

    def retrainings(self) -> Iterator[tuple[Step, Retraining | Waiting]]:
        """Yield for each model the training that drift requires, or why there is none."""
        for scores, tables in TRAINED.items():
            model = MODELS[scores.path]
            watch, champion = self._watch(model), self.registry.champion(model)
            newest = watch["event_date"].max()
            found = retraining(
                watch,
                self._trainings(tables[1]),
                champion=int(champion.version) if champion else None,
                newest_label=newest - timedelta(days=self.panels.horizon_days(scores))
                if isinstance(newest, date)
                else None,
                # The gate compares on days whose outcome lies wholly after the champion's training data.
                trained_through=date.fromisoformat(champion.trained_through)
                + timedelta(days=self.panels.horizon_days(scores))
                if champion
                else None,
                rules=self.product.drift,
            )
            cause = f"{found.cause} {self._link(model)}" if isinstance(found, Retraining) else None
            yield Step(tables, cause=cause), found

    def _watch(self, model: str) -> pl.DataFrame:
        """Return the first verdict of each day; a later champion's verdict on the same day uses hindsight."""
        query = sql("drift/first_verdicts.sql")
        return self.lake.frame(query, {"model": model})

    def _trainings(self, verdicts: Table) -> list[Training]:
        query = f"SELECT as_of, challenger, decision, reason FROM {verdicts.path} ORDER BY as_of, challenger"
        return [Training(*row) for row in self.lake.frame(query).iter_rows()]

    def _link(self, model: str) -> str:
        """Return the address of the alarm's page, or where the page will be once it is made."""
        found = self.lake.frame(_ALARM, {"model": model})
        if found.is_empty():
            return f"Page: {self.reports.url(INDEX)}"
        day, version, page = found.row(0)
        return f"Page: {self.reports.url(page or page_name(day, model, version))}"

    def notified_of_drift(self) -> list[str]:
        """Return the titles of the messages that are new, about drift, its trainings and faulty telemetry."""
        from intelligence.drift.reported_faults import FAULTY, telemetry_notices

        quality = self.lake.frame("FROM telemetry.day_quality")
        faulty = quality.filter(pl.col("verdict").is_in(FAULTY))["event_date"].to_list()
        of_telemetry = list(telemetry_notices(quality))
        of_models = [
            (model, notice)
            for model, tables in ((MODELS[scores.path], tables) for scores, tables in TRAINED.items())
            for notice in notices(
                self._watch(model), self._trainings(tables[1]), rules=self.product.drift, faulty=faulty
            )
        ]
        if not of_telemetry and not of_models:
            return []
        notifier, titles = self.announcer.notifier(), []
        alarmed = {entry.action.episode for entry in notifier.outbox.entries() if entry.action.kind is Kind.ALERT}
        for notice in of_telemetry:
            # Where the policy has sent an alert about the same fault, no second message is sent.
            if notice.key not in alarmed and notifier.notified(
                notice.episode, notice.title, notice.text, self._channel(), topic=notice.key
            ):
                titles.append(notice.title)
        for model, notice in of_models:
            # Addresses in messages are made inert; without its scheme an address can be copied unchanged.
            link = re.sub(r"https?://", "", f"\n{self._link(model)}") if notice.has_page else ""
            if notifier.notified(notice.episode, notice.title, notice.text + link, self._channel(), topic=notice.key):
                titles.append(notice.title)
        return titles

    def notified_of_overruled(self) -> list[str]:
        """Return the titles of the messages that are new, about champions that a person chose against the gate's verdict.

        A promotion that was made in MLflow itself is recorded first; while MLflow does not answer, only recorded ones
        are reported.
        """
        titles: list[str] = []
        for model in ALL_MODELS if self.registry.exists() else ():
            with suppress(MlflowUnreachable):
                self.registry.noticed(model)
            for found in filter(None, map(overruling, self.registry.history(model))):
                if self.announcer.notifier().notified(
                    found.key, found.title, found.text, self._channel(), topic=found.key
                ):
                    titles.append(found.title)
        return titles

    def _channel(self) -> str:
        return self.product.actions.channel_of(self.product.owner)
