"""The record of outcomes: what became true of decisions, in SQLite or PostgreSQL."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select

from intelligence.online.outcomes import Outcome
from resources.state.rows import inserted_if_new
from resources.state.store import State, state_at
from resources.state.tables import DECISION_OUTCOMES


@dataclass(frozen=True, slots=True)
class Known:
    """An outcome as it was recorded.

    Attributes:
        id: The id by which it counts once.
        decision_id: Id of the decision.
        kind: What became true.
        happened_at: When.
        received_at: When the platform got to know it.
        value: What it was worth; None where it was not said.
        decision: The decision with its trace as it was when the outcome came; None where it was not known any more, or not yet.
    """

    id: str
    decision_id: str
    kind: str
    happened_at: datetime
    received_at: datetime
    value: float | None
    decision: Mapping[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """Return what became true as values for JSON, without the decision."""
        return {
            "kind": self.kind,
            "happened_at": self.happened_at.isoformat(),
            "received_at": self.received_at.isoformat(),
            "value": self.value,
        }


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """What the state store records about outcomes."""

    state: State
    clock: Callable[[], datetime]

    def add(self, outcomes: Sequence[Outcome], decisions: Mapping[str, Mapping[str, Any] | None]) -> list[bool]:
        """Record outcomes, and return of each whether it is new.

        Args:
            outcomes: The outcomes.
            decisions: The decisions that are known, by id.
        """
        now = self.clock()
        rows = [
            {
                "id": each.key,
                "decision_id": each.decision_id,
                "kind": each.kind,
                "happened_at": each.moment(now),
                "received_at": now,
                "value": each.value,
                "decision": json.dumps(decisions[each.decision_id]) if decisions.get(each.decision_id) else None,
            }
            for each in outcomes
        ]
        with self.state.writing() as connection:
            new = set(inserted_if_new(connection, DECISION_OUTCOMES, rows))
        return [place in new for place in range(len(rows))]

    def known(self, *, decision_id: str | None = None, received_by: datetime | None = None) -> list[Known]:
        """Return outcomes in the order in which they were received.

        Args:
            decision_id: Id of a decision; None for all.
            received_by: Latest time of receipt; None for no limit.
        """
        table = DECISION_OUTCOMES
        query = select(table).order_by(table.c.received_at, table.c.id)
        if decision_id is not None:
            query = query.where(table.c.decision_id == decision_id)
        if received_by is not None:
            query = query.where(table.c.received_at <= received_by)
        with self.state.reading() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return [Known(decision=json.loads(text) if (text := row.pop("decision")) else None, **row) for row in rows]

    def counts(self) -> dict[str, int]:
        """Return the number of outcomes by kind."""
        table = DECISION_OUTCOMES
        query = select(table.c.kind, func.count()).group_by(table.c.kind).order_by(table.c.kind)
        with self.state.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}


def outcomes_in(url: str) -> list[tuple[str, str, datetime]]:
    """Return decision, kind and time of all outcomes in a store, in UTC without a zone.

    Args:
        url: SQLAlchemy URL of the store.
    """
    table = DECISION_OUTCOMES.c
    query = select(table.decision_id, table.kind, table.happened_at).order_by(table.happened_at, table.id)
    with state_at(url).reading() as connection:
        rows = connection.execute(query).all()
    return [(row[0], row[1], row[2].astimezone(UTC).replace(tzinfo=None)) for row in rows]
