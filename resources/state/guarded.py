"""The record of what the policy decided on findings of the stream's guard: written before anything is asked for."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from resources.state.rows import inserted_if_new
from resources.state.store import State
from resources.state.tables import GUARD_DECISIONS


@dataclass(frozen=True, slots=True)
class Guarded:
    """A decision on a finding of the guard.

    Attributes:
        decision_id: Its id.
        at: When it was made.
        stream_at: The newest minute of the stream at that time.
        day: The day of that minute, on the product's clock.
        feature: The feature.
        platform: The platform of the release.
        release: The release.
        action: What was decided.
        level: How far it may go; None for `monitor`.
        row: The row of `decisions.feature_decisions`.
    """

    decision_id: str
    at: datetime
    stream_at: datetime
    day: date
    feature: str
    platform: str
    release: str
    action: str
    level: str | None
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GuardRecord:
    """What the state store records about the guard."""

    state: State
    clock: Callable[[], datetime]

    def add(
        self, rows: Sequence[Mapping[str, Any]], *, stream_at: datetime, releases: Mapping[str, tuple[str, str]]
    ) -> None:
        """Record decisions; one with a known id stays as it is.

        Args:
            rows: Rows of `decisions.feature_decisions`.
            stream_at: The newest minute of the stream.
            releases: Platform and release, by feature.
        """
        now, names = self.clock(), ("decision_id", "feature", "action", "level")
        values = [
            {
                **{name: row[name] for name in names},
                "at": now,
                "stream_at": stream_at,
                "day": row["event_date"],
                "platform": releases[row["feature"]][0],
                "release": releases[row["feature"]][1],
                "content": json.dumps(row, default=str),
            }
            for row in rows
        ]
        with self.state.writing() as connection:
            inserted_if_new(connection, GUARD_DECISIONS, values)

    def decisions(self, *, since: date | None = None) -> list[Guarded]:
        """Return the decisions, the newest first.

        Args:
            since: First day; None for all.
        """
        query = select(GUARD_DECISIONS).order_by(GUARD_DECISIONS.c.stream_at.desc(), GUARD_DECISIONS.c.decision_id)
        if since is not None:
            query = query.where(GUARD_DECISIONS.c.day >= since)
        with self.state.reading() as connection:
            found = [dict(row) for row in connection.execute(query).mappings()]
        return [Guarded(row=_row(row.pop("content")), **row) for row in found]


def _row(content: str) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(content)
    return {**row, "event_date": date.fromisoformat(row["event_date"])}
