"""A lake whose events are put in by hand, and whose tables are built by the queries under test."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from intelligence.catalog.product import Product, product_from
from intelligence.core.sql import sql
from intelligence.core.tables import Days, Table, standard_claims
from intelligence.metrics.tables import FACT_FEATURE_METRICS, KPI_DAY, USER_DAY
from intelligence.telemetry.tables import RAW_EVENTS
from intelligence.warehouse.features import declared_features, default_feature
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_USERS, FACT_SESSIONS, FACT_VISIT_EVENTS
from resources.lake.door import Lake

DAY_1 = date(2026, 5, 4)
NOON = datetime(2026, 5, 4, 12)
CONVERSIONS = ("complete", "subscribe")
PRODUCT = product_from(
    """
name: Demo
sources: [{name: app, files: x}]
feature_defaults: {owner: house, slow_latency_ms: 1000}
features:
  quiz: {owner: team-quiz, tier: 0, slow_latency_ms: 200, flag_key: quiz-flag}
  never_used: {lifecycle: beta}
"""
)
SCHEMA = RAW_EVENTS.schema()
PARAMETERS = {"session_gap_minutes": 30, "conversion_events": list(CONVERSIONS), "bots": []}
QUERIES = {
    DIM_USERS: "warehouse/dim_users.sql",
    FACT_VISIT_EVENTS: "warehouse/fact_visit_events.sql",
    FACT_SESSIONS: "warehouse/fact_sessions.sql",
    FACT_FEATURE_METRICS: "metrics/fact_feature_metrics.sql",
    USER_DAY: "metrics/user_day.sql",
    KPI_DAY: "metrics/kpi_day.sql",
}
Event = Mapping[str, Any]


def day(number: int) -> date:
    return DAY_1 + timedelta(days=number)


def event(at: datetime, user: str = "u1", feature: str = "quiz", **other: Any) -> Event:
    return {"event_time": at, "user_id": user, "feature": feature, "event_type": "use", **other}


class Warehouse:
    """A lake whose events are put in by hand, and whose tables are built by the queries under test."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def put(self, *events: Event) -> None:
        """Put these events in the place of all others and empty the tables that were made from them."""

        def emptied(connection: Any) -> None:
            for table in (RAW_EVENTS, DIM_FEATURE_METADATA, *QUERIES):
                connection.execute(f"DELETE FROM {table.path}")

        self.lake.commit(emptied)
        self.deliver(*events)

    def deliver(self, *events: Event) -> None:
        """Add these events."""
        origin = {"ingested_at": NOON, "source": "app", "source_file": "a", "batch_id": "b", "is_duplicate": False}
        rows = [
            {
                **dict.fromkeys(SCHEMA),
                **origin,
                "event_id": f"e{number:05}",
                "event_date": row["event_time"].date(),
                "source_row": number,
                **row,
            }
            for number, row in enumerate(events)
        ]
        delivered = pl.DataFrame(rows, schema=SCHEMA)

        def written(connection: Any) -> None:
            connection.register("delivered", delivered)
            connection.execute(f"INSERT INTO {RAW_EVENTS.path} BY NAME FROM delivered")

        self.lake.commit(written)

    def build(self, *tables: Table, days: Days, first_day: date = DAY_1, **changed: Any) -> None:
        for table in tables:
            self.lake.replace(table, days, sql(QUERIES[table]), {**PARAMETERS, "first_day": first_day, **changed})

    def declare(self, days: Days, product: Product = PRODUCT) -> None:
        frames = {
            "declared": declared_features(product.features),
            "defaults": default_feature(product.feature_defaults),
        }
        self.lake.replace(DIM_FEATURE_METADATA, days, sql("warehouse/dim_feature_metadata.sql"), frames=frames)

    def rows(self, table: Table, columns: str = "*") -> list[tuple[Any, ...]]:
        return self.lake.frame(f"SELECT {columns} FROM {table.path} ORDER BY ALL").rows()

    def dicts(self, table: Table) -> list[dict[str, Any]]:
        key = ", ".join(table.key)
        return self.lake.frame(f"FROM {table.path} ORDER BY {key}").to_dicts()

    def assert_claims(self, days: Days, *tables: Table) -> None:
        for table in tables:
            claims = [each for each in (*standard_claims(table), *table.claims) if each.name != "facts_join_their_dims"]
            contradictions = self.lake.inspected(table, claims, days).contradictions
            assert [name for name, rows in contradictions.items() if rows.height] == []


TWO_DAYS = Days(day(0), day(2))


def random_events(seed: int, *, days: int, count: int) -> list[Event]:
    """Return events of few users and features, with gaps in every optional column."""
    random = np.random.default_rng(seed)

    def maybe(value: Any) -> Any:
        return value if random.random() < 0.7 else None

    return [
        event(
            datetime(2026, 5, 4) + timedelta(seconds=int(random.integers(0, days * 86_400))),
            f"u{random.integers(0, 25)}",
            str(random.choice(["quiz", "chat", "search"])),
            event_type=str(random.choice(["use", "view", "complete", "subscribe"])),
            session_id=maybe(f"s{random.integers(0, 4)}"),
            latency_ms=maybe(float(random.integers(1, 2_500))),
            error_count=maybe(int(random.choice([0, 0, 0, 1, 3]))),
            crashed=maybe(bool(random.random() < 0.1)),
            rating=maybe(float(random.integers(1, 6))),
            duration_s=maybe(float(random.integers(0, 500)) / 8),
            value=maybe(float(random.integers(-50, 500)) / 4),
            segment=maybe(str(random.choice(["student", "teacher"]))),
        )
        for _ in range(count)
    ]
