"""Identity resolution: records which alias belongs to which user, from events and files of pairs, and updates stored rows.

All functions run inside the open transaction of an intake.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb

from intelligence.core.sql import sql
from intelligence.telemetry.aliases import persons
from intelligence.telemetry.identity import day_literals

_PAIRS_OF_EVENTS = """
CREATE OR REPLACE TEMP TABLE said AS
SELECT DISTINCT anonymous_id AS alias, user_id, batch_id, CAST(NULL AS BIGINT) AS rows_in_file
FROM identified INNER JOIN deliveries USING (file_key)
WHERE anonymous_id IS NOT NULL AND anonymous_id <> user_id
"""
_PAIRS_OF_FILES = """
CREATE OR REPLACE TEMP TABLE said AS
SELECT alias, user_id, batch_id, count(*) AS rows_in_file
FROM judged INNER JOIN deliveries USING (file_key)
WHERE broken IS NULL
GROUP BY alias, user_id, batch_id
"""
# It has the columns that `stored` has for events. Pairs change no day by themselves, only through the rows that they rename.
_STORED_PAIRS = """
CREATE OR REPLACE TEMP TABLE stored AS
SELECT
    batch_id, count(*) AS accepted, CAST(sum(rows_in_file) - count(*) AS BIGINT) AS duplicates, 0 AS conflicts,
    CAST([] AS DATE[]) AS days
FROM said GROUP BY batch_id
"""


def record_pairs(connection: duckdb.DuckDBPyConnection, facts: Mapping[str, object]) -> None:
    """Store the pairs in the rows of `identified`, and make the temporary table `persons`, which has the user of each alias.

    It also makes the temporary table `new_pairs` for `rename_rows`.

    Args:
        connection: A connection with an open transaction.
        facts: SQL parameters: the rows' `source` and the time `ingested_at`, UTC.
    """
    connection.execute(_PAIRS_OF_EVENTS)
    _store_pairs(connection, facts)


def write_pairs(connection: duckdb.DuckDBPyConnection, facts: Mapping[str, object]) -> None:
    """Store the accepted pairs of the temporary table `judged`; a pair that a file repeats is a duplicate.

    Like `write_events` it makes the temporary tables `stored`, for the ledger, and `changed`, which is empty, since pairs mark no
    event.

    Args:
        connection: A connection with an open transaction.
        facts: SQL parameters: the pairs' `source` and the time `ingested_at`, UTC.
    """
    connection.execute(_PAIRS_OF_FILES)
    _store_pairs(connection, facts)
    connection.execute(_STORED_PAIRS)
    connection.execute("CREATE OR REPLACE TEMP TABLE changed (event_date DATE)")


def _store_pairs(connection: duckdb.DuckDBPyConnection, facts: Mapping[str, object]) -> None:
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE new_pairs AS SELECT DISTINCT alias, user_id FROM said"
        " ANTI JOIN telemetry.aliases AS known USING (alias, user_id)"
    )
    if connection.execute("FROM said LIMIT 1").fetchone():
        connection.execute(
            "INSERT INTO telemetry.aliases BY NAME"
            " SELECT said.*, $source AS source, $ingested_at AS ingested_at FROM said",
            dict(facts),
        )
    pairs = connection.execute("SELECT DISTINCT alias, user_id FROM telemetry.aliases").fetchall()
    connection.register("resolved", persons(pairs).frame())
    connection.execute("CREATE OR REPLACE TEMP TABLE persons AS FROM resolved")
    connection.unregister("resolved")


def rename_rows(connection: duckdb.DuckDBPyConnection, *, lost_pairs: bool) -> list[date]:
    """Set the user of stored rows according to all pairs, and return the days that changed; users who lost rows are deleted.

    Only a new or a withdrawn pair can change a stored row: without either no row is read.

    Args:
        connection: A connection with an open transaction and the temporary tables `new_pairs` and `persons`.
        lost_pairs: Whether pairs were withdrawn in the same transaction.
    """
    if not lost_pairs and not connection.execute("FROM new_pairs LIMIT 1").fetchone():
        return []
    days = _days(connection, sql("telemetry/renamed_days.sql"))
    literals = day_literals(days)
    connection.execute(sql("telemetry/renamed.sql").replace("$days", literals))
    if not days:
        return []
    connection.execute(
        "UPDATE telemetry.raw_events SET user_id = renamed.user_id, delivered_user_id = renamed.delivered_user_id"
        f" FROM renamed WHERE raw_events.event_date IN ({literals}) AND raw_events.event_date = renamed.event_date"
        " AND raw_events.batch_id = renamed.batch_id AND raw_events.source_row = renamed.source_row"
    )
    connection.execute("DELETE FROM warehouse.dim_users WHERE user_id IN (SELECT was_user_id FROM renamed)")
    # An alias has lost all of its rows; the remaining rows of every other user are accumulated again.
    remaining = _days(
        connection,
        "SELECT DISTINCT event_date FROM telemetry.events SEMI JOIN"
        " (SELECT was_user_id AS user_id FROM renamed EXCEPT SELECT alias FROM persons) AS losers USING (user_id)",
    )
    changed = [*days, *remaining]
    note_changed_days(connection, changed)
    return changed


def note_changed_days(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> None:
    """Record in the ledger, at the first of the present deliveries, that it changed rows of other deliveries on these days.

    Args:
        connection: A connection with an open transaction and the temporary table `deliveries`.
        days: The days whose rows changed.
    """
    connection.execute(
        "UPDATE telemetry.batches SET changed_days = list_sort(list_distinct(coalesce(changed_days, []) || $days::DATE[]))"
        " WHERE batch_id = (SELECT batch_id FROM deliveries ORDER BY delivery_number LIMIT 1)",
        {"days": list(days)},
    )


def _days(connection: duckdb.DuckDBPyConnection, query: str) -> list[date]:
    return sorted(row[0] for row in connection.execute(query).fetchall())
