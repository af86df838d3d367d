"""The relational store for operational state: SQLite in the data folder, or PostgreSQL by URL.

State that many small transactions change is stored here and not in the lake. `resources/state/tables.py` defines the tables.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from intelligence.core.errors import StateError
from resources.config.store_failures import advice, in_words, store_failures_reported
from resources.state.tables import METADATA

PATIENCE_S = 30
TURN_PATIENCE_S = 300
_LOOK_EVERY_S = 0.02

_states: dict[str, "State"] = {}


@dataclass(frozen=True, slots=True)
class State:
    """An open store.

    Attributes:
        engine: SQLAlchemy's engine for it.
        file: The file of an SQLite database; None for a server.
    """

    engine: Engine
    file: Path | None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection for queries."""
        with _errors_translated(self.engine), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection with a transaction, which is committed at the end or rolled back on an error."""
        with _errors_translated(self.engine), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Hold the lock `name`, which one process at a time can have; it is released when a process is killed.

        Raises StateError if another process has held it for TURN_PATIENCE_S seconds.
        """
        if self.file:
            lock = FileLock(self.file.with_name(f"{self.file.stem}.{name}.lock"), timeout=TURN_PATIENCE_S)
            try:
                with store_failures_reported(self.file.parent):
                    lock.acquire()
            except Timeout as error:
                raise _held(name) from error
            try:
                yield
            finally:
                lock.release()
            return
        until = time.monotonic() + TURN_PATIENCE_S
        # Asked again and again, since a statement that waits is given up much sooner.
        asked = text("SELECT pg_try_advisory_xact_lock(:key)")
        with _errors_translated(self.engine), self.engine.connect() as connection:
            while not connection.execute(asked, {"key": crc32(name.encode())}).scalar_one():
                if time.monotonic() > until:
                    raise _held(name)
                time.sleep(_LOOK_EVERY_S)
            yield

    def close(self) -> None:
        """Close the store in this process; the next use opens it again."""
        self.engine.dispose()
        for url in [url for url, state in _states.items() if state is self]:
            del _states[url]


def state_at(url: str) -> State:
    """Return the store at `url`, which is created if it is new; raises StateError if it cannot be opened."""
    if url not in _states:
        _states[url] = _opened(url)
    return _states[url]


def _opened(url: str) -> State:
    try:
        engine = _engine(make_url(url))
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StateError(
            "INTELLIGENCE_STATE",
            f"it cannot be used ({error}).",
            hint="Give sqlite:///<path> or postgresql+psycopg://…; `make setup ALL=1` installs psycopg.",
        ) from error
    database = engine.url.database
    file = Path(database).resolve() if engine.dialect.name == "sqlite" and database else None
    if file:
        _made_folder(file.parent)
    state = State(engine, file)
    with state.turn("creation"), state.writing() as connection:
        if file:
            # In this mode readers never wait for a writer; the setting is stored in the file.
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        METADATA.create_all(connection)
    return state


def _engine(address: URL) -> Engine:
    if "sqlite" in address.drivername:
        return create_engine(address, connect_args={"timeout": PATIENCE_S})
    # A connection that was kept is tried first: the server may have been started anew since.
    engine = create_engine(address, pool_pre_ping=True)
    if engine.dialect.driver == "psycopg":

        @event.listens_for(engine, "do_connect")
        def bounded(_: object, __: object, arguments: list[Any], settings: dict[str, Any]) -> Any:
            # psycopg belongs to an extra.
            from resources.state.bounded import BoundedConnection

            return BoundedConnection.opened(*arguments, **settings)

    return engine


def _held(name: str) -> StateError:
    return StateError(name, f"another process has held it for {TURN_PATIENCE_S} s.", hint="Look for one that hangs.")


def _made_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            str(folder), f"it cannot be made ({error.strerror}).", hint="Check INTELLIGENCE_STATE."
        ) from error


@contextmanager
def _errors_translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        problem = in_words(cause) if engine.dialect.name == "sqlite" else None
        raise StateError(
            f"state store {engine.url.render_as_string(hide_password=True)}",
            f"it cannot be used ({problem or str(cause).splitlines()[0]}).",
            hint=f"{advice(problem)} Check INTELLIGENCE_STATE as well, where it is set."
            if problem
            else "Check INTELLIGENCE_STATE, the rights to the file or that the server answers.",
        ) from error
