"""The record of what each day of each table was built from, so that only days whose telemetry has changed are rebuilt."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from itertools import chain

import duckdb

from intelligence.catalog.layers import DAILY_TABLES
from intelligence.catalog.product import Product
from intelligence.core.sql import sql
from intelligence.core.tables import Column, Days, Table
from resources.lake.meaning import Meanings, digest_of

DAY_BUILDS = Table(
    layer="bookkeeping",
    name="day_builds",
    description="For which telemetry each day of each table was built; of a day that was built again the last row counts.",
    columns=(
        Column("table_name", "VARCHAR", "Table, with its layer.", True),
        Column("day", "DATE", "Day on the product's clock.", True),
        Column("token", "VARCHAR", "Stands for the batches and definitions that the day was made from.", True),
    ),
    key=("table_name", "day", "token"),
)
# This function rewrites every query before the lake runs it, so a change of it makes every table stale.
_IN_EACH_QUERY = "intelligence.telemetry.local_time:in_zone"
# Returns the version of a table: a digest of its definition, or "0" where none is known.
VersionOf = Callable[[Table], str]
ANY_SNAPSHOT = 2**62
# The days that have events and are not set aside.
PRODUCT_DAYS = (
    "SELECT day FROM (SELECT unnest(days) AS day FROM telemetry.batches)"
    " ANTI JOIN bookkeeping.days_set_aside USING (day)"
)
# No row is ever deleted: the search for obsolete rows would cost more with every day that was ever built.
LAST_BUILDS = (
    "SELECT table_name, day, arg_max(token, snapshot_id) AS token FROM bookkeeping.day_builds GROUP BY table_name, day"
)


def build_rules(product: Product) -> str:
    """Return the sections of product.yaml that affect any daily table, as JSON."""
    return product.model_dump_json(include={*chain.from_iterable(table.recipe.settings for table in DAILY_TABLES)})


class Versions:
    """The version of each table, as a digest: when the digest changes, all days of the table are stale.

    A table's digest covers the meaning of its own recipe (see `resources.lake.meaning`), its columns and the digests of the
    tables that it is made from. It is computed from the source code when it is first requested.

    Args:
        rules: The sections of product.yaml that affect any daily table, as `build_rules` writes them.
        meanings: Reads the source code to be digested; by default the code that is running.
    """

    def __init__(self, rules: str, meanings: Meanings | None = None) -> None:
        self._rules: Mapping[str, object] = json.loads(rules)
        self._meanings = meanings or Meanings()
        self._digests: dict[str, str] = {}

    def of(self, table: Table) -> str:
        """Return the digest of the table; raises UnknownDefinition if its recipe names a query or function that does not exist."""
        if table.path not in self._digests:
            self._digests[table.path] = digest_of(self._parts(table))
        return self._digests[table.path]

    def all(self) -> str:
        """Return one digest of all tables that are built day by day."""
        return digest_of(map(self.of, DAILY_TABLES))

    def _parts(self, table: Table) -> Iterator[str]:
        recipe, meanings = table.recipe, self._meanings
        yield repr(
            (table.path, table.key, table.day, [(each.name, each.type, each.required) for each in table.columns])
        )
        yield json.dumps({section: self._rules[section] for section in recipe.settings})
        for query in recipe.queries:
            yield meanings.query(query)
        for function in (*recipe.functions, _IN_EACH_QUERY):
            yield from meanings.code(function)
        for source in recipe.tables:
            yield f"{source.path} {self.of(source)}"


@cache
def versions_by(rules: str) -> Versions:
    """Return the table versions of the running code for a product with these rules, cached per process."""
    return Versions(rules)


def record_builds(
    connection: duckdb.DuckDBPyConnection, table: Table, days: Days, *, version_of: VersionOf, as_of: int
) -> None:
    """Record, in the open transaction, from which telemetry the days of the table are now built.

    Args:
        connection: A connection with an open transaction, to which the rows are added.
        table: A table that is built day by day.
        days: The days that were built.
        version_of: Returns the version of a table.
        as_of: Id of the newest snapshot whose batches count; ANY_SNAPSHOT for all batches that the transaction sees.
    """
    connection.execute(
        f"INSERT INTO bookkeeping.day_builds SELECT * FROM ({sql('telemetry/day_tokens.sql')})"
        " WHERE day >= $start AND day < $end",
        {**days.parameters, "tables": _lookback_rows([table], version_of), "as_of": as_of},
    )


def stale_days(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], *, version_of: VersionOf, before: date
) -> dict[str, list[Days]]:
    """Return, by table path, the ranges of days that are missing or were built from older telemetry or by another version.

    Args:
        connection: A connection that reads the lake.
        tables: The tables to compare with what they should be built from.
        version_of: Returns the version of a table.
        before: The first day that is not considered, in the product's time zone.
    """
    rows = connection.execute(
        f"SELECT table_name, day FROM ({sql('telemetry/day_tokens.sql')}) AS wanted"
        " JOIN (SELECT unnest($tables, recursive := true)) AS asked ON table_name = asked.name"
        f" CROSS JOIN (SELECT max(day) AS newest_day FROM ({PRODUCT_DAYS}) WHERE day < $before)"
        f" ANTI JOIN ({LAST_BUILDS}) AS built USING (table_name, day, token)"
        " WHERE day < $before AND (NOT newest_day_only OR day = newest_day) ORDER BY table_name, day",
        {"tables": _lookback_rows(tables, version_of), "before": before, "as_of": ANY_SNAPSHOT},
    ).fetchall()
    stale: dict[str, list[Days]] = {}
    for name, day in rows:
        ranges = stale.setdefault(name, [])
        if ranges and ranges[-1].end == day:
            ranges[-1] = Days(ranges[-1].start, day + timedelta(days=1))
        else:
            ranges.append(Days(day, day + timedelta(days=1)))
    return stale


def _lookback_rows(tables: Sequence[Table], version_of: VersionOf) -> list[Mapping[str, str | int | bool | None]]:
    return [
        {
            "name": table.path,
            "lookback_days": table.lookback_days,
            "newest_day_only": table.newest_day_only,
            "version": version_of(table),
        }
        for table in tables
    ]
