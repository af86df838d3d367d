"""The form in which a file is read: recognized by its first bytes, and converted to a plain copy if no reader can read it directly.

A copy has JSON Lines for an array or for objects over several lines, UTF-8 for other encodings, and plain text for zstd. Copies are
in a folder that the caller removes; name, identity and size of the delivery remain those of the original file.
"""

import codecs
import json
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import duckdb

from intelligence.catalog.product import FileSource
from intelligence.core.errors import SourceFileError
from intelligence.telemetry import reading
from resources.intake.delivery import BROKEN_FILE, BYTES_AT_ONCE, Delivery, compression_at, opened, unopened, unreadable

HEAD_BYTES: Final = 1_048_576
ROWS_AT_ONCE: Final = 10_000
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_PARQUET: Final = b"PAR1"
_ENCODINGS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAVE_AS_CSV: Final = "Save the sheet as CSV in UTF-8 and deliver that."
_UNPACK: Final = "Unpack it, or pack each file by itself with gzip or zstd."
_NOT_READ: Final = (
    (b"PK\x03\x04", "a ZIP archive or a workbook", f"{_UNPACK} Of a workbook: {_SAVE_AS_CSV}"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", _SAVE_AS_CSV),
    (b"BZh", "packed with bzip2", _UNPACK),
    (b"\xfd7zXZ", "packed with xz", _UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (b"Obj\x01", "Avro", "Write it as Parquet or JSON Lines."),
    (b"ORC", "ORC", "Write it as Parquet."),
    (b"ARROW1", "Arrow", "Write it as Parquet."),
    (b"SQLite format 3", "a database", "Export its table as CSV."),
)


def as_read(file: Delivery, folder: Path) -> tuple[Delivery, reading.Format, reading.Compression]:
    """Return the delivery with the path to read, its format and its compression.

    Args:
        file: The delivery as it was found.
        folder: Folder for a converted copy.

    Raises:
        SourceFileError: No reader supports the file, in which case the hint names a supported format, or it cannot be read to its
            end (see `unopened`).
    """
    format_ = reading.format_of(file.name)
    try:
        with file.path.open("rb") as raw:
            first = raw.read(16)
        if first.startswith(_ZSTD) and format_ != "parquet":
            file = replace(file, path=_unpacked(file.path, folder / f"{file.batch_id}.plain"))
        with opened(file.path) as content:
            head = content.read(HEAD_BYTES)
        _refuse_foreign(file.name, head, format_)
        if format_ == "parquet":
            return file, format_, "none"
        encoding = next((name for mark, name in _ENCODINGS if head.startswith(mark)), None)
        if encoding:
            file = replace(file, path=_in_utf8(file.path, folder / f"{file.batch_id}.utf8", encoding))
            head = head.decode(encoding, errors="ignore").encode()
        shape = json_shape(head) if format_ == "jsonl" else "lines"
        if shape != "lines":
            file = replace(file, path=_in_lines(file, folder / f"{file.batch_id}.jsonl", shape))
    except UnicodeError as error:
        raise SourceFileError(
            file.name, f"its text is not what its first bytes say ({error}).", hint="Deliver it in UTF-8."
        ) from error
    except BROKEN_FILE as error:
        raise unopened(file.name, error) from error
    return file, format_, compression_at(file.path)


def is_cut_by_lines(path: Path) -> bool:
    """Return whether the first lines of a text file form a valid file of the same kind."""
    with path.open("rb") as raw:
        if raw.read(4) == _ZSTD:
            return False
    with opened(path) as content:
        head = content.read(HEAD_BYTES)
    in_utf8 = not any(head.startswith(mark) for mark, _ in _ENCODINGS)
    return in_utf8 and (reading.format_of(path.name) != "jsonl" or json_shape(head) == "lines")


def _refuse_foreign(name: str, head: bytes, format_: reading.Format) -> None:
    for mark, what, hint in _NOT_READ:
        if head.startswith(mark):
            raise SourceFileError(name, f"it is {what}, which is not read.", hint=hint)
    if head.startswith(_PARQUET) and format_ != "parquet":
        raise SourceFileError(name, "it is Parquet, against its suffix.", hint="Name it .parquet.")


def json_shape(head: bytes) -> Literal["lines", "array", "objects"]:
    """Return the layout of JSON text that starts with `head`: an object per line, one array of objects, or objects of several lines.

    >>> json_shape(b'{"a": 1}\\n{"a": 2}'), json_shape(b' [\\n{"a": 1}]'), json_shape(b'{\\n"a": 1\\n}')
    ('lines', 'array', 'objects')
    """
    text = head.decode("utf-8-sig", errors="replace").lstrip()
    if re.match(r"\[\s*(\{|\]\s*$)", text):
        return "array"
    if not text.startswith("{"):
        return "lines"
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return "lines"
    return "objects" if "\n" in text[:end] else "lines"


def _unpacked(path: Path, plain: Path) -> Path:
    import pyarrow as pa

    try:
        with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as packed, plain.open("wb") as copy:
            while part := packed.read(BYTES_AT_ONCE):
                copy.write(part)
    except pa.ArrowException as error:
        raise OSError(str(error)) from error
    return plain


def _in_utf8(path: Path, plain: Path, encoding: str) -> Path:
    decoder = codecs.getincrementaldecoder(encoding)()
    with opened(path) as text, plain.open("wb") as copy:
        for part in iter(lambda: text.read(BYTES_AT_ONCE), b""):
            copy.write(decoder.decode(part).encode())
        copy.write(decoder.decode(b"", final=True).encode())
    return plain


def _in_lines(file: Delivery, lines: Path, shape: str) -> Path:
    """Return a copy with one JSON object per line; raises SourceFileError if the file cannot be parsed to its end."""
    layout = "array" if shape == "array" else "unstructured"
    try:
        with closing(duckdb.connect()) as connection, lines.open("w", encoding="utf-8") as copy:
            connection.execute(
                "SELECT CAST(json_extract(json, '$') AS VARCHAR) FROM read_json_objects($path, format = $layout,"
                " compression = $packed, maximum_object_size = $most)",
                {
                    "path": str(file.path),
                    "layout": layout,
                    "packed": {"gzip": "gzip", "none": "uncompressed"}[compression_at(file.path)],
                    "most": reading.LONGEST_LINE_BYTES,
                },
            )
            while rows := connection.fetchmany(ROWS_AT_ONCE):
                copy.writelines(f"{row[0]}\n" for row in rows)
    except duckdb.Error as error:
        raise unreadable(file.name, error) from error
    return lines


def delimiter_of(source: FileSource, name: str) -> str:
    """Return the delimiter of the file's values: the source's, or a tab for `.tsv` if the source sets none.

    Args:
        source: The source.
        name: The file's name.
    """
    bare = name.lower().removesuffix(".gz").removesuffix(".zst")
    return "\t" if bare.endswith(".tsv") and "delimiter" not in source.model_fields_set else source.delimiter
