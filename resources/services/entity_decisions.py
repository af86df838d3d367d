"""Brings decisions on entities from the databases of the stream into the lake, each once."""

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

import duckdb

from intelligence.core.sql import literal, sql
from intelligence.core.tables import Days, Read, Reads
from intelligence.decisions.tables import ENTITY_DECISIONS
from intelligence.telemetry.contract import EARLIEST_EVENT, FUTURE_TOLERANCE_HOURS
from intelligence.telemetry.tables import BATCHES
from resources.lake.door import Lake

READS: Reads = {ENTITY_DECISIONS: (Read(BATCHES),)}
# The database, its table, the column with the source, and whether its decisions were asked for.
_STORES: Final = (("online.db", "decisions", "source", False), ("online_asked.db", "answers", "NULL", True))


@dataclass(frozen=True, slots=True)
class Landed:
    """What came into the lake.

    Attributes:
        rows: Number of decisions.
        days: The days of their events; the newest day of the lake where there are none.
        missed: Number of decisions that their store had forgotten before.
        outside: Number of decisions on events at times that no event can have, which stay in their store.
    """

    rows: int
    days: Days
    missed: int
    outside: int = 0

    @property
    def said(self) -> str:
        """Return it in a sentence."""
        missed = f"; {self.missed:,} had been forgotten before (online.remembered_hours)" if self.missed else ""
        outside = f"; {self.outside:,} on events at times that no event can have stayed out" if self.outside else ""
        return f"{self.rows:,} decisions on entities came into the lake{missed}{outside}."


@dataclass(frozen=True, slots=True)
class EntityDecisionService:
    """Reads the databases of the stream beside the lake of one product.

    Attributes:
        lake: The lake.
        data: The data folder, which holds the databases.
    """

    lake: Lake
    data: Path

    def over(self, lake: Lake) -> "EntityDecisionService":
        """Return the same service over the lake of a run."""
        return replace(self, lake=lake)

    def is_behind(self) -> bool:
        """Return whether a store has decisions that the lake does not hold."""
        present = [(name, table, is_asked) for name, table, _, is_asked in _STORES if (self.data / name).exists()]
        if not present:
            return False
        held = self.lake.frame(f"SELECT store, is_asked, max(number) FROM {ENTITY_DECISIONS.path} GROUP BY ALL")
        numbers = {(store, is_asked): number for store, is_asked, number in held.iter_rows()}
        return any(
            newest > numbers.get((store, is_asked), 0)
            for store, newest, is_asked in (
                (*_newest(self.data / name, table), is_asked) for name, table, is_asked in present
            )
        )

    def landed(self) -> Landed:
        """Append the decisions that the lake does not hold yet, and return how many there were.

        A decision has a number in its store, and the lake holds all up to the greatest: a run that is killed has appended all or
        none.
        """
        found = [self._landed_from(*store) for store in _STORES if (self.data / store[0]).exists()]
        rows, missed = sum(each[0] for each in found), sum(each[1] for each in found)
        outside = sum(each[2] for each in found)
        times = [time for *_, earliest, latest in found for time in (earliest, latest) if time]
        if not times:
            return Landed(0, self.lake.newest_day(), missed, outside)
        return Landed(rows, Days(min(times).date(), max(times).date() + timedelta(days=1)), missed, outside)

    def _landed_from(
        self, name: str, table: str, source: str, is_asked: bool
    ) -> tuple[int, int, int, datetime | None, datetime | None]:
        bounds = dict(zip(("earliest", "latest"), _bounds_ms(), strict=True))
        with self.lake.staging() as connection:
            connection.execute(
                f"ATTACH IF NOT EXISTS {literal(str(self.data / name))} AS stream (TYPE sqlite, READ_ONLY)"
            )
            try:
                query = sql("decisions/entity_decisions.sql").format(table=table, source=source)
                (store,) = connection.execute("SELECT value FROM stream.facts WHERE name = 'identity'").fetchone() or (
                    "",
                )

                def work(within: duckdb.DuckDBPyConnection) -> tuple[int, int, int, datetime | None, datetime | None]:
                    known = {"store": store, "is_asked": is_asked}
                    (after,) = within.execute(
                        f"SELECT coalesce(max(number), 0) FROM {ENTITY_DECISIONS.path} WHERE store = $store AND is_asked = $is_asked",
                        known,
                    ).fetchone() or (0,)
                    within.execute(
                        f"CREATE OR REPLACE TEMP TABLE landing AS {query}",
                        {**known, **bounds, "after": after},
                    )
                    within.execute(f"INSERT INTO {ENTITY_DECISIONS.path} BY NAME FROM temp.landing")
                    rows, oldest, newest = within.execute(
                        "SELECT count(*), min(event_time), max(event_time) FROM temp.landing"
                    ).fetchone() or (0, None, None)
                    all_rows, first = within.execute(
                        f"SELECT count(*), min(number) FROM stream.{table} WHERE number > $after", {"after": after}
                    ).fetchone() or (0, None)
                    return rows, first - after - 1 if first else 0, all_rows - rows, oldest, newest

                return self.lake.commit(work, on=connection)
            finally:
                connection.execute("DETACH DATABASE IF EXISTS stream")


def _bounds_ms() -> tuple[int, int]:
    """Return the earliest and the latest time that an event can have, in ms since 1970."""
    earliest = datetime.fromisoformat(EARLIEST_EVENT).replace(tzinfo=UTC) - timedelta(days=1)
    latest = datetime.now(UTC) + timedelta(hours=FUTURE_TOLERANCE_HOURS)
    return int(earliest.timestamp() * 1000), int(latest.timestamp() * 1000)


def _newest(path: Path, table: str) -> tuple[str, int]:
    """Return the name of a store and the number of its newest decision; 0 for a store of an earlier version."""
    query = (
        "SELECT (SELECT value FROM facts WHERE name = 'identity'),"
        f" (SELECT coalesce(max(number), 0) FROM {table} WHERE at_ms BETWEEN ? AND ?)"
    )
    with (
        suppress(sqlite3.OperationalError),
        closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as found,
    ):
        store, number = found.execute(query, _bounds_ms()).fetchone()
        return str(store), int(number)
    return "", 0
