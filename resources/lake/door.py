"""The one door to the lake: DuckLake over DuckDB, Parquet files with a transactional catalogue.

Many processes read and write at once. A write is one transaction, done as a whole or retried as a whole; on one
machine a file lock lets one writer in at a time, which the operating system releases when a process dies.
"""

import importlib.util
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import dagster as dg
import duckdb
import polars as pl
from dagster_duckdb import DuckDBResource
from filelock import FileLock, Timeout
from pydantic import Field, PrivateAttr
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from intelligence.catalog.layers import DAILY_TABLES
from intelligence.core.errors import LakeError
from intelligence.core.sql import literal
from intelligence.core.tables import Claim, Days, Table
from intelligence.telemetry.beginnings import DaySetAside
from intelligence.telemetry.local_time import UTC_NAME, in_zone
from resources.config.faults import reach
from resources.config.fixed import Fixed
from resources.config.settings import Settings, lake_threads, object_store_secret
from resources.config.store_failures import BACKUP, advice, database_failure, lake_failure, store_failures_told
from resources.lake.builds import ANY_SNAPSHOT, PRODUCT_DAYS, record_builds, stale_days, versions_by
from resources.lake.compaction import forget_statistics, merged_files
from resources.lake.extent import set_aside_now
from resources.lake.inspection import Inspection, asked, inspected
from resources.lake.replacement import rows_replaced
from resources.lake.schema import define, differing

WRITER_PATIENCE_S = 600
ADVISORY_LOCK = 7_306_582
_USE = "USE lake"
Result = TypeVar("Result")


@dataclass(slots=True)
class _Opened:
    """A lake opened in this process, and connections to it that wait to read again.

    To make the lake the default database of a new connection takes as long as a small query.
    """

    root: duckdb.DuckDBPyConnection
    readers: list[duckdb.DuckDBPyConnection] = field(default_factory=list)

    def reader(self) -> duckdb.DuckDBPyConnection:
        """Return a connection whose default database is the lake."""
        with suppress(IndexError):
            return self.readers.pop()
        connection = self.root.cursor()
        connection.execute(_USE)
        return connection

    def close(self) -> None:
        """Close all connections."""
        for connection in (*self.readers, self.root):
            connection.close()


_opened: dict[tuple[str, str], _Opened] = {}


def extension_path(name: str) -> str:
    """Return where the packaged DuckDB extension `name` lies; raises LakeError if its package is not installed."""
    module = f"duckdb_extension_{name}"
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        package = module.replace("_", "-")
        raise LakeError("lake", f"the package {package} is not installed.", hint="Run `make setup ALL=1`, which installs the extras too.")
    return str(Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension")


def is_conflict(error: BaseException) -> bool:
    """Return whether another writer was in the way, so that the same transaction may succeed when tried again."""
    signs = ("database is locked", "conflict", "failed to commit", "database is busy", "serialize access")
    return isinstance(error, duckdb.Error) and any(sign in str(error).lower() for sign in signs)


class Lake(Fixed, DuckDBResource):
    """The lake of one product.

    `catalog` is `sqlite:<path>` or `postgres:<libpq settings>`; `store` is a folder or an `s3://` prefix;
    `rules` are the sections of product.yaml that tables are built by: others make the days of these tables stale.
    `timezone` is the zone whose clock `local_time(column)` shows in the queries given to it.
    """

    database: str = ":memory:"
    catalog: str
    store: str
    memory_limit: str = "4GB"
    threads: int | None = Field(default_factory=lake_threads)
    scratch: str | None = None
    rules: str = ""
    timezone: str = UTC_NAME
    _is_of_a_run: bool = PrivateAttr(default=False)
    _telemetry_of_the_run: int | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, settings: Settings, *, rules: str = "", timezone: str = UTC_NAME) -> "Lake":
        """Return the lake that the settings name."""
        return cls(
            catalog=settings.catalog,
            store=settings.store,
            memory_limit=settings.memory_limit,
            threads=settings.threads,
            scratch=str(settings.data / "scratch"),
            rules=rules,
            timezone=timezone,
        )

    def version_of(self, table: Table) -> str:
        """Return what the table is built by."""
        return versions_by(self.rules).of(table) if self.rules else "0"

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Let all tables of a run say that they were built from the telemetry that the first of them saw.

        What arrives while it runs may be in some of them and not in others: their days are stale, and are built again.
        """
        self._is_of_a_run = True

    def _telemetry_seen(self, connection: duckdb.DuckDBPyConnection) -> int:
        if not self._is_of_a_run:
            return ANY_SNAPSHOT
        if self._telemetry_of_the_run is None:
            row = connection.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchone()
            self._telemetry_of_the_run = int(row[0]) if row else ANY_SNAPSHOT
        return self._telemetry_of_the_run

    def _record_builds(self, connection: duckdb.DuckDBPyConnection, table: Table, days: Days) -> None:
        record_builds(connection, table, days, version_of=self.version_of, as_of=self._telemetry_seen(connection))

    @property
    def _catalog_file(self) -> Path | None:
        return Path(self.catalog.removeprefix("sqlite:")) if self.catalog.startswith("sqlite:") else None

    def exists(self) -> bool:
        """Return whether anything was ever written; for a catalogue on a server this is taken for granted.

        Raises LakeError where the catalogue is gone and its files are still there: that is no empty lake.
        """
        file = self._catalog_file
        if file is None:
            return True
        is_there = file.exists() and file.stat().st_size > 0
        if not is_there:
            self._demand_no_files(file, "it is empty" if file.exists() else "it is gone")
        return is_there

    def _demand_no_files(self, catalogue: Path, problem: str) -> None:
        held = next(Path(self.store).rglob("*.parquet"), None) if not self.store.startswith("s3://") else None
        if held:
            raise LakeError(
                str(catalogue),
                f"{problem}, and {self.store} holds files of the lake that it was the catalogue of.",
                hint=f"Bring it back from a backup ({BACKUP}). Without one, move {self.store} away and run"
                " `intelligence ingest`: it takes in anew what the sources hold.",
            )

    def _demand_catalogue(self) -> None:
        """Raise LakeError where the catalogue's file is none, or is a new one beside the files of a former one."""
        file = self._catalog_file
        if file is None:
            return
        problem = "it is a folder" if file.is_dir() else database_failure(file)
        if problem:
            check = "Check INTELLIGENCE_LAKE_CATALOG as well, where it is set."
            raise LakeError(str(file), f"{problem}.", hint=f"{advice(problem)} {check}")
        tables = "SELECT count(*) FROM sqlite_master WHERE name = 'ducklake_metadata'"
        if not file.exists():
            self._demand_no_files(file, "it is gone")
            return
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=60)) as catalogue:
            is_one = catalogue.execute(tables).fetchone()[0]
        if not is_one:
            self._demand_no_files(file, "it is empty")

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection with the lake as its default database; temporary tables are its own."""
        with self.staging() as connection:
            connection.execute(_USE)
            yield connection

    @contextmanager
    def staging(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection for temporary tables that `commit` can write from.

        The lake is not its default database until then: DuckLake would ask its catalogue anew in every statement.
        """
        connection = self._open().root.cursor()
        try:
            with self._failures_told():
                yield connection
        finally:
            with suppress(duckdb.Error):
                connection.rollback()
            connection.close()

    @contextmanager
    def _failures_told(self) -> Iterator[None]:
        """Turn what DuckDB says of a broken file, catalogue or disk into one LakeError that names it."""
        try:
            yield
        except duckdb.Error as error:
            store = self.store if self.store.startswith("s3://") else str(Path(self.store).resolve())
            kind = self.catalog.split(":", 1)[0]
            failure = lake_failure(error, catalogue=kind, store=store, file=self._catalog_file)
            if failure is None:
                raise
            raise failure from error

    @contextmanager
    def _snapshot(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection to the lake as it is now, whatever others write meanwhile; what is written in it is not kept."""
        opened = self._open()
        with self._failures_told():
            connection = opened.reader()
            try:
                connection.begin()
                yield connection
                connection.rollback()
            except BaseException:
                connection.close()
                raise
        opened.readers.append(connection)

    def close(self) -> None:
        """Close the lake in this process; the next use opens it again."""
        opened = _opened.pop((self.catalog, self.store), None)
        if opened is not None:
            opened.close()

    def _open(self) -> _Opened:
        found = _opened.get((self.catalog, self.store))
        if found is not None:
            return found
        offline = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        threads = {"threads": str(self.threads)} if self.threads else {}
        # Memory that a statement frees is kept for the next: asking the system for it anew costs a tenth of all time.
        kept = {
            "allocator_flush_threshold": self.memory_limit,
            "allocator_bulk_deallocation_flush_threshold": self.memory_limit,
        }
        config: dict[str, str | bool | int | float | list[str]] = {
            **offline,
            **threads,
            **kept,
            "memory_limit": self.memory_limit,
        }
        root = duckdb.connect(self.database, config=config)
        remote = self.store.startswith("s3://")
        kind = "sqlite_scanner" if self._catalog_file else "postgres_scanner"
        for name in (kind, "ducklake", *(["httpfs"] if remote else [])):
            root.execute(f"LOAD {literal(extension_path(name))}")
        root.execute("SET GLOBAL TimeZone = 'UTC'")
        if self.scratch:
            root.execute(f"SET temp_directory = {literal(self.scratch)}")
        secret = object_store_secret() if remote else None
        if secret:
            root.execute(secret)
        try:
            with store_failures_told(Path(self.store)), self._one_writer():
                self._attach(root, remote=remote)
        except BaseException:
            root.close()
            raise
        opened = _opened[self.catalog, self.store] = _Opened(root)
        self._prepare()
        return opened

    def _attach(self, root: duckdb.DuckDBPyConnection, *, remote: bool) -> None:
        self._demand_catalogue()
        store = self.store if remote else str(Path(self.store).resolve())
        if not remote:
            Path(store).mkdir(parents=True, exist_ok=True)
        catalog = f"sqlite:{self._catalog_file}" if self._catalog_file else self.catalog
        attach = (
            f"ATTACH {literal(f'ducklake:{catalog}')} AS lake"
            f" (DATA_PATH {literal(f'{store}/')}, OVERRIDE_DATA_PATH true)"
        )
        try:
            with self._failures_told() if self._catalog_file else nullcontext():
                root.execute(attach)
        except duckdb.Error as error:
            raise LakeError(
                f"catalogue {self.catalog.split(':', 1)[0]}",
                f"it cannot be opened ({str(error).splitlines()[0]}).",
                hint="Check INTELLIGENCE_LAKE_CATALOG and INTELLIGENCE_LAKE_STORE, and that the server answers.",
            ) from error
        if self._catalog_file:
            with sqlite3.connect(self._catalog_file, timeout=60) as catalogue:
                catalogue.execute("PRAGMA journal_mode = WAL")
            catalogue.close()

    @contextmanager
    def no_writer(self) -> Iterator[None]:
        """Let nobody write meanwhile."""
        with self._one_writer():
            yield

    @contextmanager
    def _one_writer(self) -> Iterator[None]:
        if self._catalog_file:
            with store_failures_told(self._catalog_file.parent):
                self._catalog_file.parent.mkdir(parents=True, exist_ok=True)
                lock = FileLock(self._catalog_file.with_suffix(".lock"), timeout=WRITER_PATIENCE_S)
                _acquired(lock)
            try:
                yield
            finally:
                lock.release()
            return
        opened = _opened.get((self.catalog, self.store))
        if opened is None:
            yield
            return
        with opened.root.cursor() as holder:
            server = literal(self.catalog.removeprefix("postgres:"))
            holder.execute(f"ATTACH IF NOT EXISTS {server} AS lake_lock (TYPE postgres)")
            holder.begin()
            holder.execute(f"FROM postgres_query('lake_lock', 'SELECT 1 FROM pg_advisory_xact_lock({ADVISORY_LOCK})')")
            yield

    def commit(
        self, work: Callable[[duckdb.DuckDBPyConnection], Result], *, on: duckdb.DuckDBPyConnection | None = None
    ) -> Result:
        """Return what `work` returns after doing it in one transaction, which is retried as a whole on a conflict.

        `on` is a connection whose temporary tables the work needs; without it a new one is opened.
        """
        opened = self.staging() if on is None else nullcontext(on)
        with opened as connection, self._one_writer():
            for attempt in Retrying(
                retry=retry_if_exception(is_conflict),
                wait=wait_random_exponential(multiplier=0.05, max=2),
                stop=stop_after_delay(60),
                reraise=True,
            ):
                with attempt:
                    return _committed(work, connection)
        raise AssertionError("unreachable: the last attempt raises")

    def _prepare(self) -> None:
        """Make the tables and views that are not there or not as they are defined."""
        with self._snapshot() as connection:
            others = differing(connection)
        if others:
            self.commit(lambda connection: define(connection, others))

    def frame(self, query: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Return the result of a query that only reads; what it would write is not kept."""
        with self._snapshot() as connection:
            return connection.execute(in_zone(query, self.timezone), dict(parameters or {})).pl()

    def read(
        self, queries: Mapping[str, str], parameters: Mapping[str, Any] | None = None
    ) -> tuple[int, dict[str, pl.DataFrame]]:
        """Return the id of one snapshot and the queries' results by name, all of them as of that snapshot."""
        with self._snapshot() as connection:
            row = connection.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchone()
            frames = {
                name: connection.execute(in_zone(q, self.timezone), asked(q, parameters or {})).pl()
                for name, q in queries.items()
            }
        return int(row[0]) if row else 0, frames

    def inspected(self, table: Table, claims: Sequence[Claim], days: Days) -> Inspection:
        """Return what the newest snapshot says of the table and of what is claimed of it in `days`."""
        with self._snapshot() as connection:
            return inspected(connection, table, claims, days, timezone=self.timezone)

    def counted(self, view: Table, days: Days) -> int:
        """Return how many rows the view has in `days`, and record that these days were looked at."""
        self.commit(lambda connection: self._record_builds(connection, view, days))
        query = f"SELECT count(*) FROM {view.path} WHERE {view.day} >= $start AND {view.day} < $end"
        return int(self.frame(query, days.parameters).item())

    def stale(self, *, before: date) -> dict[str, list[Days]]:
        """Return, by table path, the ranges of days before `before` that are not built from the present telemetry."""
        with self._snapshot() as connection:
            return stale_days(connection, DAILY_TABLES, version_of=self.version_of, before=before)

    def span(self) -> Days | None:
        """Return the range of the product's days with events, without those set aside; None in an empty lake."""
        first, last = self.frame(f"SELECT min(day), max(day) FROM ({PRODUCT_DAYS})").row(0)
        return Days(first, last + timedelta(days=1)) if first else None

    def is_empty(self) -> bool:
        """Return whether nothing was taken in yet."""
        return not self.exists() or self.span() is None

    def set_aside(self) -> list[DaySetAside]:
        """Return the days with events that are none of the product's days, and why."""
        with self._snapshot() as connection:
            return set_aside_now(connection)

    def first_day(self, days: Days) -> date:
        """Return the first day that holds events; in an empty lake the first of `days`."""
        span = self.span()
        return span.start if span else days.start

    def newest_day(self) -> Days:
        """Return the newest day that holds events; an empty range in an empty lake."""
        span = self.span()
        return Days(span.end - timedelta(days=1), span.end) if span else Days(date(2000, 1, 1), date(2000, 1, 1))

    def newest_complete_day(self, *, before: date) -> Days | None:
        """Return the newest day before `before` that holds events; None where there is none."""
        query = f"SELECT max(day) AS day FROM ({PRODUCT_DAYS}) WHERE day < $before"
        day = self.frame(query, {"before": before}).item()
        return Days(day, day + timedelta(days=1)) if day else None

    def telemetry_version(self) -> str:
        """Return what changes with each batch that is taken in or back, and with the definitions of the tables."""
        query = "SELECT count(*), greatest(max(ingested_at), max(withdrawn_at)) FROM telemetry.batches"
        batches, newest = self.frame(query).row(0)
        return f"{batches} batches up to {newest}, definitions {versions_by(self.rules).all() if self.rules else 0}"

    def merged_files(self) -> int:
        """Return how many small files were merged into larger ones; raises LakeError where that fails.

        Where there were some, the statistics of files that no longer count are forgotten too, in a transaction of its own.
        Each is done as a whole or not at all; what was not forgotten is with the next merge.
        """
        try:
            merged = self.commit(merged_files)
            if merged:
                self.commit(forget_statistics)
        except (duckdb.Error, LakeError) as error:
            # An internal error would make every later statement of this process fail.
            self.close()
            raise LakeError(
                "lake", f"its upkeep failed ({error}).", hint="It works on as it is; the next intake tries again."
            ) from error
        return merged

    def snapshot_id(self) -> int:
        """Return the id of the lake's newest snapshot, under which its present state can be read again for ever."""
        return int(self.frame("SELECT id FROM ducklake_current_snapshot('lake')").item())

    def replace(
        self,
        table: Table,
        days: Days,
        query: str,
        parameters: Mapping[str, Any] | None = None,
        frames: Mapping[str, pl.DataFrame] | None = None,
    ) -> int:
        """Put the query's rows in the place of the table's rows of `days`, all in one transaction; return how many.

        A table without a day column is replaced whole, or left as it is where it holds these rows already. `frames` are
        readable in the query by their names. The same transaction records for which telemetry each day was built (see
        `stale_days`).
        """

        def work(connection: duckdb.DuckDBPyConnection) -> int:
            for name, frame in (frames or {}).items():
                connection.register(name, frame)
            written = rows_replaced(connection, table, days, in_zone(query, self.timezone), parameters or {})
            if table in DAILY_TABLES:
                self._record_builds(connection, table, days)
            reach("table.build_recorded", table.path)
            return written

        written = self.commit(work)
        reach("table.committed", table.path)
        return written


def _acquired(lock: FileLock) -> None:
    try:
        lock.acquire()
    except Timeout as error:
        problem = f"another process has been writing for {WRITER_PATIENCE_S} s."
        raise LakeError(lock.lock_file, problem, hint="Look for one that hangs, and end it.") from error


def _begin(connection: duckdb.DuckDBPyConnection) -> None:
    """Begin a transaction in which the lake is the default database; outside of one, USE would be a transaction by itself."""
    connection.begin()
    connection.execute(_USE)


def _committed(work: Callable[[duckdb.DuckDBPyConnection], Result], connection: duckdb.DuckDBPyConnection) -> Result:
    try:
        _begin(connection)
        result = work(connection)
        connection.commit()
    except BaseException:
        # After a failed commit no transaction is open, and the complaint about that would hide the cause.
        with suppress(duckdb.Error):
            connection.rollback()
        raise
    return result
