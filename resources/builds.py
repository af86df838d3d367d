"""What each day of each table was built from, so that only days whose telemetry has changed are built again."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb

import intelligence
from intelligence.product import Product
from intelligence.sql import sql
from intelligence.tables import Column, Days, Table

# The sections of product.yaml that the daily tables are made by.
MADE_BY = (
    "start",
    "end",
    "session_gap_minutes",
    "bots",
    "conversion_events",
    "max_lag_hours",
    "feature_defaults",
    "features",
    "telemetry",
    "health",
)
BUILT_FROM = (
    "telemetry/day_quality*",
    "telemetry/doubts.py",
    "telemetry/measure*",
    "warehouse/*.*",
    "metrics/*.*",
    "risk/feature_panel.py",
    "risk/windows.py",
    "risk/predictors.py",
)
DAY_BUILDS = Table(
    layer="bookkeeping",
    name="day_builds",
    description="For which telemetry each day of each table was built; of a day that was built again the last row counts.",
    columns=(
        Column("table_name", "VARCHAR", "Table, with its layer.", True),
        Column("day", "DATE", "Day on the product's clock.", True),
        Column("token", "VARCHAR", "Stands for the batches and definitions that the day was made from.", True),
    ),
    key=("table_name", "day", "token"),
)
ANY_SNAPSHOT = 2**62
# The days with events that are not set aside.
PRODUCT_DAYS = (
    "SELECT day FROM (SELECT unnest(days) AS day FROM telemetry.batches)"
    " ANTI JOIN bookkeeping.days_set_aside USING (day)"
)
# Nothing is deleted: to look for what may have to be would cost more with every day that was ever built.
LAST_BUILDS = (
    "SELECT table_name, day, arg_max(token, snapshot_id) AS token FROM bookkeeping.day_builds GROUP BY table_name, day"
)


def definition_version(product: Product) -> str:
    """Return a digest of everything but events that the tables are made from: the code and the product's rules."""
    root = Path(intelligence.__file__).parent
    digest = hashlib.sha256(product.model_dump_json(include={*MADE_BY}).encode())
    for pattern in BUILT_FROM:
        for path in sorted(root.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def record_builds(connection: duckdb.DuckDBPyConnection, table: Table, days: Days, *, version: str, as_of: int) -> None:
    """Record, in the open transaction, that the days of the table are now built from the telemetry of snapshot `as_of`."""
    connection.execute(
        f"INSERT INTO bookkeeping.day_builds SELECT * FROM ({sql('telemetry/day_tokens.sql')})"
        " WHERE day >= $start AND day < $end",
        {**days.parameters, "tables": _looking_back([table]), "version": version, "as_of": as_of},
    )


def stale_days(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], *, version: str, before: date
) -> dict[str, list[Days]]:
    """Return, by table path, the ranges of days before `before` that are missing or built from older telemetry."""
    rows = connection.execute(
        f"SELECT table_name, day FROM ({sql('telemetry/day_tokens.sql')}) AS wanted"
        " JOIN (SELECT unnest($tables, recursive := true)) AS asked ON table_name = asked.name"
        f" CROSS JOIN (SELECT max(day) AS newest_day FROM ({PRODUCT_DAYS}) WHERE day < $before)"
        f" ANTI JOIN ({LAST_BUILDS}) AS built USING (table_name, day, token)"
        " WHERE day < $before AND (NOT newest_day_only OR day = newest_day) ORDER BY table_name, day",
        {"tables": _looking_back(tables), "version": version, "before": before, "as_of": ANY_SNAPSHOT},
    ).fetchall()
    stale: dict[str, list[Days]] = {}
    for name, day in rows:
        ranges = stale.setdefault(name, [])
        if ranges and ranges[-1].end == day:
            ranges[-1] = Days(ranges[-1].start, day + timedelta(days=1))
        else:
            ranges.append(Days(day, day + timedelta(days=1)))
    return stale


def _looking_back(tables: Sequence[Table]) -> list[Mapping[str, str | int | bool | None]]:
    return [
        {"name": table.path, "lookback_days": table.lookback_days, "newest_day_only": table.newest_day_only}
        for table in tables
    ]
