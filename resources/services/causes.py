"""Causes: what features do to users, and why metrics moved, read from the lake."""

from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from intelligence.catalog.product import Product
from intelligence.causality.tables import FEATURE_EFFECTS
from intelligence.core.errors import NotEnoughEvidence
from intelligence.core.sql import sql
from intelligence.core.tables import Days, Read, Reads
from intelligence.metrics.tables import USER_DAY
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_USERS, FACT_EVENTS
from resources.lake.door import Lake

# Four times zero a week apart, 28 days of follow-up, 28 of history, and 28 before those; features are read in the middle.
READS: Reads = {
    FEATURE_EFFECTS: (Read(USER_DAY, 105), Read(FACT_EVENTS, 77), Read(DIM_USERS), Read(DIM_FEATURE_METADATA)),
}
_FIRST = "SELECT min(event_date) AS day FROM metrics.user_day WHERE event_date <= $day"
_FEATURES = "SELECT feature FROM warehouse.dim_feature_metadata WHERE first_seen_date <= $day ORDER BY feature"
_ACTIVE = "SELECT count(*) FROM metrics.user_day WHERE list_contains($zeros, event_date)"


@dataclass(frozen=True, slots=True)
class CauseService:
    """Reads trials from the lake and has them estimated."""

    product: Product
    lake: Lake

    def over(self, lake: Lake) -> "CauseService":
        """Return the service over the lake of a run, which records for every table which telemetry the run had seen."""
        return replace(self, lake=lake)

    def effects_of_days(self, days: Days) -> pl.DataFrame:
        """Return the rows of causality.feature_effects, for each day from what was known at its end."""
        return pl.concat([self.effects_of(day) for day in days.each])

    def effects_of(self, day: date) -> pl.DataFrame:
        """Return the rows of causality.feature_effects of one day: for every feature, or the reason why there is no answer."""
        from intelligence.causality.feature_effects import feature_effects, trial_days, unanswered, users_per_thousand

        _, read = self.lake.read({"first": _FIRST, "features": _FEATURES}, {"day": day})
        features, first = read["features"]["feature"].to_list(), read["first"].item()
        try:
            trials = trial_days(first or day, day)
        except NotEnoughEvidence as error:
            rows = unanswered(features, f"{error.problem} {error.hint}")
        else:
            active = self.lake.frame(_ACTIVE, {"zeros": list(trials.zeros)}).item()
            parameters = {**trials.parameters, "users_per_thousand": users_per_thousand(active)}
            names = ("trial_user_days", "first_days", "feature_uses")
            _, frames = self.lake.read({name: sql(f"causality/{name}.sql") for name in names}, parameters)
            users, first_days, uses = (frames[name] for name in names)
            rows = feature_effects(users, first_days, uses, features, trials)
        return FEATURE_EFFECTS.frame([{"event_date": day, **row} for row in rows])
