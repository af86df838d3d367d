"""Delivered files into the lake: read whole, judge each row, and write events, quarantine and ledger in one transaction."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import duckdb

from intelligence.errors import LakeError, PlatformError, SourceFileError
from intelligence.product import Product, Source
from intelligence.sql import sql
from intelligence.telemetry import reading
from intelligence.telemetry.contract import EARLIEST_EVENT, FUTURE_TOLERANCE_HOURS, REQUIRED_COLUMNS, RULES
from intelligence.telemetry.mapping import (
    is_name,
    judged_statement,
    raw_expressions,
    rejected_query,
    type_mistakes,
    types_query,
)
from resources.delivery import (
    BROKEN_FILE,
    Delivery,
    blank_lines,
    check_names,
    content_bytes,
    display_name,
    header,
    records,
)
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
    compression: reading.Compression
    columns: tuple[tuple[str, str], ...]
    files: tuple[Delivery, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)


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
    for group in _groups(lake, product, new, report):
        progress(
            f"{group.source.name}: {group.files[0].name}"
            + (f" … {len(group.files)} files" if len(group.files) > 1 else "")
        )
        _take(lake, product, group, report, now=now)
    return report


def _unknown(lake: Lake, files: Sequence[Delivery]) -> list[Delivery]:
    known = set(lake.frame("SELECT batch_id FROM telemetry.batches")["batch_id"])
    return list({file.batch_id: file for file in reversed(files) if file.batch_id not in known}.values())[::-1]


def _groups(lake: Lake, product: Product, files: Sequence[Delivery], report: IngestReport) -> Iterator[_Group]:
    sources = {source.name: source for source in product.sources}
    shaped = []
    with lake.get_connection() as connection:
        for file in files:
            try:
                if file.fault:
                    raise file.fault
                format_ = reading.format_of(file.name)
                content_bytes(file.path)
                columns = _columns(connection, file, format_, sources[file.source])
            except SourceFileError as error:
                report.refused.append(_refusal(file, error))
            else:
                shaped.append((file.source, format_, reading.compression_of(file.name), columns, file))
    for (source, format_, compression, columns), members in groupby(shaped, key=lambda item: item[:4]):
        for chunk in _chunks([member[4] for member in members]):
            yield _Group(sources[source], format_, compression, columns, chunk)


def _columns(
    connection: duckdb.DuckDBPyConnection, file: Delivery, format_: reading.Format, source: Source
) -> tuple[tuple[str, str], ...]:
    if format_ == "csv":
        return tuple((name, "VARCHAR") for name in header(file.path, delimiter=source.delimiter))
    if format_ == "jsonl":
        return ()
    try:
        described = connection.execute(reading.parquet_columns(str(file.path))).fetchall()
    except duckdb.Error as error:
        raise _unreadable(file.name, error) from error
    check_names(file.name, [name for name, _ in described])
    return tuple(described)


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


def _refusal(file: Delivery, error: SourceFileError) -> tuple[str, SourceFileError]:
    """Return the file's name with the error, which names it the same way."""
    return file.name, SourceFileError(file.name, error.problem, hint=error.hint)


def _take(lake: Lake, product: Product, group: _Group, report: IngestReport, *, now: datetime) -> None:
    try:
        with lake.get_connection() as connection:
            report.batches += _taken(lake, connection, product, group, now=now)
    except SourceFileError as error:
        if len(group.files) == 1:
            report.refused.append(_refusal(group.files[0], error))
            return
        for file in group.files:
            _take(lake, product, replace(group, files=(file,)), report, now=now)


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
        content_id = reading.JSONL_CONTENT_ID if group.format == "jsonl" else reading.content_id_sql(list(columns))
        judge(connection, raw, product, content_id=content_id, origin=origin, now=now)
        _stage(connection, rejected_query(raw, content_id=content_id))
        _blame_columns(connection)
        _blame_lines(connection)
    except duckdb.Error as error:
        raise mapping_error(origin, error) from error
    reach("ingest.staged")
    batches = lake.commit(
        lambda connection: _written(connection, columns, source=group.source.name, now=now), on=connection
    )
    reach("ingest.committed")
    return batches


def _stage(connection: duckdb.DuckDBPyConnection, rejected: str) -> None:
    """Make the temporary tables `rejected` and `readable`, so that the transaction reads no delivered file."""
    connection.execute(f"CREATE TEMP TABLE rejected AS {rejected} UNION ALL BY NAME {_UNREAD_ROWS}")
    connection.execute(
        "CREATE TEMP TABLE readable AS SELECT __file AS file_key, count(*) AS readable_rows FROM delivered GROUP BY ALL"
    )


def mapping_error(origin: str, error: duckdb.Error, *, mapped: str = "") -> PlatformError:
    """Return what DuckDB found wrong while reading or mapping, as the source's error with the next step."""
    first = str(error).splitlines()[0][:300]
    if isinstance(error, duckdb.OutOfMemoryException):
        return LakeError(origin, f"memory is too small for it: {first}", hint="Raise INTELLIGENCE_MEMORY_LIMIT.")
    if "state machine reached an invalid state" in first:
        return SourceFileError(
            origin,
            "its rows cannot be told apart, because its lines end in different ways (LF, CRLF or CR).",
            hint="Deliver it with one kind of line ending, and with quotes around text that holds another.",
        )
    if isinstance(error, duckdb.BinderException | duckdb.ParserException | duckdb.CatalogException):
        untyped = "no function matches" in first.lower()
        hint = "Give it numbers: TRY_CAST(column AS DOUBLE)." if untyped else "Mend the expression in product.yaml."
        return SourceFileError(origin, f"its mapping{mapped} does not fit: {first}", hint=hint)
    if isinstance(error, duckdb.ConversionException):
        return SourceFileError(
            origin, f"an expression of its mapping fails: {first}", hint="Write TRY_CAST instead of CAST."
        )
    if isinstance(error, duckdb.InvalidInputException | duckdb.OutOfRangeException):
        return SourceFileError(
            origin,
            f"reading it or an expression of its mapping fails: {first}",
            hint="Write the TRY_ form of the function, such as TRY_STRPTIME, or deliver the file again.",
        )
    return _unreadable(origin, error)


def _deliver(connection: duckdb.DuckDBPyConnection, group: _Group) -> None:
    paths = [str(file.path) for file in group.files]
    if group.format == "parquet":
        connection.execute(_EMPTY_UNREAD)
        connection.execute(reading.parquet_delivered(paths, group.names))
        return
    statements = (
        reading.csv_statements(
            paths,
            group.names,
            delimiter=group.source.delimiter,
            null_values=group.source.null_values,
            compression=group.compression,
        )
        if group.format == "csv"
        else reading.jsonl_statements(paths, compression=group.compression)
    )
    for statement in statements:
        connection.execute(statement)
    if _one(connection, "SELECT count(*) FROM unread"):
        if len(group.names) > 1:
            _leave_out_blank_lines(connection)
        _spell_out(connection)
        connection.execute(reading.LINES_APART)
    any_unread = bool(_one(connection, "SELECT count(*) FROM unread"))
    for statement in reading.positioned_statements(any_unread=any_unread):
        connection.execute(statement)
    if group.format == "csv":
        connection.execute(reading.csv_delivered(group.names))
        return
    keys = [row[0] for row in connection.execute(reading.JSONL_KEYS).fetchall()]
    if not keys:
        raise SourceFileError(
            group.files[0].name, "none of its lines is a row (not a JSON object).", hint="Deliver one object a line."
        )
    keys += absent_keys(connection, group.source, keys)
    connection.execute(reading.jsonl_delivered(keys))
    connection.execute(reading.JSONL_BROKEN)


def absent_keys(connection: duckdb.DuckDBPyConnection, source: Source, keys: Sequence[str]) -> list[str]:
    """Return the keys that the mapping of optional columns names and no line has: each line may leave them out."""
    named: set[str] = set()
    for column, expression in source.mapping.items():
        if column not in REQUIRED_COLUMNS:
            rows = connection.execute(reading.NAMED_COLUMNS, {"expression": expression}).fetchall()
            named |= {expression} if is_name(expression) else {row[0] for row in rows}
    present = {key.lower() for key in keys}
    return sorted(name for name in named if name.lower() not in present)


_EMPTY_UNREAD = (
    "CREATE TEMP TABLE unread (__file VARCHAR, __row BIGINT, problem VARCHAR, is_encoding BOOLEAN,"
    " byte_position BIGINT, line VARCHAR)"
)


def _declare(connection: duckdb.DuckDBPyConnection, named: Sequence[tuple[str, str, str, int, int]]) -> None:
    names = ("file_key", "source_file", "batch_id", "delivery_number", "bytes")
    connection.execute(
        "CREATE TEMP TABLE deliveries AS SELECT unnest($rows, recursive := true)",
        {"rows": [dict(zip(names, row, strict=True)) for row in named]},
    )


def _types(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    described = connection.execute("SELECT column_name, column_type FROM (DESCRIBE delivered)").fetchall()
    return {name: type_ for name, type_ in described if name not in reading.RESERVED}


def _mapped_types(connection: duckdb.DuckDBPyConnection, raw: Mapping[str, str], origin: str) -> dict[str, str]:
    described = f"SELECT column_name, column_type FROM (DESCRIBE {types_query(raw)})"
    try:
        return dict(connection.execute(described).fetchall())
    except duckdb.Error:
        for column, expression in raw.items():
            try:
                connection.execute(f"DESCRIBE SELECT {expression} FROM delivered")
            except duckdb.Error as error:
                raise mapping_error(origin, error, mapped=f" of `{column}` to `{expression[1:-1]}`") from error
        raise


def judge(
    connection: duckdb.DuckDBPyConnection,
    raw: Mapping[str, str],
    product: Product,
    *,
    content_id: str,
    origin: str,
    now: datetime,
) -> None:
    """Make the temporary tables `judged` and `identified` from `delivered`; raises SourceFileError for a wrong column."""
    types = _mapped_types(connection, raw, origin)
    type_mistakes(types, raw, origin=origin)
    earliest = product.first_declared_day() or date.fromisoformat(EARLIEST_EVENT)
    latest, last_day = now + timedelta(hours=FUTURE_TOLERANCE_HOURS), product.last_declared_day()
    if last_day:
        latest = min(latest, datetime.combine(last_day, time.max))
    bounds = {"earliest": datetime.combine(earliest, time.min), "latest": latest}
    connection.execute(judged_statement(raw, types, content_id=content_id), bounds)
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


def _blame_lines(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise SourceFileError for a file of lines none of which is a row: not the lines are wrong, but how it is read."""
    blamed = connection.execute(
        "SELECT source_file, min(problem), count(*) FROM unread JOIN deliveries ON file_key = __file"
        " ANTI JOIN readable USING (file_key) GROUP BY ALL HAVING count(*) >= $enough"
        " OR min(problem) = 'not a JSON object'",
        {"enough": ENOUGH_TO_BLAME_A_COLUMN},
    ).fetchone()
    if blamed:
        raise SourceFileError(
            blamed[0],
            f"none of its {blamed[2]:,} lines is a row ({blamed[1]}).",
            hint="Deliver CSV with as many values as its header has names, or one JSON object a line.",
        )


def _spell_out(connection: duckdb.DuckDBPyConnection) -> None:
    """Put the whole text in the place of lines in `unread` that DuckDB cut or masked; bytes that are no UTF-8 as `\\xNN`."""
    told = connection.execute(
        "SELECT __file, __row, problem, byte_position - 1, strlen(line) FROM unread"
        " WHERE is_encoding OR strlen(line) >= $longest ORDER BY __file, byte_position",
        {"longest": reading.LONGEST_LINE_TOLD},
    ).fetchall()
    for file, rows in groupby(told, key=itemgetter(0)):
        members = list(rows)
        places = [(at, None if length >= reading.LONGEST_LINE_TOLD else length) for _, _, _, at, length in members]
        try:
            texts = list(records(Path(file), places))
        except BROKEN_FILE as error:
            raise _unreadable(display_name(Path(file)), error) from error
        for (_, row, problem, _, length), text in zip(members, texts, strict=True):
            if problem == "unquoted value" and length >= reading.LONGEST_LINE_TOLD and text.count(b'"') % 2:
                raise SourceFileError(
                    display_name(Path(file)),
                    f"a quote that opens in row {row} is not closed in the next {length:,} characters.",
                    hint='Close it; a quote inside a text is written as two ("").',
                )
            line = text.decode(errors="backslashreplace")
            connection.execute("UPDATE unread SET line = ? WHERE __file = ? AND __row = ?", [line, file, row])


def _leave_out_blank_lines(connection: duckdb.DuckDBPyConnection) -> None:
    files = connection.execute("SELECT __file, max(byte_position + strlen(line)) FROM unread GROUP BY ALL").fetchall()
    try:
        blank = [(file, position + 1) for file, end in files for position in blank_lines(Path(file), end)]
    except BROKEN_FILE as error:
        raise _unreadable(display_name(Path(files[0][0])), error) from error
    if blank:
        connection.execute("CREATE TEMP TABLE blank_lines (__file VARCHAR, byte_position BIGINT)")
        connection.executemany("INSERT INTO blank_lines VALUES (?, ?)", blank)
        connection.execute(reading.WITHOUT_BLANK_LINES)


def _one(connection: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, object] | None = None) -> int:
    row = connection.execute(query, dict(parameters or {})).fetchone()
    return int(row[0]) if row else 0


def _written(
    connection: duckdb.DuckDBPyConnection,
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
        "INSERT INTO telemetry.rejected_events BY NAME SELECT rejected.* EXCLUDE (file_key), batch_id, source_file,"
        " $source AS source, $ingested_at AS ingested_at, NULL AS redriven_in"
        " FROM rejected JOIN deliveries USING (file_key)",
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
    """Insert the rows of `identified` into raw_events, marking those whose event the lake already holds.

    Leaves the temporary view `stored`, what became of each delivery, for the ledger.
    """
    days = [row[0] for row in connection.execute("SELECT DISTINCT event_date FROM identified").fetchall()]
    around = sorted({day + timedelta(days=offset) for day in days for offset in (-1, 0, 1)})
    literal_days = ", ".join(f"DATE '{day}'" for day in around) or "NULL"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE known AS SELECT DISTINCT event_id, event_date FROM telemetry.raw_events"
        f" SEMI JOIN identified USING (event_id) WHERE NOT is_duplicate AND raw_events.event_date IN ({literal_days})"
    )
    connection.execute(f"INSERT INTO telemetry.raw_events BY NAME {sql('telemetry/accepted.sql')}", dict(facts))
    connection.execute(sql("telemetry/stored.sql"))


def batches_of(connection: duckdb.DuckDBPyConnection) -> list[Batch]:
    """Return the ledger's rows of the present deliveries."""
    rows = connection.execute(
        "SELECT batch_id, source, source_file, rows_in, accepted, duplicates, rejected, days FROM telemetry.batches"
        " SEMI JOIN deliveries USING (batch_id) ORDER BY source_file"
    ).fetchall()
    return [Batch(*row[:7], days=tuple(row[7])) for row in rows]
