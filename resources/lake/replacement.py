"""The rows of a table's days, or of a whole table, replaced inside of an open transaction."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import duckdb

from intelligence.core.sql import identifiers
from intelligence.core.tables import Days, Table
from resources.config.faults import reach
from resources.lake.inspection import asked

# Aggregates over more rows than this cost more for each row, since they outgrow the memory that was touched already.
ROWS_AT_ONCE = 3_000_000


def rows_replaced(
    connection: duckdb.DuckDBPyConnection, table: Table, days: Days, query: str, parameters: Mapping[str, Any]
) -> int:
    """Return how many rows the query gave for `days`, once they stand in the place of those that the table had."""
    if table.day is None:
        whole = asked(query, {**parameters, **days.parameters})
        connection.execute("CREATE OR REPLACE TEMP TABLE replacement AS " + query, whole)
        written = _replaced_whole(connection, table)
    else:
        connection.execute(
            f"DELETE FROM {table.path} WHERE {table.day} >= $start AND {table.day} < $end", days.parameters
        )
        reach("table.days_deleted", table.path)
        # A query that does not name the days holds all of them and must run once; only events are many.
        of_events = any(events in query for events in ("telemetry.events", "warehouse.fact_events"))
        parts = _parts(connection, days) if "$start" in query and of_events else [days]
        written = sum(
            _inserted(connection, table, query, asked(query, {**parameters, **part.parameters})) for part in parts
        )
    reach("table.rows_written", table.path)
    return written


def _replaced_whole(connection: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Return how many rows the table has after taking those of the temporary table `replacement`, if they are others."""
    rows, held = (
        connection.execute(f"SELECT count(*) FROM {path}").fetchone() or (0,)
        for path in ("temp.replacement", table.path)
    )
    columns = identifiers(column.name for column in table.columns)
    # What the query does not name is NULL in the table.
    named = f"FROM temp.replacement UNION ALL BY NAME SELECT {columns} FROM {table.path} WHERE false"
    others = f"SELECT {columns} FROM ({named}) EXCEPT ALL SELECT {columns} FROM {table.path}"
    if rows == held and not connection.execute(f"FROM ({others}) LIMIT 1").fetchone():
        return int(rows[0])
    connection.execute(f"DELETE FROM {table.path}")
    reach("table.days_deleted", table.path)
    return _inserted(connection, table, "FROM temp.replacement", {})


def _inserted(connection: duckdb.DuckDBPyConnection, table: Table, query: str, parameters: Mapping[str, Any]) -> int:
    row = connection.execute(f"INSERT INTO {table.path} BY NAME {query}", dict(parameters)).fetchone()
    return int(row[0]) if row else 0


def _parts(connection: duckdb.DuckDBPyConnection, days: Days) -> Iterator[Days]:
    """Yield the range in parts that hold about ROWS_AT_ONCE events, so that memory does not grow with the range."""
    if days.end - days.start <= timedelta(days=1):
        yield days
        return
    held = connection.execute(
        "SELECT (SELECT coalesce(sum(accepted), 0) FROM telemetry.batches),"
        " (SELECT count(DISTINCT day) FROM (SELECT unnest(days) AS day FROM telemetry.batches))"
    ).fetchone()
    events, known_days = held or (0, 0)
    length = (days.end - days.start).days
    step = timedelta(days=min(length, max(1, ROWS_AT_ONCE * max(known_days, 1) // max(events, 1))))
    start = days.start
    while start < days.end:
        yield Days(start, min(start + step, days.end))
        start += step
