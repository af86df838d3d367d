"""Reads and validates delivered files into temporary tables, from which events, quarantine and ledger are then written.

The tables are `deliveries` (the files), `judged` (every row that was read, typed, with the rule that it breaks), `identified`
(the accepted rows with their identity), `unread` (malformed lines), `rejected` (rows and lines for quarantine) and `readable` (the
number of readable rows per file).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb
import polars as pl

from intelligence.catalog.product import AliasSource, AnswerSource, FileSource, Product, Source
from intelligence.core.errors import LakeError, PlatformError, SourceFileError
from intelligence.core.sql import sql
from intelligence.telemetry import reading
from intelligence.telemetry.contract import (
    EARLIEST_EVENT,
    FUTURE_TOLERANCE_HOURS,
    REQUIRED_COLUMNS,
    rules_of,
)
from intelligence.telemetry.guesses import delimiter_advice, delimiter_guess
from intelligence.telemetry.local_time import in_zone, start_of_day
from intelligence.telemetry.mapping import (
    is_name,
    raw_expressions,
    rejected_query,
    type_mistakes,
    types_query,
    validation_statement,
)
from resources.intake.answers import without_rejected_texts
from resources.intake.delivery import Delivery, first_lines, unreadable
from resources.intake.malformed import collect_malformed, number_rows
from resources.intake.time_step import time_step

ENOUGH_TO_REFUSE_A_FILE = 10
LINES_TO_GUESS_BY = 20


@dataclass(frozen=True, slots=True)
class Group:
    """Files of one source that are read in one statement, since they have the same format and columns.

    Attributes:
        source: The source.
        format: The files' format.
        compression: The files' compression.
        columns: Names and types of the files' columns; empty for JSON Lines.
        files: The files.
        delimiter: The character between two values of a CSV file.
    """

    source: FileSource
    format: reading.Format
    compression: reading.Compression
    columns: tuple[tuple[str, str], ...]
    files: tuple[Delivery, ...]
    delimiter: str = ","

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the files' columns."""
        return tuple(name for name, _ in self.columns)

    @property
    def paths(self) -> list[str]:
        """Return the paths of the files; a file's number in `deliveries` is its position here."""
        return [str(file.path) for file in self.files]

    @property
    def origin(self) -> str:
        """Return the group's name for errors: that of its only file, or of its source."""
        return self.files[0].name if len(self.files) == 1 else self.source.name


def validate_files(
    connection: duckdb.DuckDBPyConnection, group: Group, product: Product, *, now: datetime
) -> dict[str, str]:
    """Make the temporary tables of this module from the files, and return the names and types of the files' columns.

    The delivered files are not read after that. Raises SourceFileError for a file that does not match its source's description;
    errors of DuckDB are raised as `mapping_error` translates them.

    Args:
        connection: A connection for temporary tables.
        group: The files.
        product: The product, which sets bounds of days, names and the time zone.
        now: The time of the intake, UTC without a time zone; events too far after it are rejected.
    """
    try:
        _declare(connection, group)
        _deliver(connection, group)
        columns = _types(connection)
        raw = _raw_expressions(group, list(columns))
        is_csv = group.format == "csv"
        if group.format == "jsonl":
            content_id, payload = reading.JSONL_CONTENT_ID, reading.PAYLOAD_AT_HAND
        else:
            content_id, payload = reading.content_id_sql(list(columns)), reading.payload_sql(list(columns))
        # Rows of a CSV file get their positions after all are read: only then the malformed lines are known.
        table = "read_rows" if is_csv else "judged"
        validate_rows(
            connection,
            raw,
            product,
            group.source,
            table=table,
            content_id=content_id,
            payload=payload,
            origin=group.origin,
            now=now,
        )
        if is_csv:
            collect_malformed(
                connection, reading.CSV_MALFORMED, group.paths, blank_lines_are_rows=len(group.names) == 1
            )
            number_rows(connection, "judged", "read_rows", len(group.files), file="file_key", row="source_row")
        identify(connection, product, group.source)
        refused = rejected_query(group.source.fields)
        connection.execute(f"CREATE TEMP TABLE rejected AS {refused} UNION ALL BY NAME {_MALFORMED_ROWS}")
        if isinstance(group.source, AnswerSource):
            without_rejected_texts(connection, product)
        connection.execute(
            "CREATE TEMP TABLE readable AS SELECT file_key, count(*) AS readable_rows FROM judged GROUP BY file_key"
        )
        if not _is_stream(group.source):
            _refuse_wrong_columns(connection, group.source)
            _refuse_without_rows(connection)
    except duckdb.Error as error:
        raise mapping_error(group.origin, error) from error
    return columns


_MALFORMED_ROWS = (
    "SELECT __file AS file_key, __row AS source_row, 'unreadable line: ' || problem AS reason, left(line, 1000) AS value,"
    " coalesce(line, '') AS payload, false AS is_readable, md5(coalesce(line, '')) AS content_id, NULL AS feature FROM unread"
)
_NO_MALFORMED = (
    "CREATE TEMP TABLE unread (__file SMALLINT, __row BIGINT, problem VARCHAR, is_encoding BOOLEAN,"
    " byte_position BIGINT, line VARCHAR)"
)


def _raw_expressions(group: Group, columns: list[str]) -> dict[str, str]:
    """Return the expression for each field; for a CSV file that seems to have one column, the error suggests another delimiter."""
    try:
        return raw_expressions(group.source.mapping, columns, origin=group.origin, fields=group.source.fields)
    except SourceFileError as error:
        if group.format != "csv" or len(group.names) != 1:
            raise
        guess = delimiter_guess(first_lines(group.files[0].path, LINES_TO_GUESS_BY), group.delimiter)
        raise SourceFileError(
            error.culprit, error.problem, hint=delimiter_advice(guess) if guess else error.hint
        ) from error


def _declare(connection: duckdb.DuckDBPyConnection, group: Group) -> None:
    declared = pl.DataFrame(
        [
            (number, str(file.path), file.name, file.batch_id, number, file.bytes, _names_of(file, group.source))
            for number, file in enumerate(group.files)
        ],
        {
            "file_key": pl.Int16,
            "path": pl.String,
            "source_file": pl.String,
            "batch_id": pl.String,
            "delivery_number": pl.Int64,
            "bytes": pl.Int64,
            "names": pl.List(pl.String),
        },
        orient="row",
    )
    connection.register("declared", declared)
    connection.execute("CREATE TEMP TABLE deliveries AS FROM declared")
    connection.unregister("declared")


def _names_of(file: Delivery, source: FileSource) -> list[str] | None:
    """Return all names of the file's content, if there is more than one and the source replaces; otherwise None."""
    return [file.name, *file.also] if isinstance(source, Source) and source.replaces and file.also else None


def _deliver(connection: duckdb.DuckDBPyConnection, group: Group) -> None:
    """Make `delivered`, the rows as they are in the files, and `unread` if it can be made before the rows are validated."""
    values = _folder_values(group)
    view = "delivered_rows" if values else "delivered"
    if group.format == "csv":
        connection.execute(
            reading.csv_delivered(
                group.paths,
                group.names,
                delimiter=group.delimiter,
                null_values=group.source.null_values,
                compression=group.compression,
                view=view,
            )
        )
    elif group.format == "parquet":
        connection.execute(_NO_MALFORMED)
        null_values = group.source.null_values
        connection.execute(reading.parquet_delivered(group.paths, group.columns, null_values=null_values, view=view))
    else:
        _deliver_json_lines(connection, group, view=view)
    if values:
        connection.execute(reading.with_folder_values(values, is_json=group.format == "jsonl"))


def _folder_values(group: Group) -> dict[str, list[str | None]]:
    """Return, by column, the value in each file's folder names, for columns that contract or mapping name and no file has."""
    said = [_values_in_folders(group, file) for file in group.files]
    present = {name.lower() for name in group.names}
    used = sorted({key for values in said for key in values if key.lower() not in present})
    return {key: [values.get(key) for values in said] for key in used}


def _values_in_folders(group: Group, file: Delivery) -> Mapping[str, str | None]:
    return reading.folder_values(file.name, named=group.source.columns, mapping=group.source.mapping)


def _deliver_json_lines(connection: duckdb.DuckDBPyConnection, group: Group, *, view: str) -> None:
    connection.execute(reading.jsonl_text(group.paths, compression=group.compression))
    collect_malformed(connection, reading.JSONL_MALFORMED, group.paths, blank_lines_are_rows=True)
    number_rows(connection, "positioned", "read_text", len(group.files), file="__file", row="__row")
    keys = [row[0] for row in connection.execute(reading.JSONL_KEYS).fetchall()]
    if not keys and not _is_stream(group.source):
        raise SourceFileError(
            group.files[0].name, "none of its lines is a row (not a JSON object).", hint="Deliver one object a line."
        )
    said = {key.lower() for file in group.files for key in _values_in_folders(group, file)}
    keys = [key for key in keys if view == "delivered" or key.lower() not in said]
    keys += [key for key in absent_keys(connection, group.source, keys) if key.lower() not in said]
    connection.execute(reading.jsonl_delivered(keys, null_values=group.source.null_values, view=view))
    connection.execute(reading.JSONL_BROKEN)


def absent_keys(connection: duckdb.DuckDBPyConnection, source: FileSource, keys: Sequence[str]) -> list[str]:
    """Return the keys that the mapping of optional fields names and no line has, since each line may omit them.

    The user's key may be omitted too if there is another id for users who are not logged in. Messages of a stream may omit any
    key: a batch of them has no format of its own, and each is judged by itself.

    Args:
        connection: Any connection; it parses the mapping's expressions.
        source: The source, of which the mapping counts.
        keys: The keys that the lines have.
    """
    if _is_stream(source):
        named = named_columns(connection, {**{field: field for field in REQUIRED_COLUMNS}, **source.mapping})
        present = {key.lower() for key in keys}
        return sorted(name for name in named if name.lower() not in present)
    optional = {field: expression for field, expression in source.mapping.items() if field not in REQUIRED_COLUMNS}
    named = named_columns(connection, optional)
    present = {key.lower() for key in keys}
    if "user_id" in source.mapping:
        users = named_columns(connection, {"user_id": source.mapping["user_id"]})
        if "anonymous_id" in {*present, *source.mapping} or present & {user.lower() for user in users}:
            named |= users
    return sorted(name for name in named if name.lower() not in present)


def _is_stream(source: FileSource) -> bool:
    return isinstance(source, Source) and bool(source.topics)


def named_columns(connection: duckdb.DuckDBPyConnection, mapping: Mapping[str, str]) -> set[str]:
    """Return the columns that a mapping names, directly or in an expression.

    Args:
        connection: Any connection; it parses the expressions.
        mapping: By field, a column or an SQL expression.
    """
    named: set[str] = set()
    for expression in mapping.values():
        rows = connection.execute(reading.NAMED_COLUMNS, {"expression": expression}).fetchall()
        named |= {expression} if is_name(expression) else {row[0] for row in rows}
    return named


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


def validate(
    connection: duckdb.DuckDBPyConnection,
    raw: Mapping[str, str],
    product: Product,
    source: FileSource,
    *,
    content_id: str,
    origin: str,
    now: datetime,
) -> None:
    """Make the temporary `judged` and `identified` from a `delivered` whose rows have their payload and position as columns.

    Args:
        connection: A connection with the temporary table or view `delivered`.
        raw: The SQL expression of each field.
        product: The product, which sets bounds of days, names and the time zone.
        source: The source of the rows.
        content_id: SQL expression for the digest of a row's content.
        origin: Name of the file or source, for errors.
        now: The time of the validation, UTC without a time zone; events too far after it are rejected.
    """
    validate_rows(
        connection,
        raw,
        product,
        source,
        table="judged",
        content_id=content_id,
        payload=reading.PAYLOAD_AT_HAND,
        origin=origin,
        now=now,
    )
    identify(connection, product, source)


def validate_rows(
    connection: duckdb.DuckDBPyConnection,
    raw: Mapping[str, str],
    product: Product,
    source: FileSource,
    *,
    table: str,
    content_id: str,
    payload: str,
    origin: str,
    now: datetime,
) -> None:
    """Make a temporary table of validated rows from `delivered`; raises SourceFileError for a column of a wrong type.

    Args:
        connection: A connection with the temporary table or view `delivered`.
        raw: The SQL expression of each field.
        product: The product, which sets bounds of days, names and the time zone.
        source: The source of the rows.
        table: Name of the table to make.
        content_id: SQL expression for the digest of a row's content.
        payload: SQL expression for the row as text, which quarantine keeps.
        origin: Name of the file or source, for errors.
        now: The time of the validation, UTC without a time zone; events too far after it are rejected.
    """
    types = _mapped_types(connection, raw, origin)
    type_mistakes(types, raw, origin=origin, fields=source.fields)
    earliest = product.first_declared_day() or date.fromisoformat(EARLIEST_EVENT)
    latest, last_day = now + timedelta(hours=FUTURE_TOLERANCE_HOURS), product.last_declared_day()
    if last_day:
        after = start_of_day(last_day + timedelta(days=1), product.timezone)
        latest = min(latest, after - timedelta(microseconds=1))
    bounds = {"earliest": start_of_day(earliest, product.timezone), "latest": latest}
    statement = validation_statement(
        raw,
        types,
        table=table,
        content_id=content_id,
        payload=payload,
        numerals=source.numerals,
        naming=product.names.naming,
        clock=product.clock_of(source),
        fields=source.fields,
    )
    connection.execute(statement, bounds if "$earliest" in statement else {})


def identify(connection: duckdb.DuckDBPyConnection, product: Product, source: FileSource) -> None:
    """Make the temporary view `identified` from `judged`, with the day of each event; pairs and answers have none.

    Args:
        connection: A connection with the temporary table or view `judged`.
        product: The product; an event's day is its date in the product's time zone.
        source: The source of the rows.
    """
    if isinstance(source, AliasSource | AnswerSource):
        return
    connection.execute(sql("telemetry/occurrences.sql"))
    if _is_stream(source):
        # A producer that sends a message again sends the same text: it is the same event, wherever a batch of the stream ends.
        connection.execute("DELETE FROM occurrences")
    connection.execute(in_zone(sql("telemetry/identified.sql"), product.timezone))


def _refuse_wrong_columns(connection: duckdb.DuckDBPyConnection, source: FileSource) -> None:
    """Raise SourceFileError for a file in which one column has its type in no row: then the wrong column is mapped."""
    rules = rules_of(source.fields)
    casts = [number for number, rule in enumerate(rules) if rule.reason.startswith("is not a ")]
    wrong = connection.execute(
        "SELECT source_file, any_value(broken), count(*) FROM judged JOIN deliveries USING (file_key)"
        " JOIN readable USING (file_key) WHERE broken IS NOT NULL GROUP BY source_file"
        " HAVING count(DISTINCT broken) = 1 AND count(*) = any_value(readable_rows) AND count(*) >= $enough"
        " AND list_contains($casts, any_value(broken))",
        {"enough": ENOUGH_TO_REFUSE_A_FILE, "casts": casts},
    ).fetchone()
    if wrong:
        rule = rules[wrong[1]]
        query = "SELECT DISTINCT broken_value FROM judged WHERE broken = $rule AND broken_value IS NOT NULL LIMIT 50"
        samples = [row[0] for row in connection.execute(query, {"rule": wrong[1]}).fetchall()]
        step = time_step(connection, source.mapping, samples) if rule.field == "event_time" else None
        # Where a wrong column of answers is mapped, an example may be a text that nobody is to see.
        shown = f", for example {samples[0]!r}" if samples and not isinstance(source, AnswerSource) else ""
        raise SourceFileError(
            wrong[0],
            f"the column mapped to `{rule.field}` {rule.reason} in any of its {wrong[2]:,} rows{shown}.",
            hint=step
            or f"Map `{rule.field}` to another column in product.yaml, or write an SQL expression that converts it.",
        )


def _refuse_without_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise SourceFileError for a file in which no line is a row: then its format is wrong and not single lines."""
    wrong = connection.execute(
        "SELECT source_file, min(problem), count(*) FROM unread JOIN deliveries ON file_key = __file"
        " ANTI JOIN readable USING (file_key) GROUP BY ALL HAVING count(*) >= $enough"
        " OR min(problem) = 'not a JSON object'",
        {"enough": ENOUGH_TO_REFUSE_A_FILE},
    ).fetchone()
    if wrong:
        raise SourceFileError(
            wrong[0],
            f"none of its {wrong[2]:,} lines is a row ({wrong[1]}).",
            hint="Deliver CSV with as many values as its header has names, or one JSON object a line.",
        )


def mapping_error(origin: str, error: duckdb.Error, *, mapped: str = "") -> PlatformError:
    """Return the error of a file or source, with the next step, for an error that DuckDB raised while reading or mapping.

    Args:
        origin: Name of the file or source.
        error: The error that DuckDB raised.
        mapped: The part of the mapping that failed, as text after "its mapping".
    """
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
    return unreadable(origin, error)
