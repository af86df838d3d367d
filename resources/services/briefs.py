"""Briefs: composed from one snapshot of the lake, kept by day, and shown to whoever asks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Any, Final

import polars as pl

from intelligence.actions.action import Action, Kind
from intelligence.actions.tables import ACTION_LOG, OUTCOMES
from intelligence.answers.tables import VERSION_CHANGES
from intelligence.briefs.brief import KINDS, Brief, brief_rows, fact_rows, stored_brief, stored_fact
from intelligence.briefs.composing import Known, briefs_of
from intelligence.briefs.drafts import drafted
from intelligence.briefs.tables import BRIEFS, FACTS
from intelligence.catalog.product import Product
from intelligence.catalog.summary import known, missing
from intelligence.causality.tables import DEGRADATIONS
from intelligence.core.errors import BriefError
from intelligence.core.tables import Days, Read, Reads, Table
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.experiments.tables import EXPERIMENT_RESULTS, EXPERIMENT_VERDICTS
from intelligence.forecasts.tables import ACCURACY, FORECASTS
from intelligence.metrics.tables import FEATURE_HEALTH, FUNNEL_DAY, FUNNEL_ENTRIES, KPI_DAY, RETENTION_COHORTS
from intelligence.risk.tables import FEATURE_RISK
from intelligence.signals.tables import EPISODES
from intelligence.telemetry.tables import DAY_QUALITY, EVENTS, RAW_ANSWERS, RAW_EVENTS, REJECTED_EVENTS
from intelligence.warehouse.tables import DIM_FEATURE_METADATA
from resources.lake.door import Lake
from resources.messages.announcer import Announcer

_READ: Final = tuple(
    Read(table)
    for table in (
        *(KPI_DAY, FEATURE_HEALTH, DAY_QUALITY, DIM_FEATURE_METADATA, RETENTION_COHORTS, FUNNEL_DAY, FUNNEL_ENTRIES),
        *(EPISODES, FORECASTS, ACCURACY, FEATURE_RISK, EXPERIMENT_VERDICTS, EXPERIMENT_RESULTS, DEGRADATIONS),
        *(FEATURE_DECISIONS, ACTION_LOG, OUTCOMES, VERSION_CHANGES),
        # What is missing in the telemetry is not called calm.
        *(EVENTS, RAW_EVENTS, RAW_ANSWERS, REJECTED_EVENTS),
    )
)
READS: Reads = {FACTS: _READ, BRIEFS: _READ}
_NEWEST: Final = f"SELECT max(event_date) AS day FROM {FEATURE_HEALTH.path}"
_TOLD: Final = f"""
    SELECT * FROM {BRIEFS.path}
    WHERE event_date = coalesce($day, (SELECT max(event_date) FROM {BRIEFS.path})) ORDER BY brief, place"""
_UNTOLD: Final = f"""
    SELECT 1 FROM ({_NEWEST}) WHERE day IS NOT NULL AND day NOT IN (SELECT event_date FROM {BRIEFS.path})"""
_CITED: Final = f"FROM {FACTS.path} WHERE event_date = $day"
_DAYS: Final = f"SELECT DISTINCT event_date FROM {BRIEFS.path} ORDER BY event_date"


@dataclass(frozen=True, slots=True)
class Told:
    """The briefs of a day.

    Attributes:
        day: The day; None where the lake has no figures.
        snapshot: Snapshot of the lake that they were read from.
        briefs: The briefs: of the day, of the week, then of each decision, experiment and incident.
    """

    day: date | None
    snapshot: int
    briefs: tuple[Brief, ...] = ()

    def of(self, kind: str, subject: str = "") -> Brief:
        """Return the brief of this kind about this subject.

        Args:
            kind: One of KINDS.
            subject: Which one; any part of its name that only one has, or nothing where there is only one.

        Raises:
            BriefError: There is none, or more than one.
        """
        if kind not in KINDS:
            raise BriefError(kind, "there is no such brief.", hint=f"Ask for one of {', '.join(KINDS)}.")
        found = [each for each in self.briefs if each.kind == kind]
        same = [each for each in found if each.subject == subject] or [
            each for each in found if subject.casefold() in each.subject.casefold()
        ]
        if len(same) == 1:
            return same[0]
        named = ", ".join(each.subject for each in found) or "none"
        problem = "several have such a name." if same else "there is no brief about it."
        raise BriefError(f"{kind} {subject}".strip(), problem, hint=f"On {self.day} there are: {named}.")


@dataclass(frozen=True, slots=True)
class BriefService:
    """Composes and reads the briefs of a product."""

    product: Product
    lake: Lake
    announcer: Announcer

    def over(self, lake: Lake) -> "BriefService":
        """Return the service over the lake of a run."""
        return replace(self, lake=lake)

    def is_untold(self) -> bool:
        """Return whether no brief of the newest day with figures is kept."""
        return bool(self.lake.frame(_UNTOLD).height)

    def composed(self) -> Told:
        """Return the briefs of the newest day with figures, as the lake is now."""
        with self.lake.one_snapshot():
            snapshot, found = self.known()
            return Told(found.day, snapshot, tuple(briefs_of(found))) if found else Told(None, snapshot)

    def known(self) -> tuple[int, Known | None]:
        """Return the lake's snapshot and what briefs of the newest day are composed of; None where it has no figures."""
        with self.lake.one_snapshot():
            snapshot, read = self.lake.read({"newest": _NEWEST})
            day = read["newest"]["day"].item()
            if day is None:
                return snapshot, None
            gaps = missing(self.lake.frame, self.product, rejected=False)
            return snapshot, known(self.lake.frame, gaps, self.product, day)

    def drafted(self, kind: str, subject: str = "") -> tuple[int, Brief]:
        """Return the lake's snapshot and a draft for a person; nothing is sent.

        Args:
            kind: `review`, `ticket` or `requirements`.
            subject: The feature or the incident.

        Raises:
            BriefError: The lake is empty, or there is nothing of that kind and name.
        """
        snapshot, found = self.known() if self.lake.exists() else (0, None)
        if found is None:
            raise BriefError("lake", "it holds no day of figures.", hint="Run `intelligence ingest` first.")
        return snapshot, drafted(found, kind, subject)

    def asked_for(self, subject: str, *, by: str, approved: bool = True) -> list[str]:
        """Plan a ticket from the draft about a feature; return the ids of the actions that are new.

        It goes to the target that product.yaml has for tickets, as every other ticket does, and is delivered with the next delivery.

        Args:
            subject: The feature.
            by: Who asks.
            approved: Whether a person asks, who approves it so; else it waits for one.

        Raises:
            BriefError: Nothing is decided about the feature, or product.yaml has no target for tickets.
        """
        _, draft = self.drafted("ticket", subject)
        on = self.product.actions.targets
        target = next((name for name in ("jira", "slack") if name in on), None)
        if target is None:
            hint = "Add jira or slack to `actions: targets` in product.yaml."
            raise BriefError("ticket", "no target takes tickets.", hint=hint)
        owner = self.product.features.get(draft.subject, self.product.feature_defaults).owner
        action = Action(
            decision_id=f"draft {draft.subject} {draft.day}",
            kind=Kind.TICKET,
            target=target,
            feature=draft.subject,
            day=draft.day,
            episode=f"draft {draft.subject}@{draft.day}",
            title=str(draft.title),
            text="\n".join(str(each) for section in draft.sections for each in section.sentences),
            payload={"channel": self.product.actions.channel_of(owner)} if target == "slack" else {},
        )
        outbox = self.announcer.outbox()
        return list(outbox.planned([action], actor=by, reason="asked for as a draft", approved=approved))

    def keep(self) -> tuple[Told, dict[Table, int]]:
        """Compose the briefs of the newest day and replace those that the lake keeps of it.

        Returns:
            The briefs, and how many rows were written of each table.
        """
        told = self.composed()
        if told.day is None:
            return told, {FACTS: 0, BRIEFS: 0}
        days = Days(told.day, told.day + timedelta(days=1))
        facts = FACTS.frame([*fact_rows(told.briefs, day=told.day, snapshot=told.snapshot)])
        rows = BRIEFS.frame([*brief_rows(told.briefs)])
        # Facts first, so that no kept sentence cites one that is not there.
        written = {
            table: self.lake.replace(table, days, "FROM found", frames={"found": found})
            for table, found in ((FACTS, facts), (BRIEFS, rows))
        }
        return told, written

    def announced(self, told: Told) -> bool:
        """Return whether the brief of the day was put into the outbox for Slack, which product.yaml has to ask for; once a day.

        Args:
            told: The briefs of the day.
        """
        if not self.product.briefs.slack or told.day is None:
            return False
        brief = told.of("day")
        text = "\n".join(f"{heading}: {paragraph}" for heading, paragraph in brief.paragraphs())
        channel = self.product.actions.channel_of(self.product.owner)
        topic = f"brief of {told.day}"
        return bool(self.announcer.notifier().notified(topic, str(brief.title), text, channel, topic=topic))

    def told(self, day: date | None = None) -> Told:
        """Return the briefs as they were kept, or composed now where none of the newest day are kept.

        Args:
            day: The day; None for the newest one.

        Raises:
            BriefError: The lake is empty, or has no brief of that day.
        """
        if not self.lake.exists():
            raise BriefError("lake", "it holds no day.", hint="Run `intelligence ingest` first.")
        with self.lake.one_snapshot():
            rows = self.lake.frame(_TOLD, {"day": day})
            newest = self.lake.frame(_NEWEST)["day"].item()
            if day is None and newest is not None and (rows.is_empty() or rows["event_date"][0] < newest):
                return self.composed()
            if rows.is_empty():
                kept = self.lake.frame(_DAYS)["event_date"]
                hint = (
                    f"There are briefs of {', '.join(map(str, kept))}." if kept.len() else "Run `intelligence ingest`."
                )
                raise BriefError(str(day or "lake"), "there is no brief of it.", hint=hint)
            return _of_rows(rows, self.lake.frame(_CITED, {"day": rows["event_date"][0]}))


def _of_rows(rows: pl.DataFrame, cited: pl.DataFrame) -> Told:
    facts = {row["fact"]: stored_fact(row) for row in cited.iter_rows(named=True)}
    listed: list[dict[str, Any]] = rows.to_dicts()
    briefs: Sequence[Brief] = [
        stored_brief(list(one), facts) for _, one in groupby(listed, key=lambda row: row["brief"])
    ]
    in_order = sorted(briefs, key=lambda each: KINDS.index(each.kind))
    return Told(listed[0]["event_date"], cited["lake_snapshot"][0], tuple(in_order))
