"""The upkeep of the lake: small files are merged into larger ones, and statistics of former files are forgotten.

DuckLake keeps a line for each column of each file in its catalogue and reads all of them in every statement that names a
day: without this, one more day would cost more with each day before it. What any snapshot says stays the same.
"""

import duckdb

from intelligence.catalog.layers import TABLES
from intelligence.core.sql import literal
from resources.lake.builds import DAY_BUILDS

MOST_SMALL_FILES = 16
SMALL_BYTES = 64 * 2**20
# A statement that began earlier may still read the files that were merged.
KEPT_HOURS = 24

_CROWDED = """
SELECT schema_name, table_name
FROM (
    SELECT * FROM __ducklake_metadata_lake.ducklake_data_file WHERE end_snapshot IS NULL AND file_size_bytes < $small
) AS files
-- DuckLake merges no file of which rows were deleted.
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

# DuckLake keeps a file of which it knows no statistics among those to read, as it must: a column that is added later has none.
_FORGET = """
DELETE FROM __ducklake_metadata_lake.ducklake_file_column_stats WHERE data_file_id IN (
    SELECT data_file_id FROM __ducklake_metadata_lake.ducklake_data_file WHERE end_snapshot IS NOT NULL
)
"""


def merged_files(connection: duckdb.DuckDBPyConnection) -> int:
    """Return how many small files were merged, in the open transaction, in the tables that have many of them.

    Files that were merged a day ago are deleted.
    """
    connection.execute(
        f"CALL ducklake_cleanup_old_files('lake', older_than => now() - INTERVAL {KEPT_HOURS} HOUR)"
    ).fetchall()
    mergeable = [table.path for table in (*TABLES, DAY_BUILDS) if not table.is_view]
    asked = {"small": SMALL_BYTES, "most": MOST_SMALL_FILES, "mergeable": mergeable}
    merged = 0
    for layer, name in connection.execute(_CROWDED, asked).fetchall():
        rows = connection.execute(
            f"CALL ducklake_merge_adjacent_files('lake', {literal(name)}, schema => {literal(layer)},"
            f" max_file_size => {SMALL_BYTES})"
        ).fetchall()
        merged += sum(row[2] for row in rows)
    return merged


def forget_statistics(connection: duckdb.DuckDBPyConnection) -> None:
    """Delete, in the open transaction, the statistics of files that no longer count, such as each former `dim_users`.

    Earlier snapshots read those files whole.
    """
    connection.execute(_FORGET)
