"""SQL that reads delivered files whole: every row as it stands, with its file and position.

Each function returns statements that leave a temporary relation `delivered`: the source's own columns, then
`__file`, `__row` (1 is the first row after the header), `__content_id` (MD5 of the row as delivered) and `__payload`
(the row as a JSON object).
Lines that are no rows at all end in the temporary table `unread`.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from intelligence.errors import SourceFileError

Format = Literal["csv", "jsonl", "parquet"]

LONGEST_LINE_BYTES: Final = 16_777_216
FORMATS: Final[dict[str, Format]] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}


def format_of(file_name: str) -> Format:
    """Return how the file is written, by its suffix; `.gz` may follow for text.

    Raises SourceFileError for a suffix that is not known.

    >>> format_of("events/2026-05-04.jsonl.gz")
    'jsonl'
    """
    plain = file_name.lower().removesuffix(".gz")
    for suffix, format_ in FORMATS.items():
        if plain.endswith(suffix):
            return format_
    known = ", ".join(FORMATS)
    raise SourceFileError(
        file_name, "its suffix says no known format.", hint=f"Known are {known}, the text ones also with .gz."
    )


def identifier(name: str) -> str:
    """Return `name` quoted as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return `text` quoted as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Sequence[str]) -> str:
    """Return `texts` as an SQL list of strings."""
    return "[" + ", ".join(literal(text) for text in texts) + "]"


def _content_id(columns: Sequence[str]) -> str:
    parts = ", ".join(f"coalesce(CAST({identifier(column)} AS VARCHAR), chr(30))" for column in columns)
    return f"md5(concat_ws(chr(31), {parts}))"


def _payload(columns: Sequence[str]) -> str:
    pairs = ", ".join(f"{literal(column)}, {identifier(column)}" for column in columns)
    return f"CAST(json_object({pairs}) AS VARCHAR)"


def _read_text(
    files: Sequence[str],
    columns: Sequence[str],
    *,
    header: bool,
    delimiter: str,
    quote: str,
    null_values: Sequence[str],
) -> str:
    types = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in columns)
    return (
        f"CREATE TEMP TABLE read_text AS SELECT * FROM read_csv({literals(files)}, columns = {{{types}}},"
        f" auto_detect = false, header = {str(header).lower()}, delim = {literal(delimiter)}, quote = {literal(quote)},"
        f" escape = {literal(quote)}, nullstr = {literals(null_values)}, max_line_size = {LONGEST_LINE_BYTES},"
        " strict_mode = true, store_rejects = true, rejects_table = 'unread_errors', rejects_scan = 'unread_scans',"
        " rejects_limit = 0, filename = '__file')"
    )


# A row's position in its file is its place in `read_text`, with the lines that could not be read counted in again.
_GAPS: Final = """
CREATE TEMP TABLE gaps AS
WITH ranked AS (
    SELECT __file, __row, row_number() OVER (PARTITION BY __file ORDER BY __row) AS unread_so_far FROM unread
)
SELECT __file, __row - unread_so_far AS readable_before, max(unread_so_far) AS unread_before
FROM ranked GROUP BY ALL
"""

_NUMBERED: Final = """
    SELECT read_text.*, read_text.rowid - first_rowid + 1 AS __row
    FROM read_text INNER JOIN (SELECT __file, min(rowid) AS first_rowid FROM read_text GROUP BY __file) USING (__file)
"""


def positioned_statements(*, any_unread: bool) -> tuple[str, ...]:
    """Return the statements that give each row read from text its position in its file."""
    if not any_unread:
        return (f"CREATE TEMP VIEW positioned AS {_NUMBERED}",)
    return (
        _GAPS,
        f"CREATE TEMP VIEW positioned AS SELECT numbered.* REPLACE (numbered.__row + coalesce(unread_before, 0) AS __row)"
        f" FROM ({_NUMBERED}) AS numbered ASOF LEFT JOIN gaps"
        f" ON numbered.__file = gaps.__file AND numbered.__row > gaps.readable_before",
    )


def _unread(header_lines: int) -> str:
    return f"""
CREATE TEMP TABLE unread AS
SELECT
    scans.file_path AS __file,
    errors.line - {header_lines} AS __row,
    any_value(lower(replace(CAST(errors.error_type AS VARCHAR), '_', ' '))) AS problem,
    any_value(errors.error_type = 'INVALID ENCODING') AS is_encoding,
    any_value(errors.line_byte_position) AS byte_position,
    any_value(errors.csv_line) AS line
FROM unread_errors AS errors
INNER JOIN unread_scans AS scans USING (scan_id, file_id)
GROUP BY ALL
"""


def csv_statements(
    files: Sequence[str], columns: Sequence[str], *, delimiter: str, null_values: Sequence[str]
) -> tuple[str, str]:
    """Return the statements that read CSV files with these header columns, every value as text.

    The dialect is fixed (RFC 4180 with a header line), so that a broken line is refused by itself and never
    changes how the others are read.
    """
    read = _read_text(files, columns, header=True, delimiter=delimiter, quote='"', null_values=null_values)
    return read, _unread(header_lines=1)


def jsonl_statements(files: Sequence[str]) -> tuple[str, str]:
    """Return the statements that read JSON Lines files line by line; parsing comes after."""
    read = _read_text(files, ["__line"], header=False, delimiter="\x01", quote="", null_values=[""])
    return read, _unread(header_lines=0)


def csv_delivered(columns: Sequence[str]) -> str:
    """Return the statement that makes `delivered` from CSV rows."""
    return (
        f"CREATE TEMP VIEW delivered AS SELECT *, {_content_id(columns)} AS __content_id,"
        f" {_payload(columns)} AS __payload FROM positioned"
    )


JSONL_BROKEN: Final = """
INSERT INTO unread
SELECT __file, __row, 'not a JSON object', false, NULL, __line FROM positioned
WHERE __line IS NOT NULL AND (NOT json_valid(__line) OR json_type(__line) <> 'OBJECT')
"""

JSONL_KEYS: Final = """
SELECT DISTINCT unnest(json_keys(__line)) AS key FROM positioned
WHERE json_valid(__line) AND json_type(__line) = 'OBJECT' ORDER BY key
"""


def jsonl_delivered(keys: Sequence[str]) -> str:
    """Return the statement that makes `delivered` from JSON lines: one text column per top-level key."""
    shape = literal("{" + ", ".join(f'"{_json_escaped(key)}": "VARCHAR"' for key in keys) + "}")
    return (
        "CREATE TEMP VIEW delivered AS SELECT unnest(json_transform(__line, " + shape + ")),"
        " __file, __row, md5(__line) AS __content_id, __line AS __payload FROM positioned"
        " WHERE json_valid(__line) AND json_type(__line) = 'OBJECT'"
    )


def _json_escaped(key: str) -> str:
    return key.replace("\\", "\\\\").replace('"', '\\"')


def parquet_delivered(files: Sequence[str], columns: Sequence[str]) -> str:
    """Return the statement that makes `delivered` from Parquet files with these columns."""
    names = ", ".join(identifier(column) for column in columns)
    return (
        f"CREATE TEMP VIEW delivered AS SELECT {names}, __file, file_row_number + 1 AS __row,"
        f" {_content_id(columns)} AS __content_id, {_payload(columns)} AS __payload"
        f" FROM read_parquet({literals(files)}, filename = '__file', file_row_number = true)"
    )


def redriven_delivered(columns: Mapping[str, str]) -> str:
    """Return the statement that makes `delivered` from the quarantine in the temporary table `waiting`.

    `columns` are the names and DuckDB types that the source's file had, so that the mapping sees what it saw then.
    """
    restored = ", ".join(
        f"TRY_CAST({_restored(column, type_)} AS {type_}) AS {identifier(column)}" for column, type_ in columns.items()
    )
    return (
        f"CREATE TEMP VIEW delivered AS SELECT {restored}, file_key AS __file, source_row AS __row,"
        " content_id AS __content_id, payload AS __payload FROM waiting"
    )


def _restored(column: str, type_: str) -> str:
    path = literal(f'$."{_json_escaped(column)}"')
    nested = type_.endswith("]") or type_.startswith(("STRUCT", "MAP", "UNION"))
    return f"json_extract(payload, {path})" if nested else f"json_extract_string(payload, {path})"
