"""Delivered files read and judged: the temporary tables from which events, quarantine and ledger are then written.

They are `deliveries` (the files), `judged` (every row that was read, typed, with what is wrong with it), `identified`
(its accepted rows with their identity), `unread` (lines that are no rows), `rejected` and `readable`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb
import polars as pl

from intelligence.catalog.product import AliasSource, FileSource, Product, Source
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
    judged_statement,
    raw_expressions,
    rejected_query,
    type_mistakes,
    types_query,
)
from resources.intake.delivery import Delivery, first_lines, unreadable
from resources.intake.malformed import make_unread, number_rows
from resources.intake.time_step import time_step

ENOUGH_TO_BLAME_A_COLUMN = 10
LINES_TO_GUESS_BY = 20


@dataclass(frozen=True, slots=True)
class Group:
    """Files of one source that are read in one go, since they have the same form and columns."""

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
        """Return where the files lie; a file's number in `deliveries` is its place here."""
        return [str(file.path) for file in self.files]

    @property
    def origin(self) -> str:
        """Return what errors call the group: its one file, or its source."""
        return self.files[0].name if len(self.files) == 1 else self.source.name


def judge_files(
    connection: duckdb.DuckDBPyConnection, group: Group, product: Product, *, now: datetime
) -> dict[str, str]:
    """Return the names and types of the files' columns after making the temporary tables of this module.

    What is written after that reads no delivered file. Raises SourceFileError for a file that its source does not describe.
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
        # Rows of a CSV file get their positions once all are read: only then is it known which lines are no rows.
        table = "read_rows" if is_csv else "judged"
        judge_rows(
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
            make_unread(connection, reading.CSV_UNREAD, group.paths, blank_lines_are_rows=len(group.names) == 1)
            number_rows(connection, "judged", "read_rows", len(group.files), file="file_key", row="source_row")
        identify(connection, product, group.source)
        refused = rejected_query(group.source.fields)
        connection.execute(f"CREATE TEMP TABLE rejected AS {refused} UNION ALL BY NAME {_UNREAD_ROWS}")
        connection.execute(
            "CREATE TEMP TABLE readable AS SELECT file_key, count(*) AS readable_rows FROM judged GROUP BY file_key"
        )
        _blame_columns(connection, group.source)
        _blame_lines(connection)
    except duckdb.Error as error:
        raise mapping_error(group.origin, error) from error
    return columns


_UNREAD_ROWS = (
    "SELECT __file AS file_key, __row AS source_row, 'unreadable line: ' || problem AS reason, left(line, 1000) AS value,"
    " coalesce(line, '') AS payload, false AS is_readable, md5(coalesce(line, '')) AS content_id, NULL AS feature FROM unread"
)
_EMPTY_UNREAD = (
    "CREATE TEMP TABLE unread (__file SMALLINT, __row BIGINT, problem VARCHAR, is_encoding BOOLEAN,"
    " byte_position BIGINT, line VARCHAR)"
)


def _raw_expressions(group: Group, columns: list[str]) -> dict[str, str]:
    """Return what fills the fields; where a CSV file of one column lacks others, the error names the delimiter that it has."""
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
    """Return all names of the file, where they are more than its own and the source replaces."""
    return [file.name, *file.also] if isinstance(source, Source) and source.replaces and file.also else None


def _deliver(connection: duckdb.DuckDBPyConnection, group: Group) -> None:
    """Make `delivered`, the rows as they stand in the files, and `unread` as far as it is known before they are judged."""
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
        connection.execute(_EMPTY_UNREAD)
        null_values = group.source.null_values
        connection.execute(reading.parquet_delivered(group.paths, group.columns, null_values=null_values, view=view))
    else:
        _deliver_json_lines(connection, group, view=view)
    if values:
        connection.execute(reading.with_folder_values(values, is_json=group.format == "jsonl"))


def _folder_values(group: Group) -> dict[str, list[str | None]]:
    """Return, by name, what the folders of each file say of a column that the contract or the mapping names and no file has."""
    said = [_said_by_folders(group, file) for file in group.files]
    present = {name.lower() for name in group.names}
    used = sorted({key for values in said for key in values if key.lower() not in present})
    return {key: [values.get(key) for values in said] for key in used}


def _said_by_folders(group: Group, file: Delivery) -> Mapping[str, str | None]:
    return reading.folder_values(file.name, named=group.source.columns, mapping=group.source.mapping)


def _deliver_json_lines(connection: duckdb.DuckDBPyConnection, group: Group, *, view: str) -> None:
    connection.execute(reading.jsonl_text(group.paths, compression=group.compression))
    make_unread(connection, reading.JSONL_UNREAD, group.paths, blank_lines_are_rows=True)
    number_rows(connection, "positioned", "read_text", len(group.files), file="__file", row="__row")
    keys = [row[0] for row in connection.execute(reading.JSONL_KEYS).fetchall()]
    if not keys:
        raise SourceFileError(
            group.files[0].name, "none of its lines is a row (not a JSON object).", hint="Deliver one object a line."
        )
    said = {key.lower() for file in group.files for key in _said_by_folders(group, file)}
    keys = [key for key in keys if view == "delivered" or key.lower() not in said]
    keys += [key for key in absent_keys(connection, group.source, keys) if key.lower() not in said]
    connection.execute(reading.jsonl_delivered(keys, null_values=group.source.null_values, view=view))
    connection.execute(reading.JSONL_BROKEN)


def absent_keys(connection: duckdb.DuckDBPyConnection, source: FileSource, keys: Sequence[str]) -> list[str]:
    """Return the keys that the mapping of optional columns names and no line has: each line may leave them out.

    So may it the user, where it has another id for somebody who is not logged in.
    """
    optional = {column: wanted for column, wanted in source.mapping.items() if column not in REQUIRED_COLUMNS}
    named = named_columns(connection, optional)
    present = {key.lower() for key in keys}
    if "user_id" in source.mapping:
        users = named_columns(connection, {"user_id": source.mapping["user_id"]})
        if "anonymous_id" in {*present, *source.mapping} or present & {user.lower() for user in users}:
            named |= users
    return sorted(name for name in named if name.lower() not in present)


def named_columns(connection: duckdb.DuckDBPyConnection, mapping: Mapping[str, str]) -> set[str]:
    """Return the columns that a mapping names, in its expressions too."""
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


def judge(
    connection: duckdb.DuckDBPyConnection,
    raw: Mapping[str, str],
    product: Product,
    source: FileSource,
    *,
    content_id: str,
    origin: str,
    now: datetime,
) -> None:
    """Make `judged` and `identified` from a `delivered` whose rows bring their payload and position."""
    judge_rows(
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


def judge_rows(
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
    """Make the temporary `table` of judged rows from `delivered`; raises SourceFileError for a wrong column."""
    types = _mapped_types(connection, raw, origin)
    type_mistakes(types, raw, origin=origin, fields=source.fields)
    earliest = product.first_declared_day() or date.fromisoformat(EARLIEST_EVENT)
    latest, last_day = now + timedelta(hours=FUTURE_TOLERANCE_HOURS), product.last_declared_day()
    if last_day:
        after = start_of_day(last_day + timedelta(days=1), product.timezone)
        latest = min(latest, after - timedelta(microseconds=1))
    bounds = {"earliest": start_of_day(earliest, product.timezone), "latest": latest}
    statement = judged_statement(
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
    """Make the temporary view `identified` from `judged`; an event's day is its date on the product's clock. Pairs have none."""
    if isinstance(source, AliasSource):
        return
    connection.execute(sql("telemetry/occurrences.sql"))
    connection.execute(in_zone(sql("telemetry/identified.sql"), product.timezone))


def _blame_columns(connection: duckdb.DuckDBPyConnection, source: FileSource) -> None:
    """Raise SourceFileError for a file none of whose rows gives one column its type: that column is the wrong one."""
    rules = rules_of(source.fields)
    casts = [number for number, rule in enumerate(rules) if rule.reason.startswith("is not a ")]
    blamed = connection.execute(
        "SELECT source_file, any_value(broken), count(*) FROM judged JOIN deliveries USING (file_key)"
        " JOIN readable USING (file_key) WHERE broken IS NOT NULL GROUP BY source_file"
        " HAVING count(DISTINCT broken) = 1 AND count(*) = any_value(readable_rows) AND count(*) >= $enough"
        " AND list_contains($casts, any_value(broken))",
        {"enough": ENOUGH_TO_BLAME_A_COLUMN, "casts": casts},
    ).fetchone()
    if blamed:
        rule = rules[blamed[1]]
        query = "SELECT DISTINCT broken_value FROM judged WHERE broken = $rule AND broken_value IS NOT NULL LIMIT 50"
        samples = [row[0] for row in connection.execute(query, {"rule": blamed[1]}).fetchall()]
        step = time_step(connection, source.mapping, samples) if rule.field == "event_time" else None
        shown = f", for example {samples[0]!r}" if samples else ""
        raise SourceFileError(
            blamed[0],
            f"the column mapped to `{rule.field}` {rule.reason} in any of its {blamed[2]:,} rows{shown}.",
            hint=step
            or f"Map `{rule.field}` to another column in product.yaml, or write an SQL expression that converts it.",
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
    return unreadable(origin, error)
