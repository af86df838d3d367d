"""SQL that reads delivered files whole: every row as it stands, with its file and position.

Each function returns statements that leave a temporary relation `delivered`: the source's own columns, then
`__file` (its number in the table `deliveries`) and `__row` (1 is the first row after the header; NULL in CSV, whose rows
are numbered once they are read). Lines that are no rows at all end in the temporary table `unread`.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from intelligence.core.errors import SourceFileError
from intelligence.core.sql import identifier, literal, literals

Format = Literal["csv", "jsonl", "parquet"]
Compression = Literal["gzip", "none"]

# The name under which a row of `delivered` is at hand as a whole while it is judged.
WHOLE_ROW: Final = "__delivered"
PAYLOAD_AT_HAND: Final = f"{WHOLE_ROW}.__payload"
# The identity of a JSON line is that of its text; of a row in quarantine, the one that it had when it was rejected.
JSONL_CONTENT_ID: Final = f"md5({PAYLOAD_AT_HAND})"
REDRIVEN_CONTENT_ID: Final = f"{WHOLE_ROW}.__content_id"
LONGEST_LINE_BYTES: Final = 16_777_216
# DuckDB would take sixteen longest lines at once, which takes longer to make room for than most files to read.
READ_AT_ONCE_BYTES: Final = 2 * LONGEST_LINE_BYTES
LONGEST_LINE_TOLD: Final = 9_990  # DuckDB cuts the text of an unreadable line at 10,000 bytes
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
    """Return how the file is written, by its suffix; `.gz` or `.zst` may follow for text.

    Raises SourceFileError for a suffix that is not known.

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
    """Return how the text file is packed, by its suffix."""
    return "gzip" if file_name.lower().endswith(".gz") else "none"


def _paths(files: Sequence[str]) -> str:
    return literals([re.sub(r"[*?[]", r"[\g<0>]", file) for file in files])


def content_id_sql(columns: Sequence[str]) -> str:
    """Return SQL over a whole row for the MD5 of its columns as delivered."""
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
    # Names of our own, since a column of the file may be called `file_index`.
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


# A row's position in its file is its place in the table that its text was read into, with the lines that could not be
# read counted in again.
_GAPS: Final = """
CREATE TEMP TABLE gaps AS
WITH ranked AS (
    SELECT __file, __row, row_number() OVER (PARTITION BY __file ORDER BY __row) AS unread_so_far FROM unread
)
SELECT __file, __row - unread_so_far AS readable_before, max(unread_so_far) AS unread_before
FROM ranked GROUP BY ALL
"""


def numbered_statements(
    view: str, table: str, first_rowids: Sequence[int | None], *, file: str, row: str, any_unread: bool
) -> tuple[str, ...]:
    """Return the statements that make `view` of `table`, each row with its position in its file.

    `first_rowids` tells where each file begins in the table; `file` and `row` are the names of its columns.
    """
    firsts = ", ".join("NULL" if first is None else str(first) for first in first_rowids)
    numbered = f"SELECT * REPLACE (rowid - [{firsts}][{file} + 1] + 1 AS {row}) FROM {table}"
    if not any_unread:
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


# Blank lines are no rows, but DuckDB counts them where it numbers unreadable ones, and tells those right before as part
# of the line.
WITHOUT_BLANK_LINES: Final = """
UPDATE unread SET __row = __row - (
    SELECT count(*) FROM blank_lines
    WHERE blank_lines.__file = unread.__file
        AND blank_lines.byte_position < unread.byte_position + strlen(line) - strlen(ltrim(line, chr(10) || chr(13)))
)
"""

# A quote that is not closed swallows lines; each of them is a row of its own that was not understood.
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
    """Return the statement that makes `delivered` from CSV files with these header columns, every value as text.

    The dialect is fixed (RFC 4180 with a header line), so that a broken line is refused by itself and never
    changes how the others are read. Read it once: each reading tells the unreadable lines anew.
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


CSV_UNREAD: Final = _unread(header_lines=1)
JSONL_UNREAD: Final = _unread(header_lines=0)


def jsonl_text(files: Sequence[str], *, compression: Compression) -> str:
    """Return the statement that reads JSON Lines files line by line into `read_text`; parsing comes after."""
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

# Of keys that differ in case only, the more frequent one is the column; the payload holds them all.
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
    """Return what follows `*` so that the text columns hold NULL where they hold one of `null_values`."""
    words = ", ".join(literal(value) for value in null_values if value)
    if not words or not columns:
        return ""
    replaced = (
        f"CASE WHEN {identifier(column)} IN ({words}) THEN NULL ELSE {identifier(column)} END AS {identifier(column)}"
        for column in columns
    )
    return f" REPLACE ({', '.join(replaced)})"


def folder_values(name: str, *, named: Iterable[str], mapping: Mapping[str, str]) -> Mapping[str, str | None]:
    """Return what the folders of a file's name say in the way of Hive of the columns in `named` or in an expression of the mapping.

    The innermost folder of a column counts.

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
    """Return the statement that gives `delivered` the columns that its files' folders say, each a value per file.

    The payload of a JSON line, from which a row may be judged again, gains them too.
    """
    columns = {
        name: f"[{', '.join('NULL' if value is None else literal(value) for value in said)}][__file + 1]"
        for name, said in values.items()
    }
    added = ", ".join(f"{value} AS {identifier(name)}" for name, value in columns.items())
    pairs = ", ".join(f"{literal(name)}, {value}" for name, value in columns.items())
    payload = f" REPLACE (CAST(json_merge_patch(__payload, json_object({pairs})) AS VARCHAR) AS __payload)"
    return f"CREATE TEMP VIEW delivered AS SELECT *{payload if is_json else ''}, {added} FROM delivered_rows"


def jsonl_delivered(keys: Sequence[str], *, null_values: Sequence[str] = (), view: str = "delivered") -> str:
    """Return the statement that makes `delivered` from JSON lines: one text column per top-level key."""
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
    """Return the statement that makes `delivered` from Parquet files with these columns, names with types."""
    texts = [name for name, type_ in columns if type_ == "VARCHAR"]
    names = ", ".join(f"rows.{identifier(column)}" for column, _ in columns)
    return (
        f"CREATE TEMP VIEW {view} AS SELECT *{_replacing_nulls(texts, null_values)} FROM ("
        f"SELECT {names}, deliveries.file_key AS __file, file_row_number + 1 AS __row"
        f" FROM read_parquet({_paths(files)}, filename = '__file', file_row_number = true,"
        " hive_partitioning = false) AS rows INNER JOIN deliveries ON deliveries.path = rows.__file)"
    )


def parquet_columns(file: str) -> str:
    """Return SELECT text for the names and types of a Parquet file's columns."""
    return f"SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet({_paths([file])}, hive_partitioning = false))"


def first_rows(file: str, most: int) -> str:
    """Return SELECT text for the first rows of a Parquet file."""
    return f"FROM read_parquet({_paths([file])}, hive_partitioning = false) LIMIT {most}"


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
    path = literal("/" + column.replace("~", "~0").replace("/", "~1"))
    nested = type_.endswith("]") or type_.startswith(("STRUCT", "MAP", "UNION"))
    return f"json_extract(payload, {path})" if nested else f"json_extract_string(payload, {path})"
