"""Who is who in the lake: the pairs that events and files of pairs say, and stored rows brought in line with all of them.

All of it happens inside the open transaction of an intake.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb

from intelligence.core.sql import sql
from intelligence.telemetry.aliases import persons
from intelligence.telemetry.identity import day_literals

_SAID_BY_EVENTS = """
CREATE OR REPLACE TEMP TABLE said AS
SELECT DISTINCT anonymous_id AS alias, user_id, batch_id, CAST(NULL AS BIGINT) AS rows_in_file
FROM identified INNER JOIN deliveries USING (file_key)
WHERE anonymous_id IS NOT NULL AND anonymous_id <> user_id
"""
_SAID_BY_PAIRS = """
CREATE OR REPLACE TEMP TABLE said AS
SELECT alias, user_id, batch_id, count(*) AS rows_in_file
FROM judged INNER JOIN deliveries USING (file_key)
WHERE broken IS NULL
GROUP BY alias, user_id, batch_id
"""
# In the form of `stored` of events. Pairs touch no day by themselves, only by the rows that they rename.
_STORED_PAIRS = """
CREATE OR REPLACE TEMP TABLE stored AS
SELECT
    batch_id, count(*) AS accepted, CAST(sum(rows_in_file) - count(*) AS BIGINT) AS duplicates, 0 AS conflicts,
    CAST([] AS DATE[]) AS days
FROM said GROUP BY batch_id
"""


def know_persons(connection: duckdb.DuckDBPyConnection, facts: Mapping[str, object]) -> None:
    """Keep the pairs of the rows of `identified`, and make the temporary table `persons`: of each alias the user that it is.

    Leaves `new_pairs` for `rename_rows`. `facts` are the `source` and the time `ingested_at` of the rows.
    """
    connection.execute(_SAID_BY_EVENTS)
    _keep_said(connection, facts)


def write_pairs(connection: duckdb.DuckDBPyConnection, facts: Mapping[str, object]) -> None:
    """Keep the accepted pairs of `judged`; one that a file says again is a duplicate.

    Leaves what `write_events` does: `stored` for the ledger, and an empty `changed`, since pairs mark no event.
    """
    connection.execute(_SAID_BY_PAIRS)
    _keep_said(connection, facts)
    connection.execute(_STORED_PAIRS)
    connection.execute("CREATE OR REPLACE TEMP TABLE changed (event_date DATE)")


def _keep_said(connection: duckdb.DuckDBPyConnection, facts: Mapping[str, object]) -> None:
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
    """Return the days noted as changed, once stored rows bear the user that all pairs say they are; users who lost rows are forgotten.

    Only a new pair can change a stored row, or one that was taken back: without any nothing is looked at.
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
    # Who is an alias has lost all rows; of anybody else, those that remain are folded again.
    remaining = _days(
        connection,
        "SELECT DISTINCT event_date FROM telemetry.events SEMI JOIN"
        " (SELECT was_user_id AS user_id FROM renamed EXCEPT SELECT alias FROM persons) AS losers USING (user_id)",
    )
    changed = [*days, *remaining]
    note_changed_days(connection, changed)
    return changed


def note_changed_days(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> None:
    """Let the ledger say of the first of the present deliveries that it changed what others had brought on these days."""
    connection.execute(
        "UPDATE telemetry.batches SET changed_days = list_sort(list_distinct(coalesce(changed_days, []) || $days::DATE[]))"
        " WHERE batch_id = (SELECT batch_id FROM deliveries ORDER BY delivery_number LIMIT 1)",
        {"days": list(days)},
    )


def _days(connection: duckdb.DuckDBPyConnection, query: str) -> list[date]:
    return sorted(row[0] for row in connection.execute(query).fetchall())
