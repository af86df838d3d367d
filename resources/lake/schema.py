"""Creates the lake's tables and views where they are missing, and changes them where a newer version defines them differently."""

import hashlib
from collections.abc import Mapping, Sequence

import duckdb

from intelligence.catalog.layers import DAILY_TABLES, TABLES, VIEWS
from intelligence.core.errors import LakeError
from intelligence.core.sql import identifier, literal
from intelligence.core.tables import Table, schema_contradictions
from intelligence.telemetry.tables import RAW_EVENTS
from resources.lake.builds import DAY_BUILDS
from resources.lake.extent import DAYS_SET_ASIDE, LAKE_CLOCK
from resources.lake.inspection import columns_by_table


def differing(connection: duckdb.DuckDBPyConnection) -> list[Table]:
    """Return the tables and views that are missing or differ from their definition."""
    found, views = columns_by_table(connection), _digests(connection)
    return [
        table
        for table in (*TABLES, DAY_BUILDS, DAYS_SET_ASIDE, LAKE_CLOCK)
        if (views.get(table.path) != _digest(VIEWS[table.path]) if table.is_view else _lacks(table, found))
    ]


def define(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """Create or change these tables and views, in the open transaction, so that they are as defined.

    Raises LakeError if a column exists with another type.

    Args:
        connection: A connection with an open transaction.
        tables: The tables and views to create or change, as `differing` returns them.
    """
    present = columns_by_table(connection)
    for table in tables:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {table.layer}")
        if not table.is_view:
            _define_table(connection, table, present.get(table.path))
    for table in tables:
        if table.is_view:
            _define_view(connection, table.path)


def _lacks(table: Table, found: Mapping[str, Mapping[str, str]]) -> bool:
    return bool(schema_contradictions(table, found.get(table.path, {})))


def _define_table(connection: duckdb.DuckDBPyConnection, table: Table, columns: Mapping[str, str] | None) -> None:
    if columns is not None and table in DAILY_TABLES and set(columns) - {column.name for column in table.columns}:
        # A table that is built from others is recreated when its definition loses a column.
        connection.execute(f"DROP TABLE {table.path}")
        connection.execute("DELETE FROM bookkeeping.day_builds WHERE table_name = $path", {"path": table.path})
        columns = None
    if columns is None:
        definitions = ", ".join(f"{identifier(column.name)} {column.type}" for column in table.columns)
        connection.execute(f"CREATE TABLE {table.path} ({definitions})")
        if table != RAW_EVENTS:
            _seed(connection, table)
        return
    for column in table.columns:
        if column.name not in columns:
            connection.execute(f"ALTER TABLE {table.path} ADD COLUMN {identifier(column.name)} {column.type}")
    wrong = schema_contradictions(table, columns_by_table(connection)[table.path])
    if wrong:
        raise LakeError(
            f"table {table.path}",
            f"{'; '.join(wrong)}.",
            hint="It was written by another version; move the lake's folder away and ingest again.",
        )


def _seed(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Insert one row and delete it again, so that the table has statistics.

    DuckLake reads a table's statistics once, but for a table that never had a row it queries its catalogue again for each column
    of each query (duckdb/ducklake#1313). Raw events are not seeded: they exist before anything reads them, and without a seed
    DuckLake knows which of their columns were never NULL. The seed is NULL because another value would show in min and max, which
    DuckLake answers from statistics too.
    """
    connection.execute(f"INSERT INTO {table.path} ({identifier(table.columns[0].name)}) VALUES (NULL)")
    connection.execute(f"DELETE FROM {table.path}")


def _define_view(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    stored = "SELECT 1 FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name || '.' || table_name = $path"
    if connection.execute(stored, {"path": path}).fetchone():
        # An earlier version had a table here; its rows are in the tables that the view reads, or are rebuilt.
        connection.execute(f"DROP TABLE {path}")
    connection.execute(f"CREATE OR REPLACE VIEW {path} AS {VIEWS[path]}")
    connection.execute(f"COMMENT ON VIEW {path} IS {literal(_digest(VIEWS[path]))}")


def _digest(query: str) -> str:
    return hashlib.sha256(query.encode()).hexdigest()[:12]


def _digests(connection: duckdb.DuckDBPyConnection) -> Mapping[str, str | None]:
    """Return, by view path, the digest of the query that the view was created with, which is stored as its comment."""
    found = "SELECT schema_name || '.' || view_name, comment FROM duckdb_views() WHERE database_name = 'lake'"
    return dict(connection.execute(found).fetchall())
