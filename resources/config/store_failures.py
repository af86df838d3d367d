"""What went wrong with a file or a database of the platform, in plain words: one place for all stores.

Libraries say it in their own words, and each in others. What is no failure of a store is not translated: it is a bug.
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
_OF_THE_DISK = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO, errno.ENOTDIR,
    errno.EISDIR, errno.ESTALE, errno.ENOTCONN,
)  # fmt: skip
# How libraries say it, and what it means. The first that is found holds.
_WORDS = (
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
_OF_A_FILE = re.compile(r"""['"]([^'"\n]+\.parquet)['"]""")
_OF_THE_ROOM = ("full", "quota", "grow", "read-only", "may not", "held", "cannot read or write")


def in_words(error: BaseException) -> str | None:
    """Return what an error of a store means; None where it is none."""
    said = str(error).lower()
    return next((meaning for words, meaning in _WORDS if words in said), None)


def advice(problem: str) -> str:
    """Return what to do about a store in this state."""
    return ROOM if any(word in problem for word in _OF_THE_ROOM) else f"Bring it back from a backup ({BACKUP})."


def lake_failure(error: duckdb.Error, *, catalogue: str, store: str, file: Path | None) -> LakeError | None:
    """Return a failure of the lake in plain words; None where the error is about something else, as a query.

    Args:
        error: what DuckDB raised.
        catalogue: the kind of catalogue, for a server.
        store: folder or prefix of the lake's Parquet files.
        file: the catalogue's file, None on a server.
    """
    named = _OF_A_FILE.search(str(error))
    if named and named[1].startswith(store):
        problem = in_words(error) if "No such file" not in str(error) else None
        problem = (
            problem or what_is_wrong_with(Path(named[1])) or "it is damaged, or not the file that the catalogue knows"
        )
        return LakeError(named[1], f"{problem}.", hint=_advice(problem))
    if named and type(error) is not duckdb.Error:
        return None
    problem = in_words(error)
    if problem and not isinstance(error, _OF_A_QUERY):
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


_OF_A_QUERY = (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException, duckdb.ConversionException)


def broken_files(store: str) -> Iterator[tuple[str, str]]:
    """Yield the lake's Parquet files that cannot be read, with what is wrong with each; the quick looks come first."""
    files = sorted(Path(store).rglob("*.parquet"))
    for look in (what_is_wrong_with, _unreadable):
        for file in files:
            if problem := look(file):
                yield str(file), problem


def what_is_wrong_with(file: Path) -> str | None:
    """Return what is wrong with the beginning or the end of a Parquet file of the lake; None where nothing is."""
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
    """Return what is wrong with an SQLite database; None where it can be opened, or is not there."""
    if not file.exists():
        return None
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=PATIENCE_S)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        return in_words(error) or "it cannot be read"
    return None


def store_failure(error: BaseException, *, where: Path | None = None) -> PlatformError | None:
    """Return what an error, or what it came from, says of a file or database; None where it is about neither."""
    from sqlalchemy.exc import SQLAlchemyError

    seen: BaseException | None = error
    is_meant = True
    while seen is not None:
        if isinstance(seen, PlatformError) and is_meant:
            return seen
        if isinstance(seen, OSError) and seen.errno in _OF_THE_DISK:
            culprit = str(seen.filename or where or "the disk")
            return StoreError(culprit, f"{os.strerror(seen.errno).lower()}.", hint=ROOM)
        if isinstance(seen, SQLAlchemyError | sqlite3.Error) and (problem := in_words(seen)):
            return StoreError(str(where or "a database"), f"{problem}.", hint=advice(problem))
        # What was merely being handled when a bug struck is not what happened.
        is_meant = seen.__cause__ is not None
        seen = seen.__cause__ or seen.__context__
    return None


@contextmanager
def store_failures_told(where: Path | None = None) -> Iterator[None]:
    """Turn what a store raises into one StoreError that names it; whatever else is raised passes through."""
    try:
        yield
    except PlatformError:
        raise
    except Exception as error:
        failure = store_failure(error, where=where)
        if failure is None:
            raise
        raise failure from error
