"""All tables and views of the lake, layer by layer in the order in which data flows."""

from typing import Final

from intelligence.metrics.tables import TABLES as METRICS
from intelligence.risk.tables import (
    FEATURE_RISK,
    FEATURE_TRAINING,
    FEATURE_VERDICT,
    USER_CHURN,
    USER_TRAINING,
    USER_VERDICT,
)
from intelligence.risk.tables import TABLES as RISK
from intelligence.sql import sql
from intelligence.tables import Table
from intelligence.telemetry.tables import BATCHES, EVENTS, RAW_EVENTS, REJECTED_EVENTS
from intelligence.telemetry.tables import TABLES as TELEMETRY
from intelligence.warehouse.tables import TABLES as WAREHOUSE

TABLES: Final[tuple[Table, ...]] = (*TELEMETRY, *WAREHOUSE, *METRICS, *RISK)
VIEWS: Final = {EVENTS.path: sql("telemetry/events.sql")}

# What is filled when files are taken in, when a model is trained, and when the newest day is scored by the champion; all
# else is built day by day from telemetry.
DELIVERED: Final = (RAW_EVENTS, REJECTED_EVENTS, BATCHES)
TRAINED: Final = {FEATURE_RISK: (FEATURE_TRAINING, FEATURE_VERDICT), USER_CHURN: (USER_TRAINING, USER_VERDICT)}
SCORED: Final = tuple(TRAINED)
DAILY_TABLES: Final = tuple(
    table for table in TABLES if table not in DELIVERED and not any(table in pair for pair in TRAINED.values())
)
