"""All tables and views of the lake, layer by layer in the order in which data flows."""

from importlib import import_module
from itertools import chain
from typing import Final

from intelligence.actions.tables import ACTION_LOG, OUTCOMES
from intelligence.briefs.tables import BRIEFS, FACTS
from intelligence.causality.tables import DEGRADATIONS, ESTIMATOR_RECORD, FEATURE_EFFECTS
from intelligence.core.sql import sql
from intelligence.core.tables import Claim, Table, standard_claims
from intelligence.decisions.tables import ENTITY_DECISIONS, ENTITY_TRAINING, ENTITY_VERDICT, FEATURE_DECISIONS
from intelligence.drift.tables import BASELINE_STATS, DRIFT_PAGES, FEATURE_DRIFT, MODEL_WATCH, USER_DRIFT
from intelligence.forecasts.tables import FORECASTS
from intelligence.metrics.tables import BEHAVIOUR_SEGMENTS, FUNNEL_DAY, RETENTION_COHORTS, SEGMENT_DIFFERENCES
from intelligence.risk.tables import (
    FEATURE_RISK,
    FEATURE_TRAINING,
    FEATURE_VERDICT,
    USER_CHURN,
    USER_TRAINING,
    USER_VERDICT,
)
from intelligence.telemetry.tables import (
    ALIASES,
    BATCHES,
    EVENTS,
    RAW_ANSWERS,
    RAW_EVENTS,
    REJECTED_EVENTS,
    WITHDRAWN_ROWS,
    freshness_claim,
)
from intelligence.warehouse.tables import FACT_EVENTS

# A layer is `intelligence/<layer>/tables.py`, which lists its TABLES, and `assets/<layer>.py`, which computes them. A layer
# reads from the layers before it. The contract of the layers in pyproject.toml names them once more, for import-linter.
LAYERS: Final = (
    "telemetry",
    "warehouse",
    "metrics",
    "answers",
    "signals",
    "forecasts",
    "risk",
    "drift",
    "experiments",
    "causality",
    "decisions",
    "actions",
    "briefs",
)


def _tables_of(layer: str) -> tuple[Table, ...]:
    tables: tuple[Table, ...] = import_module(f"intelligence.{layer}.tables").TABLES
    return tables


TABLES: Final[tuple[Table, ...]] = tuple(chain.from_iterable(map(_tables_of, LAYERS)))
VIEWS: Final = {
    EVENTS.path: sql("telemetry/events.sql"),
    FACT_EVENTS.path: sql("warehouse/fact_events.sql"),
    RETENTION_COHORTS.path: sql("metrics/retention_cohorts.sql"),
    FUNNEL_DAY.path: sql("metrics/funnel_day.sql"),
}

# The tables that are filled when files are ingested, when a model is trained, when the champion scores the newest day, and
# when that day is compared with the champion's training data; all others are built day by day from telemetry.
DELIVERED: Final = (RAW_EVENTS, REJECTED_EVENTS, BATCHES, WITHDRAWN_ROWS, ALIASES, RAW_ANSWERS)
TRAINED: Final = {FEATURE_RISK: (FEATURE_TRAINING, FEATURE_VERDICT), USER_CHURN: (USER_TRAINING, USER_VERDICT)}
SCORED: Final = tuple(TRAINED)
# The model that scores entities on the stream: no table holds its scores beside the decisions.
ENTITY_MODEL: Final = (ENTITY_TRAINING, ENTITY_VERDICT)
WATCHED: Final = {FEATURE_RISK: FEATURE_DRIFT, USER_CHURN: USER_DRIFT}
WATCH: Final = (BASELINE_STATS, *WATCHED.values(), MODEL_WATCH, DRIFT_PAGES)
TOLD: Final = (FACTS, BRIEFS)
ACT: Final = (FEATURE_DECISIONS, ACTION_LOG, OUTCOMES, *TOLD)
_WHOLE: Final = (BASELINE_STATS, DRIFT_PAGES, ENTITY_DECISIONS, *ENTITY_MODEL, ACTION_LOG, OUTCOMES, *TOLD)
_NOT_DAILY: Final = (*DELIVERED, *(table for pair in TRAINED.values() for table in pair), *_WHOLE)
# Decisions are kept as they were made, even when their day is rebuilt.
DECISIONS_MADE: Final = _tables_of("decisions")
DAILY_TABLES: Final = tuple(table for table in TABLES if table not in _NOT_DAILY)
NEWEST_DAY_TABLES: Final = tuple(table for table in DAILY_TABLES if table.newest_day_only)
# Tables of the newest day that follow from telemetry alone, without a champion: they are built together with the day, and after
# the tables of all days, so that the past of a product is one run and its newest day another.
PEOPLE: Final = (SEGMENT_DIFFERENCES, BEHAVIOUR_SEGMENTS)
OUTLOOK: Final = (FORECASTS,)
CAUSES: Final = (ESTIMATOR_RECORD, FEATURE_EFFECTS, DEGRADATIONS)
WITH_THE_DAY: Final = (*PEOPLE, *OUTLOOK, *CAUSES)
BUILT_BY_DAY: Final = (*(table for table in DAILY_TABLES if table not in NEWEST_DAY_TABLES), *WITH_THE_DAY)


def claims_of(table: Table, *, max_lag_hours: float | None = None) -> tuple[Claim, ...]:
    """Return the claims that are checked after each write of the table.

    Args:
        table: The definition of the table.
        max_lag_hours: The largest age in hours of the newest event; None: it may have any age.
    """
    freshness = (freshness_claim(max_lag_hours),) if table == EVENTS and max_lag_hours else ()
    return (*standard_claims(table), *table.claims, *freshness)
