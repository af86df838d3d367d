"""The rows of the outbox as values, and the only two ways in which they change."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from intelligence.actions.action import Action, Kind
from intelligence.actions.states import ActionState, demand_permitted
from intelligence.actions.target import Receipt
from intelligence.core.errors import ActionError
from resources.state.tables import OUTBOX, OUTBOX_EVENTS

ACTION_COLUMNS = ("decision_id", "kind", "target", "feature", "day", "episode", "title", "text")


@dataclass(frozen=True, slots=True)
class Entry:
    """An action and where it stands; `reason` says why it came there."""

    sequence: int
    id: str
    action: Action
    state: ActionState
    unconfirmed: bool
    undo_wanted: bool
    reason: str
    planned_at: datetime
    expires_at: datetime
    changed_at: datetime
    not_before: datetime | None
    attempts: int
    attempted_at: datetime | None
    attempted_by: str | None
    ask_after: datetime | None
    receipt: Receipt | None

    @property
    def standing(self) -> str:
        """Return the state in one word, *unconfirmed* where nobody can tell what came of it."""
        return "unconfirmed" if self.unconfirmed else self.state.value


@dataclass(frozen=True, slots=True)
class ActionEvent:
    """One line of an action's history; `state` is the one after it."""

    at: datetime
    action_id: str
    event: str
    state: ActionState
    attempt: int
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Doing:
    """Who does something to an action, when, why, and under which lease if a deliverer does."""

    actor: str
    reason: str
    at: datetime
    token: int | None = None


def entry_from(row: RowMapping) -> Entry:
    """Return a row of the outbox as a value."""
    values = dict(row)
    action = {name: values.pop(name) for name in ACTION_COLUMNS}
    action.update(kind=Kind(action["kind"]), payload=json.loads(values.pop("payload")))
    receipt = values.pop("receipt")
    values.update(state=ActionState(values["state"]), receipt=Receipt(**json.loads(receipt)) if receipt else None)
    return Entry(action=Action(**action), **values)


def row_of(action: Action) -> dict[str, Any]:
    """Return the columns that describe the action."""
    columns = {name: getattr(action, name) for name in ACTION_COLUMNS}
    return {**columns, "id": action.id, "kind": action.kind.value, "payload": json_of(action.payload)}


def json_of(values: Mapping[str, Any]) -> str:
    """Return the values as JSON that is the same for the same values."""
    return json.dumps(dict(values), sort_keys=True, ensure_ascii=False, default=str)


def current(connection: Connection, action_id: str) -> Entry:
    """Return the entry whose id is, or begins with, `action_id`; raises ActionError where none or several do."""
    rows = connection.execute(select(OUTBOX).where(OUTBOX.c.id == action_id)).mappings().all()
    if not rows and action_id:
        begins = OUTBOX.c.id.startswith(action_id, autoescape=True)
        rows = connection.execute(select(OUTBOX).where(begins).limit(2)).mappings().all()
    if len(rows) != 1:
        problem = "several begin with that." if rows else "there is none."
        raise ActionError(f"action {action_id}", problem, hint="`intelligence actions` lists them.")
    return entry_from(rows[0])


def moved(connection: Connection, entry: Entry, after: ActionState, doing: Doing, **columns: Any) -> None:
    """Bring the entry into another state; raises ActionError where it may not go, or is not there any more."""
    demand_permitted(entry.id, entry.state, after)
    noted(connection, entry, after.value, doing, state=after, **columns)


def noted(connection: Connection, entry: Entry, event: str, doing: Doing, **columns: Any) -> None:
    """Change columns of the entry and add a line to its history; raises ActionError where it changed meanwhile."""
    state = columns.get("state", entry.state)
    receipt = columns.pop("receipt", None)
    if receipt:
        columns["receipt"] = json_of(asdict(receipt))
    changed = connection.execute(
        update(OUTBOX)
        .where(OUTBOX.c.id == entry.id, OUTBOX.c.state == entry.state.value, OUTBOX.c.attempts == entry.attempts)
        .values(**{**columns, "state": state.value, "reason": doing.reason, "changed_at": doing.at})
    )
    if changed.rowcount != 1:
        raise ActionError(f"action {entry.id}", "somebody else changed it at this moment.", hint="Look at it again.")
    attempt = columns.get("attempts", entry.attempts)
    told(connection, entry.id, event, state, doing, attempt=attempt)


def told(
    connection: Connection, action_id: str, event: str, state: ActionState, doing: Doing, *, attempt: int = 0
) -> None:
    """Add a line to the history of an action."""
    line = {"action_id": action_id, "event": event, "state": state.value, "attempt": attempt, "token": doing.token}
    connection.execute(insert(OUTBOX_EVENTS).values(at=doing.at, actor=doing.actor, reason=doing.reason, **line))
