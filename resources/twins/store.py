"""The messages that the twins took, in one SQLite file that any number of processes may read and write."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

PATIENCE_S = 60
_TABLE = """
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, service TEXT NOT NULL, place TEXT NOT NULL,
    thread TEXT, key TEXT, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS records_by_place ON records (service, place, thread);
CREATE INDEX IF NOT EXISTS records_by_key ON records (service, key);
"""


@dataclass(frozen=True, slots=True)
class Record:
    """One message that a service took: in a place (a channel, a project), and in a thread or by itself."""

    sequence: int
    at: datetime
    service: str
    place: str
    thread: str | None
    key: str | None
    body: Mapping[str, Any]

    @property
    def reference(self) -> str:
        """Return the reference that replies name as their thread: a timestamp that no other record has."""
        return f"{int(self.at.timestamp())}.{self.sequence % 1_000_000:06}"


@dataclass(frozen=True, slots=True)
class TwinStore:
    """The records in one file."""

    file: Path

    def added(
        self, service: str, place: str, body: Mapping[str, Any], *, thread: str | None = None, key: str | None = None
    ) -> Record:
        """Return the record of a message that was taken now.

        Args:
            service: The name of the service, such as `slack`.
            place: Where it was sent: a channel, a project.
            body: The message, as it can be written to JSON.
            thread: The reference of the first message of its thread; None where it is in no thread.
            key: The idempotency or deduplication key; None where it has none.
        """
        at = datetime.now(UTC)
        values = (at.isoformat(), service, place, thread, key, json.dumps(body))
        with self._open() as connection:
            done = connection.execute(
                "INSERT INTO records (at, service, place, thread, key, body) VALUES (?, ?, ?, ?, ?, ?)", values
            )
        return Record(int(done.lastrowid or 0), at, service, place, thread, key, body)

    def replace(self, sequence: int, body: Mapping[str, Any]) -> None:
        """Replace the body of a record.

        Args:
            sequence: The number of the record.
            body: The new message, as it can be written to JSON.
        """
        with self._open() as connection:
            connection.execute("UPDATE records SET body = ? WHERE sequence = ?", (json.dumps(body), sequence))

    def records(self, service: str | None = None, *, place: str | None = None, key: str | None = None) -> list[Record]:
        """Return the records that satisfy every given condition, the oldest first.

        Args:
            service: The name of the service; None: any.
            place: The channel or project; None: any.
            key: The idempotency or deduplication key; None: any.
        """
        conditions = {"service": service, "place": place, "key": key}
        given = {name: value for name, value in conditions.items() if value is not None}
        where = " AND ".join(f"{name} = :{name}" for name in given) or "TRUE"
        with self._open() as connection:
            rows = connection.execute(f"SELECT * FROM records WHERE {where} ORDER BY sequence", given).fetchall()
        return [_record(row) for row in rows]

    def places(self, service: str) -> list[str]:
        """Return the places in which the service took messages."""
        with self._open() as connection:
            rows = connection.execute("SELECT DISTINCT place FROM records WHERE service = ? ORDER BY 1", (service,))
            return [row[0] for row in rows.fetchall()]

    def referenced(self, service: str, place: str, reference: str) -> Record | None:
        """Return the record with this reference; None where there is none.

        Args:
            service: The name of the service.
            place: The channel or project.
            reference: The timestamp that replies name; see `Record.reference`.
        """
        ending = reference.rpartition(".")[2]
        query = "SELECT * FROM records WHERE sequence % 1000000 = ? AND service = ? AND place = ?"
        if not ending.isdigit():
            return None
        with self._open() as connection:
            rows = connection.execute(query, (int(ending), service, place)).fetchall()
        return next((each for each in map(_record, rows) if each.reference == reference), None)

    def _make(self) -> None:
        """Create the file where it is missing: under another name until it is complete, by one process at a time."""
        if self.file.exists():
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.file.with_suffix(".lock"), timeout=PATIENCE_S):
            if self.file.exists():
                return
            unfinished = self.file.with_suffix(".unfinished")
            unfinished.unlink(missing_ok=True)
            with closing(sqlite3.connect(unfinished)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_TABLE)
            unfinished.rename(self.file)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._make()
        connection = sqlite3.connect(self.file, timeout=30)
        try:
            # A message has to outlive the process of its twin, not a crash of the machine.
            connection.execute("PRAGMA synchronous = OFF")
            connection.row_factory = sqlite3.Row
            with connection:
                yield connection
        finally:
            connection.close()


def _record(row: sqlite3.Row) -> Record:
    values = dict(row)
    return Record(**{**values, "at": datetime.fromisoformat(values["at"]), "body": json.loads(values["body"])})
