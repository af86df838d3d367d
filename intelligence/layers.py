"""All tables and views of the lake, layer by layer in the order in which data flows."""

from typing import Final

from intelligence.metrics.tables import TABLES as METRICS
from intelligence.sql import sql
from intelligence.tables import Table
from intelligence.telemetry.tables import BATCHES, EVENTS, RAW_EVENTS, REJECTED_EVENTS
from intelligence.telemetry.tables import TABLES as TELEMETRY
from intelligence.warehouse.tables import TABLES as WAREHOUSE

TABLES: Final[tuple[Table, ...]] = (*TELEMETRY, *WAREHOUSE, *METRICS)
VIEWS: Final = {EVENTS.path: sql("telemetry/events.sql")}

# What is built day by day from telemetry; the others are filled when files are taken in.
DELIVERED: Final = (RAW_EVENTS, REJECTED_EVENTS, BATCHES)
DAILY_TABLES: Final = tuple(table for table in TABLES if table not in DELIVERED)
