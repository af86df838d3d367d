"""SQL that reads delivered files completely: every row unchanged, with its file and position.

The statements create a temporary relation `delivered`: the source's own columns, then `__file` (the file's number in the
table `deliveries`) and `__row` (1 is the first row after the header; NULL in CSV, whose rows are numbered after they are
read). Malformed lines, which cannot be parsed as rows, end in the temporary table `unread`.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from intelligence.core.errors import SourceFileError
from intelligence.core.sql import identifier, literal, literals

Format = Literal["csv", "jsonl", "parquet"]
Compression = Literal["gzip", "none"]

# The alias of a whole row of `delivered` while it is validated.
WHOLE_ROW: Final = "__delivered"
PAYLOAD_AT_HAND: Final = f"{WHOLE_ROW}.__payload"
# A JSON line is identified by its text; a row in quarantine keeps the identity that it had when it was rejected.
JSONL_CONTENT_ID: Final = f"md5({PAYLOAD_AT_HAND})"
REDRIVEN_CONTENT_ID: Final = f"{WHOLE_ROW}.__content_id"
LONGEST_LINE_BYTES: Final = 16_777_216
# DuckDB's default buffer is sixteen longest lines: allocating it takes longer than reading most files.
READ_AT_ONCE_BYTES: Final = 2 * LONGEST_LINE_BYTES
LONGEST_LINE_REPORTED: Final = 9_990  # DuckDB cuts the text of a malformed line at 10,000 bytes
RESERVED: Final = ("__file", "__row", "__content_id", "__payload", "__line", WHOLE_ROW, "file_row_number")
FORMATS: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
_OTHER_SUFFIXES: Final = {
    "Save the sheet as CSV in UTF-8 and deliver that.": (".xlsx", ".xls", ".ods"),
    "Unpack it, or pack each file by itself with gzip or zstd.": (".zip", ".tar", ".tgz", ".bz2", ".xz", ".7z"),
    "Write it as Parquet.": (".avro", ".orc", ".arrow", ".feather"),
}


def format_of(file_name: str) -> Format:
    """Return the file's format by its suffix, which `.gz` or `.zst` may follow for text.

    Raises:
        SourceFileError: The suffix is unknown.

    >>> format_of("events/2026-05-04.jsonl.gz")
    'jsonl'
    """
    plain = file_name.lower().removesuffix(".gz").removesuffix(".zst")
    for suffix, format_ in FORMATS.items():
        if plain.endswith(suffix):
            return format_
    known = ", ".join(FORMATS)
    hint = f"Known are {known}, the text ones also with .gz or .zst."
    for advice, suffixes in _OTHER_SUFFIXES.items():
        if plain.endswith(suffixes):
            hint = advice
    raise SourceFileError(file_name, "its suffix says no known format.", hint=hint)


def compression_of(file_name: str) -> Compression:
    """Return `gzip` for a text file that ends in `.gz`, otherwise `none`."""
    return "gzip" if file_name.lower().endswith(".gz") else "none"


def _paths(files: Sequence[str]) -> str:
    return literals([re.sub(r"[*?[]", r"[\g<0>]", file) for file in files])


def content_id_sql(columns: Sequence[str]) -> str:
    """Return SQL over a whole row for the MD5 hash of its columns as delivered."""
    return f"md5(CAST(json_array({', '.join(map(_of_row, columns))}) AS VARCHAR))"


def payload_sql(columns: Sequence[str]) -> str:
    """Return SQL over a whole row for its columns as a JSON object."""
    pairs = ", ".join(f"{literal(column)}, {_of_row(column)}" for column in columns)
    return f"CAST(json_object({pairs}) AS VARCHAR)"


def _of_row(column: str) -> str:
    return f"{WHOLE_ROW}.{identifier(column)}"


def _read_text(
    files: Sequence[str],
    columns: Sequence[str],
    *,
    header: bool,
    delimiter: str,
    quote: str,
    null_values: Sequence[str],
    compression: Compression,
) -> str:
    # Generated column names, since a column of the file may be called `file_index`.
    types = ", ".join(f"c{place}: 'VARCHAR'" for place in range(len(columns)))
    names = ", ".join(f"c{place} AS {identifier(column)}" for place, column in enumerate(columns))
    return (
        f"SELECT {names}, CAST(file_index AS SMALLINT) AS __file, CAST(NULL AS BIGINT) AS __row"
        f" FROM read_csv({_paths(files)}, columns = {{{types}}},"
        f" auto_detect = false, header = {str(header).lower()}, delim = {literal(delimiter)}, quote = {literal(quote)},"
        f" escape = {literal(quote)}, nullstr = {literals(null_values)}, max_line_size = {LONGEST_LINE_BYTES},"
        f" buffer_size = {READ_AT_ONCE_BYTES}, strict_mode = true, store_rejects = true,"
        " rejects_table = 'unread_errors', rejects_scan = 'unread_scans',"
        f" rejects_limit = 0, compression = {literal(compression)}, hive_partitioning = false)"
    )


# A row's position in its file is its position in the table that the text was read into, plus the number of malformed
# lines before it.
_GAPS: Final = """
CREATE TEMP TABLE gaps AS
WITH ranked AS (
    SELECT __file, __row, row_number() OVER (PARTITION BY __file ORDER BY __row) AS unread_so_far FROM unread
)
SELECT __file, __row - unread_so_far AS readable_before, max(unread_so_far) AS unread_before
FROM ranked GROUP BY ALL
"""


def numbered_statements(
    view: str, table: str, first_rowids: Sequence[int | None], *, file: str, row: str, any_malformed: bool
) -> tuple[str, ...]:
    """Return the statements that create a view of a table in which each row has its position in its file.

    Args:
        view: Name of the view.
        table: Name of the table into which the files were read in order.
        first_rowids: The `rowid` of each file's first row in the table; None for a file without rows.
        file: Name of the table's column with the number of the file.
        row: Name of the table's column that receives the position.
        any_malformed: Whether any line of the files is malformed.
    """
    firsts = ", ".join("NULL" if first is None else str(first) for first in first_rowids)
    numbered = f"SELECT * REPLACE (rowid - [{firsts}][{file} + 1] + 1 AS {row}) FROM {table}"
    if not any_malformed:
        return (f"CREATE TEMP VIEW {view} AS {numbered}",)
    return (
        _GAPS,
        f"CREATE TEMP VIEW {view} AS SELECT numbered.* REPLACE (numbered.{row} + coalesce(unread_before, 0) AS {row})"
        f" FROM ({numbered}) AS numbered ASOF LEFT JOIN gaps"
        f" ON numbered.{file} = gaps.__file AND numbered.{row} > gaps.readable_before",
    )


def _unread(header_lines: int) -> str:
    return f"""
CREATE TEMP TABLE unread AS
SELECT
    deliveries.file_key AS __file,
    errors.line - {header_lines} AS __row,
    first(
        lower(replace(CAST(errors.error_type AS VARCHAR), '_', ' '))
        ORDER BY errors.error_type = 'UNQUOTED VALUE' DESC, CAST(errors.error_type AS VARCHAR)
    ) AS problem,
    bool_or(errors.error_type = 'INVALID ENCODING') AS is_encoding,
    min(errors.line_byte_position) AS byte_position,
    min(errors.csv_line) AS line
FROM unread_errors AS errors
INNER JOIN unread_scans AS scans USING (scan_id, file_id)
INNER JOIN deliveries ON deliveries.path = scans.file_path
GROUP BY ALL
"""


# Blank lines are no rows, but DuckDB counts them when it numbers malformed lines, and reports those directly before a
# malformed line as part of it.
WITHOUT_BLANK_LINES: Final = """
UPDATE unread SET __row = __row - (
    SELECT count(*) FROM blank_lines
    WHERE blank_lines.__file = unread.__file
        AND blank_lines.byte_position < unread.byte_position + strlen(line) - strlen(ltrim(line, chr(10) || chr(13)))
)
"""

# A quote that is not closed spans several lines; each of them is a malformed row of its own.
LINES_APART: Final = """
CREATE OR REPLACE TEMP TABLE unread AS
WITH parted AS (
    SELECT
        * EXCLUDE (line),
        CASE
            WHEN problem = 'unquoted value'
                THEN list_filter(string_split_regex(line, '\\r\\n|\\n|\\r'), lambda part: part <> '')
            ELSE [trim(line, chr(10) || chr(13))]
        END AS lines
    FROM unread
),
placed AS (
    SELECT *, coalesce(sum(len(lines) - 1) OVER earlier, 0) AS shift FROM parted
    WINDOW earlier AS (
        PARTITION BY __file ORDER BY __row ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
)
SELECT
    * EXCLUDE (lines, shift)
    REPLACE (CAST(__row + shift + generate_subscripts(lines, 1) - 1 AS BIGINT) AS __row),
    unnest(lines) AS line
FROM placed
"""


def csv_delivered(
    files: Sequence[str],
    columns: Sequence[str],
    *,
    delimiter: str,
    null_values: Sequence[str],
    compression: Compression,
    view: str = "delivered",
) -> str:
    """Return the statement that creates `delivered` from CSV files, every value as text.

    The dialect is fixed (RFC 4180 with a header line), so that a malformed line is rejected by itself and never changes
    how the others are read. Read the view once only: each reading records the malformed lines again.

    Args:
        files: Paths of the files.
        columns: The names in their headers.
        delimiter: The character between values.
        null_values: Texts that are read as NULL.
        compression: How the files are compressed.
        view: Name of the view.
    """
    read = _read_text(
        files,
        columns,
        header=True,
        delimiter=delimiter,
        quote='"',
        null_values=null_values,
        compression=compression,
    )
    return f"CREATE TEMP VIEW {view} AS {read}"


CSV_MALFORMED: Final = _unread(header_lines=1)
JSONL_MALFORMED: Final = _unread(header_lines=0)


def jsonl_text(files: Sequence[str], *, compression: Compression) -> str:
    """Return the statement that reads JSON Lines files line by line into the table `read_text`, without parsing them.

    Args:
        files: Paths of the files.
        compression: How the files are compressed.
    """
    read = _read_text(
        files, ["__line"], header=False, delimiter="\x01", quote="", null_values=[""], compression=compression
    )
    return f"CREATE TEMP TABLE read_text AS {read}"


_IS_OBJECT: Final = "json_valid(__line) AND starts_with(ltrim(__line, ' ' || chr(9)), '{')"

JSONL_BROKEN: Final = f"""
INSERT INTO unread
SELECT __file, __row, 'not a JSON object', false, NULL, __line FROM positioned
WHERE CASE WHEN {_IS_OBJECT} THEN false ELSE trim(__line) <> '' END
"""

# Of keys that differ in case only, the most frequent one names the column; the payload contains all of them.
JSONL_KEYS: Final = f"""
SELECT first(key ORDER BY rows DESC, key) AS key FROM (
    SELECT key, count(*) AS rows FROM (
        SELECT unnest(json_keys(__line)) AS key FROM read_text WHERE {_IS_OBJECT}
    ) GROUP BY key
)
WHERE key <> '' AND NOT contains(key, chr(0)) AND lower(key) NOT IN {RESERVED}
GROUP BY lower(key) ORDER BY key
"""

NAMED_COLUMNS: Final = """
SELECT DISTINCT unnest(json_extract_string(json_serialize_sql('SELECT ' || $expression), '$..column_names[0]'))
"""


def _replacing_nulls(columns: Sequence[str], null_values: Sequence[str]) -> str:
    """Return the `REPLACE` clause that turns `null_values` into NULL in the text columns; empty where there is nothing to do."""
    words = ", ".join(literal(value) for value in null_values if value)
    if not words or not columns:
        return ""
    replaced = (
        f"CASE WHEN {identifier(column)} IN ({words}) THEN NULL ELSE {identifier(column)} END AS {identifier(column)}"
        for column in columns
    )
    return f" REPLACE ({', '.join(replaced)})"


def folder_values(name: str, *, named: Iterable[str], mapping: Mapping[str, str]) -> Mapping[str, str | None]:
    """Return the values of used columns that the folders of a file's name contain, as in Hive's `column=value`.

    Of several folders for one column the innermost counts.

    Args:
        name: The file's name with its folders.
        named: Columns to look for.
        mapping: The source's mapping, of which all names in its expressions are looked for too.

    >>> folder_values("day=2025-05-05/x=1/os=i%20os/a.csv", named=["platform"], mapping={"event_time": "day || clock", "platform": "os"})
    {'day': '2025-05-05', 'os': 'i os'}
    """
    words = {word.lower() for text in (*named, *mapping.values()) for word in re.findall(r"\w+", text)}
    found: dict[str, str | None] = {}
    for folder in re.split(r"[/\\]", name)[:-1]:
        key, equals, value = folder.partition("=")
        if equals and key.lower() in words:
            found[key] = None if value == "__HIVE_DEFAULT_PARTITION__" else _unquoted(value)
    return found


def _unquoted(value: str) -> str:
    plain = re.sub(rb"%([0-9A-Fa-f]{2})", lambda sign: bytes([int(sign[1], 16)]), value.encode())
    return plain.decode(errors="replace")


def with_folder_values(values: Mapping[str, Sequence[str | None]], *, is_json: bool) -> str:
    """Return the statement that creates `delivered` from `delivered_rows` and the values in the names of folders.

    The payload of a JSON line gets these values too, since the row may be validated again from it.

    Args:
        values: By column one value per file, in the order of `deliveries`; None for a file without the folder.
        is_json: Whether `delivered_rows` comes from JSON lines and has a payload.
    """
    columns = {
        name: f"[{', '.join('NULL' if value is None else literal(value) for value in of_files)}][__file + 1]"
        for name, of_files in values.items()
    }
    added = ", ".join(f"{value} AS {identifier(name)}" for name, value in columns.items())
    pairs = ", ".join(f"{literal(name)}, {value}" for name, value in columns.items())
    payload = f" REPLACE (CAST(json_merge_patch(__payload, json_object({pairs})) AS VARCHAR) AS __payload)"
    return f"CREATE TEMP VIEW delivered AS SELECT *{payload if is_json else ''}, {added} FROM delivered_rows"


def jsonl_delivered(keys: Sequence[str], *, null_values: Sequence[str] = (), view: str = "delivered") -> str:
    """Return the statement that creates `delivered` from JSON lines, with one text column per top-level key.

    Args:
        keys: The top-level keys that become columns.
        null_values: Texts that are read as NULL.
        view: Name of the view.
    """
    shape = literal(json.dumps(dict.fromkeys(keys, "VARCHAR"), ensure_ascii=False))
    return (
        f"CREATE TEMP VIEW {view} AS SELECT *{_replacing_nulls(keys, null_values)} FROM ("
        f"SELECT unnest(json_transform(__line, {shape})), __file, __row, __line AS __payload"
        f" FROM positioned WHERE {_IS_OBJECT})"
    )


def parquet_delivered(
    files: Sequence[str],
    columns: Sequence[tuple[str, str]],
    *,
    null_values: Sequence[str] = (),
    view: str = "delivered",
) -> str:
    """Return the statement that creates `delivered` from Parquet files.

    Args:
        files: Paths of the files, which are also in `deliveries`.
        columns: Names and DuckDB types of their columns.
        null_values: Texts that are read as NULL in columns of text.
        view: Name of the view.
    """
    texts = [name for name, type_ in columns if type_ == "VARCHAR"]
    names = ", ".join(f"rows.{identifier(column)}" for column, _ in columns)
    return (
        f"CREATE TEMP VIEW {view} AS SELECT *{_replacing_nulls(texts, null_values)} FROM ("
        f"SELECT {names}, deliveries.file_key AS __file, file_row_number + 1 AS __row"
        f" FROM read_parquet({_paths(files)}, filename = '__file', file_row_number = true,"
        " hive_partitioning = false) AS rows INNER JOIN deliveries ON deliveries.path = rows.__file)"
    )


def parquet_columns(file: str) -> str:
    """Return a SELECT of the names and types of a Parquet file's columns."""
    return f"SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet({_paths([file])}, hive_partitioning = false))"


def first_rows(file: str, most: int) -> str:
    """Return a SELECT of the first rows of a Parquet file.

    Args:
        file: Path of the file.
        most: The greatest number of rows.
    """
    return f"FROM read_parquet({_paths([file])}, hive_partitioning = false) LIMIT {most}"


def redriven_delivered(columns: Mapping[str, str]) -> str:
    """Return the statement that creates `delivered` from the quarantined rows in the temporary table `waiting`.

    Args:
        columns: DuckDB types by name of the columns that the source's file had, so that the mapping applies as it did then.
    """
    restored = ", ".join(
        f"TRY_CAST({_restored(column, type_)} AS {type_}) AS {identifier(column)}" for column, type_ in columns.items()
    )
    return (
        f"CREATE TEMP VIEW delivered AS SELECT {restored}, file_key AS __file, source_row AS __row,"
        " content_id AS __content_id, payload AS __payload FROM waiting"
    )


def _restored(column: str, type_: str) -> str:
    path = literal("/" + column.replace("~", "~0").replace("/", "~1"))
    nested = type_.endswith("]") or type_.startswith(("STRUCT", "MAP", "UNION"))
    return f"json_extract(payload, {path})" if nested else f"json_extract_string(payload, {path})"
