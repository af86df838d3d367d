"""What can be read from outside: tables of the lake under the names of the API, with the columns by which rows are chosen.

No table of single users or raw events is among them.
"""

from dataclasses import dataclass
from typing import Final

from intelligence.actions.tables import ACTION_LOG, OUTCOMES
from intelligence.causality.tables import DEGRADATIONS, ESTIMATOR_RECORD, FEATURE_EFFECTS
from intelligence.core.tables import Table
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.drift.tables import DRIFT_PAGES, FEATURE_DRIFT, MODEL_WATCH, USER_DRIFT
from intelligence.experiments.tables import EXPERIMENT_RESULTS, EXPERIMENT_VERDICTS
from intelligence.forecasts.tables import ACCURACY, FORECASTS
from intelligence.metrics.tables import (
    ADOPTION_DAY,
    BEHAVIOUR_SEGMENTS,
    FACT_FEATURE_METRICS,
    FEATURE_HEALTH,
    FUNNEL_DAY,
    KPI_DAY,
    LIFECYCLE_DAY,
    PAYER_DAY,
    RETENTION_COHORTS,
    SEGMENT_DIFFERENCES,
)
from intelligence.risk.tables import FEATURE_RISK, FEATURE_VERDICT, USER_VERDICT
from intelligence.signals.tables import ANOMALIES, EPISODES
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_RELEASES


@dataclass(frozen=True, slots=True)
class Reading:
    """A table under the name by which it is read from outside.

    Attributes:
        name: Last part of the address.
        table: The table.
        chosen_by: Columns of text by whose value rows can be chosen.
    """

    name: str
    table: Table
    chosen_by: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[str, ...]:
        """Return the columns by which rows are ordered: the day first, then the key."""
        day = (self.table.day,) if self.table.day else ()
        return (*day, *(name for name in self.table.key if name not in day))


READINGS: Final = (
    Reading("features", DIM_FEATURE_METADATA, ("feature",)),
    Reading("releases", DIM_RELEASES, ("platform",)),
    Reading("metrics", FACT_FEATURE_METRICS, ("feature",)),
    Reading("health", FEATURE_HEALTH, ("feature", "state")),
    Reading("risk", FEATURE_RISK, ("feature",)),
    Reading("kpis", KPI_DAY, ("segment",)),
    Reading("segments", SEGMENT_DIFFERENCES, ("segment", "metric")),
    Reading("behaviour", BEHAVIOUR_SEGMENTS),
    Reading("payers", PAYER_DAY, ("cohort",)),
    Reading("cohorts", RETENTION_COHORTS, ("grain", "dimension", "value", "definition")),
    Reading("funnels", FUNNEL_DAY, ("funnel", "dimension", "value")),
    Reading("lifecycle", LIFECYCLE_DAY, ("dimension", "value")),
    Reading("adoption", ADOPTION_DAY, ("segment",)),
    Reading("anomalies", ANOMALIES, ("feature", "segment", "metric", "severity")),
    Reading("episodes", EPISODES, ("severity",)),
    Reading("forecasts", FORECASTS, ("series", "segment", "feature")),
    Reading("accuracy", ACCURACY, ("series", "segment", "feature")),
    Reading("experiments", EXPERIMENT_VERDICTS, ("experiment", "variant")),
    Reading("results", EXPERIMENT_RESULTS, ("experiment", "variant", "metric", "segment")),
    Reading("effects", FEATURE_EFFECTS, ("feature", "treatment", "outcome", "grade")),
    Reading("methods", ESTIMATOR_RECORD, ("method",)),
    Reading("degradations", DEGRADATIONS, ("feature",)),
    Reading("decisions", FEATURE_DECISIONS, ("scope", "feature")),
    Reading("actions", ACTION_LOG, ("feature",)),
    Reading("outcomes", OUTCOMES, ("feature",)),
    Reading("telemetry", DAY_QUALITY, ("verdict",)),
    Reading("drift", FEATURE_DRIFT, ("predictor",)),
    Reading("user-drift", USER_DRIFT, ("predictor",)),
    Reading("models", MODEL_WATCH, ("model",)),
    Reading("drift-pages", DRIFT_PAGES, ("model",)),
    Reading("feature-verdicts", FEATURE_VERDICT),
    Reading("user-verdicts", USER_VERDICT),
)
