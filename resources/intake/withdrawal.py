"""Withdraws what a file delivered before: if a source has `replaces` set, new content of a file replaces its former content.

The ledger records which names have which content. A batch that no name has any more is withdrawn inside the transaction that
ingests the new content: its rows move to the archive, duplicates of its rows may count again, and its days become stale.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from pathlib import Path

import duckdb
import polars as pl

from intelligence.catalog.product import Product, Source
from intelligence.core.sql import identifier, sql
from intelligence.telemetry.identity import day_literals
from intelligence.telemetry.replacing import (
    NamesMoved,
    Withdrawn,
    known_names_notice,
    names_moved,
    other_content_notice,
    staying_notice,
    withdrawn_notice,
)
from resources.config.faults import reach
from resources.intake.delivery import REMEMBERED_DIGESTS, Delivery, display_name, found_file, matched_files
from resources.intake.digests import Digests, sha256
from resources.intake.identity import recounted_days
from resources.lake.door import Lake
from resources.lake.extent import renew, take_back

# In the order of ingestion. Redriven batches are left out: their rows belong to the files of other batches.
_HELD = """
SELECT batch_id, coalesce(names, [source_file]) FROM telemetry.batches
WHERE source = $source AND withdrawn_at IS NULL AND NOT starts_with(batch_id, 'redrive-') ORDER BY rowid
"""
# Redriven batches with rows from a batch's quarantine are withdrawn together with it.
_WITHDRAWING = """
CREATE OR REPLACE TEMP TABLE withdrawing AS
SELECT batch_id, name, withdrawn_by, batch_id AS root FROM lost
UNION
SELECT redriven_in, name, withdrawn_by, lost.batch_id
FROM telemetry.rejected_events INNER JOIN lost USING (batch_id) WHERE redriven_in IS NOT NULL
"""
_GONE = """
CREATE OR REPLACE TEMP TABLE gone AS
SELECT event_id, event_date FROM telemetry.raw_events WHERE batch_id IN (SELECT batch_id FROM withdrawing)
"""
_WITHDRAWN = """
SELECT
    root,
    any_value(name),
    any_value(rows_in) FILTER (batch_id = root),
    list_sort(list_distinct(flatten(list(days))))
FROM telemetry.batches INNER JOIN withdrawing USING (batch_id)
GROUP BY root ORDER BY 2, 1
"""
_NAMES = """
UPDATE telemetry.batches SET names = moved.names FROM moved
WHERE batches.batch_id = moved.batch_id AND batches.withdrawn_at IS NULL
"""
_DAYS_OF_OTHERS = """
UPDATE telemetry.batches SET withdrawn_days = list_sort(list_distinct(withdrawn_days || $days::DATE[]))
WHERE batch_id = (SELECT min(batch_id) FROM lost)
"""
_KNOWN_NAMES = """
SELECT DISTINCT source_file FROM telemetry.batches
WHERE source = $source AND withdrawn_at IS NULL AND batch_id NOT IN (SELECT batch_id FROM deliveries)
    AND source_file IN (SELECT source_file FROM deliveries)
ORDER BY source_file
"""


@dataclass(frozen=True, slots=True)
class Replaced:
    """The effect of files whose content differs from before.

    Attributes:
        withdrawn: Deliveries that were withdrawn.
        gone_days: Days on which they had events that counted.
        touched_days: Days on which they had rows, whether those counted or not.
        staying: Names whose former content still counts, with its batch and the other names that have it.
        known: By source without `replaces`, the names that were known with other content.
        lost_pairs: Whether the withdrawn deliveries contained pairs of aliases and users.
    """

    withdrawn: tuple[Withdrawn, ...] = ()
    gone_days: tuple[date, ...] = ()
    touched_days: tuple[date, ...] = ()
    staying: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lost_pairs: bool = False

    def __add__(self, other: "Replaced") -> "Replaced":
        return Replaced(
            self.withdrawn + other.withdrawn,
            tuple(sorted({*self.gone_days, *other.gone_days})),
            tuple(sorted({*self.touched_days, *other.touched_days})),
            self.staying + other.staying,
            {name: self.known.get(name, ()) + other.known.get(name, ()) for name in {**self.known, **other.known}},
            self.lost_pairs or other.lost_pairs,
        )

    @property
    def said(self) -> list[str]:
        """Return the effect in sentences, one for each kind."""
        gone = {each.batch_id for each in self.withdrawn}
        staying = {name: others for name, batch, others in self.staying if batch not in gone}
        others = sorted({other for names in staying.values() for other in names})
        return [
            *([withdrawn_notice(self.withdrawn)] if self.withdrawn else []),
            *([staying_notice(sorted(staying), others)] if staying else []),
            *(known_names_notice(source, names) for source, names in self.known.items()),
        ]


def names_to_move(lake: Lake, product: Product, files: Iterable[Delivery]) -> list[tuple[str, str]]:
    """Return the names whose content has changed to content that the lake has already, each with its batch.

    Only sources with `replaces` are considered.

    Args:
        lake: The product's lake.
        product: The product, which names the sources.
        files: The files, as `deliveries` returns them.
    """
    return [item for moved, _ in _due(lake, product, files).values() for item in sorted(moved.moved.items())]


def move_names(lake: Lake, product: Product, files: Iterable[Delivery], *, now: datetime) -> Replaced:
    """Move names to content that the lake has already under another name, and return what was withdrawn by that.

    A name moves to content that the lake does not have when that content is ingested.

    Args:
        lake: The product's lake.
        product: The product, which names the sources.
        files: The files, as `deliveries` returns them.
        now: The time of the withdrawal, UTC without a time zone.
    """
    replaced = Replaced()
    for source, (_, digests) in _due(lake, product, files).items():
        with lake.staging() as connection:
            work = partial(_names_moved, product=product, source=source, digests=digests, now=now)
            replaced += lake.commit(work, on=connection)
    return replaced


def _due(lake: Lake, product: Product, files: Iterable[Delivery]) -> dict[str, tuple[NamesMoved, Mapping[str, str]]]:
    """Return, by source with `replaces` that has names to move, the moves and the digest of each name's content."""
    present: dict[str, dict[str, str]] = {source.name: {} for source in product.sources if source.replaces}
    if not present or not lake.exists():
        return {}
    for file in files:
        if file.source in present and not file.left and not file.fault:
            present[file.source] |= dict.fromkeys([file.name, *file.also], file.batch_id)
    with lake.get_connection() as connection:
        due = {source: (_moved(connection, source, digests), digests) for source, digests in present.items()}
    return {source: found for source, found in due.items() if found[0].names}


def _moved(connection: duckdb.DuckDBPyConnection, source: str, digests: Mapping[str, str]) -> NamesMoved:
    """Return the moves of names among the source's batches; a name whose content the lake lacks does not move."""
    held = connection.execute(_HELD, {"source": source}).fetchall()
    batches = {batch[:64]: batch for batch, _ in held}
    return names_moved(held, {name: batches[digest] for name, digest in digests.items() if digest in batches})


def _names_moved(
    connection: duckdb.DuckDBPyConnection, *, product: Product, source: str, digests: Mapping[str, str], now: datetime
) -> Replaced:
    """Withdraw batches without ingesting new ones, inside one transaction, and return what was withdrawn."""
    replaced = _archived(connection, _moved(connection, source, digests), now=now)
    if replaced.withdrawn:
        scope = product.sources_of_one_id(source)
        days = recounted_days(connection, source, scope, gone=replaced.touched_days, lost_pairs=replaced.lost_pairs)
        connection.execute(_DAYS_OF_OTHERS, {"days": days})
        forget_gone(connection, replaced)
        renew(connection, product)
    return replaced


def former_withdrawn(connection: duckdb.DuckDBPyConnection, source: Source, *, now: datetime) -> Replaced:
    """Withdraw the former content of the names of the present deliveries, and return what was withdrawn.

    It runs before the deliveries are written. If the source does not have `replaces` set, nothing is withdrawn and the names are
    only returned.

    Args:
        connection: A connection with an open transaction and the temporary table `deliveries`.
        source: The source of the deliveries.
        now: The time of the withdrawal, UTC without a time zone.
    """
    if source.simulate:
        return Replaced()
    if not source.replaces:
        known = tuple(name for (name,) in connection.execute(_KNOWN_NAMES, {"source": source.name}).fetchall())
        return Replaced(known={source.name: known} if known else {})
    held = connection.execute(_HELD, {"source": source.name}).fetchall()
    rows = connection.execute("SELECT batch_id, coalesce(names, [source_file]) FROM deliveries").fetchall()
    moved = names_moved(held, {name: batch for batch, names in rows for name in names})
    return _archived(connection, moved, now=now)


def other_content(lake: Lake, product: Product, landing: Path | None) -> list[str]:
    """Return sentences on names with different contents: several in the lake, or one in the lake and another in the file now.

    Args:
        lake: The product's lake, which need not exist.
        product: The product, which names the sources.
        landing: Folder of remembered digests, which saves hashing files again; None hashes all.
    """
    said: list[str] = []
    digest_of = Digests(landing / REMEMBERED_DIGESTS).sha256 if landing else sha256
    for source in (each for each in product.sources if each.files and lake.exists()):
        with lake.get_connection() as connection:
            held = connection.execute(_HELD, {"source": source.name}).fetchall()
        known: dict[str, list[str]] = {}
        for batch, names in held:
            for name in names:
                known.setdefault(name, []).append(batch[:64])
        there = [path for path in matched_files(source) if display_name(path) in known]
        files = [found_file(source, path, digest_of=digest_of) for path in there]
        other = [file.name for file in files if not file.left and file.batch_id not in known[file.name]]
        twice = [name for name, batches in known.items() if len(batches) > 1 and not source.replaces]
        said += [known_names_notice(source.name, twice)] if twice else []
        said += [other_content_notice(source.name, other, replaces=source.replaces)] if other else []
    return said


def forget_gone(connection: duckdb.DuckDBPyConnection, replaced: Replaced) -> None:
    """Delete what was built from withdrawn events; runs after the ledger is up to date.

    Args:
        connection: A connection with an open transaction.
        replaced: What was withdrawn.
    """
    if replaced.gone_days:
        take_back(connection, replaced.gone_days)


def _archived(connection: duckdb.DuckDBPyConnection, moved: NamesMoved, *, now: datetime) -> Replaced:
    """Move the rows of withdrawn batches to the archive, update the ledger, and return what was withdrawn.

    It makes the temporary table `gone` with the ids of the withdrawn rows, whether they counted or were duplicates.
    """
    if moved.names:
        names = [(batch, list(names)) for batch, names in moved.names.items()]
        _made(connection, "moved", names, pl.Schema({"batch_id": pl.String(), "names": pl.List(pl.String)}))
        connection.execute(_NAMES)
    if not moved.withdrawn:
        return Replaced(staying=moved.staying)
    columns = pl.Schema(dict.fromkeys(("batch_id", "name", "withdrawn_by"), pl.String))
    _made(connection, "lost", moved.withdrawn, columns)
    connection.execute(_WITHDRAWING)
    connection.execute(_GONE)
    found = connection.execute(_WITHDRAWN).fetchall()
    withdrawn = tuple(Withdrawn(batch, name, rows, tuple(days)) for batch, name, rows, days in found)
    touched = [day for (day,) in connection.execute("SELECT DISTINCT event_date FROM gone ORDER BY ALL").fetchall()]
    lost_pairs = connection.execute("FROM telemetry.aliases SEMI JOIN withdrawing USING (batch_id) LIMIT 1").fetchone()
    for statement in sql("telemetry/withdrawn.sql").replace("$days", day_literals(touched)).split(";"):
        connection.execute(statement, {"withdrawn_at": now} if "$withdrawn_at" in statement else {})
        reach("withdrawal.statement_done")
    days = tuple(sorted({day for each in withdrawn for day in each.days}))
    return Replaced(withdrawn, days, tuple(touched), moved.staying, lost_pairs=lost_pairs is not None)


def _made(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[object, ...]], schema: pl.Schema
) -> None:
    connection.register("given", pl.DataFrame(rows, schema, orient="row"))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {identifier(table)} AS FROM given")
    connection.unregister("given")
