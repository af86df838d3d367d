"""Translates the errors of files and databases into plain words, for all stores of the platform.

Each library reports the same failure in other words. An error that is not a failure of a store is not translated: it is a bug.
"""

import errno
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import duckdb

from intelligence.core.errors import LakeError, PlatformError, StoreError

PATIENCE_S = 5
BACKUP = "docs/operation.md says how, under backup and restore"
ROOM = "Give it room or the right to be written, and run the same again: what was not finished is taken up."
MAGIC = b"PAR1"
_DISK_ERRORS = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO, errno.ENOTDIR,
    errno.EISDIR, errno.ESTALE, errno.ENOTCONN,
)  # fmt: skip
# What libraries report, and what it means. The first entry that is found in the message applies.
_MEANINGS = (
    ("no space left", "the disk is full"),
    ("database or disk is full", "the disk is full"),
    ("disk quota", "the disk quota is used up"),
    ("file too large", "the file system lets it grow no further"),
    ("read-only file system", "its file system is read-only"),
    ("readonly database", "it may not be written"),
    ("permission denied", "this user may not use it"),
    ("not a database", "it is no database, or its beginning was overwritten"),
    ("malformed", "it is damaged or was cut"),
    ("unable to open", "it cannot be opened: a folder in its place, no right to it, or a folder that is gone"),
    ("database is locked", "another process has held it for too long"),
    ("disk i/o error", "the disk cannot read or write it"),
    ("input/output error", "the disk cannot read or write it"),
    ("short read", "it is damaged or was cut"),
)
_NAMED_FILE = re.compile(r"""['"]([^'"\n]+\.parquet)['"]""")
_SPACE_PROBLEMS = ("full", "quota", "grow", "read-only", "may not", "held", "cannot read or write")


def in_words(error: BaseException) -> str | None:
    """Return the meaning of a store's error in plain words; None if it is not a known failure of a store."""
    said = str(error).lower()
    return next((meaning for words, meaning in _MEANINGS if words in said), None)


def advice(problem: str) -> str:
    """Return the next step for a store with this problem."""
    return ROOM if any(word in problem for word in _SPACE_PROBLEMS) else f"Bring it back from a backup ({BACKUP})."


def lake_failure(error: duckdb.Error, *, catalogue: str, store: str, file: Path | None) -> LakeError | None:
    """Return a failure of the lake in plain words; None if the error is about something else, such as a query.

    Args:
        error: The error that DuckDB raised.
        catalogue: The kind of catalogue, such as `postgres`, which the error names if there is no file.
        store: Folder or prefix of the lake's Parquet files.
        file: The catalogue's file; None for a server.
    """
    named = _NAMED_FILE.search(str(error))
    if named and named[1].startswith(store):
        problem = in_words(error) if "No such file" not in str(error) else None
        problem = (
            problem or what_is_wrong_with(Path(named[1])) or "it is damaged, or not the file that the catalogue knows"
        )
        return LakeError(named[1], f"{problem}.", hint=_advice(problem))
    if named and type(error) is not duckdb.Error:
        return None
    problem = in_words(error)
    if problem and not isinstance(error, _QUERY_ERRORS):
        culprit = str(file) if file else f"catalogue {catalogue}"
        return LakeError(culprit, f"{problem}.", hint=_advice(problem) if file else advice(problem))
    if type(error) is duckdb.Error or isinstance(error, duckdb.IOException):
        broken = next(broken_files(store), None)
        culprit, problem = broken or (store, "one of the files in it cannot be read")
        return LakeError(culprit, f"{problem}.", hint=_advice(problem))
    return None


def _advice(problem: str) -> str:
    anew = "Without one, move the lake's folder away and run `intelligence ingest`: it takes in anew what the sources hold."
    found = advice(problem)
    return found if found == ROOM else f"{found} {anew}"


_QUERY_ERRORS = (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException, duckdb.ConversionException)


def broken_files(store: str) -> Iterator[tuple[str, str]]:
    """Yield the lake's Parquet files that cannot be read, each with its problem; the faster checks of all files come first."""
    files = sorted(Path(store).rglob("*.parquet"))
    for check in (what_is_wrong_with, _unreadable):
        for file in files:
            if problem := check(file):
                yield str(file), problem


def what_is_wrong_with(file: Path) -> str | None:
    """Return what is wrong with the first or last bytes of a Parquet file of the lake; None if nothing is."""
    if not file.exists():
        return "it is gone, and the catalogue of the lake names it"
    try:
        with file.open("rb") as opened:
            head = opened.read(len(MAGIC))
            opened.seek(max(0, file.stat().st_size - len(MAGIC)))
            tail = opened.read()
    except OSError as error:
        return os.strerror(error.errno or errno.EIO).lower()
    if head == tail == MAGIC:
        return None
    if MAGIC in (head, tail):
        return "it is damaged or was cut"
    return "it is no Parquet file any more" if head else "it is empty"


def _unreadable(file: Path) -> str | None:
    import polars as pl

    try:
        pl.read_parquet(file)
    except Exception:
        return "it is damaged"
    return None


def database_failure(file: Path) -> str | None:
    """Return what is wrong with an SQLite database; None if it can be opened or does not exist."""
    if not file.exists():
        return None
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=PATIENCE_S)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        return in_words(error) or "it cannot be read"
    return None


def store_failure(error: BaseException, *, where: Path | None = None) -> PlatformError | None:
    """Return the failure of a file or database that an error, or one of its causes, reports; None if there is none.

    Args:
        error: The error, whose causes and contexts are searched too.
        where: The file or folder to name if the error names none.
    """
    from sqlalchemy.exc import SQLAlchemyError

    seen: BaseException | None = error
    is_cause = True
    while seen is not None:
        if isinstance(seen, PlatformError) and is_cause:
            return seen
        if isinstance(seen, OSError) and seen.errno in _DISK_ERRORS:
            culprit = str(seen.filename or where or "the disk")
            return StoreError(culprit, f"{os.strerror(seen.errno).lower()}.", hint=ROOM)
        if isinstance(seen, SQLAlchemyError | sqlite3.Error) and (problem := in_words(seen)):
            return StoreError(str(where or "a database"), f"{problem}.", hint=advice(problem))
        # An error that was merely being handled when another one was raised is not the cause of that one.
        is_cause = seen.__cause__ is not None
        seen = seen.__cause__ or seen.__context__
    return None


@contextmanager
def store_failures_reported(where: Path | None = None) -> Iterator[None]:
    """Turn the errors of a store into one StoreError that names it; all other errors pass through."""
    try:
        yield
    except PlatformError:
        raise
    except Exception as error:
        failure = store_failure(error, where=where)
        if failure is None:
            raise
        raise failure from error
