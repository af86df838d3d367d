"""The rows for models: which rows of the lake to train on, to evaluate by and to score, from one snapshot."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from intelligence.catalog.layers import ENTITY_MODEL, TRAINED, WATCHED
from intelligence.catalog.product import Product
from intelligence.core.errors import NotEnoughEvidence
from intelligence.core.sql import sql
from intelligence.core.tables import Days, Table
from intelligence.risk.tables import FEATURE_RISK, USER_CHURN
from resources.lake.door import Lake

MODELS = {FEATURE_RISK.path: "feature_risk", USER_CHURN.path: "user_churn"}
ENTITY_RISK = "entity_risk"
ENTITY_POLICY = "entity_policy"
ALL_MODELS = (*MODELS.values(), ENTITY_RISK, ENTITY_POLICY)
LONGEST_ENTITY_DAYS = 90
_STREAM_DECISIONS = """
SELECT event_id, event_time, entity, answer, level, windows FROM decisions.entity_decisions
WHERE NOT is_asked AND event_time >= $since
"""
_ENTITY_DAYS = "SELECT max(event_time) AS newest FROM decisions.entity_decisions WHERE NOT is_asked"


def trainings_of(table: Table) -> Table:
    """Return the table of trainings to which a table of verdicts belongs."""
    return ENTITY_MODEL[0] if table in ENTITY_MODEL else TRAINED[scores_of(table)][0]


def scores_of(table: Table) -> Table:
    """Return the table of scores to which a table of trainings, verdicts or drift belongs."""
    return next(scores for scores, pair in TRAINED.items() if table in (scores, *pair, WATCHED[scores]))


@dataclass(frozen=True, slots=True)
class Panel:
    """Rows with their labels, from one snapshot of the lake."""

    snapshot: int
    rows: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Panels:
    """Reads the rows on which the models of one product are trained and evaluated, and which they score."""

    product: Product
    lake: Lake
    state: str | None = None

    def model_spec_of(self, table: Table) -> Any:
        """Return the spec of the table's model: its task, its rules and the words that describe it."""
        from intelligence.risk.model_specs import entity_spec, feature_spec, user_spec

        risk = self.product.risk
        if table in ENTITY_MODEL:
            online, terms = self.product.online, self.product.decisions.entities
            spec = entity_spec(
                online.predictors,
                horizon_days=online.outcomes.days,
                threshold=terms.throttle,
                capacity=risk.capacity,
            )
        else:
            spec = (feature_spec if scores_of(table) == FEATURE_RISK else user_spec)(risk)
        return spec.with_candidates(neural_network=risk.neural_network)

    def training_panel(self, table: Table) -> Panel:
        """Return the rows to train on and to evaluate by, with labels where they are known."""
        if table in ENTITY_MODEL:
            return self._entity_rows()
        return self._feature_rows() if scores_of(table) == FEATURE_RISK else self._user_rows()

    def newest_day(self, table: Table) -> date:
        """Return the latest day of what the table's model learns from, the training cut-off; raises NotEnoughEvidence without one.

        Args:
            table: A table of trainings or verdicts.
        """
        if table in ENTITY_MODEL:
            newest = self.newest_entity_decision()
            day = newest.date() if newest else None
        else:
            day = self.lake.frame("SELECT max(event_date) AS day FROM metrics.feature_health").item()
        if day is None:
            raise NotEnoughEvidence("risk training", "no day was built yet.", hint="Run `intelligence ingest` first.")
        return day

    def newest_entity_decision(self) -> datetime | None:
        """Return the time of the newest event on which the stream decided, UTC; None where there is none."""
        newest: datetime | None = self.lake.frame(_ENTITY_DAYS).item()
        return newest

    def outcomes(self) -> pl.DataFrame:
        """Return what became true of decisions later: `decision_id`, `kind` and `happened_at`, UTC without a zone."""
        from resources.state.feedback import outcomes_in

        schema = pl.Schema({"decision_id": pl.String(), "kind": pl.String(), "happened_at": pl.Datetime("us")})
        return pl.DataFrame(outcomes_in(self.state) if self.state else [], schema=schema, orient="row")

    def _entity_rows(self) -> Panel:
        from intelligence.online.entity_panel import entity_panel

        newest = self.newest_entity_decision()
        since = (newest or datetime(1970, 1, 1)) - timedelta(days=LONGEST_ENTITY_DAYS)
        snapshot, frames = self.lake.read({"decisions": _STREAM_DECISIONS}, {"since": since})
        if newest is None:
            return Panel(snapshot, pl.DataFrame(schema={"event_date": pl.Date, "label": pl.Boolean}))
        online = self.product.online
        rows = entity_panel(frames["decisions"], self.outcomes(), online.predictors, online.outcomes, as_of=newest)
        return Panel(snapshot, rows)

    def _feature_rows(self) -> Panel:
        from intelligence.risk.labels import onset_labels

        queries = {
            "panel": "FROM risk.feature_panel",
            "health": "SELECT event_date, feature, state FROM metrics.feature_health",
        }
        snapshot, frames = self.lake.read(queries)
        labels = onset_labels(frames["health"], horizon_days=self.product.risk.horizon_days)
        rows = frames["panel"].join(labels, on=["event_date", "feature"], how="inner")
        return Panel(snapshot, rows.sort("event_date", "feature"))

    def _user_rows(self) -> Panel:
        from intelligence.risk.model_specs import user_training_days, users_per_thousand

        span = self.lake.frame(
            "SELECT min(event_date), max(event_date), count(DISTINCT user_id) FROM metrics.user_day"
        ).row(0)
        first, last, users = span
        if first is None:
            return Panel(self.lake.snapshot_id(), pl.DataFrame(schema={"event_date": pl.Date, "label": pl.Boolean}))
        days = user_training_days(first, last, horizon_days=self.product.risk.churn.horizon_days)
        parameters = self.user_parameters(days, last, users_per_thousand=users_per_thousand(users, len(days)))
        snapshot, frames = self.lake.read({"rows": sql("risk/user_panel.sql")}, parameters)
        return Panel(snapshot, frames["rows"])

    def user_parameters(self, days: list[date], last_day: date, *, users_per_thousand: int) -> dict[str, Any]:
        """Return the parameters of risk/user_panel.sql.

        Args:
            days: The days for which each sampled user has one row.
            last_day: The latest day with data: later outcomes are unknown.
            users_per_thousand: The size of the sample; 1000 is every user.
        """
        churn = self.product.risk.churn
        return {
            "days": days,
            "last_day": last_day,
            "window_days": churn.window_days,
            "horizon_days": churn.horizon_days,
            "users_per_thousand": users_per_thousand,
        }

    def present_rows(self, table: Table, days: Days) -> tuple[int, pl.DataFrame]:
        """Return the lake's snapshot and the rows to score.

        Args:
            table: A table of scores: FEATURE_RISK or USER_CHURN.
            days: The days, on the product's clock.

        Returns:
            The id of the snapshot, and one row per feature and day or per user and day.
        """
        from intelligence.risk.labels import SCORED_STATES

        if table == FEATURE_RISK:
            query = "FROM risk.feature_panel WHERE event_date >= $start AND event_date < $end AND list_contains($states, state)"
            snapshot, frames = self.lake.read({"rows": query}, {**days.parameters, "states": list(SCORED_STATES)})
            return snapshot, frames["rows"].sort("event_date", "feature")
        parameters = self.user_parameters(days.each, days.end, users_per_thousand=1000)
        snapshot, frames = self.lake.read({"rows": sql("risk/user_panel.sql")}, parameters)
        return snapshot, frames["rows"]

    def past_panel(self, table: Table, days: Days) -> Panel:
        """Return the rows of these days, with labels where they are known; of users always the same sample.

        Args:
            table: A table of scores, trainings, verdicts or drift, which belongs to one model.
            days: The days, on the product's clock.
        """
        if scores_of(table) == FEATURE_RISK:
            panel = self._feature_rows()
            return Panel(
                panel.snapshot, panel.rows.filter(pl.col("event_date").is_between(days.start, days.end, "left"))
            )
        from intelligence.risk.model_specs import users_per_thousand

        span = self.lake.frame("SELECT max(event_date), count(DISTINCT user_id) FROM metrics.user_day").row(0)
        chosen = days.each
        parameters = self.user_parameters(chosen, span[0], users_per_thousand=users_per_thousand(span[1], len(chosen)))
        snapshot, frames = self.lake.read({"rows": sql("risk/user_panel.sql")}, parameters)
        return Panel(snapshot, frames["rows"])

    def horizon_days(self, table: Table) -> int:
        """Return the number of days after which the outcome of a day is known."""
        return (
            self.product.risk.horizon_days if scores_of(table) == FEATURE_RISK else self.product.risk.churn.horizon_days
        )

    def first_panel_day(self, table: Table) -> date:
        """Return the first day for which the model's rows can be made."""
        source = "risk.feature_panel" if scores_of(table) == FEATURE_RISK else "metrics.user_day"
        day: date = self.lake.frame(f"SELECT min(event_date) AS day FROM {source}").item()
        return day
