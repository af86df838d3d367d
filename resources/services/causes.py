"""Causes: what features do to users, and why metrics moved, read from the lake."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from intelligence.actions.tables import ACTION_LOG
from intelligence.catalog.product import Product
from intelligence.causality.tables import DEGRADATIONS, ESTIMATOR_RECORD, FEATURE_EFFECTS
from intelligence.core.errors import CausalityError, NotEnoughEvidence
from intelligence.core.grades import Finding
from intelligence.core.sql import sql
from intelligence.core.tables import Days, Read, Reads
from intelligence.experiments.tables import EXPERIMENT_VERDICTS, FACT_EXPOSURES
from intelligence.metrics.tables import FEATURE_HEALTH, USER_DAY
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_RELEASES, DIM_USERS, FACT_EVENTS
from resources.lake.door import Lake

if TYPE_CHECKING:
    from intelligence.causality.movement import Movement, Periods

# Four times zero a week apart, 28 days of follow-up, 28 of history, and 28 before those; features are read in the middle.
READS: Reads = {
    ESTIMATOR_RECORD: (Read(EXPERIMENT_VERDICTS, 105), Read(FACT_EXPOSURES, 105), Read(USER_DAY, 105)),
    FEATURE_EFFECTS: (
        Read(USER_DAY, 105),
        Read(FACT_EVENTS, 77),
        Read(DIM_USERS),
        Read(DIM_FEATURE_METADATA),
        Read(ESTIMATOR_RECORD),
    ),
    # A week before a state that began up to four weeks ago.
    DEGRADATIONS: (
        Read(FEATURE_HEALTH, 35),
        Read(FACT_EVENTS, 35),
        Read(DIM_FEATURE_METADATA),
        Read(DIM_RELEASES),
        Read(DAY_QUALITY, 35),
        Read(ACTION_LOG, until_yesterday=True),
    ),
}
_FIRST = "SELECT min(event_date) AS day FROM metrics.user_day WHERE event_date <= $day"
_FEATURES = "SELECT feature FROM warehouse.dim_feature_metadata WHERE first_seen_date <= $day ORDER BY feature"
_OUT_OF_BOUNDS = "SELECT out_of_bounds FROM causality.estimator_record WHERE event_date = $day AND method = 'adjusted'"
_ACTIVE = "SELECT count(*) FROM metrics.user_day WHERE list_contains($zeros, event_date)"
_ROWS = {"events": sql("causality/metric_cells.sql"), "user_days": sql("causality/metric_user_days.sql")}
_STATE = "FROM metrics.feature_health WHERE event_date = $day AND feature = $feature"
_KNOWN = "SELECT count(*) FROM warehouse.dim_feature_metadata WHERE feature = $feature"

# Answers are no events, so that their change is not split up by platform and release.
_OF_ANSWERS = "bad_answer_rate of {0}: `intelligence answers {0}` says which version changed it."


@dataclass(frozen=True, slots=True)
class CauseService:
    """Reads trials and the rows of metrics from the lake, and has effects and movements computed from them."""

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
            against = self._against_the_method(day)
            rows = feature_effects(users, first_days, uses, features, trials, findings=against)
        return FEATURE_EFFECTS.frame([{"event_date": day, **row} for row in rows])

    def record_of_days(self, days: Days) -> pl.DataFrame:
        """Return the rows of causality.estimator_record, for each day from the experiments that were known at its end."""
        from intelligence.causality.record import record_rows

        rows = [{"event_date": day, **row} for day in days.each for row in record_rows(self._pairs(day))]
        return ESTIMATOR_RECORD.frame(rows)

    def _pairs(self, day: date) -> list[dict[str, Any]]:
        """Return what the methods say of each variant that an own experiment knows the effect of at the end of a day."""
        from intelligence.causality.record import OBSERVED_DAYS, pairs_of

        known = self.lake.frame(sql("causality/known_answers.sql"), {"day": day, "days": OBSERVED_DAYS})
        found = []
        for row in known.iter_rows(named=True):
            asked = {name: row[name] for name in ("experiment", "first_zero", "last_zero")}
            units = self.lake.frame(sql("causality/record_units.sql"), {**asked, "day": day, "days": OBSERVED_DAYS})
            found += pairs_of(units, experiment=row["experiment"], variant=row["variant"], control=row["control"])
        return found

    def _against_the_method(self, day: date) -> tuple[Finding, ...]:
        """Return what the record of the adjusted method says against all of its claims on a day."""
        is_out = self.lake.frame(_OUT_OF_BOUNDS, {"day": day})["out_of_bounds"].to_list()
        return ("method out of bounds",) if True in is_out else ()

    def why(
        self, metric: str, *, feature: str = "", day: date | None = None, days: int = 1, before: date | None = None
    ) -> "Movement":
        """Return the Movement of a metric between the period that ends on a day and the week before.

        Args:
            metric: One of the names in `intelligence.causality.movement.METRICS`.
            feature: The feature that it is about; empty for the whole product.
            day: Last day of the period; the newest day where it is not given.
            days: Length of the period in days.
            before: Last day of the week that it is compared with. Where it is not given, that week ends on the day before the
                period, or three days before the feature's state where it is at risk or degraded for longer.

        Raises:
            CausalityError: There is no such metric or feature, the lake is empty, or the periods overlap.
            NotEnoughEvidence: A period has no rows to count.
        """
        from intelligence.causality.movement import metric_named, periods_of

        asked = metric_named(metric)
        if self.lake.is_empty():
            raise CausalityError("lake", "it holds no day.", hint="Run `intelligence ingest` first.")
        if feature and not self.lake.frame(_KNOWN, {"feature": feature}).item():
            raise CausalityError(
                feature, "is no known feature.", hint="`intelligence status --all` lists those in trouble."
            )
        last = day or self.lake.newest_day().start
        periods = periods_of(last, days=days, before=before or self._before_trouble(feature, last, days))
        return self._movement(asked.name, feature, periods, actions_before=last + timedelta(days=1))

    def degradations_of_days(self, days: Days) -> pl.DataFrame:
        """Return the rows of causality.degradations: where the change of each feature lies that is degraded on a day."""
        return pl.concat([self.degradations(day) for day in days.each])

    def degradations(self, day: date) -> pl.DataFrame:
        """Return the rows of causality.degradations of one day; actions of the platform count from the day after."""
        from intelligence.causality.movement import OF_OBJECTIVE, degradation, since_trouble, unexplained

        rows = []
        for feature, objective, since in self.lake.frame(sql("causality/degraded.sql"), {"day": day}).iter_rows():
            metric, periods = OF_OBJECTIVE.get(objective, "error_rate"), since_trouble(day, since)
            if objective == "answers":
                said = unexplained(feature, "bad_answer_rate", periods, since, "")
                rows.append({"event_date": day, **said, "answer": _OF_ANSWERS.format(feature)})
                continue
            try:
                found = self._movement(metric, feature, periods, actions_before=day)
                rows.append({"event_date": day, **degradation(found, since)})
            except NotEnoughEvidence as error:
                said = unexplained(feature, metric, periods, since, f"{error.culprit}: {error.problem}")
                rows.append({"event_date": day, **said})
        return DEGRADATIONS.frame(rows)

    def _before_trouble(self, feature: str, last: date, days: int) -> date | None:
        from intelligence.causality.movement import before_trouble

        state = self.lake.frame(_STATE, {"day": last, "feature": feature})
        first = last - timedelta(days=days - 1)
        if state.is_empty() or state["state"][0] not in ("at_risk", "degraded") or state["since"][0] >= first:
            return None
        return before_trouble(state["since"][0])

    def _movement(self, metric: str, feature: str, periods: "Periods", *, actions_before: date) -> "Movement":
        from intelligence.causality.movement import METRICS, movement

        asked = METRICS[metric]
        parameters = {
            **periods.parameters,
            "features": [feature] if feature else None,
            "conversion_events": list(self.product.conversion_events),
            "actions_before": actions_before,
        }
        queries = {"rows": _ROWS[asked.rows], "at_the_time": sql("causality/at_the_time.sql")}
        _, read = self.lake.read(queries, parameters)
        return movement(read["rows"], asked, periods, feature=feature, at_the_time=read["at_the_time"])
