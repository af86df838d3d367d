"""Maintenance of the lake: small files are merged into larger ones, and statistics of replaced files are deleted.

DuckLake keeps a row for each column of each file in its catalogue and reads all of these rows in every statement that filters
by day. Without maintenance each further day would cost more than the one before. The contents of every snapshot stay the same.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb

from intelligence.catalog.layers import TABLES
from intelligence.core.sql import literal
from resources.lake.builds import DAY_BUILDS

MOST_SMALL_FILES = 16
SMALL_BYTES = 64 * 2**20
# A statement that began before the merge may still read the merged files.
KEPT_HOURS = 24

_CROWDED = """
SELECT schema_name, table_name
FROM (
    SELECT * FROM __ducklake_metadata_lake.ducklake_data_file WHERE end_snapshot IS NULL AND file_size_bytes < $small
) AS files
-- DuckLake does not merge a file from which rows were deleted.
ANTI JOIN (
    SELECT data_file_id FROM __ducklake_metadata_lake.ducklake_delete_file WHERE end_snapshot IS NULL
) AS deleted USING (data_file_id)
INNER JOIN __ducklake_metadata_lake.ducklake_table AS tables USING (table_id)
INNER JOIN __ducklake_metadata_lake.ducklake_schema AS schemas USING (schema_id)
WHERE tables.end_snapshot IS NULL AND list_contains($mergeable, schema_name || '.' || table_name)
GROUP BY schema_name, table_name
HAVING count(*) > $most
ORDER BY schema_name, table_name
"""

# DuckLake reads every file without statistics, as it must: a file has none for a column that is added later.
_FORGET = """
DELETE FROM __ducklake_metadata_lake.ducklake_file_column_stats WHERE data_file_id IN (
    SELECT data_file_id FROM __ducklake_metadata_lake.ducklake_data_file WHERE end_snapshot IS NOT NULL
)
"""


def merged_files(connection: duckdb.DuckDBPyConnection) -> int:
    """Return how many small files were merged, in the open transaction, in the tables that have many small files.

    Files that were replaced by a merge at least KEPT_HOURS ago are deleted from the store.
    """
    connection.execute(
        f"CALL ducklake_cleanup_old_files('lake', older_than => now() - INTERVAL {KEPT_HOURS} HOUR)"
    ).fetchall()
    mergeable = [table.path for table in (*TABLES, DAY_BUILDS) if not table.is_view]
    parameters = {"small": SMALL_BYTES, "most": MOST_SMALL_FILES, "mergeable": mergeable}
    merged = 0
    for layer, name in connection.execute(_CROWDED, parameters).fetchall():
        rows = connection.execute(
            f"CALL ducklake_merge_adjacent_files('lake', {literal(name)}, schema => {literal(layer)},"
            f" max_file_size => {SMALL_BYTES})"
        ).fetchall()
        merged += sum(row[2] for row in rows)
    return merged


def forget_statistics(connection: duckdb.DuckDBPyConnection) -> None:
    """Delete, in the open transaction, the statistics of files that only earlier snapshots use, such as each former `dim_users`.

    Queries of earlier snapshots then read those files in full.
    """
    connection.execute(_FORGET)


def overwrite_deleted(catalogue: Path, *, patience_s: float) -> None:
    """Write a catalogue anew, so that nothing of rows that were deleted or changed is left in the unused parts of its file.

    Args:
        catalogue: The SQLite file.
        patience_s: How long to wait for those who read it, in seconds.

    Raises:
        sqlite3.Error: It is used all that time, or cannot be written.
    """
    with closing(sqlite3.connect(catalogue, timeout=patience_s, isolation_level=None)) as connection:
        connection.execute("VACUUM")
        is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if is_busy:
        raise sqlite3.OperationalError("somebody reads it")
