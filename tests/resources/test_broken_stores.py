"""A store that is broken, gone, full or not to be written is told in one sentence: which file, what is wrong, what to do."""

import errno
import os
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from sqlalchemy.exc import OperationalError

from intelligence.core.errors import LakeError, PlatformError, StateError, StoreError
from resources.config.settings import settings
from resources.config.store_failures import database_failure, lake_failure, store_failure
from resources.lake.door import Lake
from resources.processes.run_databases import storage_of
from resources.processes.runs import instance_for
from resources.state.store import state_at
from tests.resources.conftest import Workbench, workbench

ROWS = "event_id,event_time,user_id,feature,event_type\n"
FOREIGN_WORDS = ("DuckLake", "Invalid Input", "IO Error", "Exception", "Errno", "Traceback", "TProtocol")


def rows(day: int, count: int = 300) -> str:
    return ROWS + "".join(f"{day}-{n},2026-06-{day:02}T10:00:00,u{n % 9},quiz-{n % 5},use\n" for n in range(count))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake of two files of events, closed."""
    folder = tmp_path_factory.mktemp("sound")
    for bench in workbench(folder):
        bench.deliver("one.csv", rows(1))
        bench.ingest()
        bench.deliver("two.csv", rows(2))
        bench.ingest()
    return folder


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Iterator[Lake]:
    folder = tmp_path / "a copy"
    shutil.copytree(sound, folder)
    lake = Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files")
    yield lake
    lake.close()


def catalogue_of(lake: Lake) -> Path:
    path = Path(lake.catalog.removeprefix("sqlite:"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return path


def overwritten(path: Path, data: bytes, at: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CATALOGUES: dict[str, tuple[Callable[[Path], object], str]] = {
    "its head overwritten": (lambda path: overwritten(path, b"garbage!"), "beginning was overwritten"),
    "cut in half": (lambda path: os.truncate(path, path.stat().st_size // 2), "damaged or was cut"),
    "cut to a page": (lambda path: os.truncate(path, 4096), "damaged or was cut"),
    "garbage": (lambda path: path.write_bytes(b"garbage" * 999), "it is no database"),
    "damaged inside": (lambda path: overwritten(path, b"\xff" * 60_000, 8192), "damaged or was cut"),
    "gone": (lambda path: path.unlink(), "it is gone, and"),
    "empty": (lambda path: os.truncate(path, 0), "it is empty, and"),
    "a new database": (lambda path: (path.unlink(), sqlite3.connect(path).execute("CREATE TABLE t (x)")), "empty, and"),
    "a folder": (a_folder, "it is a folder"),
}


@pytest.mark.parametrize("name", CATALOGUES)
def test_a_broken_catalogue_is_named_and_is_no_empty_lake(copy: Lake, name: str) -> None:
    breaking, said = CATALOGUES[name]
    path = catalogue_of(copy)
    breaking(path)
    for ask in (lambda: copy.exists() and copy.span(), lambda: copy.frame("FROM telemetry.batches")):
        with pytest.raises(LakeError) as told:
            ask()
        assert_in_plain_words(told.value, path, said)


PARQUET: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (lambda path: os.truncate(path, 100), "damaged or was cut"),
    "cut in half": (lambda path: os.truncate(path, path.stat().st_size // 2), "damaged or was cut"),
    "empty": (lambda path: os.truncate(path, 0), "it is empty"),
    "gone": (lambda path: path.unlink(), "it is gone"),
    "garbage": (lambda path: path.write_bytes(b"garbage" * 999), "no Parquet file any more"),
    "its footer damaged": (lambda path: overwritten(path, b"\xff" * 60, path.stat().st_size - 100), "damaged"),
    "its pages damaged": (lambda path: overwritten(path, b"\xfe" * 300, 4), "damaged"),
    "a folder": (a_folder, "directory"),
}


@pytest.mark.parametrize("name", PARQUET)
def test_a_broken_file_of_the_lake_is_named(copy: Lake, name: str) -> None:
    breaking, said = PARQUET[name]
    path = next(Path(copy.store, "telemetry/raw_events").glob("*.parquet"))
    breaking(path)
    with pytest.raises(LakeError) as told:
        copy.frame("FROM telemetry.raw_events")
    assert_in_plain_words(told.value, path, said)


def test_a_broken_file_is_told_by_a_write_as_well(copy: Lake) -> None:
    path = next(Path(copy.store, "telemetry/raw_events").glob("*.parquet"))
    os.truncate(path, 50)
    with pytest.raises(LakeError, match=path.name):
        copy.commit(lambda connection: connection.execute("CREATE TEMP TABLE t AS FROM telemetry.raw_events"))


def test_all_files_gone_beside_their_catalogue(copy: Lake) -> None:
    shutil.rmtree(copy.store)
    with pytest.raises(LakeError, match="it is gone, and the catalogue of the lake names it"):
        copy.frame("FROM telemetry.raw_events")


def assert_in_plain_words(error: PlatformError, path: Path, said: str) -> None:
    assert str(path) in str(error)
    assert said in error.problem
    assert "backup" in error.hint
    assert not [words for words in FOREIGN_WORDS if words in str(error)]
    assert "\n" not in str(error)


def test_what_is_wrong_with_a_query_stays_what_it_is(copy: Lake) -> None:
    for query in ("FROM telemetry.no_such_table", "SELECT 1 +", "SELECT 'x'::INT", "FROM '/nowhere/x.parquet'"):
        with pytest.raises(duckdb.Error):
            copy.frame(query)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file of this process grow further, as on a full disk."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


@pytest.mark.parametrize("size", [0, 3_000, 20_000])
def test_a_disk_without_room_is_told_and_once_it_has_some_nothing_is_lost(bench: Workbench, size: int) -> None:
    bench.deliver("one.csv", rows(1))
    bench.ingest()
    bench.deliver("two.csv", rows(2, 5_000))
    with files_of_at_most(size), pytest.raises(PlatformError) as told:
        bench.ingest()
    assert isinstance(told.value, LakeError | StoreError)
    assert "run the same again" in told.value.hint
    bench.ingest()
    assert bench.counts() == [(300, 300, 0, 0), (5_000, 5_000, 0, 0)]


@pytest.mark.parametrize("content", [b"garbage", b"SQLite format 3\0" + b"\0" * 4080, os.urandom(9000)])
def test_a_broken_store_of_state_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "state.db"
    file.write_bytes(content)
    with pytest.raises(StateError, match=r"state\.db: it cannot be used"):
        state_at(f"sqlite:///{file}")
    file.unlink()
    file.mkdir()
    with pytest.raises(StateError, match=r"state\.db: it cannot be used"):
        state_at(f"sqlite:///{file}")


@pytest.mark.parametrize("name", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"])
def test_a_broken_store_of_runs_is_named(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = replace(settings(), data=tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    file = storage_of(here) / name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"garbage" * 2000)
    with pytest.raises(StoreError) as told:
        instance_for(here)
    assert told.value.culprit == str(file)
    assert "it is no database" in told.value.problem
    assert "move the folder `storage` away" in told.value.hint


DISKS: list[tuple[BaseException, str]] = [
    (OSError(errno.ENOSPC, "x", "/d/a"), "/d/a: no space left on device."),
    (OSError(errno.EROFS, "x", "/d/a"), "/d/a: read-only file system."),
    (OSError(errno.EDQUOT, "x", "/d/a"), "/d/a: disk quota exceeded."),
    (PermissionError(errno.EACCES, "x", "/d/a"), "/d/a: permission denied."),
    (OSError(errno.EFBIG, "x"), "/d: file too large."),
    (OSError(errno.EIO, "x"), "/d: input/output error."),
    (sqlite3.OperationalError("database or disk is full"), "/d: the disk is full."),
    (sqlite3.OperationalError("attempt to write a readonly database"), "/d: it may not be written."),
    (sqlite3.DatabaseError("file is not a database"), "/d: it is no database"),
    (sqlite3.DatabaseError("database disk image is malformed"), "/d: it is damaged or was cut."),
    (OperationalError("SELECT 1", {}, sqlite3.OperationalError("disk I/O error")), "/d: the disk cannot read"),
    (OperationalError("SELECT 1", {}, sqlite3.OperationalError("unable to open database file")), "/d: it cannot be op"),
]


@pytest.mark.parametrize(("error", "said"), DISKS, ids=lambda each: str(each)[:40])
def test_what_the_disk_and_databases_say_is_translated(error: BaseException, said: str) -> None:
    assert str(store_failure(error, where=Path("/d"))).startswith(said)
    wrapped = RuntimeError("a step failed")
    wrapped.__cause__ = error
    assert str(store_failure(wrapped, where=Path("/d"))).startswith(said)


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), ConnectionRefusedError(errno.ECONNREFUSED, "x"), FileNotFoundError(errno.ENOENT, "x", "y"),
     sqlite3.OperationalError("no such table: t"), BrokenPipeError(errno.EPIPE, "x"), ValueError("no")],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
def test_a_bug_is_not_taken_for_a_broken_store(error: Exception) -> None:
    assert store_failure(error) is None
    bug = KeyError("while telling of it")
    bug.__context__ = LakeError("lake", "it is gone.", hint="Look.")
    assert store_failure(bug) is None


@pytest.mark.parametrize(
    ("said", "told"),
    [("IO Error: Could not write: No space left on device", "the disk is full"),
     ("IO Error: Cannot open file: Permission denied", "this user may not use it"),
     ("IO Error: Read-only file system", "its file system is read-only")],
)  # fmt: skip
def test_a_disk_behind_the_lake_is_told(said: str, told: str) -> None:
    found = lake_failure(duckdb.IOException(said), catalogue="sqlite", store="/d/files", file=Path("/d/c.sqlite"))
    assert found is not None
    assert found.problem == f"{told}."


def test_a_sound_database_or_none_is_no_failure(tmp_path: Path) -> None:
    assert database_failure(tmp_path / "none.db") is None
    sqlite3.connect(tmp_path / "some.db").close()
    assert database_failure(tmp_path / "some.db") is None


def test_a_new_folder_is_an_empty_lake(tmp_path: Path) -> None:
    lake = Lake(catalog=f"sqlite:{tmp_path}/catalog.sqlite", store=f"{tmp_path}/files")
    assert not lake.exists()
    assert lake.span() is None
    assert lake.exists()
    lake.close()
