"""The intake of delivered files: events, quarantine and ledger are written in one transaction."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import groupby
from pathlib import Path

import duckdb

from intelligence.catalog.product import AliasSource, AnswerSource, FileSource, Product, Source
from intelligence.core.errors import SourceFileError
from intelligence.core.sql import sql
from intelligence.telemetry import reading
from resources.config.faults import reach
from resources.intake.delivery import Delivery, check_names, content_bytes, header, unreadable
from resources.intake.identity import settle, write_rows
from resources.intake.redating import redated
from resources.intake.settling import STILL_WRITTEN
from resources.intake.shapes import as_read, delimiter_of
from resources.intake.validation import Group, validate_files
from resources.intake.withdrawal import Replaced, forget_gone, former_withdrawn, move_names
from resources.lake.door import Lake
from resources.lake.extent import renew, set_aside_now, set_aside_of

FILES_AT_ONCE = 90
BYTES_AT_ONCE = 450_000_000
# The content of a compressed file is several times its size.
PACKED_BYTES_AT_ONCE = 100_000_000


@dataclass(frozen=True, slots=True)
class Batch:
    """The outcome of one delivery, in numbers of rows: rows_in = accepted + duplicates + rejected.

    Attributes:
        batch_id: Id of the delivery in the ledger.
        source: Name of the source.
        source_file: The file's name in the lake.
        rows_in: Rows and malformed lines in the file.
        accepted: Rows that became events, pairs or answers.
        duplicates: Rows that repeat an event, pair or answer.
        conflicts: Duplicates that contradict the event that they repeat.
        rejected: Rows and lines in quarantine.
        days: Days to which accepted rows belong.
    """

    batch_id: str
    source: str
    source_file: str
    rows_in: int
    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    days: tuple[date, ...]


@dataclass(slots=True)
class IngestReport:
    """The outcome of one intake.

    Attributes:
        batches: The new batches.
        known: Number of files whose content the lake has already.
        refused: Names of refused files, each with its error.
        change: The effect of a changed time zone as a sentence without its period; None if it has not changed.
        left: Names of files that were left for later, each with the reason.
        replaced: The effect of files whose content differs from before.
    """

    batches: list[Batch] = field(default_factory=list)
    known: int = 0
    refused: list[tuple[str, SourceFileError]] = field(default_factory=list)
    change: str | None = None
    left: list[tuple[str, str]] = field(default_factory=list)
    replaced: Replaced = field(default_factory=Replaced)

    @property
    def days(self) -> tuple[date, ...]:
        """Return the days that gained or lost events."""
        return tuple(sorted({*self.replaced.gone_days, *(day for batch in self.batches for day in batch.days)}))

    @property
    def changes(self) -> list[str]:
        """Return sentences on the effect of a changed time zone and of files whose content differs from before."""
        moved = [f"{self.change[0].upper()}{self.change[1:]}."] if self.change else []
        return [*moved, *self.replaced.said]

    @property
    def refusals(self) -> list[dict[str, str]]:
        """Return one record per refused file: its name, the problem and the next step."""
        return [{"file": name, "problem": error.problem, "next_step": error.hint} for name, error in self.refused]


def ingested(
    lake: Lake,
    product: Product,
    files: Sequence[Delivery],
    *,
    now: datetime,
    progress: Callable[[str], None] = lambda _: None,
) -> IngestReport:
    """Ingest the files and return the outcome; files whose content the lake has already are skipped.

    A file that does not match the description of its source is refused before any of its rows is written, and the intake continues
    with the other files. A file that another process still writes is left for later.

    Args:
        lake: The product's lake.
        product: The product, which describes the sources.
        files: The files, as `deliveries` returns them.
        now: The time of the intake, UTC without a time zone; events too far after it are rejected.
        progress: Receives a message for each group of files.
    """
    report = IngestReport(left=[(file.name, file.left) for file in files if file.left])
    report.change = redated(lake, product)
    _renew_extent(lake, product)
    report.replaced = move_names(lake, product, files, now=now)
    new = new_files(lake, product, files)
    report.known = len(files) - len(new) - len(report.left)
    taken = 0
    # The folder contains plain copies of files that no reader can read directly, while they are read.
    with tempfile.TemporaryDirectory() as folder:
        for group in _groups(lake, product, new, report, Path(folder)):
            taken += len(group.files)
            names = group.files[0].name if len(group.files) == 1 else f"{group.files[0].name} … {group.files[-1].name}"
            progress(f"{group.source.name}: {names} ({taken} of {len(new)})")
            _take(lake, product, group, report, now=now)
    return report


def _renew_extent(lake: Lake, product: Product) -> None:
    """Update the days set aside, since the product's `start` and `end` may have changed."""
    if not is_extent_current(lake, product):
        lake.commit(lambda connection: renew(connection, product))


def is_extent_current(lake: Lake, product: Product) -> bool:
    """Return whether the days set aside are those that the product's `start` and `end` require.

    Args:
        lake: The product's lake.
        product: The product, whose `start` and `end` limit its days.
    """
    with lake.snapshot() as connection:
        return set_aside_now(connection) == set_aside_of(connection, product)


def new_files(lake: Lake, product: Product, files: Sequence[Delivery]) -> list[Delivery]:
    """Return the files to ingest: those whose content the lake does not have from the same source, each content once.

    The `batch_id` of a returned file is the one for the ledger: content that the ledger has from another source, or that was
    withdrawn before, gets a number after its digest. Content from a source that product.yaml no longer names counts as known to
    all sources.

    Args:
        lake: The product's lake.
        product: The product, which names the sources.
        files: The files, as `deliveries` returns them.
    """
    query = "SELECT batch_id, source, withdrawn_at IS NULL FROM telemetry.batches"
    held = lake.frame(query).rows() if lake.exists() else []
    declared = {source.name for source in product.all_sources}
    known: dict[str, list[str]] = {}
    numbers: dict[str, int] = {}
    for batch_id, source, counts in held:
        digest = batch_id[:64]
        numbers[digest] = numbers.get(digest, 0) + 1
        known.setdefault(digest, []).extend([source] if counts else [])
    new = []
    for file in _each_once(files):
        holders = known.setdefault(file.batch_id, [])
        if file.source not in holders and declared.issuperset(holders):
            holders.append(file.source)
            number = numbers[file.batch_id] = numbers.get(file.batch_id, 0) + 1
            new.append(replace(file, batch_id=f"{file.batch_id}-{number}" if number > 1 else file.batch_id))
    return new


def _each_once(files: Sequence[Delivery]) -> list[Delivery]:
    return list({(file.source, file.batch_id): file for file in reversed(files) if not file.left}.values())[::-1]


def _groups(
    lake: Lake, product: Product, files: Sequence[Delivery], report: IngestReport, folder: Path
) -> Iterator[Group]:
    sources = {source.name: source for source in product.all_sources}
    shaped = []
    with lake.staging() as connection:
        for file in files:
            try:
                if file.fault:
                    raise file.fault
                content_bytes(file.path)
                read, format_, compression = as_read(file, folder)
                columns = _columns(connection, read, format_, sources[file.source])
                delimiter = delimiter_of(sources[file.source], file.name)
            except SourceFileError as error:
                _refuse(report, file, error)
            else:
                shaped.append((file.source, format_, compression, columns, delimiter, read))
    for (source, format_, compression, columns, delimiter), members in groupby(shaped, key=lambda item: item[:5]):
        is_packed = format_ == "parquet" or compression != "none"
        most = PACKED_BYTES_AT_ONCE if is_packed else BYTES_AT_ONCE
        for chunk in _chunks([member[5] for member in members], most_bytes=most):
            yield Group(sources[source], format_, compression, columns, chunk, delimiter)


def _columns(
    connection: duckdb.DuckDBPyConnection, file: Delivery, format_: reading.Format, source: FileSource
) -> tuple[tuple[str, str], ...]:
    if format_ == "csv":
        return tuple((name, "VARCHAR") for name in header(file.path, delimiter=delimiter_of(source, file.name)))
    if format_ == "jsonl":
        return ()
    try:
        described = connection.execute(reading.parquet_columns(str(file.path))).fetchall()
    except duckdb.Error as error:
        raise unreadable(file.name, error) from error
    check_names(file.name, [name for name, _ in described])
    return tuple(described)


def _chunks(files: Sequence[Delivery], *, most_bytes: int) -> Iterator[tuple[Delivery, ...]]:
    chunk: list[Delivery] = []
    for file in files:
        full = len(chunk) == FILES_AT_ONCE or sum(member.bytes for member in chunk) + file.bytes > most_bytes
        if chunk and full:
            yield tuple(chunk)
            chunk = []
        chunk.append(file)
    if chunk:
        yield tuple(chunk)


def _refuse(report: IngestReport, file: Delivery, error: SourceFileError) -> None:
    """Add the file to those refused, or to those left if it has changed since it was found.

    A file that no longer exists is refused: no process is writing it.
    """
    if file.has_changed() and (file.original or file.path).exists():
        report.left.append((file.name, STILL_WRITTEN))
    else:
        report.refused.append((file.name, SourceFileError(file.name, error.problem, hint=error.hint)))


def _take(lake: Lake, product: Product, group: Group, report: IngestReport, *, now: datetime) -> None:
    try:
        with lake.staging() as connection:
            batches, replaced = _taken(lake, connection, product, group, now=now)
            report.batches += batches
            report.replaced += replaced
    except SourceFileError as error:
        if len(group.files) == 1:
            _refuse(report, group.files[0], error)
            return
        for file in group.files:
            _take(lake, product, replace(group, files=(file,)), report, now=now)


def _taken(
    lake: Lake, connection: duckdb.DuckDBPyConnection, product: Product, group: Group, *, now: datetime
) -> tuple[list[Batch], Replaced]:
    columns = validate_files(connection, group, product, now=now)
    for file in group.files:
        if file.has_changed():
            raise SourceFileError(file.name, f"{STILL_WRITTEN}.", hint="Run `intelligence ingest` again.")
    reach("ingest.staged")
    written = lake.commit(
        lambda connection: _written(connection, columns, product, group.source, now=now), on=connection
    )
    reach("ingest.committed")
    return written


def _written(
    connection: duckdb.DuckDBPyConnection,
    columns: Mapping[str, str],
    product: Product,
    source: FileSource,
    *,
    now: datetime,
) -> tuple[list[Batch], Replaced]:
    """Write events, quarantine and ledger inside one transaction, and return the batches and what they replace."""
    facts = {"source": source.name, "ingested_at": now}
    # Another process may have ingested the same content since this one read the ledger.
    connection.execute("DELETE FROM deliveries WHERE batch_id IN (SELECT batch_id FROM telemetry.batches)")
    replaced = former_withdrawn(connection, source, now=now) if isinstance(source, Source) else Replaced()
    write_rows(connection, product, source, facts, gone=replaced.touched_days)
    reach("ingest.events_written")
    connection.execute(
        "INSERT INTO telemetry.rejected_events BY NAME SELECT rejected.* EXCLUDE (file_key), batch_id, source_file,"
        " $source AS source, $ingested_at AS ingested_at, NULL AS redriven_in"
        " FROM rejected JOIN deliveries USING (file_key)",
        facts,
    )
    reach("ingest.rejects_written")
    kind = {"of_aliases": isinstance(source, AliasSource), "of_answers": isinstance(source, AnswerSource)}
    connection.execute(sql("telemetry/ledger.sql"), {**facts, "columns": json.dumps(dict(columns)), **kind})
    settle(connection, lost_pairs=replaced.lost_pairs)
    forget_gone(connection, replaced)
    renew(connection, product)
    reach("ingest.ledger_written")
    return batches_of(connection), replaced


def batches_of(connection: duckdb.DuckDBPyConnection) -> list[Batch]:
    """Return the ledger's rows of the present deliveries; the days of answers are those to which they belong."""
    rows = connection.execute(
        "SELECT batch_id, source, source_file, rows_in, accepted, duplicates, conflicts, rejected,"
        " coalesce(answer_days, days)"
        " FROM telemetry.batches"
        " SEMI JOIN deliveries USING (batch_id) ORDER BY source_file"
    ).fetchall()
    return [Batch(*(*facts, tuple(days))) for *facts, days in rows]
