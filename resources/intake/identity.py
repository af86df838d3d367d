"""Writes delivered rows as events: decides which rows count, and updates rows that were written before accordingly.

All functions run inside one open transaction, so that no reader sees an event twice or misses it.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb

from intelligence.catalog.product import AliasSource, AnswerSource, FileSource, Product
from intelligence.core.sql import identifiers, sql
from intelligence.telemetry.contract import CONTRACT_COLUMNS
from intelligence.telemetry.identity import (
    day_literals,
    days_around,
    rivals_statement,
    stored_rivals_statement,
)
from resources.intake.aliases import note_changed_days, record_pairs, rename_rows, write_pairs
from resources.intake.answers import write_answers
from resources.lake.extent import take_back

_NOTHING_NEW = f"""
CREATE OR REPLACE TEMP TABLE identified AS
SELECT {identifiers(CONTRACT_COLUMNS)}, event_date, source_row, 0 AS file_key FROM telemetry.raw_events LIMIT 0
"""
_NO_DELIVERIES = "CREATE OR REPLACE TEMP TABLE deliveries (file_key INTEGER, batch_id VARCHAR, delivery_number BIGINT)"


def write_rows(
    connection: duckdb.DuckDBPyConnection,
    product: Product,
    source: FileSource,
    facts: Mapping[str, object],
    *,
    gone: Sequence[date] = (),
) -> None:
    """Write the accepted rows of the present deliveries as events, pairs or answers, whichever their source delivers.

    It makes the temporary tables `stored`, the outcome of each delivery, for the ledger, and `changed`, for `settle`.

    Args:
        connection: A connection with an open transaction and the temporary tables of `resources.intake.validation`.
        product: The product, which says which sources share event ids.
        source: The source of the deliveries.
        facts: SQL parameters: the rows' `source` and the time `ingested_at`, UTC.
        gone: Days of rows that were withdrawn before in the same transaction; their ids are in the temporary table `gone`.
    """
    if isinstance(source, AliasSource):
        write_pairs(connection, facts)
    elif isinstance(source, AnswerSource):
        write_answers(connection, product, facts)
    else:
        write_events(connection, facts, product.sources_of_one_id(source.name), gone=gone)


def write_events(
    connection: duckdb.DuckDBPyConnection,
    facts: Mapping[str, object],
    scope: Sequence[str],
    *,
    gone: Sequence[date] = (),
) -> None:
    """Insert the rows of `identified` into raw_events with marks on those that repeat an event, and find marks to update.

    A stored event that turns out to repeat a new row becomes a duplicate, and rows of an alias are written with its user. The
    function makes the temporary tables `stored`, the outcome of each delivery, for the ledger, and `changed`, for `settle`.

    Args:
        connection: A connection with an open transaction and the temporary tables `identified` and `deliveries`.
        facts: SQL parameters: the rows' `source` and the time `ingested_at`, UTC.
        scope: Names of the sources whose event ids identify the same events.
        gone: Days of rows that were withdrawn before in the same transaction; stored duplicates of the ids in the temporary table
            `gone` may count again.
    """
    days = [row[0] for row in connection.execute("SELECT DISTINCT event_date FROM identified").fetchall()]
    also = " UNION ALL SELECT event_id, event_date FROM gone" if gone else ""
    connection.execute(f"CREATE OR REPLACE TEMP VIEW touched AS SELECT event_id, event_date FROM identified{also}")
    _decide(connection, sorted({*days, *gone}), facts, scope)
    record_pairs(connection, facts)
    connection.execute(f"INSERT INTO telemetry.raw_events BY NAME {sql('telemetry/accepted.sql')}", dict(facts))
    connection.execute(sql("telemetry/stored.sql"), {"first": min(days, default=None), "last": max(days, default=None)})


def recounted_days(
    connection: duckdb.DuckDBPyConnection, source: str, scope: Sequence[str], *, gone: Sequence[date], lost_pairs: bool
) -> list[date]:
    """Update which rows count after a withdrawal without new rows, and return the days on which rows or their users changed.

    Args:
        connection: A connection with an open transaction and the ids of withdrawn rows in the temporary table `gone`.
        source: Name of the source whose rows were withdrawn.
        scope: Names of the sources whose event ids identify the same events.
        gone: Days of the withdrawn rows.
        lost_pairs: Whether pairs of aliases and users were withdrawn too.
    """
    connection.execute(_NOTHING_NEW)
    connection.execute(_NO_DELIVERIES)
    connection.execute("CREATE OR REPLACE TEMP VIEW touched AS SELECT event_id, event_date FROM gone")
    _decide(connection, gone, {"source": source}, scope)
    record_pairs(connection, {"source": source})
    return settle(connection, lost_pairs=lost_pairs)


def _decide(
    connection: duckdb.DuckDBPyConnection, days: Sequence[date], facts: Mapping[str, object], scope: Sequence[str]
) -> None:
    """Make the temporary tables `decided`, with the marks of all rows, and `changed`, with stored rows whose marks differ from it."""
    around = days_around(days)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE known AS SELECT DISTINCT event_id FROM telemetry.raw_events"
        f" SEMI JOIN touched USING (event_id) WHERE event_date IN ({day_literals(around)})"
        " AND list_contains($scope, source)",
        {"scope": list(scope)},
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE disputed AS FROM known"
        " UNION SELECT event_id FROM identified GROUP BY event_id HAVING count(*) > 1"
    )
    stored_days = around if connection.execute("FROM known LIMIT 1").fetchone() else []
    connection.execute(stored_rivals_statement(stored_days), {"scope": list(scope)})
    if connection.execute("FROM disputed LIMIT 1").fetchone():
        connection.execute(rivals_statement(), {"source": facts["source"]})
    connection.execute(sql("telemetry/decided.sql"))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE changed AS FROM decided WHERE NOT is_new"
        " AND (is_duplicate, is_conflict) <> (was_duplicate, was_conflict)"
    )


def settle(connection: duckdb.DuckDBPyConnection, *, lost_pairs: bool = False) -> list[date]:
    """Update the lake's other rows according to `changed` and to new or withdrawn pairs, and return the days that changed.

    Updated are marks and users of rows, the ledger, the days to build and the tables that accumulate day after day. It runs after
    the present deliveries are in the ledger, which then records on which days they changed rows of other deliveries.

    Args:
        connection: A connection with an open transaction and the temporary tables `changed`, `deliveries` and `new_pairs`.
        lost_pairs: Whether pairs of aliases and users were withdrawn in the same transaction.
    """
    days = [row[0] for row in connection.execute("SELECT DISTINCT event_date FROM changed ORDER BY ALL").fetchall()]
    if days:
        _mark_anew(connection, days)
    return sorted({*days, *rename_rows(connection, lost_pairs=lost_pairs)})


def _mark_anew(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> None:
    literals = day_literals(days)
    connection.execute(
        "UPDATE telemetry.raw_events SET is_duplicate = changed.is_duplicate, is_conflict = changed.is_conflict FROM changed"
        f" WHERE raw_events.event_date IN ({literals}) AND raw_events.event_date = changed.event_date"
        " AND raw_events.batch_id = changed.batch_id AND raw_events.source_row = changed.source_row"
    )
    connection.execute(sql("telemetry/recounted.sql").replace("$days", literals))
    note_changed_days(connection, days)
    if connection.execute("FROM changed WHERE is_duplicate AND NOT was_duplicate LIMIT 1").fetchone():
        take_back(connection, days)
