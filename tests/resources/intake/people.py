"""The lake in memory with people who are anonymous at times."""

from collections.abc import Sequence
from dataclasses import dataclass

from resources.intake.identity import settle, write_events
from tests.resources.intake.delivered_rows import NOW
from tests.resources.intake.test_identity import InMemory, Row


@dataclass(frozen=True, order=True)
class Visit(Row):
    """A row that may have an anonymous id in addition to its user."""

    anonymous: str | None = None


class People(InMemory):
    """The tables of a lake in plain DuckDB, with an intake of rows that say who is who."""

    def take(self, source: str, files: Sequence[Sequence[Row]], *, scope: Sequence[str]) -> None:
        self._begin(len(files))
        for key, rows in enumerate(files):
            for place, row in enumerate(rows):
                self.connection.execute(
                    "INSERT INTO identified BY NAME SELECT $id AS event_id, $at::TIMESTAMP AS event_time, $at::DATE AS event_date,"
                    " $user AS user_id, $anonymous AS anonymous_id, $place AS source_row, $key AS file_key,"
                    " 'search' AS feature, 'use' AS event_type",
                    {"id": row.id, "at": row.at, "user": row.user, "anonymous": getattr(row, "anonymous", None),
                     "place": place, "key": key},
                )  # fmt: skip
        write_events(self.connection, {"source": source, "ingested_at": NOW}, scope)
        self._end(source)

    def empty(self) -> None:
        super().empty()
        self.connection.execute("DELETE FROM telemetry.aliases")

    def _begin(self, files: int) -> None:
        for table in ("identified", "deliveries"):
            self.connection.execute(f"DELETE FROM {table}")
        for key in range(files):
            self.number += 1
            self.connection.execute("INSERT INTO deliveries VALUES ($1, $2, $2, $1)", [key, f"batch {self.number}"])

    def _end(self, source: str) -> None:
        """Write the ledger of the present deliveries and settle, as an intake does."""
        self.connection.execute(
            "INSERT INTO telemetry.batches BY NAME SELECT batch_id, $source AS source, source_file, coalesce(accepted, 0) AS accepted,"
            " coalesce(duplicates, 0) AS duplicates, coalesce(conflicts, 0) AS conflicts, coalesce(days, []) AS days, 0 AS rejected,"
            " coalesce(accepted, 0) + coalesce(duplicates, 0) AS rows_in FROM deliveries LEFT JOIN stored USING (batch_id)",
            {"source": source},
        )
        settle(self.connection)
