"""Outcomes: what each action achieved, measured in the telemetry of the days around it."""

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from intelligence.actions.tables import ACTION_LOG, OUTCOMES
from intelligence.core.sql import sql
from intelligence.core.tables import Read, Reads
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.metrics.tables import FACT_FEATURE_METRICS
from resources.lake.door import Lake

CONTROL_APART_DAYS = 14
_DONE = sql("actions/done.sql")
_SPAN = "FROM metrics.fact_feature_metrics WHERE event_date BETWEEN $day - 6 AND $day + 7"
READS: Reads = {OUTCOMES: (Read(ACTION_LOG), Read(FEATURE_DECISIONS), Read(FACT_FEATURE_METRICS))}


@dataclass(frozen=True, slots=True)
class OutcomeService:
    """Measures what confirmed actions achieved."""

    lake: Lake

    def rows(self) -> pl.DataFrame:
        """Return the rows of actions.outcomes: one for each confirmed action on a feature."""
        from intelligence.actions.outcomes import outcome

        done = self.lake.frame(_DONE)
        rows: list[dict[str, Any]] = []
        # An unconfirmed action has no outcome, and its feature is no control for others.
        for action in done.filter(pl.col("standing") != "unconfirmed").iter_rows(named=True):
            near = (pl.col("day") - pl.lit(action["day"])).dt.total_days().abs() <= CONTROL_APART_DAYS
            found = outcome(
                self.lake.frame(_SPAN, {"day": action["day"]}),
                feature=action["feature"],
                day=action["day"],
                objective=action["objective"],
                acted_on=done.filter(near)["feature"].to_list(),
                kind=action["kind"],
            )
            names = ("action_id", "decision_id", "feature", "kind", "day")
            rows.append({name: action[name] for name in names} | asdict(found))
        return OUTCOMES.frame(rows)
