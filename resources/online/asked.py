"""Decisions that were asked for over HTTP, in a database of their own: the stream's is written by another process."""

import sqlite3
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from intelligence.core.errors import StoreError

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS answers (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, entity TEXT, at_ms INTEGER, answer INTEGER, trace BLOB,
    made_ms INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS answers_by_time ON answers (at_ms);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A decision that was asked for.

    Attributes:
        id: Id of the event, or the one that the decision was given.
        entity: The entity.
        at_ms: Time of the event, in ms since 1970.
        answer: 0 allow, 1 throttle, 2 block.
        trace: Why, as JSON.
    """

    id: str
    entity: str
    at_ms: int
    answer: int
    trace: bytes


class AskedDecisions:
    """An open database of decisions that were asked for."""

    def __init__(self, path: Path) -> None:
        """Open the database, which is created if it is new.

        Args:
            path: Its file.

        Raises:
            StoreError: It cannot be opened.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(_SCHEMA)
            columns = self._connection.execute("SELECT name FROM pragma_table_info('answers')").fetchall()
            if ("made_ms",) not in columns:
                self._connection.execute("ALTER TABLE answers ADD COLUMN made_ms INTEGER NOT NULL DEFAULT 0")
            self._connection.execute("INSERT OR IGNORE INTO facts VALUES ('identity', ?)", (uuid.uuid4().hex[:8],))
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                str(path), f"it cannot be opened ({error}).", hint="Check the rights to the file."
            ) from error

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def decision(self, id_: str) -> Asked | None:
        """Return the decision with an id; None where there is none.

        Args:
            id_: The id.
        """
        with closing(
            self._connection.execute("SELECT id, entity, at_ms, answer, trace FROM answers WHERE id = ?", (id_,))
        ) as found:
            row = found.fetchone()
        return Asked(*row) if row else None

    def write(self, decisions: list[Asked], *, made_ms: int) -> None:
        """Store decisions; one with a known id stays as it is.

        Args:
            decisions: The decisions.
            made_ms: When they were made, in ms since 1970.

        Raises:
            StoreError: They cannot be written.
        """
        rows = [(each.id, each.entity, each.at_ms, each.answer, each.trace, made_ms) for each in decisions]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(
                    "INSERT OR IGNORE INTO answers (id, entity, at_ms, answer, trace, made_ms) VALUES (?, ?, ?, ?, ?, ?)",
                    rows,
                )
            finally:
                self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(str(self.path), f"it cannot be written ({error}).", hint="Check the disk.") from error

    def forget(self, *, before_ms: int) -> None:
        """Delete decisions that were made before a time on events before it.

        Args:
            before_ms: The time, in ms since 1970.
        """
        self._connection.execute("DELETE FROM answers WHERE at_ms < ? AND made_ms < ?", (before_ms, before_ms))
