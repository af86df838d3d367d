"""Malformed lines, which cannot be parsed as rows: collected with their full text and counted when rows are numbered."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import duckdb

from intelligence.core.errors import SourceFileError
from intelligence.core.sql import identifier
from intelligence.telemetry import reading
from resources.intake.delivery import BROKEN_FILE, blank_lines, display_name, records, unreadable


def collect_malformed(
    connection: duckdb.DuckDBPyConnection, statement: str, paths: Sequence[str], *, blank_lines_are_rows: bool
) -> None:
    """Make the temporary table `unread` of malformed lines, from the errors that DuckDB reported while it read the files.

    Each line has its full text and its position.

    Args:
        connection: The connection that read the files.
        statement: SQL that creates `unread` from DuckDB's errors.
        paths: The files, in the order of their numbers.
        blank_lines_are_rows: Whether a blank line counts as a row; otherwise blank lines are left out.
    """
    connection.execute(statement)
    if _any_malformed(connection):
        if not blank_lines_are_rows:
            _leave_out_blank_lines(connection, paths)
        _spell_out(connection, paths)
        connection.execute(reading.LINES_APART)


def number_rows(
    connection: duckdb.DuckDBPyConnection, view: str, table: str, files: int, *, file: str, row: str
) -> None:
    """Make a temporary view of the rows that were read from text, each with its position in its file.

    Args:
        connection: The connection that read the files.
        view: Name of the view to make.
        table: Name of the table into which the rows were read, in their order.
        files: Number of files.
        file: Name of the table's column with the number of the file.
        row: Name of the view's column for the position, which counts malformed lines too.
    """
    found = connection.execute(
        f"SELECT {identifier(file)}, min(rowid) FROM {identifier(table)} GROUP BY ALL"
    ).fetchall()
    firsts: dict[int, int] = dict(found)
    statements = reading.numbered_statements(
        view,
        table,
        [firsts.get(number) for number in range(files)],
        file=file,
        row=row,
        any_malformed=_any_malformed(connection),
    )
    for statement in statements:
        connection.execute(statement)


def _any_malformed(connection: duckdb.DuckDBPyConnection) -> bool:
    return connection.execute("SELECT 1 FROM unread LIMIT 1").fetchone() is not None


def _spell_out(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> None:
    """Replace the text of lines in `unread` that DuckDB truncated or masked by the full text; invalid UTF-8 becomes `\\xNN`."""
    cut = connection.execute(
        "SELECT __file, __row, problem, byte_position - 1, strlen(line) FROM unread"
        " WHERE is_encoding OR strlen(line) >= $longest ORDER BY __file, byte_position",
        {"longest": reading.LONGEST_LINE_REPORTED},
    ).fetchall()
    for number, rows in groupby(cut, key=itemgetter(0)):
        path, members = Path(paths[number]), list(rows)
        places = [(at, None if length >= reading.LONGEST_LINE_REPORTED else length) for _, _, _, at, length in members]
        try:
            texts = list(records(path, places))
        except BROKEN_FILE as error:
            raise unreadable(display_name(path), error) from error
        for (_, row, problem, _, length), text in zip(members, texts, strict=True):
            if problem == "unquoted value" and length >= reading.LONGEST_LINE_REPORTED and text.count(b'"') % 2:
                raise SourceFileError(
                    display_name(path),
                    f"a quote that opens in row {row} is not closed in the next {length:,} characters.",
                    hint='Close it; a quote inside a text is written as two ("").',
                )
            line = text.decode(errors="backslashreplace")
            connection.execute("UPDATE unread SET line = ? WHERE __file = ? AND __row = ?", [line, number, row])


def _leave_out_blank_lines(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> None:
    files = connection.execute("SELECT __file, max(byte_position + strlen(line)) FROM unread GROUP BY ALL").fetchall()
    try:
        blank = [(file, position + 1) for file, end in files for position in blank_lines(Path(paths[file]), end)]
    except BROKEN_FILE as error:
        raise unreadable(display_name(Path(paths[files[0][0]])), error) from error
    if blank:
        connection.execute("CREATE TEMP TABLE blank_lines (__file SMALLINT, byte_position BIGINT)")
        connection.executemany("INSERT INTO blank_lines VALUES (?, ?)", blank)
        connection.execute(reading.WITHOUT_BLANK_LINES)
