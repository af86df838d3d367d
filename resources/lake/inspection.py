"""What one snapshot of the lake says of a table: all that its page shows and its checks ask for, read together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import polars as pl

from intelligence.core.tables import Claim, Days, Table
from intelligence.telemetry.local_time import UTC_NAME, in_zone
from intelligence.telemetry.tables import EVENTS

MOST_CONTRADICTIONS = 1_000
# The ledger knows without a look at every file.
ROWS_OF_EVENTS = "SELECT coalesce(sum(accepted), 0) FROM telemetry.batches WHERE of_aliases IS NOT TRUE"


@dataclass(frozen=True, slots=True)
class Inspection:
    """A table in one snapshot: its rows, if counted, its columns' types by name, its page and its numbers.

    `contradictions` has what contradicts each claim, by the claim's name.
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
    """Return what the connection's open transaction sees; its queries share what the catalogue says, which costs most."""

    def frame(query: str) -> pl.DataFrame:
        return connection.execute(in_zone(query, timezone), asked(query, days.parameters)).pl()

    return Inspection(
        int(frame("SELECT id FROM ducklake_current_snapshot('lake')").item()),
        int(frame(rows).item()) if (rows := _rows_of(table)) else None,
        columns_by_table(connection).get(table.path, {}),
        frame(table.page) if table.page else pl.DataFrame(),
        frame(table.numbers) if table.numbers else pl.DataFrame(),
        {claim.name: frame(_contradicting(claim)) for claim in claims},
    )


def _rows_of(table: Table) -> str | None:
    """Return the query for how many rows the table has; None for a view whose rows nothing knows but all of its files."""
    if table == EVENTS:
        return ROWS_OF_EVENTS
    return None if table.is_view else f"SELECT count(*) FROM {table.path}"


def _contradicting(claim: Claim) -> str:
    """Return the query for rows that contradict the claim, at most MOST_CONTRADICTIONS of them."""
    return f"SELECT * FROM ({claim.contradictions}) LIMIT {MOST_CONTRADICTIONS}"


def asked(query: str, parameters: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters that the query names; DuckDB refuses any other."""
    return {name: value for name, value in parameters.items() if f"${name}" in query}


def columns_by_table(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Return the types of all columns in the lake, by table and name."""
    rows = connection.execute(
        "SELECT schema_name || '.' || table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = 'lake'"
        " ORDER BY column_index"
    ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for path, column, type_ in rows:
        found.setdefault(path, {})[column] = type_
    return found
