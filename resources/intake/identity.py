"""Delivered rows written as events: which of them count, and what that changes for rows that were written before.

All of it happens inside one open transaction, so that no reader sees an event twice, or not at all.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import duckdb

from intelligence.catalog.product import AliasSource, FileSource, Product
from intelligence.core.sql import identifiers, sql
from intelligence.telemetry.contract import CONTRACT_COLUMNS
from intelligence.telemetry.identity import (
    day_literals,
    days_around,
    rivals_statement,
    stored_rivals_statement,
)
from resources.intake.aliases import know_persons, note_changed_days, rename_rows, write_pairs
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
    """Write the accepted rows of the present deliveries as what their source delivers, events or pairs.

    Leaves the temporary tables `stored`, what became of each delivery, for the ledger, and `changed`, for `settle`. `gone` is that
    of `write_events`.
    """
    if isinstance(source, AliasSource):
        write_pairs(connection, facts)
    else:
        write_events(connection, facts, product.sources_of_one_id(source.name), gone=gone)


def write_events(
    connection: duckdb.DuckDBPyConnection,
    facts: Mapping[str, object],
    scope: Sequence[str],
    *,
    gone: Sequence[date] = (),
) -> None:
    """Insert the rows of `identified` into raw_events, marking those that repeat an event, and mark stored rows anew.

    `facts` are the `source` and the time `ingested_at` of the rows; `scope` names the sources whose ids are of one kind. An
    event of the lake that the new rows show to repeat another one is no event any more. Leaves the temporary table `stored`,
    what became of each delivery, for the ledger, and `changed`, for `settle`. `gone` are the days of rows that were taken
    back before, in the same transaction: those for whose ids in the temporary table `gone` they stood may count again.
    Rows of an alias become those of its person.
    """
    days = [row[0] for row in connection.execute("SELECT DISTINCT event_date FROM identified").fetchall()]
    also = " UNION ALL SELECT event_id, event_date FROM gone" if gone else ""
    connection.execute(f"CREATE OR REPLACE TEMP VIEW touched AS SELECT event_id, event_date FROM identified{also}")
    _decide(connection, sorted({*days, *gone}), facts, scope)
    know_persons(connection, facts)
    connection.execute(f"INSERT INTO telemetry.raw_events BY NAME {sql('telemetry/accepted.sql')}", dict(facts))
    connection.execute(sql("telemetry/stored.sql"), {"first": min(days, default=None), "last": max(days, default=None)})


def let_count_again(
    connection: duckdb.DuckDBPyConnection, source: str, scope: Sequence[str], *, gone: Sequence[date], lost_pairs: bool
) -> list[date]:
    """Return the days on which other rows count than before, or are another's, since those in `gone` were taken back and nothing came."""
    connection.execute(_NOTHING_NEW)
    connection.execute(_NO_DELIVERIES)
    connection.execute("CREATE OR REPLACE TEMP VIEW touched AS SELECT event_id, event_date FROM gone")
    _decide(connection, gone, {"source": source}, scope)
    know_persons(connection, {"source": source})
    return settle(connection, lost_pairs=lost_pairs)


def _decide(
    connection: duckdb.DuckDBPyConnection, days: Sequence[date], facts: Mapping[str, object], scope: Sequence[str]
) -> None:
    """Make the temporary tables `decided` and, of the lake's rows that it marks otherwise than they are, `changed`."""
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
    """Return the days on which the lake's other rows were brought in line with `changed` and with new or lost pairs of aliases.

    That is: their marks and users, the ledger, the days to build and the folded tables. Runs after the present deliveries
    stand in the ledger, which then says on which days they changed what others had brought.
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
