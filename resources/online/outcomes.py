"""What became true of events later, in the store for operational state: SQLite in the data folder, or PostgreSQL by URL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
from sqlalchemy import select

from intelligence.online.outcomes import Outcome
from resources.state.rows import inserted_if_new
from resources.state.store import state_at
from resources.state.tables import ENTITY_OUTCOMES


@dataclass(frozen=True, slots=True)
class OutcomeStore:
    """The outcomes of one product.

    Attributes:
        url: SQLAlchemy URL of the store.
    """

    url: str

    def add(self, outcomes: Sequence[Outcome], *, now: datetime) -> int:
        """Store outcomes and return how many were new; the same outcome of the same event is stored once.

        Args:
            outcomes: The outcomes, each with its time.
            now: The current time, with its zone.
        """
        rows = [
            {
                "key": f"{each.outcome}:{each.id}",
                "event_id": each.id,
                "outcome": each.outcome,
                "at": each.at or now,
                "value": each.value,
                "received_at": now,
            }
            for each in outcomes
        ]
        with state_at(self.url).writing() as connection:
            return len(inserted_if_new(connection, ENTITY_OUTCOMES, rows))

    def of(self, event_id: str) -> list[dict[str, Any]]:
        """Return the outcomes of an event, the newest last.

        Args:
            event_id: Id of the event.
        """
        found = ENTITY_OUTCOMES.c
        query = select(found.outcome, found.at, found.value).where(found.event_id == event_id).order_by(found.at)
        with state_at(self.url).reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def frame(self) -> pl.DataFrame:
        """Return all outcomes: `event_id`, `outcome` and `at`, UTC without a zone."""
        found = ENTITY_OUTCOMES.c
        with state_at(self.url).reading() as connection:
            rows = connection.execute(select(found.event_id, found.outcome, found.at)).all()
        schema: dict[str, pl.DataType | type[pl.DataType]] = {
            "event_id": pl.String,
            "outcome": pl.String,
            "at": pl.Datetime("us"),
        }
        return pl.DataFrame(
            [(row[0], row[1], row[2].astimezone(UTC).replace(tzinfo=None)) for row in rows], schema=schema, orient="row"
        )
