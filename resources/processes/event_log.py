"""Dagster's SQLite event log, which keeps its databases open and stores the events of many partitions in one transaction.

A run over a year of days records thousands of events at once. For each event the standard storage opens two databases,
commits in both, and serializes the plan of a check once per day. Here a batch is one transaction in each database. See
docs/decisions/0006-batched-event-log.md.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from dagster import (
    EventLogEntry,
    FloatMetadataValue,
    IntMetadataValue,
    TextMetadataValue,
    deserialize_value,
    serialize_value,
)

# A storage has to inherit from Dagster's own, whose tables and names are not public.
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
)
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event, text
from typing_extensions import override

# The index and the runs that were used last.
MOST_OPEN = 4


class BatchedSqliteEventLog(SqliteEventLogStorage):
    """SqliteEventLogStorage that keeps databases open and stores a batch in one transaction; all else is inherited."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[tuple[int, str], Engine] = {}
        super().__init__(base_dir, inst_data)

    @classmethod
    @override
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "BatchedSqliteEventLog":
        """Return the storage that dagster.yaml configures."""
        return cls(inst_data=inst_data, **config_value)

    @override
    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._engine(shard).connect() as connection, connection.begin():
            yield connection

    def _engine(self, shard: str) -> Engine:
        # A forked process must not use the connections of its parent.
        key = (os.getpid(), shard)
        engine = self._engines.pop(key, None) or self._opened(shard)
        self._engines[key] = engine
        while len(self._engines) > MOST_OPEN:
            self._engines.pop(next(iter(self._engines))).dispose(close=True)
        return engine

    def _opened(self, shard: str) -> Engine:
        engine = create_engine(self.conn_string_for_shard(shard), connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
        event.listen(engine, "connect", _without_waiting_for_the_disk)
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        return engine

    @override
    def wipe(self) -> None:
        """Delete all events."""
        self._close()
        super().wipe()

    @override
    def dispose(self) -> None:
        """Close all databases."""
        super().dispose()
        self._close()

    def _close(self) -> None:
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose(close=True)

    def forget_runs(self, run_ids: Sequence[str], *, before: datetime) -> None:
        """Delete the events of these runs, except the newest materialization of each asset and day.

        What is kept of them loses its tables, long texts and pictures. Of checks that are older than `before` only the
        newest result of each day is kept.

        Args:
            run_ids: The ids of finished runs.
            before: Results of checks from before this time are deleted.
        """
        moment = before.astimezone(UTC).replace(tzinfo=None)
        runs = {f"run_{place}": run_id for place, run_id in enumerate(run_ids)}
        listed = ", ".join(f":{name}" for name in runs)
        with self.index_transaction() as connection:
            for statement in _FORGET:
                connection.execute(text(statement.format(runs=listed)), runs)
            for event_id, stored in connection.execute(text(_TO_SLIM.format(runs=listed)), runs).fetchall():
                slim = {"event": _slim(stored), "id": event_id}
                connection.execute(text("UPDATE event_logs SET event = :event WHERE id = :id"), slim)
            connection.execute(text(_OLD_CHECKS), {"moment": moment})
        for run_id in run_ids:
            with self._db_lock:
                engine = self._engines.pop((os.getpid(), run_id), None)
                if engine:
                    engine.dispose(close=True)
                self._initialized_dbs.discard(run_id)
            for suffix in ("", "-wal", "-shm"):
                Path(self._base_dir, f"{run_id}.db{suffix}").unlink(missing_ok=True)

    def shrink(self) -> None:
        """Return unused space of the index to the disk where more than half of it is unused."""
        with self._db_lock, self._engine(INDEX_SHARD_NAME).connect() as connection:
            driver: Any = connection.connection.driver_connection
            pages, empty = (driver.execute(f"PRAGMA {of}").fetchone()[0] for of in ("page_count", "freelist_count"))
            if empty * 2 > pages:
                connection.rollback()
                driver.execute("VACUUM")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @override
    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store the asset events of one run together and any others one by one, as inherited."""
        for (run_id, is_of_asset), together in groupby(events, key=lambda event: (event.run_id, _is_of_asset(event))):
            if is_of_asset:
                self._store_together(run_id, list(together))
            else:
                super().store_event_batch(list(together))

    def _store_together(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        rows = [self._event_to_row(event) for event in events]
        ids_in_order = SqlEventLogStorageTable.insert().returning(
            SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
        )
        with self.run_connection(run_id) as connection:
            connection.execute(SqlEventLogStorageTable.insert(), rows)
        with self.index_transaction() as connection:
            ids = list(connection.scalars(ids_in_order, rows))
            self._store_asset_event_tags(connection, events, ids)
            # An asset has one row, in which each event of a kind overwrites what the one before has written.
            for _, alike in groupby(zip(events, ids, strict=True), key=lambda pair: _overwritten(pair[0])):
                *_, (last, event_id) = alike
                self._store_asset_event(connection, last, event_id)

    @override
    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        planned: Any = event.get_dagster_event().event_specific_data
        subset = planned.partitions_subset
        row = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": serialize_value(event),
            "evaluation_event_timestamp": self._event_insert_timestamp(event),  # type: ignore[no-untyped-call] # Dagster's own
            "evaluation_event_storage_id": event_id,
        }
        partitions = subset.get_partition_keys() if subset else [None]
        with self.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.insert(), [{**row, "partition": each} for each in partitions])


# Of each asset and day the newest materialization is kept: by it Dagster knows that the day was built.
_NEWEST = (
    "SELECT max(id) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION' GROUP BY asset_key, partition"
)
_FORGET = (
    "DELETE FROM asset_event_tags WHERE event_id IN (SELECT id FROM event_logs WHERE run_id IN ({runs}))"
    f" AND event_id NOT IN ({_NEWEST})",
    f"DELETE FROM event_logs WHERE run_id IN ({{runs}}) AND id NOT IN ({_NEWEST})",
)
_TO_SLIM = "SELECT id, event FROM event_logs WHERE run_id IN ({runs})"
_OLD_CHECKS = """
DELETE FROM asset_check_executions WHERE evaluation_event_timestamp < :moment AND id NOT IN (
    SELECT max(id) FROM asset_check_executions GROUP BY asset_key, check_name, "partition"
)
"""
LONGEST_TEXT = 200


def _slim(stored: str) -> str:
    """Return a stored materialization without the large values of its metadata."""
    entry = deserialize_value(stored, EventLogEntry)
    found = entry.asset_materialization
    if found is None:
        return stored
    small = {
        name: value
        for name, value in found.metadata.items()
        if isinstance(value, FloatMetadataValue | IntMetadataValue)
        or (isinstance(value, TextMetadataValue) and len(value.text or "") <= LONGEST_TEXT)
    }
    happened: Any = entry.get_dagster_event()
    data = happened.event_specific_data._replace(materialization=found.with_metadata(small))
    return serialize_value(entry._replace(dagster_event=happened._replace(event_specific_data=data)))


def _overwritten(event: EventLogEntry) -> tuple[Any, Any]:
    return event.get_dagster_event().asset_key, event.dagster_event_type


def _is_of_asset(event: EventLogEntry) -> bool:
    return event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS


def _without_waiting_for_the_disk(connection: Any, _: object) -> None:
    """Let a commit return before it is on the disk: with a write-ahead log a killed process loses nothing by that."""
    connection.execute("PRAGMA synchronous = NORMAL")
