"""A table in one snapshot of the lake: everything that its page shows and its checks need, read together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import polars as pl

from intelligence.core.tables import Claim, Days, Table, schema_contradictions
from intelligence.telemetry.local_time import UTC_NAME, in_zone
from intelligence.telemetry.tables import EVENTS

MOST_CONTRADICTIONS = 1_000
# The ledger has the number of events, so that no file of events has to be read.
ROWS_OF_EVENTS = (
    "SELECT coalesce(sum(accepted), 0) FROM telemetry.batches WHERE of_aliases IS NOT TRUE AND answer_days IS NULL"
)


@dataclass(frozen=True, slots=True)
class Inspection:
    """A table in one snapshot.

    Attributes:
        snapshot_id: Id of the snapshot in DuckLake.
        row_count: Number of rows; None for a view whose rows can only be counted by reading all of its files.
        columns: The columns' types by name; empty if the table does not exist.
        shown: Rows for the table's page in Dagster.
        numbers: One row of figures for the table's page.
        contradictions: By the claim's name, rows that contradict it, at most MOST_CONTRADICTIONS.
    """

    snapshot_id: int
    row_count: int | None
    columns: Mapping[str, str]
    shown: pl.DataFrame
    numbers: pl.DataFrame
    contradictions: Mapping[str, pl.DataFrame]


def inspected(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    claims: Sequence[Claim],
    days: Days,
    *,
    timezone: str = UTC_NAME,
) -> Inspection:
    """Return the table as the connection's open transaction sees it.

    All queries run in one transaction because they then share one read of the catalogue, which takes most of the time.

    Args:
        connection: A connection with an open transaction.
        table: The table to inspect.
        claims: Statements about its rows, each with a query for the rows that contradict it.
        days: The days to which page, numbers and claims are limited.
        timezone: IANA name of the zone that `local_time(column)` refers to.
    """

    def frame(query: str) -> pl.DataFrame:
        return connection.execute(in_zone(query, timezone), named_parameters(query, days.parameters)).pl()

    return Inspection(
        int(frame("SELECT id FROM ducklake_current_snapshot('lake')").item()),
        int(frame(rows).item()) if (rows := _rows_of(table)) else None,
        columns_by_table(connection).get(table.path, {}),
        frame(table.page) if table.page else pl.DataFrame(),
        frame(table.numbers) if table.numbers else pl.DataFrame(),
        {claim.name: frame(_contradicting(claim)) for claim in claims},
    )


def is_sound(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    claims: Sequence[Claim],
    days: Days,
    *,
    timezone: str = UTC_NAME,
) -> bool:
    """Return whether the table's columns are those of its definition and no row contradicts the claims.

    Args:
        connection: A connection with an open transaction.
        table: The table to inspect.
        claims: Statements about its rows, each with a query for the rows that contradict it.
        days: The days to which the claims are limited.
        timezone: IANA name of the zone that `local_time(column)` refers to.
    """
    if any(schema_contradictions(table, columns_by_table(connection).get(table.path, {}))):
        return False
    queries = [f"SELECT 1 FROM ({claim.contradictions}) LIMIT 1" for claim in claims]
    return not any(
        connection.execute(in_zone(query, timezone), named_parameters(query, days.parameters)).fetchone()
        for query in queries
    )


def _rows_of(table: Table) -> str | None:
    """Return a query for the number of rows; None for a view whose rows can only be counted by reading all of its files."""
    if table == EVENTS:
        return ROWS_OF_EVENTS
    return None if table.is_view else f"SELECT count(*) FROM {table.path}"


def _contradicting(claim: Claim) -> str:
    """Return a query for the rows that contradict the claim, at most MOST_CONTRADICTIONS of them."""
    return f"SELECT * FROM ({claim.contradictions}) LIMIT {MOST_CONTRADICTIONS}"


def named_parameters(query: str, parameters: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters that the query names; DuckDB refuses any other.

    Args:
        query: SQL text with `$name` parameters.
        parameters: Values by name, more of them than the query may need.
    """
    return {name: value for name, value in parameters.items() if f"${name}" in query}


def columns_by_table(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Return the types of all columns in the lake, by table path and column name."""
    rows = connection.execute(
        "SELECT schema_name || '.' || table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = 'lake'"
        " ORDER BY column_index"
    ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for path, column, type_ in rows:
        found.setdefault(path, {})[column] = type_
    return found
