"""The database of the stream: offsets, windows, decisions and the messages that wait for the lake, in one SQLite file.

One transaction holds everything that follows from a batch of messages, the offsets included. A process that is killed has done all
of a batch or nothing of it.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from intelligence.core.errors import StoreError
from intelligence.online.events import StreamEvent
from intelligence.online.guard import Pulse
from intelligence.online.windows import EntityWindows, FeatureWindows
from resources.config.store_failures import store_failures_reported

PATIENCE_S: Final = 30
PULSE_MINUTES: Final = 120
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS offsets (
    topic TEXT, part INTEGER, next_offset INTEGER, newest_minute INTEGER, PRIMARY KEY (topic, part)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
    row INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT, topic TEXT, part INTEGER, position INTEGER, taken_ms INTEGER,
    status TEXT, line TEXT
);
CREATE TABLE IF NOT EXISTS files (number INTEGER PRIMARY KEY, source TEXT, first_row INTEGER, last_row INTEGER);
CREATE TABLE IF NOT EXISTS dead_letters (
    number INTEGER PRIMARY KEY, topic TEXT, part INTEGER, position INTEGER, reason TEXT, payload BLOB
);
CREATE TABLE IF NOT EXISTS decisions (
    number INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT, id TEXT, entity TEXT, at_ms INTEGER, answer INTEGER, trace BLOB,
    made_ms INTEGER NOT NULL DEFAULT 0, UNIQUE (source, id)
);
CREATE INDEX IF NOT EXISTS decisions_by_time ON decisions (at_ms);
CREATE TABLE IF NOT EXISTS batches (number INTEGER PRIMARY KEY, events BLOB);
CREATE TABLE IF NOT EXISTS entities (entity TEXT PRIMARY KEY, seen INTEGER, content BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS series (
    feature TEXT, platform TEXT, release TEXT, seen INTEGER, content BLOB, PRIMARY KEY (feature, platform, release)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pulse (minute INTEGER PRIMARY KEY, users INTEGER, events INTEGER, out_of_time INTEGER);
CREATE TABLE IF NOT EXISTS releases (
    platform TEXT, release TEXT, first_minute INTEGER, PRIMARY KEY (platform, release)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcomes (number INTEGER PRIMARY KEY AUTOINCREMENT, payload BLOB);
CREATE TABLE IF NOT EXISTS decided (
    answer TEXT, by TEXT, rule TEXT, decisions INTEGER, PRIMARY KEY (answer, by, rule)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tallies (topic TEXT, status TEXT, events INTEGER, PRIMARY KEY (topic, status)) WITHOUT ROWID;
"""
# Stores of earlier versions did not number their decisions.
_NUMBER_DECISIONS: Final = f"""
BEGIN IMMEDIATE;
ALTER TABLE decisions RENAME TO unnumbered;
DROP INDEX decisions_by_time;
{_SCHEMA}
INSERT INTO decisions (source, id, entity, at_ms, answer, trace)
SELECT source, id, entity, at_ms, answer, trace FROM unnumbered ORDER BY at_ms, source, id;
DROP TABLE unnumbered;
COMMIT;
"""
# The index is on source and id: each source is looked at, one after the other, and no other row is.
_BY_ID: Final = """
WITH RECURSIVE sources(source) AS (
    SELECT min(source) FROM decisions
    UNION ALL
    SELECT (SELECT min(source) FROM decisions WHERE decisions.source > sources.source) FROM sources
    WHERE sources.source IS NOT NULL
)
SELECT source, id, entity, at_ms, answer, trace FROM sources JOIN decisions USING (source) WHERE id = ?
ORDER BY at_ms DESC LIMIT 1
"""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[StreamEvent])


@dataclass(frozen=True, slots=True)
class Offset:
    """How far a partition has been read.

    Attributes:
        next_offset: Offset of the message to read next.
        newest_minute: Minute since 1970 of its newest event; -1 before the first.
    """

    next_offset: int
    newest_minute: int


class WaitingRow(msgspec.Struct, frozen=True):
    """A message that waits for the lake.

    Attributes:
        source: Source of the product.
        topic: Its topic.
        partition: Its partition.
        offset: Its offset.
        taken_ms: When it was taken in, in ms since 1970.
        status: What became of it, one of the statuses of the processor.
        line: The message as one line of text.
    """

    source: str
    topic: str
    partition: int
    offset: int
    taken_ms: int
    status: str
    line: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that breaks the contract.

    Attributes:
        number: Its number in the store; 0 before it is stored.
        topic: Topic from which it came.
        partition: Its partition.
        offset: Its offset.
        reason: The rule that it breaks, in the words of the quarantine.
        payload: The message as it came.
    """

    number: int
    topic: str
    partition: int
    offset: int
    reason: str
    payload: bytes


class StoredDecision(msgspec.Struct, frozen=True):
    """A decision as it was stored.

    Attributes:
        source: Source whose ids the event's id belongs to.
        id: Id of the event, and so of the decision.
        entity: The entity.
        at_ms: Time of the event, in ms since 1970.
        answer: 0 allow, 1 throttle, 2 block.
        trace: Why, as JSON.
    """

    source: str
    id: str
    entity: str
    at_ms: int
    answer: int
    trace: bytes


@dataclass(frozen=True, slots=True)
class CutFile:
    """A file for the lake: the waiting rows of a source between two numbers, both included."""

    number: int
    source: str
    first_row: int
    last_row: int


class OnlineStore:
    """An open store; one process writes it at a time."""

    def __init__(self, path: Path) -> None:
        """Open the store, which is created if it is new.

        Args:
            path: Its file.
        """
        self.path = path
        with self._failures_reported():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(_SCHEMA)
            columns = self._connection.execute("SELECT name FROM pragma_table_info('decisions')").fetchall()
            if ("number",) not in columns:
                self._connection.executescript(_NUMBER_DECISIONS)
            elif ("made_ms",) not in columns:
                self._connection.execute("ALTER TABLE decisions ADD COLUMN made_ms INTEGER NOT NULL DEFAULT 0")
            self._connection.execute("INSERT OR IGNORE INTO facts VALUES ('identity', ?)", (uuid.uuid4().hex[:8],))

    def close(self) -> None:
        """Close the store."""
        self._connection.close()

    @contextmanager
    def _failures_reported(self) -> Iterator[None]:
        try:
            with store_failures_reported(self.path.parent):
                yield
        except sqlite3.Error as error:
            raise StoreError(
                str(self.path),
                f"the store of the stream cannot be used ({error}).",
                hint="Check the disk and the rights to the file; the stream continues from the last commit.",
            ) from error

    @contextmanager
    def writing(self, *, durably: bool = False) -> Iterator[None]:
        """Hold a transaction, which is committed at the end or rolled back on an error.

        Args:
            durably: Whether the commit also survives a loss of power, which takes some ms more.
        """
        with self._failures_reported():
            if durably:
                self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            else:
                self._connection.execute("COMMIT")
            finally:
                if durably:
                    self._connection.execute("PRAGMA synchronous = NORMAL")

    def _rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        with self._failures_reported():
            return self._connection.execute(query, parameters).fetchall()

    @property
    def identity(self) -> str:
        """Return the name that tells this store from one that was deleted; files for the lake bear it."""
        return str(self._rows("SELECT value FROM facts WHERE name = 'identity'")[0][0])

    def offsets(self) -> dict[tuple[str, int], Offset]:
        """Return how far each partition has been read, by topic and partition."""
        rows = self._connection.execute("SELECT topic, part, next_offset, newest_minute FROM offsets")
        return {(topic, part): Offset(following, newest) for topic, part, following, newest in rows}

    def write_offsets(self, offsets: Mapping[tuple[str, int], Offset]) -> None:
        """Store how far partitions have been read.

        Args:
            offsets: By topic and partition.
        """
        rows = [(*partition, each.next_offset, each.newest_minute) for partition, each in offsets.items()]
        self._connection.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?, ?)", rows)

    def known(self, source: str, ids: Iterable[str]) -> set[str]:
        """Return those of the ids on which there is a decision already.

        Args:
            source: Source whose ids they are.
            ids: The ids.
        """
        # By the primary key, once for each id: a join would read all decisions.
        query = "SELECT id FROM decisions WHERE source = ? AND id IN (SELECT value FROM json_each(?))"
        return {row[0] for row in self._connection.execute(query, (source, json.dumps(list(ids))))}

    def write_batch(
        self,
        *,
        waiting: Sequence[WaitingRow],
        dead: Sequence[DeadLetter],
        decisions: Sequence[StoredDecision],
        counted: Sequence[StreamEvent],
        decided: Mapping[tuple[str, str, str], int],
        made_ms: int,
    ) -> int:
        """Store what follows from a batch of messages, and return the number of the batch.

        Args:
            waiting: All its messages.
            dead: Those that break the contract.
            decisions: The decisions.
            counted: The events that were counted in windows, in order.
            decided: Numbers of the decisions by answer, by what decided, and by rule, which is empty where none did.
            made_ms: When the decisions were made, in ms since 1970.
        """
        self._connection.executemany(
            "INSERT INTO waiting (source, topic, part, position, taken_ms, status, line) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(r.source, r.topic, r.partition, r.offset, r.taken_ms, r.status, r.line) for r in waiting],
        )
        self._write_dead(dead)
        self._connection.executemany(
            "INSERT INTO decisions (source, id, entity, at_ms, answer, trace, made_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(d.source, d.id, d.entity, d.at_ms, d.answer, d.trace, made_ms) for d in decisions],
        )
        tallies: dict[tuple[str, str], int] = {}
        for row in waiting:
            tallies[row.topic, row.status] = tallies.get((row.topic, row.status), 0) + 1
        self._add_tallies(tallies)
        self._connection.executemany(
            "INSERT INTO decided VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET decisions = decisions + excluded.decisions",
            [(*key, number) for key, number in decided.items()],
        )
        number = self.fact("batch") + 1
        self._connection.execute("INSERT INTO batches VALUES (?, ?)", (number, _encoder.encode(counted)))
        self._write_fact("batch", number)
        return number

    def write_pulse(self, pulse: Mapping[int, Pulse], *, newest: int) -> None:
        """Add to the numbers by minute, and forget what the guard no longer looks at.

        Args:
            pulse: What a batch adds, by minute since 1970.
            newest: The newest minute.
        """
        self._connection.executemany(
            "INSERT INTO pulse VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET users = users + excluded.users,"
            " events = events + excluded.events, out_of_time = out_of_time + excluded.out_of_time",
            [(minute, each.users, each.events, each.out_of_time) for minute, each in pulse.items()],
        )
        self._connection.execute("DELETE FROM pulse WHERE minute < ?", (newest - PULSE_MINUTES,))

    def pulse(self) -> dict[int, Pulse]:
        """Return what came in each of the last minutes, by minute since 1970."""
        rows = self._rows("SELECT minute, users, events, out_of_time FROM pulse")
        return {int(str(row[0])): Pulse(*(int(str(each)) for each in row[1:])) for row in rows}

    def write_releases(self, releases: Mapping[tuple[str, str], int]) -> None:
        """Store the first minute of releases that were not known.

        Args:
            releases: Minute since 1970, by platform and release.
        """
        rows = [(*key, minute) for key, minute in releases.items()]
        self._connection.executemany("INSERT OR IGNORE INTO releases VALUES (?, ?, ?)", rows)

    def releases(self) -> dict[tuple[str, str], int]:
        """Return the first minute of each platform and release on the stream."""
        rows = self._rows("SELECT platform, release, first_minute FROM releases")
        return {(str(platform), str(release)): int(str(first)) for platform, release, first in rows}

    def write_outcomes(
        self, payloads: Sequence[bytes], dead: Sequence[DeadLetter], tallies: Mapping[tuple[str, str], int]
    ) -> None:
        """Store outcomes that came by a topic, until they are recorded.

        Args:
            payloads: The messages that hold outcomes.
            dead: Those that hold none.
            tallies: Numbers of messages by topic and status.
        """
        self._connection.executemany("INSERT INTO outcomes (payload) VALUES (?)", [(each,) for each in payloads])
        self._write_dead(dead)
        self._add_tallies(tallies)

    def outcomes(self, most: int = 1_000) -> list[tuple[int, bytes]]:
        """Return messages with outcomes that wait for the record, in the order in which they came, with their numbers.

        Args:
            most: Greatest number of messages.
        """
        rows = self._rows("SELECT number, payload FROM outcomes ORDER BY number LIMIT ?", (most,))
        return [(int(str(number)), payload) for number, payload in rows]  # type: ignore[misc]

    def forget_outcomes(self, last: int) -> None:
        """Delete messages with outcomes that were recorded.

        Args:
            last: Number of the last one.
        """
        with self.writing():
            self._connection.execute("DELETE FROM outcomes WHERE number <= ?", (last,))

    def trace(self, id_: str) -> dict[str, Any] | None:
        """Return the decision on an event with its trace, as values for JSON; None where none is kept.

        Args:
            id_: Id of the event.
        """
        found = self.decision(id_)
        if found is None:
            return None
        return {"id": found.id, "entity": found.entity, "at_ms": found.at_ms, "asked": False, **json.loads(found.trace)}

    def _write_dead(self, dead: Sequence[DeadLetter]) -> None:
        self._connection.executemany(
            "INSERT INTO dead_letters (topic, part, position, reason, payload) VALUES (?, ?, ?, ?, ?)",
            [(d.topic, d.partition, d.offset, d.reason, d.payload) for d in dead],
        )

    def _add_tallies(self, tallies: Mapping[tuple[str, str], int]) -> None:
        self._connection.executemany(
            "INSERT INTO tallies VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET events = events + excluded.events",
            [(*key, number) for key, number in tallies.items()],
        )

    def harmed(self, feature: str, platform: str, release: str, *, since_ms: int) -> set[str]:
        """Return the entities with an error or a crash of a release in events that are kept, which are the newest ones.

        Args:
            feature: The feature.
            platform: The platform.
            release: The release.
            since_ms: Time of the first event that counts, in ms since 1970.
        """
        return {
            each.entity
            for (events,) in self._rows("SELECT events FROM batches")
            for each in _decoder.decode(events)  # type: ignore[arg-type]
            if (each.errors or each.crashed)
            and each.at_ms >= since_ms
            and (each.feature, each.platform, each.release) == (feature, platform, release)
        }

    def seen_before(self, entities: Iterable[str], *, before_ms: int) -> set[str]:
        """Return those of the entities on which there is a decision for an event before a time.

        Args:
            entities: The entities.
            before_ms: The time, in ms since 1970.
        """
        query = "SELECT DISTINCT entity FROM decisions WHERE at_ms < ? AND entity IN (SELECT value FROM json_each(?))"
        return {str(row[0]) for row in self._rows(query, (before_ms, json.dumps(list(entities))))}

    def write_guard(self, standing: Mapping[str, object]) -> None:
        """Store how the guard stands, for those who ask in another process.

        Args:
            standing: Values for JSON.
        """
        with self.writing():
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES ('guard', ?)", (json.dumps(standing),))

    def guard(self) -> dict[str, Any] | None:
        """Return how the guard stood when it last looked; None where it never did."""
        rows = self._rows("SELECT value FROM facts WHERE name = 'guard'")
        return json.loads(str(rows[0][0])) if rows else None

    def fact(self, name: str) -> int:
        """Return a number that the store keeps; 0 where it was never written.

        Args:
            name: `batch` or `stored_batch`: the last batch, and the last one that the stored windows contain.
        """
        rows = self._rows("SELECT value FROM facts WHERE name = ?", (name,))
        return int(str(rows[0][0])) if rows else 0

    def _write_fact(self, name: str, value: int) -> None:
        self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, str(value)))

    def write_windows(self, entities: EntityWindows, features: FeatureWindows) -> None:
        """Store the windows that changed since the last call; earlier batches are then not needed any more.

        Args:
            entities: The windows of entities.
            features: The windows of features.
        """
        if self.has_other_windows(entities, features):
            self._connection.execute("DELETE FROM entities")
            self._connection.execute("DELETE FROM series")
        self._connection.execute("INSERT OR REPLACE INTO facts VALUES ('layout', ?)", (layout_of(entities, features),))
        seen = self.fact("seen")
        found, series = entities.to_store(), features.to_store()
        self._connection.executemany("DELETE FROM entities WHERE entity = ?", [(each,) for each in found.gone])
        self._connection.executemany(
            "INSERT OR REPLACE INTO entities VALUES (?, ?, ?)",
            [(entity, seen + place, content) for place, (entity, content) in enumerate(found.changed.items())],
        )
        self._connection.executemany(
            "DELETE FROM series WHERE feature = ? AND platform = ? AND release = ?", list(series.gone)
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?, ?)",
            [(*key, seen + place, content) for place, (key, content) in enumerate(series.changed.items())],
        )
        self._write_fact("seen", seen + len(found.changed) + len(series.changed))
        number = self.fact("batch")
        # Batches since the snapshot before stay for those who follow in another process.
        self._connection.execute("DELETE FROM batches WHERE number <= ?", (self.fact("stored_batch"),))
        self._write_fact("stored_batch", number)

    def batches_after(self, number: int) -> list[list[StreamEvent]] | None:
        """Return the events of all batches after one, batch by batch; None where some are not kept any more.

        Args:
            number: Number of the batch.
        """
        rows = self._rows("SELECT number, events FROM batches WHERE number > ? ORDER BY number", (number,))
        if not rows:
            return [] if self.fact("batch") == number else None
        return [_decoder.decode(events) for _, events in rows] if rows[0][0] == number + 1 else None  # type: ignore[arg-type]

    def has_other_windows(self, entities: EntityWindows, features: FeatureWindows) -> bool:
        """Return whether the stored windows have other lengths, so that they cannot be continued.

        Args:
            entities: Windows of entities.
            features: Windows of features.
        """
        query = (
            "SELECT (SELECT value FROM facts WHERE name = 'layout'),"
            " EXISTS (SELECT 1 FROM entities) OR EXISTS (SELECT 1 FROM series)"
        )
        layout, are_stored = self._rows(query)[0]
        return bool(are_stored) and layout != layout_of(entities, features)

    def fill(self, entities: EntityWindows, features: FeatureWindows) -> int:
        """Fill empty windows with those of the last commit: the stored ones, and the batches since then once more.

        Where the stored ones have other lengths, only the batches that are kept are counted.

        Args:
            entities: Windows of entities without any entity.
            features: Windows of features without any series.

        Returns:
            The number of the last batch.
        """
        with self._failures_reported():
            # One transaction: another process may store windows meanwhile.
            self._connection.execute("BEGIN")
            try:
                after = 0
                if not self.has_other_windows(entities, features):
                    after = self.fact("stored_batch")
                    self._restore(entities, features)
                query = "SELECT events FROM batches WHERE number > ? ORDER BY number"
                for (events,) in self._connection.execute(query, (after,)):
                    counted = _decoder.decode(events)
                    entities.counted(counted)
                    features.count(counted)
                return self.fact("batch")
            finally:
                self._connection.execute("ROLLBACK")

    def _restore(self, entities: EntityWindows, features: FeatureWindows) -> None:
        for entity, content in self._connection.execute("SELECT entity, content FROM entities ORDER BY seen"):
            entities.restore(entity, content)
        query = "SELECT feature, platform, release, content FROM series ORDER BY seen"
        for *key, content in self._connection.execute(query):
            features.restore((key[0], key[1], key[2]), content)

    def forget_decisions(self, *, before_ms: int, made_before_ms: int) -> int:
        """Delete decisions on events before a time that were made before one, and return how many there were.

        An event that comes late is remembered as long as any other, so that its repeats are recognised.

        Args:
            before_ms: The time before which the event is, in ms since 1970.
            made_before_ms: The time before which the decision was made, in ms since 1970.
        """
        query = "DELETE FROM decisions WHERE at_ms < ? AND made_ms < ?"
        return self._connection.execute(query, (before_ms, made_before_ms)).rowcount

    def decision(self, id_: str) -> StoredDecision | None:
        """Return the decision on an event; None where there is none, or where it is forgotten.

        Args:
            id_: Id of the event.
        """
        rows = self._rows(_BY_ID, (id_,))
        return StoredDecision(*rows[0]) if rows else None  # type: ignore[arg-type]

    def newest_of(self, entity: str) -> str | None:
        """Return the id of the newest decision on an entity; None where there is none.

        Args:
            entity: The entity.
        """
        rows = self._rows("SELECT id FROM decisions WHERE entity = ? ORDER BY at_ms DESC LIMIT 1", (entity,))
        return str(rows[0][0]) if rows else None

    def decisions(self) -> list[StoredDecision]:
        """Return all decisions that are kept, in the order of their sources and ids."""
        rows = self._rows("SELECT source, id, entity, at_ms, answer, trace FROM decisions ORDER BY source, id")
        return [StoredDecision(*row) for row in rows]  # type: ignore[arg-type]

    def waiting(self) -> tuple[int, int]:
        """Return the numbers of messages that wait for the lake and of dead letters that wait for their topic."""
        counts = "SELECT (SELECT count(*) FROM waiting), (SELECT count(*) FROM dead_letters)"
        return self._rows(counts)[0]  # type: ignore[return-value]

    def newest_minute(self) -> int | None:
        """Return the minute since 1970 of the newest event that was counted; None where there is none."""
        newest = self._rows("SELECT max(newest_minute) FROM offsets WHERE newest_minute >= 0")[0][0]
        return None if newest is None else int(str(newest))

    def tallies(self) -> dict[tuple[str, str], int]:
        """Return the number of messages by topic and status."""
        rows = self._rows("SELECT topic, status, events FROM tallies")
        return {(str(topic), str(status)): int(str(number)) for topic, status, number in rows}

    def decided(self) -> dict[tuple[str, str, str], int]:
        """Return the number of decisions by answer, by what decided, and by rule."""
        rows = self._rows("SELECT answer, by, rule, decisions FROM decided")
        return {(str(answer), str(by), str(rule)): int(str(number)) for answer, by, rule, number in rows}

    def cut(self, source: str, *, at_least: int, older_than_ms: int) -> CutFile | None:
        """Set the rows aside that the next file of a source holds, and return them; None where too few wait.

        Args:
            source: The source.
            at_least: Number of rows that make a file.
            older_than_ms: Fewer rows make one too where one of them was taken in before this time, in ms since 1970.
        """
        with self.writing(durably=True):
            query = "SELECT coalesce(max(last_row), 0) FROM files WHERE source = ?"
            cut_before = self._connection.execute(query, (source,)).fetchone()[0]
            first, last, rows, oldest = self._connection.execute(
                "SELECT min(row), max(row), count(*), min(taken_ms) FROM waiting WHERE source = ? AND row > ?",
                (source, cut_before),
            ).fetchone()
            if not rows or (rows < at_least and oldest >= older_than_ms):
                return None
            number = self.fact("file") + 1
            self._write_fact("file", number)
            self._connection.execute("INSERT INTO files VALUES (?, ?, ?, ?)", (number, source, first, last))
        return CutFile(number, source, first, last)

    def cut_files(self) -> list[CutFile]:
        """Return the files whose rows are set aside and that may not be written yet."""
        return [CutFile(*row) for row in self._rows("SELECT * FROM files ORDER BY number")]  # type: ignore[arg-type]

    def lines(self, file: CutFile) -> Iterator[str]:
        """Yield the lines of a file, in the order in which they came.

        Args:
            file: The file.
        """
        query = "SELECT line FROM waiting WHERE source = ? AND row BETWEEN ? AND ? ORDER BY row"
        for (line,) in self._connection.execute(query, (file.source, file.first_row, file.last_row)):
            yield line

    def forget_file(self, file: CutFile) -> None:
        """Delete the rows of a file that is written.

        Args:
            file: The file.
        """
        with self.writing(durably=True):
            self._connection.execute(
                "DELETE FROM waiting WHERE source = ? AND row BETWEEN ? AND ?",
                (file.source, file.first_row, file.last_row),
            )
            self._connection.execute("DELETE FROM files WHERE number = ?", (file.number,))

    def dead_letters(self, most: int = 10_000) -> list[DeadLetter]:
        """Return messages that were not sent to their topic of dead letters yet, in the order in which they came.

        Args:
            most: Greatest number of messages.
        """
        rows = self._rows("SELECT * FROM dead_letters ORDER BY number LIMIT ?", (most,))
        return [DeadLetter(*row) for row in rows]  # type: ignore[arg-type]

    def forget_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Delete messages that the broker has.

        Args:
            letters: The messages.
        """
        with self.writing():
            numbers = [(each.number,) for each in letters]
            self._connection.executemany("DELETE FROM dead_letters WHERE number = ?", numbers)


def layout_of(entities: EntityWindows, features: FeatureWindows) -> str:
    """Return how stored windows are to be read; those with another layout cannot be restored.

    Args:
        entities: Windows of entities.
        features: Windows of features.
    """
    return f"{entities.layout}; {features.layout}"
