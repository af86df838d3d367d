"""The record of flags: which ones the platform has changed and how, and which it must not change because a person did."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select

from intelligence.actions.flags import Document, digest_of, version_of
from resources.state.rows import inserted_key
from resources.state.store import State
from resources.state.tables import FLAG_CHANGES, FLAG_COPY, FLAG_LOCKS, FLAG_LOSSES

PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Left:
    """A change of a flag from one digest to another; `done` once it was read back from the file."""

    sequence: int
    flag: str
    action_id: str
    version: int
    base_digest: str
    digest: str
    former: Mapping[str, Any]
    done: bool


@dataclass(frozen=True, slots=True)
class FlagLock:
    """Why the platform must not change a flag."""

    flag: str
    at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A copy of the file of flags as it was seen last."""

    at: datetime
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class FlagRecord:
    """What the state store records about flags."""

    state: State
    clock: Callable[[], datetime]

    def last(self, flag: str) -> Left | None:
        """Return the newest change of the flag since a person last released it; None where there is none."""
        with self.state.reading() as connection:
            released = self._lock_line(connection, flag)
            after = released["after_change"] if released and not released["locked"] else 0
            query = select(FLAG_CHANGES).where(FLAG_CHANGES.c.flag == flag, FLAG_CHANGES.c.sequence > after)
            return self._newest(connection, query)

    def of_action(self, action_id: str) -> Left | None:
        """Return the newest record of what this action did to a flag; None where there is none."""
        with self.state.reading() as connection:
            return self._newest(connection, select(FLAG_CHANGES).where(FLAG_CHANGES.c.action_id == action_id))

    def intend(self, flag: str, action_id: str, before: Document, after: Document, former: Mapping[str, Any]) -> Left:
        """Return the change, which is recorded before the file is written.

        Args:
            flag: The key of the flag.
            action_id: The action that changes it, or that is undone with the suffix `:undo`.
            before: The document as it was read.
            after: The document that is to be written.
            former: The flag's rule before the change, as an undo needs it.
        """
        values = {
            "flag": flag,
            "action_id": action_id,
            "version": version_of(after, flag),
            "base_digest": digest_of(before, flag),
            "digest": digest_of(after, flag),
            "former": json.dumps(dict(former)),
            "done": False,
        }
        return self._added(values, reason="about to be written")

    def finish(self, left: Left) -> None:
        """Record that the change was read back from the file."""
        values = {name: getattr(left, name) for name in ("flag", "action_id", "version", "base_digest", "digest")}
        self._added({**values, "former": json.dumps(dict(left.former)), "done": True}, reason="read back")

    def least_versions(self) -> dict[str, int]:
        """Return, by flag, the lowest version that the file must have after the platform's confirmed changes.

        Flags that a person released since are left out.
        """
        with self.state.reading() as connection:
            flags = connection.execute(select(FLAG_CHANGES.c.flag).distinct()).scalars().all()
        found = {flag: self.last(flag) for flag in flags}
        return {
            flag: left.version - (not left.done)
            for flag, left in found.items()
            if left and left.version > (not left.done)
        }

    def actions(self) -> frozenset[str]:
        """Return the ids of all actions that ever changed a flag."""
        with self.state.reading() as connection:
            return frozenset(connection.execute(select(FLAG_CHANGES.c.action_id).distinct()).scalars())

    def standing_actions(self) -> frozenset[str]:
        """Return the actions whose changes were read back from the file and whose flags no person has taken over since."""
        with self.state.reading() as connection:
            rows = connection.execute(select(FLAG_CHANGES).where(FLAG_CHANGES.c.done)).mappings().all()
            lines = {flag: self._lock_line(connection, flag) for flag in {row["flag"] for row in rows}}
        after = {flag: line["after_change"] for flag, line in lines.items() if line and not line["locked"]}
        return frozenset(row["action_id"] for row in rows if row["sequence"] > after.get(row["flag"], 0))

    def kept(self) -> Kept | None:
        """Return the copy of the file as it was seen last; None where there is none or it is damaged."""
        with self.state.reading() as connection:
            row = connection.execute(select(FLAG_COPY)).mappings().first()
        is_whole = row is not None and _digest(row["text"]) == row["digest"]
        return Kept(row["at"], row["path"], row["text"]) if row and is_whole else None

    def keep(self, text: str, path: str) -> None:
        """Keep a copy of the file; where the file was lost before, it counts as found again.

        Args:
            text: The content of the file.
            path: Where the file is.
        """
        digest = _digest(text)
        with self.state.writing() as connection:
            seen = connection.execute(select(FLAG_COPY.c.digest, FLAG_COPY.c.path)).first()
            if seen is None or tuple(seen) != (digest, path):
                connection.execute(delete(FLAG_COPY))
                values = {"id": 1, "at": self.clock(), "path": path, "text": text, "digest": digest}
                connection.execute(insert(FLAG_COPY).values(**values))
        if self.lost_since() is not None:
            self.note("came back", path, actor=PLATFORM, reason="it is whole")

    def forget(self) -> None:
        """Delete the copy of the file, since a person wants to start without it."""
        with self.state.writing() as connection:
            connection.execute(delete(FLAG_COPY))

    def lost_since(self) -> int | None:
        """Return the number of the loss that has not ended yet; None where no file is lost."""
        query = select(FLAG_LOSSES.c.sequence, FLAG_LOSSES.c.event).order_by(FLAG_LOSSES.c.sequence.desc()).limit(1)
        with self.state.reading() as connection:
            line = connection.execute(query).first()
        return int(line.sequence) if line and line.event == "lost" else None

    def note(self, event: str, path: str, *, actor: str, reason: str) -> None:
        """Record what happened to the file.

        Args:
            event: What happened in a word or two: `lost`, `came back`, `restored` or `accepted`.
            path: Where the file is.
            actor: Who does it, as the history shows it: a person, or a component such as `read-back`.
            reason: Why, in one sentence; it is recorded.
        """
        values = {"at": self.clock(), "event": event, "path": path, "actor": actor, "reason": reason}
        with self.state.writing() as connection:
            connection.execute(insert(FLAG_LOSSES).values(**values))

    def lock_of(self, flag: str) -> FlagLock | None:
        """Return the lock of the flag; None where the platform may change it."""
        with self.state.reading() as connection:
            line = self._lock_line(connection, flag)
        return FlagLock(flag, line["at"], line["actor"], line["reason"]) if line and line["locked"] else None

    def locks(self) -> list[FlagLock]:
        """Return the locks that are in force."""
        with self.state.reading() as connection:
            flags = connection.execute(select(FLAG_LOCKS.c.flag).distinct().order_by(FLAG_LOCKS.c.flag)).scalars().all()
        return [lock for lock in (self.lock_of(flag) for flag in flags) if lock]

    def lock(self, flag: str, *, actor: str, reason: str) -> None:
        """Forbid the platform to change the flag.

        Args:
            flag: The key of the flag.
            actor: Who does it, as the history shows it: a person, or a component such as `read-back`.
            reason: Why, in one sentence; it is recorded.
        """
        self._lock(flag, locked=True, actor=actor, reason=reason)

    def released(self, flag: str, *, actor: str, reason: str) -> bool:
        """Return whether the flag was locked; from now on the platform continues from the flag as it is.

        Args:
            flag: The key of the flag.
            actor: Who does it, as the history shows it: a person, or a component such as `read-back`.
            reason: Why, in one sentence; it is recorded.
        """
        was_locked = self.lock_of(flag) is not None
        self._lock(flag, locked=False, actor=actor, reason=reason)
        return was_locked

    def _lock(self, flag: str, *, locked: bool, actor: str, reason: str) -> None:
        newest = select(func.coalesce(func.max(FLAG_CHANGES.c.sequence), 0)).scalar_subquery()
        values = {"at": self.clock(), "flag": flag, "locked": locked, "actor": actor, "reason": reason}
        with self.state.writing() as connection:
            connection.execute(insert(FLAG_LOCKS).values(**values, after_change=newest))

    def _lock_line(self, connection: Connection, flag: str) -> RowMapping | None:
        query = select(FLAG_LOCKS).where(FLAG_LOCKS.c.flag == flag).order_by(FLAG_LOCKS.c.sequence.desc()).limit(1)
        return connection.execute(query).mappings().first()

    def _added(self, values: Mapping[str, Any], *, reason: str) -> Left:
        with self.state.writing() as connection:
            added = insert(FLAG_CHANGES).values(at=self.clock(), actor=PLATFORM, reason=reason, **values)
            sequence = inserted_key(connection, added)
        return Left(sequence=sequence, **{**values, "former": json.loads(values["former"])})

    def _newest(self, connection: Connection, query: Any) -> Left | None:
        row = connection.execute(query.order_by(FLAG_CHANGES.c.sequence.desc()).limit(1)).mappings().first()
        if row is None:
            return None
        values = {name: row[name] for name in Left.__slots__}
        return Left(**{**values, "former": json.loads(row["former"])})


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
