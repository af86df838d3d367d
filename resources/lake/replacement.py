"""Replaces the rows of a table's days, or of a whole table, inside an open transaction."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import duckdb

from intelligence.core.sql import identifiers
from intelligence.core.tables import Days, Table
from resources.config.faults import reach
from resources.lake.inspection import named_parameters

# Aggregates over more rows than this cost more per row, because they need memory that was not allocated before.
ROWS_AT_ONCE = 3_000_000


def rows_replaced(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    days: Days,
    query: str,
    parameters: Mapping[str, Any],
    *,
    at_once: bool = False,
) -> int:
    """Replace the table's rows of `days` by those of the query, and return how many were written.

    Args:
        connection: A connection with an open transaction.
        table: The table to write; one without a day column is replaced as a whole, or left as it is if its rows are the same.
        days: The days to replace, given to the query as `$start` (inclusive) and `$end` (exclusive).
        query: SQL for the new rows, whose columns are matched by name.
        parameters: Values of further `$name` parameters; those that the query does not name are left out.
        at_once: Whether the query has to be run over all days at once, since what it reads was made for them.
    """
    if table.day is None:
        whole = named_parameters(query, {**parameters, **days.parameters})
        connection.execute("CREATE OR REPLACE TEMP TABLE replacement AS " + query, whole)
        written = _replaced_whole(connection, table)
    else:
        connection.execute(
            f"DELETE FROM {table.path} WHERE {table.day} >= $start AND {table.day} < $end", days.parameters
        )
        reach("table.days_deleted", table.path)
        # A query without `$start` returns all days and must run once; only queries over events are split, since events are many.
        reads_events = any(events in query for events in ("telemetry.events", "warehouse.fact_events"))
        parts = _parts(connection, days) if "$start" in query and reads_events and not at_once else [days]
        written = sum(
            _inserted(connection, table, query, named_parameters(query, {**parameters, **part.parameters}))
            for part in parts
        )
    reach("table.rows_written", table.path)
    return written


def _replaced_whole(connection: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Return the number of rows of the table after it has those of the temporary table `replacement`, if they differ."""
    rows, held = (
        connection.execute(f"SELECT count(*) FROM {path}").fetchone() or (0,)
        for path in ("temp.replacement", table.path)
    )
    columns = identifiers(column.name for column in table.columns)
    # Columns that the query does not return are NULL in the table.
    named = f"FROM temp.replacement UNION ALL BY NAME SELECT {columns} FROM {table.path} WHERE false"
    differing = f"SELECT {columns} FROM ({named}) EXCEPT ALL SELECT {columns} FROM {table.path}"
    if rows == held and not connection.execute(f"FROM ({differing}) LIMIT 1").fetchone():
        return int(rows[0])
    connection.execute(f"DELETE FROM {table.path}")
    reach("table.days_deleted", table.path)
    return _inserted(connection, table, "FROM temp.replacement", {})


def _inserted(connection: duckdb.DuckDBPyConnection, table: Table, query: str, parameters: Mapping[str, Any]) -> int:
    row = connection.execute(f"INSERT INTO {table.path} BY NAME {query}", dict(parameters)).fetchone()
    return int(row[0]) if row else 0


def _parts(connection: duckdb.DuckDBPyConnection, days: Days) -> Iterator[Days]:
    """Yield the range in parts of about ROWS_AT_ONCE events, so that memory does not grow with the range."""
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
