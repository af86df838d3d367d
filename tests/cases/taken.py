"""A case's input: to be taken into a lake of its own, or assessed day by day as the graph does it, without the graph."""

import runpy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from intelligence.catalog.layers import TABLES, VIEWS
from intelligence.catalog.product import Product, product_from
from intelligence.core.sql import sql
from intelligence.core.tables import Days
from intelligence.decisions.evidence import Sources, evidence
from intelligence.decisions.record import decided
from intelligence.decisions.releases import degraded_features
from intelligence.metrics.health import feature_health
from intelligence.metrics.tables import FACT_FEATURE_METRICS, FEATURE_HEALTH, KPI_DAY, USER_DAY
from intelligence.risk.feature_panel import feature_panel
from intelligence.telemetry.day_quality import day_quality_frame
from intelligence.telemetry.doubts import with_doubts
from intelligence.telemetry.local_time import in_zone
from intelligence.telemetry.measured import measured_from
from intelligence.telemetry.tables import DAY_QUALITY, RAW_EVENTS
from intelligence.warehouse.features import declared_features, default_feature
from intelligence.warehouse.tables import (
    DIM_FEATURE_METADATA,
    DIM_RELEASES,
    DIM_USERS,
    FACT_SESSIONS,
    FACT_VISIT_EVENTS,
    RELEASES,
)
from resources.intake.product_file import product_at
from tests.intelligence.decisions.day_of_evidence import sources
from tests.lakes import lake_in
from tests.resources.conftest import Workbench

CASES = Path(__file__).parent
QUERIES = {
    DIM_FEATURE_METADATA: "warehouse/dim_feature_metadata.sql",
    DIM_USERS: "warehouse/dim_users.sql",
    DIM_RELEASES: "warehouse/dim_releases.sql",
    FACT_VISIT_EVENTS: "warehouse/fact_visit_events.sql",
    FACT_SESSIONS: "warehouse/fact_sessions.sql",
    FACT_FEATURE_METRICS: "metrics/fact_feature_metrics.sql",
    USER_DAY: "metrics/user_day.sql",
    KPI_DAY: "metrics/kpi_day.sql",
}


def product_of(case: str, folder: Path) -> Product:
    """Return the product of the case; what its make.py makes is put into `folder`."""
    make = CASES / case / "make.py"
    if not make.exists():
        return product_at(CASES / case / "product.yaml")
    runpy.run_path(str(make))["made"](folder)
    return product_from((folder / "product.yaml").read_text())


def bench_of(case: str, folder: Path) -> Workbench:
    """Return a workbench with the case's product and a lake of its own under `folder`, into which nothing was taken yet."""
    return Workbench(folder, lake_in(folder), product_of(case, folder / "made"))


@dataclass(frozen=True, slots=True)
class Assessed:
    """What the platform says of the days of a case, and what it would do about the features on the last one."""

    quality: pl.DataFrame
    health: pl.DataFrame
    decisions: pl.DataFrame

    def last(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter(pl.col("event_date") == self.quality["event_date"].max())

    def decision(self, feature: str) -> dict[str, Any]:
        return self.decisions.row(by_predicate=pl.col("feature") == feature, named=True)


class Tables:
    """The tables of a lake in plain DuckDB, built by the queries of the product, where a case takes a second."""

    def __init__(self, events: pl.DataFrame, product: Product) -> None:
        self.connection = duckdb.connect(config={"threads": 1})
        self.product = product
        for layer in dict.fromkeys(table.layer for table in TABLES):
            self.connection.execute(f"CREATE SCHEMA {layer}")
        for table in TABLES:
            if not table.is_view:
                columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
                self.connection.execute(f"CREATE TABLE {table.path} ({columns})")
        for path, query in VIEWS.items():
            self.connection.execute(f"CREATE VIEW {path} AS {query}")
        delivered = events.with_columns(
            event_date=pl.col("event_time").dt.date(), source=pl.lit("app"), is_duplicate=pl.lit(value=False)
        )
        self.connection.register("delivered", delivered)
        self.connection.execute(f"INSERT INTO {RAW_EVENTS.path} BY NAME FROM delivered")
        first, last = self.frame("SELECT min(event_date), max(event_date) FROM telemetry.events").row(0)
        self.days = Days(first, last + timedelta(days=1))

    def frame(self, query: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        return self.connection.execute(in_zone(query, self.product.timezone), dict(parameters or {})).pl()

    def build(self) -> None:
        """Build the tables between the events and the health of features."""
        frames = {
            "declared": declared_features(self.product.features),
            "defaults": default_feature(self.product.feature_defaults),
        }
        for name, frame in frames.items():
            self.connection.register(name, frame)
        given = {
            **self.days.parameters,
            "session_gap_minutes": self.product.session_gap_minutes,
            "conversion_events": list(self.product.conversion_events),
            "bots": list(self.product.bots),
            "first_day": self.days.start,
        }
        for table, name in QUERIES.items():
            query = in_zone(sql(name), self.product.timezone)
            asked = {key: value for key, value in given.items() if f"${key}" in query}
            self.connection.execute(f"INSERT INTO {table.path} BY NAME {query}", asked)


def assessed(events: pl.DataFrame, product: Product) -> Assessed:
    """Return how every day is assessed, and the decisions of the last one, as far as the policy alone decides them.

    All may be done alone, all flags are fully on, and there are a champion and a sound verdict on drift, without which the
    policy touches nothing anyway.
    """
    tables = Tables(events, product)
    tables.build()
    quality = _quality(tables)
    metrics, features = (tables.frame(f"FROM {table.path}") for table in (FACT_FEATURE_METRICS, DIM_FEATURE_METADATA))
    everybody = tables.frame(f"FROM {KPI_DAY.path} WHERE segment = 'all'")
    before = tables.frame(f"FROM {FEATURE_HEALTH.path} LIMIT 0")
    health = feature_health(metrics, features, quality, everybody, before, days=tables.days, rules=product.health)
    return Assessed(quality, health, _decisions(tables, metrics, features, quality, health))


def _quality(tables: Tables) -> pl.DataFrame:
    hours = tables.frame(sql("telemetry/day_quality_hours.sql"), tables.days.parameters)
    nothing = tables.frame(f"FROM {DAY_QUALITY.path} LIMIT 0")
    arrived = day_quality_frame(hours, nothing, tables.days, since=tables.days.start)
    measured = measured_from(tables.frame, tables.days, conversions=tables.product.conversion_events)
    return with_doubts(arrived, nothing, measured, rules=tables.product.telemetry)


def _decisions(
    tables: Tables, metrics: pl.DataFrame, features: pl.DataFrame, quality: pl.DataFrame, health: pl.DataFrame
) -> pl.DataFrame:
    day: date = tables.days.end - timedelta(days=1)
    settings = tables.product.decisions.at_level("auto")
    today, releases = health.filter(event_date=day), tables.frame(RELEASES)
    window = {"start": day - timedelta(days=2), "end": tables.days.end}
    tables.connection.register("all_health", health)
    tables.connection.execute("INSERT INTO metrics.feature_health BY NAME FROM all_health")
    known = Sources(
        health=today,
        features=features,
        metrics=metrics,
        quality=quality,
        panel=feature_panel(metrics, features, health, quality, releases, days=Days(day, tables.days.end)),
        releases=releases,
        release_days=tables.frame(sql("decisions/release_days.sql"), {**window, "features": degraded_features(today)}),
        known_harmed=tables.frame(sql("decisions/known_harmed.sql"), window),
        beginning=tables.frame(sql("decisions/beginning.sql"), {"day": day}),
        drift=pl.DataFrame({"event_date": [day], "state": ["steady"]}),
        flags=features.filter(pl.col("flag_key").is_not_null()).select(
            "feature", "flag_key", exposure=pl.lit(1.0), is_locked=pl.lit(value=False), is_held=pl.lit(value=False)
        ),
        previous_actions=sources().previous_actions,
        model_version=1,
        trained_through=day - timedelta(days=1),
    )
    return decided(evidence(known, day=day, settings=settings), settings=settings)


def delivered_rows(folder: Path) -> pl.DataFrame:
    """Return the rows of the files that a make.py wrote, of CSV with the names of the contract or of Parquet."""
    files = sorted((folder / "in").iterdir())
    if files[0].suffix == ".parquet":
        return pl.concat([pl.read_parquet(path) for path in files])
    return pl.concat([pl.read_csv(path, try_parse_dates=True) for path in files])
