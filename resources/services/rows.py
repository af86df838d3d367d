"""Rows of the tables that can be read from outside: chosen, in order, in pages, and all of one snapshot of the lake."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import duckdb
import polars as pl

from intelligence.catalog.layers import TABLES, VIEWS
from intelligence.catalog.offered import Offered
from intelligence.core.errors import UsageError
from intelligence.core.sql import identifier, identifiers
from resources.lake.door import Lake

# Without a period the newest four weeks are read.
SHOWN_DAYS: Final = 28
_PATHS: Final = "|".join(re.escape(table.path) for table in sorted(TABLES, key=lambda each: -len(each.path)))
_READ_BY_A_VIEW: Final = re.compile(rf"\b(FROM|JOIN)\s+({_PATHS})\b", re.IGNORECASE)
_SNAPSHOTS: Final = "SELECT snapshot_id FROM ducklake_snapshots('lake') WHERE snapshot_id = $snapshot"


class UnknownSnapshot(UsageError):
    """The lake keeps no such snapshot."""


class BackwardPeriod(UsageError):
    """A period ends before it begins."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A page of rows.

    Attributes:
        snapshot: Id of the snapshot of the lake; None where there is no lake yet.
        rows: The rows, in order.
        first: First day of the period; None where the table has no days, or none yet.
        last: Last day of it.
        next_offset: Where the next page begins; None after the last row.
    """

    snapshot: int | None
    rows: pl.DataFrame
    first: date | None = None
    last: date | None = None
    next_offset: int | None = None


@dataclass(frozen=True, slots=True)
class RowService:
    """Reads rows for those who ask from outside; it only reads."""

    lake: Lake

    def snapshot(self) -> int | None:
        """Return the id of the lake's newest snapshot; None where there is no lake yet."""
        return self.lake.snapshot_id() if self.lake.exists() else None

    def page(
        self,
        offered: Offered,
        *,
        first: date | None = None,
        last: date | None = None,
        chosen: Mapping[str, str] | None = None,
        limit: int = 1_000,
        offset: int = 0,
        snapshot: int | None = None,
    ) -> Rows:
        """Return a page of the rows of a table.

        Args:
            offered: The table.
            first: First day; without it the period has 28 days.
            last: Last day; without it the newest one of the table.
            chosen: The values that rows must have, by the columns of `offered.chosen_by`.
            limit: Greatest number of rows.
            offset: How many rows are left out before them.
            snapshot: The snapshot that is read; the newest one where it is not given.

        Raises:
            UsageError: A column cannot be chosen by, or the table has no days.
            BackwardPeriod: The period ends before it begins.
            UnknownSnapshot: There is no such snapshot.
        """
        table, values = offered.table, dict[str, Any](chosen or {})
        unknown = sorted({*values} - {*offered.chosen_by})
        if unknown:
            raise UsageError(unknown[0], f"does not choose rows of {offered.name}.", hint=_choices(offered))
        if table.day is None and (first or last):
            raise UsageError(offered.name, "has no days.", hint="Leave out `from` and `to`.")
        if not self.lake.exists():
            return Rows(None, table.frame([]))
        with self.lake.one_snapshot(), _was_there(table.path, snapshot):
            read = self.lake.snapshot_id() if snapshot is None else self._known(snapshot)
            source = table.path if snapshot is None else source_as_of(offered, read)
            conditions = [f"{identifier(name)} = ${name}" for name in values]
            if table.day:
                day = identifier(table.day)
                last = last or self.lake.frame(f"SELECT max({day}) AS day FROM {source}")["day"].item()
                first = first or (last - timedelta(days=SHOWN_DAYS - 1) if last else None)
                if first and last and last < first:
                    raise BackwardPeriod(str(last), f"lies before {first}.", hint="Let the period end after it begins.")
                conditions.append(f"{day} BETWEEN $first AND $last")
                values |= {"first": first, "last": last}
            where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
            columns = identifiers(column.name for column in table.columns)
            query = f"SELECT {columns} FROM {source}{where} ORDER BY {identifiers(offered.order)} LIMIT {limit + 1} OFFSET {offset}"
            found = self.lake.frame(query, values)
        more = found.height > limit
        return Rows(read, found.head(limit), first, last, offset + limit if more else None)

    def _known(self, snapshot: int) -> int:
        if self.lake.frame(_SNAPSHOTS, {"snapshot": snapshot}).is_empty():
            raise UnknownSnapshot(
                f"snapshot {snapshot}", "is not kept.", hint=f"The newest one is {self.lake.snapshot_id()}."
            )
        return snapshot


@contextmanager
def _was_there(path: str, snapshot: int | None) -> Iterator[None]:
    """Turn the error that an early snapshot has no such table, or another one under this name, into one that says so."""
    try:
        yield
    except (duckdb.CatalogException, duckdb.BinderException):
        if snapshot is None:
            raise
        raise UnknownSnapshot(
            f"snapshot {snapshot}", f"does not hold {path} as it is now.", hint="Ask for a later one."
        ) from None


def source_as_of(offered: Offered, snapshot: int) -> str:
    """Return the SQL source of a table or view as of a snapshot.

    Args:
        offered: The table or view.
        snapshot: Id of the snapshot.

    >>> from intelligence.catalog.offered import OFFERED
    >>> source_as_of(next(each for each in OFFERED if each.name == "kpis"), 7)
    '(FROM metrics.kpi_day AT (VERSION => 7))'
    """
    if not offered.table.is_view:
        return f"(FROM {offered.table.path} AT (VERSION => {snapshot:d}))"
    version = rf"\1 (FROM \2 AT (VERSION => {snapshot:d}))"
    view = VIEWS[offered.table.path]
    pinned = _READ_BY_A_VIEW.sub(version, view)
    return f"({pinned})"


def _choices(offered: Offered) -> str:
    names = ", ".join(offered.chosen_by)
    return f"Choose by {names}." if names else "It has no columns to choose by."
