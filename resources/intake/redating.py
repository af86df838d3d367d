"""Assigns the days of stored events again when the product's `timezone` changes.

The lake records by which time zone its days were assigned. A change is one transaction together with the ledger's days, so that no
reader sees days of two time zones; it is retried as a whole, and a killed process leaves everything as it was.
"""

from datetime import date

import duckdb

from intelligence.catalog.layers import DAILY_TABLES, DECISIONS_MADE
from intelligence.catalog.product import Product
from intelligence.core.sql import sql
from intelligence.telemetry.local_time import UTC_NAME, in_zone
from resources.config.faults import reach
from resources.lake.door import Lake
from resources.lake.extent import forget_folded, renew


def clock_of_lake(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the time zone by which the lake's days were assigned."""
    row = connection.execute("SELECT timezone FROM bookkeeping.lake_clock").fetchone()
    return str(row[0]) if row else UTC_NAME


def is_of_another_clock(lake: Lake, product: Product) -> bool:
    """Return whether the lake's days were assigned by another time zone than the product's.

    Args:
        lake: The product's lake.
        product: The product, of which `timezone` counts.
    """
    if not lake.exists():
        return False
    with lake.snapshot() as connection:
        return clock_of_lake(connection) != product.timezone


def redated(lake: Lake, product: Product) -> str | None:
    """Assign the days of all events by the product's time zone, and return the change in words; None if nothing changed.

    Args:
        lake: The product's lake.
        product: The product, of which `timezone` counts.
    """
    if not is_of_another_clock(lake, product):
        return None
    return lake.commit(lambda connection: _redated(connection, product))


def _redated(connection: duckdb.DuckDBPyConnection, product: Product) -> str | None:
    former = clock_of_lake(connection)
    if former == product.timezone:
        return None
    for statement in sql("telemetry/redated.sql").split(";"):
        connection.execute(in_zone(statement, product.timezone))
        reach("redate.statement_done")
    connection.execute("DELETE FROM bookkeeping.lake_clock")
    connection.execute("INSERT INTO bookkeeping.lake_clock VALUES ($timezone)", {"timezone": product.timezone})
    forget_folded(connection)
    renew(connection, product)
    span = connection.execute(
        "SELECT min(day), max(day) FROM (SELECT unnest(days) AS day FROM telemetry.batches)"
        " ANTI JOIN bookkeeping.days_set_aside USING (day)"
    ).fetchone()
    first, last = span or (None, None)
    if first is None:
        return None
    _forget_days_outside(connection, first, last)
    days = (last - first).days + 1
    return f"the product's timezone changed from {former} to {product.timezone}: {days:,} days are rebuilt"


def _forget_days_outside(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> None:
    """Delete the days outside of this range from the daily tables; recorded decisions are kept."""
    for table in DAILY_TABLES:
        if table.day and not table.is_view and table not in DECISIONS_MADE:
            connection.execute(
                f"DELETE FROM {table.path} WHERE {table.day} NOT BETWEEN $first AND $last",
                {"first": first, "last": last},
            )
