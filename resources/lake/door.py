"""The only access to the lake: DuckLake over DuckDB, Parquet files with a transactional catalogue.

Many processes read and write at once. A write is one transaction, committed as a whole or retried as a whole. On one machine a
file lock admits one writer at a time; the operating system releases it when the process dies.
"""

import importlib.util
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import duckdb
import polars as pl
from filelock import FileLock, Timeout
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from intelligence.catalog.layers import DAILY_TABLES
from intelligence.core.errors import LakeError
from intelligence.core.sql import literal
from intelligence.core.tables import Claim, Days, Table
from intelligence.telemetry.beginnings import DaySetAside
from intelligence.telemetry.local_time import UTC_NAME, in_zone
from resources.config.faults import reach
from resources.config.settings import Settings, lake_threads, object_store_secret
from resources.config.store_failures import BACKUP, advice, database_failure, lake_failure, store_failures_reported
from resources.lake.builds import ANY_SNAPSHOT, PRODUCT_DAYS, record_builds, stale_days, versions_by
from resources.lake.compaction import forget_statistics, merged_files, overwrite_deleted
from resources.lake.extent import set_aside_now
from resources.lake.inspection import Inspection, inspected, is_sound, named_parameters
from resources.lake.replacement import rows_replaced
from resources.lake.schema import define, differing

WRITER_PATIENCE_S = 600
READER_PATIENCE_S = 30
ADVISORY_LOCK = 7_306_582
_USE = "USE lake"
Result = TypeVar("Result")


@dataclass(slots=True)
class _Opened:
    """A lake opened in this process, and a pool of idle connections for reading.

    Connections are pooled because making the lake the default database of a new one takes as long as a small query.
    """

    root: duckdb.DuckDBPyConnection
    readers: list[duckdb.DuckDBPyConnection] = field(default_factory=list)
    shared: threading.local = field(default_factory=threading.local)

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


@dataclass(slots=True)
class _TelemetrySeen:
    """The snapshot that the first written table of a run saw; None before that."""

    first: int | None = None

    def snapshot(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Return the id of that snapshot, which is the present one in the first call."""
        if self.first is None:
            row = connection.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchone()
            self.first = int(row[0]) if row else ANY_SNAPSHOT
        return self.first


def extension_path(name: str) -> str:
    """Return the path of the packaged DuckDB extension `name`; raises LakeError if its package is not installed."""
    module = f"duckdb_extension_{name}"
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        package = module.replace("_", "-")
        raise LakeError(
            "lake",
            f"the package {package} is not installed.",
            hint="Run `make setup ALL=1`, which installs the extras too.",
        )
    return str(Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension")


def is_conflict(error: BaseException) -> bool:
    """Return whether the error is a conflict with another writer, so that a retry of the transaction may succeed."""
    signs = ("database is locked", "conflict", "failed to commit", "database is busy", "serialize access")
    return isinstance(error, duckdb.Error) and any(sign in str(error).lower() for sign in signs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lake:
    """The lake of one product.

    Attributes:
        database: The DuckDB database to which the lake is attached; in memory by default.
        catalog: DuckLake's catalogue, `sqlite:<path>` or `postgres:<libpq settings>`.
        store: Folder or `s3://` prefix of the Parquet files.
        memory_limit: Memory that DuckDB may use before it spills to disk, such as `4GB`.
        threads: Number of threads that DuckDB may use; None for one per core.
        scratch: Folder into which DuckDB spills; None for its default.
        rules: The sections of product.yaml that affect daily tables, as JSON; a change makes the days of these tables stale.
        timezone: IANA name of the time zone that `local_time(column)` refers to in queries.
    """

    database: str = ":memory:"
    catalog: str
    store: str
    memory_limit: str = "4GB"
    threads: int | None = field(default_factory=lake_threads)
    scratch: str | None = None
    rules: str = ""
    timezone: str = UTC_NAME
    _seen_by_the_run: "_TelemetrySeen | None" = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, settings: Settings, *, rules: str = "", timezone: str = UTC_NAME) -> "Lake":
        """Return the lake that the settings name.

        Args:
            settings: Where the catalogue and the files are, and the limits of DuckDB.
            rules: The sections of product.yaml that affect daily tables, as `build_rules` returns them.
            timezone: The product's time zone, by its IANA name.
        """
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
        """Return the version of the table: the digest of what it is built by, or "0" for a lake without rules."""
        return versions_by(self.rules).of(table) if self.rules else "0"

    def of_a_run(self) -> "Lake":
        """Return the same lake for one run: all tables that it writes record the telemetry that the first of them saw.

        Telemetry that arrives during the run may be in some tables and not in others: their days are stale and are rebuilt.
        """
        return replace(self, _seen_by_the_run=_TelemetrySeen())

    @property
    def is_of_a_run(self) -> bool:
        """Return whether `of_a_run` made this lake."""
        return self._seen_by_the_run is not None

    def _record_builds(self, connection: duckdb.DuckDBPyConnection, table: Table, days: Days) -> None:
        seen = self._seen_by_the_run.snapshot(connection) if self._seen_by_the_run else ANY_SNAPSHOT
        record_builds(connection, table, days, version_of=self.version_of, as_of=seen)

    @property
    def _catalog_file(self) -> Path | None:
        return Path(self.catalog.removeprefix("sqlite:")) if self.catalog.startswith("sqlite:") else None

    def exists(self) -> bool:
        """Return whether anything was ever written; always true for a catalogue on a server.

        Raises LakeError if the catalogue is missing but its Parquet files are not: such a lake is damaged, not empty.
        """
        file = self._catalog_file
        if file is None:
            return True
        is_there = file.exists() and file.stat().st_size > 0
        if not is_there:
            self._require_no_files(file, "it is empty" if file.exists() else "it is gone")
        return is_there

    def _require_no_files(self, catalogue: Path, problem: str) -> None:
        held = next(Path(self.store).rglob("*.parquet"), None) if not self.store.startswith("s3://") else None
        if held:
            raise LakeError(
                str(catalogue),
                f"{problem}, and {self.store} holds files of the lake that it was the catalogue of.",
                hint=f"Bring it back from a backup ({BACKUP}). Without one, move {self.store} away and run"
                " `intelligence ingest`: it takes in anew what the sources hold.",
            )

    def _require_catalogue(self) -> None:
        """Raise LakeError if the catalogue's file is no catalogue, or if it is new although the store has files already."""
        file = self._catalog_file
        if file is None:
            return
        problem = "it is a folder" if file.is_dir() else database_failure(file)
        if problem:
            check = "Check INTELLIGENCE_LAKE_CATALOG as well, where it is set."
            raise LakeError(str(file), f"{problem}.", hint=f"{advice(problem)} {check}")
        tables = "SELECT count(*) FROM sqlite_master WHERE name = 'ducklake_metadata'"
        if not file.exists():
            self._require_no_files(file, "it is gone")
            return
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=60)) as catalogue:
            is_one = catalogue.execute(tables).fetchone()[0]
        if not is_one:
            self._require_no_files(file, "it is empty")

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection whose default database is the lake; its temporary tables are visible to no other connection."""
        with self.staging() as connection:
            connection.execute(_USE)
            yield connection

    @contextmanager
    def staging(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection for temporary tables, which can be given to `commit`.

        The lake becomes its default database only in `commit`: otherwise DuckLake would query its catalogue in every statement.
        """
        connection = self._open().root.cursor()
        try:
            with self._failures_reported():
                yield connection
        finally:
            with suppress(duckdb.Error):
                connection.rollback()
            connection.close()

    @contextmanager
    def _failures_reported(self) -> Iterator[None]:
        """Turn DuckDB's errors about a broken file, catalogue or disk into a LakeError that names it."""
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
    def snapshot(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection that reads the lake's present snapshot; what is written through it is rolled back."""
        opened = self._open()
        shared = getattr(opened.shared, "connection", None)
        if shared is not None:
            with self._failures_reported():
                yield shared
            return
        with self._failures_reported():
            connection = opened.reader()
            try:
                connection.begin()
                yield connection
                connection.rollback()
            except BaseException:
                connection.close()
                raise
        opened.readers.append(connection)

    @contextmanager
    def one_snapshot(self) -> Iterator[None]:
        """Let all that this thread reads until the context ends be of one snapshot; what is written meanwhile is not seen.

        DuckLake then reads its catalogue once, and not for each query, which takes most of the time of a small one.
        """
        with self.snapshot() as connection:
            opened = self._open()
            before = getattr(opened.shared, "connection", None)
            opened.shared.connection = connection
            try:
                yield
            finally:
                opened.shared.connection = before

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
        # The extensions come with the packages of requirements.lock, as this code does: whoever can change them can change it too.
        # DuckDB would otherwise hash them whenever a process opens a lake, which takes three quarters of opening.
        packaged = {"allow_unsigned_extensions": "true"}
        # Memory that a statement frees is kept for the next one: allocating it from the system again takes a tenth of all time.
        kept = {
            "allocator_flush_threshold": self.memory_limit,
            "allocator_bulk_deallocation_flush_threshold": self.memory_limit,
        }
        config: dict[str, str | bool | int | float | list[str]] = {
            **offline,
            **packaged,
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
            with store_failures_reported(Path(self.store)), self._one_writer():
                self._attach(root, remote=remote)
        except BaseException:
            root.close()
            raise
        opened = _opened[self.catalog, self.store] = _Opened(root)
        self._prepare()
        return opened

    def _attach(self, root: duckdb.DuckDBPyConnection, *, remote: bool) -> None:
        self._require_catalogue()
        store = self.store if remote else str(Path(self.store).resolve())
        if not remote:
            Path(store).mkdir(parents=True, exist_ok=True)
        catalog = f"sqlite:{self._catalog_file}" if self._catalog_file else self.catalog
        attach = (
            f"ATTACH {literal(f'ducklake:{catalog}')} AS lake"
            f" (DATA_PATH {literal(f'{store}/')}, OVERRIDE_DATA_PATH true)"
        )
        try:
            with self._failures_reported() if self._catalog_file else nullcontext():
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
        """Prevent all other writes until the context ends."""
        with self._one_writer():
            yield

    @contextmanager
    def _one_writer(self) -> Iterator[None]:
        if self._catalog_file:
            with store_failures_reported(self._catalog_file.parent):
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
        """Return the result of `work`, done in one transaction that is retried as a whole on a conflict.

        Args:
            work: Reads and writes through the connection that it is given; it is called again for each retry.
            on: A connection of `staging` whose temporary tables the work needs; None opens a new one.

        Raises:
            AssertionError: Never in practice; the last attempt raises its own error.
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
        """Create or change the tables and views that are missing or differ from their definition."""
        with self.snapshot() as connection:
            differing_tables = differing(connection)
        if differing_tables:
            self.commit(lambda connection: define(connection, differing_tables))

    def frame(self, query: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Return the result of a query; anything that it writes is rolled back.

        Args:
            query: One SQL statement, which may use `local_time(column)`.
            parameters: Values of the query's `$name` parameters.
        """
        with self.snapshot() as connection:
            return connection.execute(in_zone(query, self.timezone), dict(parameters or {})).pl()

    def read(
        self, queries: Mapping[str, str], parameters: Mapping[str, Any] | None = None
    ) -> tuple[int, dict[str, pl.DataFrame]]:
        """Return the id of one snapshot and the queries' results by name, all of them as of that snapshot.

        Args:
            queries: SQL statements by name.
            parameters: Values of `$name` parameters; each query is given those that it names.
        """
        with self.snapshot() as connection:
            row = connection.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchone()
            frames = {
                name: connection.execute(in_zone(q, self.timezone), named_parameters(q, parameters or {})).pl()
                for name, q in queries.items()
            }
        return int(row[0]) if row else 0, frames

    def inspected(self, table: Table, claims: Sequence[Claim], days: Days) -> Inspection:
        """Return the contents of the table in the newest snapshot and the rows that contradict its claims.

        Args:
            table: The table to inspect.
            claims: Statements about its rows, each with a query for the rows that contradict it.
            days: The days to which page, numbers and claims are limited.
        """
        with self.snapshot() as connection:
            return inspected(connection, table, claims, days, timezone=self.timezone)

    def is_sound(self, table: Table, claims: Sequence[Claim], days: Days) -> bool:
        """Return whether the table's columns are those of its definition and no row contradicts the claims.

        Args:
            table: The table to inspect.
            claims: Statements about its rows, each with a query for the rows that contradict it.
            days: The days to which the claims are limited.
        """
        with self.snapshot() as connection:
            return is_sound(connection, table, claims, days, timezone=self.timezone)

    def counted(self, view: Table, days: Days) -> int:
        """Return the number of rows of a view in a range of days, and record these days as built.

        Args:
            view: A daily view, which stores no rows of its own.
            days: The days to count.
        """
        self.commit(lambda connection: self._record_builds(connection, view, days))
        query = f"SELECT count(*) FROM {view.path} WHERE {view.day} >= $start AND {view.day} < $end"
        return int(self.frame(query, days.parameters).item())

    def stale(self, *, before: date) -> dict[str, list[Days]]:
        """Return, by table path, the ranges of days before `before` that are not built from the present telemetry and code."""
        with self.snapshot() as connection:
            return stale_days(connection, DAILY_TABLES, version_of=self.version_of, before=before)

    def span(self) -> Days | None:
        """Return the range from the first to the last day with events, without days set aside; None in an empty lake."""
        first, last = self.frame(f"SELECT min(day), max(day) FROM ({PRODUCT_DAYS})").row(0)
        return Days(first, last + timedelta(days=1)) if first else None

    def is_empty(self) -> bool:
        """Return whether no event was ever ingested."""
        return not self.exists() or self.span() is None

    def set_aside(self) -> list[DaySetAside]:
        """Return the days with events that do not count as days of the product, each with the reason."""
        with self.snapshot() as connection:
            return set_aside_now(connection)

    def first_day(self, days: Days) -> date:
        """Return the first day that has events; in an empty lake the first of `days`."""
        span = self.span()
        return span.start if span else days.start

    def newest_day(self) -> Days:
        """Return the newest day that has events; an empty range in an empty lake."""
        span = self.span()
        return Days(span.end - timedelta(days=1), span.end) if span else Days(date(2000, 1, 1), date(2000, 1, 1))

    def newest_complete_day(self, *, before: date) -> Days | None:
        """Return the newest day before `before` that has events; None if there is none."""
        query = f"SELECT max(day) AS day FROM ({PRODUCT_DAYS}) WHERE day < $before"
        day = self.frame(query, {"before": before}).item()
        return Days(day, day + timedelta(days=1)) if day else None

    def telemetry_version(self) -> str:
        """Return a text that changes with each batch that is ingested or withdrawn, and with the definitions of the tables."""
        query = "SELECT count(*), greatest(max(ingested_at), max(withdrawn_at)) FROM telemetry.batches"
        batches, newest = self.frame(query).row(0)
        return f"{batches} batches up to {newest}, definitions {versions_by(self.rules).all() if self.rules else 0}"

    def merged_files(self) -> int:
        """Return how many small files were merged into larger ones; raises LakeError if that fails.

        If any were merged, the statistics of replaced files are deleted too, in a second transaction. Each transaction is
        committed as a whole or not at all; statistics that were not deleted are deleted with the next merge.
        """
        try:
            merged = self.commit(merged_files)
            if merged:
                self.commit(forget_statistics)
        except (duckdb.Error, LakeError) as error:
            # After an internal error of DuckDB every later statement of this process would fail.
            self.close()
            raise LakeError(
                "lake",
                f"its maintenance failed ({error}).",
                hint="The lake works without it; the next intake tries again.",
            ) from error
        return merged

    def overwrite_deleted(self) -> None:
        """Leave nothing of rows that were deleted or changed in the unused parts of the catalogue's file; on a server its own vacuum does.

        Raises:
            LakeError: Another process reads the catalogue all the time.
        """
        if self._catalog_file is None:
            return
        with self._one_writer():
            try:
                overwrite_deleted(self._catalog_file, patience_s=READER_PATIENCE_S)
            except sqlite3.Error as error:
                raise LakeError(
                    str(self._catalog_file),
                    f"what was erased is still in unused parts of the file ({error}).",
                    hint="Do the same again when nothing else uses the lake.",
                ) from error

    def snapshot_id(self) -> int:
        """Return the id of the lake's newest snapshot, by which its present state can be read at any later time."""
        return int(self.frame("SELECT id FROM ducklake_current_snapshot('lake')").item())

    def replace(
        self,
        table: Table,
        days: Days,
        query: str,
        parameters: Mapping[str, Any] | None = None,
        frames: Mapping[str, pl.DataFrame] | None = None,
        on: duckdb.DuckDBPyConnection | None = None,
    ) -> int:
        """Replace the table's rows of `days` by the query's rows in one transaction, and return how many were written.

        The same transaction records from which telemetry each day was built (see `stale_days`).

        Args:
            table: The table to write; one without a day column is replaced as a whole, or left as it is if its rows are the same.
            days: The days to replace, given to the query as `$start` (inclusive) and `$end` (exclusive).
            query: One SQL query for the new rows, whose columns are matched by name.
            parameters: Values of further `$name` parameters of the query.
            frames: Frames that the query can read as tables, by name.
            on: A connection of `staging` whose temporary tables, which are made for these days, the query reads; None opens a new one.
        """

        def work(connection: duckdb.DuckDBPyConnection) -> int:
            for name, frame in (frames or {}).items():
                connection.register(name, frame)
            written = rows_replaced(
                connection, table, days, in_zone(query, self.timezone), parameters or {}, at_once=on is not None
            )
            if table in DAILY_TABLES:
                self._record_builds(connection, table, days)
            reach("table.build_recorded", table.path)
            return written

        written = self.commit(work, on=on)
        reach("table.committed", table.path)
        return written


def _acquired(lock: FileLock) -> None:
    try:
        lock.acquire()
    except Timeout as error:
        problem = f"another process has been writing for {WRITER_PATIENCE_S} s."
        raise LakeError(lock.lock_file, problem, hint="Look for one that hangs, and end it.") from error


def _begin(connection: duckdb.DuckDBPyConnection) -> None:
    """Begin a transaction and make the lake its default database; outside of one, USE would be a transaction of its own."""
    connection.begin()
    connection.execute(_USE)


def _committed(work: Callable[[duckdb.DuckDBPyConnection], Result], connection: duckdb.DuckDBPyConnection) -> Result:
    try:
        _begin(connection)
        result = work(connection)
        connection.commit()
    except BaseException:
        # After a failed commit no transaction is open, and the error that rollback raises then would hide the cause.
        with suppress(duckdb.Error):
            connection.rollback()
        raise
    return result
