"""A lake with the tables of usage, built by the service from events that are put in by hand."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd

from intelligence.catalog.product import Product
from intelligence.core.sql import sql
from intelligence.core.tables import Days, Table
from intelligence.metrics.settings import Funnel, Retention
from intelligence.metrics.tables import (
    ADOPTION_DAY,
    COHORT_ACTIVITY,
    FACT_FEATURE_METRICS,
    FUNNEL_DAY,
    FUNNEL_ENTRIES,
    FUNNEL_STEPS,
    KPI_DAY,
    LIFECYCLE_DAY,
    RETENTION_COHORTS,
    USE_CHANGES,
    USER_DAY,
)
from intelligence.telemetry.tables import RAW_EVENTS
from intelligence.warehouse.tables import DIM_USERS, FACT_SESSIONS, FACT_VISIT_EVENTS
from resources.lake.door import Lake
from resources.services.usage import UsageService
from tests.intelligence.hand_made_lake import PRODUCT, Event, Warehouse
from tests.intelligence.metrics.plain_usage import as_frame
from tests.lakes import lake_in

STORED: Final = (USE_CHANGES, COHORT_ACTIVITY, FUNNEL_ENTRIES, FUNNEL_STEPS, LIFECYCLE_DAY, ADOPTION_DAY)
FUNNELS: Final = (
    Funnel(
        name="practice",
        steps=({"event_type": "view"}, {"event_type": "use", "feature": "quiz"}, {"event_type": "complete"}),
        days=2,
    ),
    Funnel(name="hurry", steps=({"feature": "quiz"}, {"event_type": "use"}), hours=5, breakdown=("platform",)),
    # Events of the same second, each of which may be any of the steps.
    Funnel(
        name="again",
        steps=({"event_type": "use"}, {"event_type": "use", "name": "more"}, {"feature": "quiz"}),
        hours=30,
    ),
    Funnel(
        name="round",
        steps=({"event_type": "use", "feature": "chat"}, {"event_type": "complete"}, {"feature": "search"}),
        hours=30,
        order="any",
        breakdown=("segment",),
    ),
)
RULES: Final = Retention(
    days=(1, 3, 7, 30), weeks=(1, 2, 5), day_brackets=((1, 7), (8, 14), (31, 45)), week_brackets=((1, 2), (3, 6))
)
COLUMNS: Final = ("event_id", "event_time", "user_id", "feature", "event_type", "segment", "platform", "app_version")


class House:
    """The lake and the service over it."""

    def __init__(self, folder: Path | Lake, funnels: Sequence[Funnel] = FUNNELS, retention: Retention = RULES) -> None:
        self.warehouse = Warehouse(folder if isinstance(folder, Lake) else lake_in(folder))
        self.lake = self.warehouse.lake
        self.product: Product = PRODUCT.model_copy(update={"funnels": tuple(funnels), "retention": retention})
        self.service = UsageService(self.product, self.lake)

    def put(self, events: Sequence[Event], days: Days) -> pd.DataFrame:
        """Put these events in the place of all others, and return them as a frame."""
        self.lake.commit(lambda connection: [connection.execute(f"DELETE FROM {each.path}") for each in STORED])
        self.lake.commit(lambda connection: connection.execute("DELETE FROM telemetry.batches"))
        self.warehouse.put(*events)
        self.told(days)
        return self.frame(events)

    def add(self, events: Sequence[Event], days: Days) -> None:
        """Add late events to those that are there."""
        self.warehouse.deliver(*events)
        self.told(days)

    def told(self, days: Days) -> None:
        """Make the days known, and build what usage is computed from."""
        self.lake.commit(
            lambda connection: connection.execute(
                "INSERT INTO telemetry.batches BY NAME SELECT 'b' AS batch_id, $days AS days, 0 AS accepted",
                {"days": days.each},
            )
        )
        self.warehouse.declare(days)
        tables = (DIM_USERS, FACT_VISIT_EVENTS, FACT_SESSIONS, FACT_FEATURE_METRICS, USER_DAY, KPI_DAY)
        self.warehouse.build(*tables, days=days, first_day=days.start)

    def build(self, days: Days) -> None:
        """Build the tables of usage."""
        self.service.written_retention(days)
        self.service.written_entries(days)
        self.service.written_steps(days)
        self.lake.replace(LIFECYCLE_DAY, days, sql("metrics/lifecycle_day.sql"))
        self.service.written_adoption(days)

    def all(self) -> list[list[tuple[Any, ...]]]:
        return [self.lake.frame(f"FROM {table.path} ORDER BY ALL").rows() for table in (*STORED, *VIEWS)]

    @staticmethod
    def frame(events: Sequence[Event]) -> pd.DataFrame:
        rows = [{"event_id": f"e{number:05}", **row} for number, row in enumerate(events)]
        return as_frame([{name: row.get(name) for name in COLUMNS} for row in rows])

    def retention(self) -> dict[Any, Any]:
        rows = self.lake.frame(f"FROM {RETENTION_COHORTS.path}").iter_rows(named=True)
        key = ("grain", "dimension", "value", "cohort", "definition", "first_age", "last_age")
        return {
            tuple(row[name] for name in key): tuple(
                row[name] for name in ("users", "retained", "is_mature", "is_surely_new")
            )
            for row in rows
        }

    def lifecycle(self) -> dict[Any, Any]:
        rows = self.lake.frame(f"FROM {LIFECYCLE_DAY.path}").iter_rows(named=True)
        names = ("active", "new", "returned", "resurrected", "dormant", "current")
        return {(row["event_date"], row["dimension"], row["value"]): tuple(row[name] for name in names) for row in rows}

    def funnel(self, name: str) -> dict[Any, Any]:
        rows = self.lake.frame(f"FROM {FUNNEL_DAY.path} WHERE funnel = $name", {"name": name}).iter_rows(named=True)
        key = ("event_date", "step", "dimension", "value")
        names = ("entered", "users", "converted", "median_s", "p90_s", "is_complete")
        return {tuple(row[name] for name in key): tuple(row[name] for name in names) for row in rows}


VIEWS: Final[tuple[Table, ...]] = (RETENTION_COHORTS, FUNNEL_DAY)


def raw_count(lake: Lake) -> int:
    """The number of delivered rows."""
    return int(lake.frame(f"SELECT count(*) FROM {RAW_EVENTS.path}").item())


def when(first: date, number: int, second: int) -> datetime:
    return datetime.combine(first, datetime.min.time()) + timedelta(days=number, seconds=second)
