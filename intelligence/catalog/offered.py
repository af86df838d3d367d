"""What can be read from outside: tables of the lake under the names of the API, with the columns by which rows are chosen.

No table of single users or raw events is among them.
"""

from dataclasses import dataclass
from typing import Final

from intelligence.actions.tables import ACTION_LOG, OUTCOMES
from intelligence.answers.tables import ANSWER_DAY, QUALITY_DAY, VERSION_CHANGES
from intelligence.briefs.tables import BRIEFS, FACTS
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
class Offered:
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


OFFERED: Final = (
    Offered("features", DIM_FEATURE_METADATA, ("feature",)),
    Offered("releases", DIM_RELEASES, ("platform",)),
    Offered("metrics", FACT_FEATURE_METRICS, ("feature",)),
    Offered("health", FEATURE_HEALTH, ("feature", "state")),
    Offered("risk", FEATURE_RISK, ("feature",)),
    Offered("kpis", KPI_DAY, ("segment",)),
    Offered("segments", SEGMENT_DIFFERENCES, ("segment", "metric")),
    Offered("behaviour", BEHAVIOUR_SEGMENTS),
    Offered("payers", PAYER_DAY, ("cohort",)),
    Offered("cohorts", RETENTION_COHORTS, ("grain", "dimension", "value", "definition")),
    Offered("funnels", FUNNEL_DAY, ("funnel", "dimension", "value")),
    Offered("lifecycle", LIFECYCLE_DAY, ("dimension", "value")),
    Offered("adoption", ADOPTION_DAY, ("segment",)),
    Offered("anomalies", ANOMALIES, ("feature", "segment", "metric", "severity")),
    Offered("episodes", EPISODES, ("severity",)),
    Offered("forecasts", FORECASTS, ("series", "segment", "feature")),
    Offered("accuracy", ACCURACY, ("series", "segment", "feature")),
    Offered("experiments", EXPERIMENT_VERDICTS, ("experiment", "variant")),
    Offered("results", EXPERIMENT_RESULTS, ("experiment", "variant", "metric", "segment")),
    Offered("effects", FEATURE_EFFECTS, ("feature", "treatment", "outcome", "grade")),
    Offered("methods", ESTIMATOR_RECORD, ("method",)),
    Offered("degradations", DEGRADATIONS, ("feature",)),
    Offered("answers", QUALITY_DAY, ("feature", "model_version", "prompt_version", "segment", "measure")),
    Offered("answer-costs", ANSWER_DAY, ("feature", "model_version", "prompt_version")),
    Offered("answer-changes", VERSION_CHANGES, ("feature", "changed", "measure", "verdict")),
    Offered("decisions", FEATURE_DECISIONS, ("scope", "feature", "decision_id")),
    Offered("actions", ACTION_LOG, ("feature", "decision_id")),
    Offered("outcomes", OUTCOMES, ("feature", "decision_id")),
    Offered("briefs", BRIEFS, ("kind", "brief", "subject")),
    Offered("facts", FACTS, ("fact", "query")),
    Offered("telemetry", DAY_QUALITY, ("verdict",)),
    Offered("drift", FEATURE_DRIFT, ("predictor",)),
    Offered("user-drift", USER_DRIFT, ("predictor",)),
    Offered("models", MODEL_WATCH, ("model",)),
    Offered("drift-pages", DRIFT_PAGES, ("model",)),
    Offered("feature-verdicts", FEATURE_VERDICT),
    Offered("user-verdicts", USER_VERDICT),
)
