"""Dagster's SQLite event log, with the events of many partitions written in one transaction.

A run over a year of days records thousands of events at once. The stock storage opens and commits two databases for
each; here a batch is one transaction in each. See docs/decisions/0006-batched-event-log.md.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from dagster import EventLogEntry
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlalchemy_compat import db_result
from dagster._serdes import ConfigurableClassData


class BatchedSqliteEventLog(SqliteEventLogStorage):
    """SqliteEventLogStorage that stores a batch as one; everything else is inherited."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "BatchedSqliteEventLog":
        """Return the storage that dagster.yaml asks for."""
        return cls(inst_data=inst_data, **config_value)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store the asset events of one run together and any others one by one, as inherited."""
        for (run_id, is_of_asset), together in groupby(events, key=lambda event: (event.run_id, _is_of_asset(event))):
            if is_of_asset:
                self._store_together(run_id, list(together))
            else:
                super().store_event_batch(list(together))

    def _store_together(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        inserts = [self.prepare_insert_event(event) for event in events]
        with self.run_connection(run_id) as connection:
            for insert in inserts:
                connection.execute(insert)
        with self.index_transaction() as connection:
            ids = []
            for insert in inserts:
                with db_result(connection, insert) as result:
                    ids.append(result.inserted_primary_key[0])
            self._store_asset_event_tags(connection, events, ids)
            for event, event_id in zip(events, ids, strict=True):
                self._store_asset_event(connection, event, event_id)


def _is_of_asset(event: EventLogEntry) -> bool:
    return event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS
