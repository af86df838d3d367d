"""Deduplication: which delivered rows are one event, by the same id of the same source on the same or consecutive days.

On each day the first row by time, content and source counts for the id, unless the day before has the id: then no row
does. So whether a row counts depends on its own day and the day before alone, not on the order of delivery. The temporary
table `rivals` has the rows that share their id with another row, and `disputed` those ids.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from intelligence.core.sql import identifiers, literal
from intelligence.telemetry.contract import CONTRACT_COLUMNS


def content_sql(columns: Sequence[str] = CONTRACT_COLUMNS) -> str:
    """Return SQL for a digest of a row's contract columns, which is equal for equal content.

    >>> content_sql(["a", "b"])
    'md5_number(CAST(json_array("a", "b") AS VARCHAR))'
    """
    return f"md5_number(CAST(json_array({identifiers(columns)}) AS VARCHAR))"


def days_around(days: Sequence[date]) -> list[date]:
    """Return these days with the day before and after each, sorted: all days whose rows can affect one another.

    >>> days_around([date(2026, 5, 4)])
    [datetime.date(2026, 5, 3), datetime.date(2026, 5, 4), datetime.date(2026, 5, 5)]
    """
    return sorted({day + timedelta(days=offset) for day in days for offset in (-1, 0, 1)})


def rivals_statement() -> str:
    """Return the statement that adds the newly delivered rows with an id in `disputed` to the temporary table `rivals`."""
    return f"""
INSERT INTO rivals
SELECT
    event_id, event_date, event_time, {content_sql()} AS content, $source AS source, deliveries.batch_id, source_row,
    delivery_number, true AS is_new, NULL AS was_duplicate, NULL AS was_conflict
FROM identified SEMI JOIN disputed USING (event_id) INNER JOIN deliveries USING (file_key)"""


def stored_rivals_statement(days: Sequence[date]) -> str:
    """Return the statement that makes the temporary table `rivals` of the lake's rows with an id in `disputed` on these days.

    `$scope` lists the sources that share one set of ids. The content is compared as delivered, before aliases changed the user.
    """
    return f"""
CREATE OR REPLACE TEMP TABLE rivals AS
SELECT
    event_id, event_date, event_time, {content_sql()} AS content, source, batch_id, source_row,
    CAST(NULL AS BIGINT) AS delivery_number, false AS is_new, is_duplicate AS was_duplicate,
    coalesce(is_conflict, false) AS was_conflict
FROM (SELECT * REPLACE (coalesce(delivered_user_id, user_id) AS user_id) FROM telemetry.raw_events)
SEMI JOIN disputed USING (event_id)
WHERE event_date IN ({day_literals(days)}) AND list_contains($scope, source)"""


def day_literals(days: Sequence[date]) -> str:
    """Return the days as a list for SQL's IN: literals, which let DuckLake skip the files of other days.

    >>> day_literals([date(2026, 5, 4)]), day_literals([])
    ("DATE '2026-05-04'", 'NULL')
    """
    return ", ".join(f"DATE {literal(str(day))}" for day in days) or "NULL"
