"""The product's days in the lake: which days with events count as days of the product, and which are set aside.

The days set aside are stored in the lake next to the ledger, because every query for days needs them. They are updated in the
transaction that changes the ledger.
"""

from collections.abc import Sequence
from datetime import date

import duckdb

from intelligence.catalog.layers import DAILY_TABLES, DECISIONS_MADE
from intelligence.catalog.product import Product
from intelligence.core.sql import literal
from intelligence.core.tables import Column, Table
from intelligence.telemetry.beginnings import DayCount, DaySetAside, days_set_aside, days_to_count, has_gaps
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_RELEASES, DIM_USERS
from resources.lake.builds import PRODUCT_DAYS

DAYS_SET_ASIDE = Table(
    layer="bookkeeping",
    name="days_set_aside",
    description="Days with events that are none of the product's days: nothing is built for them.",
    columns=(
        Column("day", "DATE", "Day.", True),
        Column("events", "BIGINT", "Events that it holds.", True),
        Column("reason", "VARCHAR", "Why it does not belong.", True),
    ),
    key=("day",),
)
LAKE_CLOCK = Table(
    layer="bookkeeping",
    name="lake_clock",
    description="The time zone by whose clock the days of all events were told; no row: UTC.",
    columns=(Column("timezone", "VARCHAR", "IANA name.", True),),
    key=("timezone",),
)
# Tables that accumulate one day after another: rows that a day loses cannot be subtracted, so the table is rebuilt.
FOLDED = (DIM_USERS, DIM_FEATURE_METADATA, DIM_RELEASES)
_HELD = "SELECT day, events, reason FROM bookkeeping.days_set_aside ORDER BY day"


def set_aside_now(connection: duckdb.DuckDBPyConnection) -> list[DaySetAside]:
    """Return the days that are set aside in the lake."""
    return [DaySetAside(*row) for row in connection.execute(_HELD).fetchall()]


def set_aside_of(connection: duckdb.DuckDBPyConnection, product: Product) -> list[DaySetAside]:
    """Return the days that the events in the lake and the product's `start` and `end` require to be set aside.

    Events are counted only if the ledger's days have a gap; otherwise only `start` and `end` can exclude a day.

    Args:
        connection: A connection that reads the lake.
        product: The product, whose `start` and `end` limit its days.
    """
    rows = connection.execute("SELECT DISTINCT unnest(days) AS day FROM telemetry.batches ORDER BY day").fetchall()
    days = [day for (day,) in rows]
    start, end = product.start, product.end
    beyond = [day for day in days if (start and day < start) or (end and day > end)]
    if not beyond and not has_gaps(days):
        return []
    required = sorted({*beyond, *days_to_count(days)})
    literals = ", ".join(f"DATE {literal(str(day))}" for day in required)
    counts = connection.execute(
        "SELECT event_date, count(*), count(DISTINCT user_id) FROM telemetry.raw_events"
        f" WHERE NOT is_duplicate AND event_date IN ({literals}) GROUP BY event_date"
    ).fetchall()
    return days_set_aside(days, {day: DayCount(events, users) for day, events, users in counts}, start=start, end=end)


def renew(connection: duckdb.DuckDBPyConnection, product: Product) -> None:
    """Update the days set aside, in the open transaction, and delete what was built for days that no longer count.

    Args:
        connection: A connection with an open transaction.
        product: The product, whose `start` and `end` limit its days.
    """
    held, required = set_aside_now(connection), set_aside_of(connection, product)
    if held == required:
        return
    connection.execute("DELETE FROM bookkeeping.days_set_aside")
    for each in required:
        connection.execute(
            "INSERT INTO bookkeeping.days_set_aside VALUES ($day, $events, $reason)",
            {"day": each.day, "events": each.events, "reason": each.reason},
        )
    lost = sorted({each.day for each in required} - {each.day for each in held})
    if lost and _were_built(connection, lost):
        _delete_days(connection, lost)


def take_back(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> None:
    """Delete, in the open transaction, what was built from events that were withdrawn or became duplicates.

    If one of the days lies before or after all of the product's days, all rows outside of the product's days are deleted. Days
    inside are stale and will be rebuilt.

    Args:
        connection: A connection with an open transaction.
        days: The days that lost events.
    """
    if not _were_built(connection, days):
        return
    first, last = _span(connection)
    if all(first <= day <= last for day in days):
        forget_folded(connection)
    else:
        _delete_days(connection, days=())


def _span(connection: duckdb.DuckDBPyConnection) -> tuple[date, date]:
    """Return the first and the last of the product's days; an empty range if there is none."""
    first, last = connection.execute(f"SELECT min(day), max(day) FROM ({PRODUCT_DAYS})").fetchone() or (None, None)
    return (first, last) if first and last else (date.max, date.min)


def _were_built(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> bool:
    query = "SELECT 1 FROM bookkeeping.day_builds WHERE list_contains($days::DATE[], day) LIMIT 1"
    return connection.execute(query, {"days": list(days)}).fetchone() is not None


def _delete_days(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> None:
    """Delete these days, and all days outside of the product's range, from the daily tables; recorded decisions are kept.

    The records of their builds are deleted too, so the days are stale if they ever count again.
    """
    first, last = _span(connection)
    facts = {"days": list(days), "first": first, "last": last}
    gone = "list_contains($days::DATE[], {day}) OR {day} NOT BETWEEN $first AND $last"
    for table in DAILY_TABLES:
        if table.day and not table.is_view and table not in DECISIONS_MADE:
            connection.execute(f"DELETE FROM {table.path} WHERE {gone.format(day=table.day)}", facts)
    connection.execute(f"DELETE FROM bookkeeping.day_builds WHERE {gone.format(day='day')}", facts)
    forget_folded(connection)


def forget_folded(connection: duckdb.DuckDBPyConnection) -> None:
    """Empty the tables that accumulate day after day, and make all of their days stale."""
    for table in FOLDED:
        connection.execute(f"DELETE FROM {table.path}")
        connection.execute("DELETE FROM bookkeeping.day_builds WHERE table_name = $path", {"path": table.path})
