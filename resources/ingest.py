"""Delivered files into the lake: read whole, judge each row, and write events, quarantine and ledger in one transaction."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from pathlib import Path

import duckdb

from intelligence.errors import SourceFileError
from intelligence.product import Product, Source
from intelligence.sql import sql
from intelligence.telemetry import reading
from intelligence.telemetry.contract import EARLIEST_EVENT, FUTURE_TOLERANCE_HOURS, RULES
from intelligence.telemetry.mapping import (
    judged_statement,
    raw_expressions,
    rejected_query,
    type_mistakes,
    types_query,
)
from resources.delivery import Delivery, header, line_bytes
from resources.faults import reach
from resources.lake import Lake

FILES_AT_ONCE = 90
BYTES_AT_ONCE = 300_000_000
ENOUGH_TO_BLAME_A_COLUMN = 10


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of one delivery: rows_in = accepted + duplicates + rejected."""

    batch_id: str
    source: str
    source_file: str
    rows_in: int
    accepted: int
    duplicates: int
    rejected: int
    days: tuple[date, ...]


@dataclass(slots=True)
class IngestReport:
    """What one ingest did: new batches, files already known, files refused with the reason."""

    batches: list[Batch] = field(default_factory=list)
    known: int = 0
    refused: list[tuple[str, SourceFileError]] = field(default_factory=list)

    @property
    def days(self) -> tuple[date, ...]:
        """Return the UTC days that gained events."""
        return tuple(sorted({day for batch in self.batches for day in batch.days}))

    @property
    def refusals(self) -> list[dict[str, str]]:
        """Return one record per refused file: which, why, and what to do."""
        return [{"file": name, "problem": error.problem, "next_step": error.hint} for name, error in self.refused]


@dataclass(frozen=True, slots=True)
class _Group:
    source: Source
    format: reading.Format
    columns: tuple[str, ...]
    files: tuple[Delivery, ...]


def ingested(
    lake: Lake,
    product: Product,
    files: Sequence[Delivery],
    *,
    now: datetime,
    progress: Callable[[str], None] = lambda _: None,
) -> IngestReport:
    """Return what became of the files; those whose bytes the lake already holds are passed over.

    A file that its source does not describe is refused before anything of it is written, and the others go on.
    """
    report = IngestReport()
    new = _unknown(lake, files)
    report.known = len(files) - len(new)
    for group in _groups(product, new, report):
        progress(
            f"{group.source.name}: {group.files[0].name}"
            + (f" … {len(group.files)} files" if len(group.files) > 1 else "")
        )
        _take(lake, product, group, report, now=now)
    return report


def _unknown(lake: Lake, files: Sequence[Delivery]) -> list[Delivery]:
    known = set(lake.frame("SELECT batch_id FROM telemetry.batches")["batch_id"])
    return [file for file in files if file.batch_id not in known]


def _groups(product: Product, files: Sequence[Delivery], report: IngestReport) -> Iterator[_Group]:
    sources = {source.name: source for source in product.sources}
    shaped = []
    for file in files:
        try:
            format_ = reading.format_of(file.name)
            columns = _columns(file, format_, sources[file.source])
        except SourceFileError as error:
            report.refused.append((file.name, error))
        else:
            shaped.append((file.source, format_, columns, file))
    for (source, format_, columns), members in groupby(shaped, key=lambda item: item[:3]):
        for chunk in _chunks([member[3] for member in members]):
            yield _Group(sources[source], format_, columns, chunk)


def _columns(file: Delivery, format_: reading.Format, source: Source) -> tuple[str, ...]:
    if format_ == "csv":
        return tuple(header(file.path, delimiter=source.delimiter))
    if format_ == "jsonl":
        return ()
    try:
        with duckdb.connect() as connection:
            described = connection.execute("SELECT column_name FROM (DESCRIBE FROM read_parquet(?))", [str(file.path)])
            return tuple(row[0] for row in described.fetchall())
    except duckdb.Error as error:
        raise _unreadable(file.name, error) from error


def _chunks(files: Sequence[Delivery]) -> Iterator[tuple[Delivery, ...]]:
    chunk: list[Delivery] = []
    for file in files:
        full = len(chunk) == FILES_AT_ONCE or sum(member.bytes for member in chunk) + file.bytes > BYTES_AT_ONCE
        if chunk and full:
            yield tuple(chunk)
            chunk = []
        chunk.append(file)
    if chunk:
        yield tuple(chunk)


def _unreadable(name: str, error: Exception) -> SourceFileError:
    first = str(error).splitlines()[0][:300]
    return SourceFileError(
        name, f"it cannot be read: {first}", hint="Deliver the file again; nothing of it was written."
    )


def _take(lake: Lake, product: Product, group: _Group, report: IngestReport, *, now: datetime) -> None:
    try:
        with lake.get_connection() as connection:
            report.batches += _taken(lake, connection, product, group, now=now)
    except SourceFileError as error:
        if len(group.files) == 1:
            report.refused.append((group.files[0].name, error))
            return
        for file in group.files:
            _take(lake, product, _Group(group.source, group.format, group.columns, (file,)), report, now=now)


def _taken(
    lake: Lake, connection: duckdb.DuckDBPyConnection, product: Product, group: _Group, *, now: datetime
) -> list[Batch]:
    named = [(str(file.path), file.name, file.batch_id, number, file.bytes) for number, file in enumerate(group.files)]
    origin = group.files[0].name if len(group.files) == 1 else group.source.name
    try:
        _deliver(connection, group)
        _declare(connection, named)
        columns = _types(connection)
        raw = raw_expressions(group.source.mapping, list(columns), origin=origin)
        judge(connection, raw, product, origin=origin, now=now)
    except duckdb.Error as error:
        raise mapping_error(origin, error) from error
    _blame_columns(connection)
    _spell_out_bytes(connection)
    reach("ingest.staged")
    return lake.commit(
        lambda connection: _written(connection, raw, columns, source=group.source.name, now=now), on=connection
    )


def mapping_error(origin: str, error: duckdb.Error) -> SourceFileError:
    """Return what DuckDB found wrong while reading or mapping, as the source's error with the next step."""
    first = str(error).splitlines()[0][:300]
    if isinstance(error, duckdb.BinderException | duckdb.ParserException | duckdb.CatalogException):
        return SourceFileError(
            origin, f"its mapping does not fit: {first}", hint="Mend the expression in product.yaml."
        )
    if isinstance(error, duckdb.ConversionException):
        return SourceFileError(
            origin, f"an expression of its mapping fails: {first}", hint="Write TRY_CAST instead of CAST."
        )
    return _unreadable(origin, error)


def _deliver(connection: duckdb.DuckDBPyConnection, group: _Group) -> None:
    paths = [str(file.path) for file in group.files]
    if group.format == "parquet":
        connection.execute(_EMPTY_UNREAD)
        connection.execute(reading.parquet_delivered(paths, group.columns))
        return
    statements = (
        reading.csv_statements(
            paths, group.columns, delimiter=group.source.delimiter, null_values=group.source.null_values
        )
        if group.format == "csv"
        else reading.jsonl_statements(paths)
    )
    for statement in statements:
        connection.execute(statement)
    any_unread = bool(_one(connection, "SELECT count(*) FROM unread"))
    for statement in reading.positioned_statements(any_unread=any_unread):
        connection.execute(statement)
    if group.format == "csv":
        connection.execute(reading.csv_delivered(group.columns))
        return
    keys = [row[0] for row in connection.execute(reading.JSONL_KEYS).fetchall()]
    if not keys:
        raise SourceFileError(group.files[0].name, "it holds no JSON object.", hint="Deliver one object a line.")
    connection.execute(reading.jsonl_delivered(keys))
    connection.execute(reading.JSONL_BROKEN)


_EMPTY_UNREAD = (
    "CREATE TEMP TABLE unread (__file VARCHAR, __row BIGINT, problem VARCHAR, is_encoding BOOLEAN,"
    " byte_position BIGINT, line VARCHAR)"
)


def _declare(connection: duckdb.DuckDBPyConnection, named: Sequence[tuple[str, str, str, int, int]]) -> None:
    connection.execute(
        "CREATE TEMP TABLE deliveries (file_key VARCHAR, source_file VARCHAR, batch_id VARCHAR, delivery_number INTEGER, bytes BIGINT)"
    )
    connection.executemany("INSERT INTO deliveries VALUES (?, ?, ?, ?, ?)", named)


def _types(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    described = connection.execute("SELECT column_name, column_type FROM (DESCRIBE delivered)").fetchall()
    return {name: type_ for name, type_ in described if not name.startswith("__")}


def judge(
    connection: duckdb.DuckDBPyConnection, raw: Mapping[str, str], product: Product, *, origin: str, now: datetime
) -> None:
    """Make the temporary tables `judged` and `identified` from `delivered`; raises SourceFileError for a wrong column."""
    described = connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE {types_query(raw)})").fetchall()
    types = dict(described)
    type_mistakes(types, raw, origin=origin)
    earliest = product.start or date.fromisoformat(EARLIEST_EVENT)
    bounds = {
        "earliest": datetime(earliest.year, earliest.month, earliest.day),
        "latest": now + timedelta(hours=FUTURE_TOLERANCE_HOURS),
    }
    connection.execute(judged_statement(raw, types), bounds)
    connection.execute(sql("telemetry/occurrences.sql"))
    connection.execute(sql("telemetry/identified.sql"))


def _blame_columns(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise SourceFileError for a file none of whose rows gives one column its type: that column is the wrong one."""
    casts = [number for number, rule in enumerate(RULES) if rule.reason.startswith("is not a ")]
    blamed = connection.execute(
        "SELECT deliveries.source_file, any_value(broken), count(*) FROM judged JOIN deliveries USING (file_key)"
        " GROUP BY ALL HAVING count(DISTINCT broken) = 1 AND count(broken) = count(*) AND count(*) >= $enough"
        " AND list_contains($casts, any_value(broken))",
        {"enough": ENOUGH_TO_BLAME_A_COLUMN, "casts": casts},
    ).fetchone()
    if blamed:
        rule = RULES[blamed[1]]
        raise SourceFileError(
            blamed[0],
            f"the column mapped to `{rule.field}` {rule.reason} in any of its {blamed[2]:,} rows.",
            hint=f"Map `{rule.field}` to another column in product.yaml, or write an SQL expression that converts it.",
        )


def _spell_out_bytes(connection: duckdb.DuckDBPyConnection) -> None:
    broken = "SELECT __file, __row, byte_position FROM unread WHERE is_encoding AND byte_position IS NOT NULL"
    for file, row, position in connection.execute(broken).fetchall():
        line = line_bytes(Path(file), position - 1)
        connection.execute("UPDATE unread SET line = ? WHERE __file = ? AND __row = ?", [line, file, row])


def _one(connection: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, object] | None = None) -> int:
    row = connection.execute(query, dict(parameters or {})).fetchone()
    return int(row[0]) if row else 0


def _written(
    connection: duckdb.DuckDBPyConnection,
    raw: Mapping[str, str],
    columns: Mapping[str, str],
    *,
    source: str,
    now: datetime,
) -> list[Batch]:
    """Return the batches after writing events, quarantine and ledger; runs inside one transaction."""
    facts = {"source": source, "ingested_at": now}
    # Another process may have taken the same bytes since this one looked.
    connection.execute("DELETE FROM deliveries WHERE batch_id IN (SELECT batch_id FROM telemetry.batches)")
    write_events(connection, facts)
    reach("ingest.events_written")
    connection.execute(
        f"INSERT INTO telemetry.rejected_events BY NAME SELECT rejected.* EXCLUDE (file_key), batch_id, source_file,"
        f" $source AS source, $ingested_at AS ingested_at, NULL AS redriven_in"
        f" FROM ({rejected_query(raw)} UNION ALL BY NAME {_UNREAD_ROWS}) AS rejected JOIN deliveries USING (file_key)",
        facts,
    )
    reach("ingest.rejects_written")
    connection.execute(sql("telemetry/ledger.sql"), {**facts, "columns": json.dumps(dict(columns))})
    reach("ingest.ledger_written")
    return batches_of(connection)


_UNREAD_ROWS = (
    "SELECT __file AS file_key, __row AS source_row, 'unreadable line: ' || problem AS reason, left(line, 1000) AS value,"
    " coalesce(line, '') AS payload, false AS is_readable, md5(coalesce(line, '')) AS content_id FROM unread"
)


def write_events(connection: duckdb.DuckDBPyConnection, facts: Mapping[str, object]) -> None:
    """Insert the rows of `identified` into raw_events, marking those whose event the lake already holds."""
    days = [row[0] for row in connection.execute("SELECT DISTINCT event_date FROM identified").fetchall()]
    around = sorted({day + timedelta(days=offset) for day in days for offset in (-1, 0, 1)})
    literal_days = ", ".join(f"DATE '{day}'" for day in around) or "NULL"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE known AS SELECT DISTINCT event_id FROM telemetry.raw_events"
        f" SEMI JOIN identified USING (event_id) WHERE NOT is_duplicate AND raw_events.event_date IN ({literal_days})"
    )
    connection.execute(f"INSERT INTO telemetry.raw_events BY NAME {sql('telemetry/accepted.sql')}", dict(facts))


def batches_of(connection: duckdb.DuckDBPyConnection) -> list[Batch]:
    """Return the ledger's rows of the present deliveries."""
    rows = connection.execute(
        "SELECT batch_id, source, source_file, rows_in, accepted, duplicates, rejected, days FROM telemetry.batches"
        " SEMI JOIN deliveries USING (batch_id) ORDER BY source_file"
    ).fetchall()
    return [Batch(*row[:7], days=tuple(row[7])) for row in rows]
