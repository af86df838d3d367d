"""The rows of the outbox as values, and the only two functions that change them."""

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
    """An action with its standing; `reason` says how it came to this state."""

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
        """Return the state in one word, *unconfirmed* where it is not known whether the action was carried out."""
        return "unconfirmed" if self.unconfirmed else self.state.value


@dataclass(frozen=True, slots=True)
class ActionEvent:
    """One line of an action's history; `state` is the state after the event."""

    at: datetime
    action_id: str
    event: str
    state: ActionState
    attempt: int
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Doing:
    """Who changes an action, when and why, and the token of the lease where it is a deliverer."""

    actor: str
    reason: str
    at: datetime
    token: int | None = None


def entry_from(row: RowMapping) -> Entry:
    """Return a row of the outbox as an entry."""
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
    """Return the values as JSON with sorted keys, so that equal values give equal text."""
    return json.dumps(dict(values), sort_keys=True, ensure_ascii=False, default=str)


def current(connection: Connection, action_id: str) -> Entry:
    """Return the entry as it is now.

    Args:
        connection: An open connection to the state store.
        action_id: The id of the action, or a beginning of it that no other id shares.

    Raises:
        ActionError: Where no id, or more than one, begins with `action_id`.
    """
    rows = connection.execute(select(OUTBOX).where(OUTBOX.c.id == action_id)).mappings().all()
    if not rows and action_id:
        begins = OUTBOX.c.id.startswith(action_id, autoescape=True)
        rows = connection.execute(select(OUTBOX).where(begins).limit(2)).mappings().all()
    if len(rows) != 1:
        problem = "several begin with that." if rows else "there is none."
        raise ActionError(f"action {action_id}", problem, hint="`intelligence actions` lists them.")
    return entry_from(rows[0])


def change_state(connection: Connection, entry: Entry, after: ActionState, doing: Doing, **columns: Any) -> None:
    """Change the state of the entry and record the change in its history.

    Args:
        connection: An open transaction on the state store; the change is part of it.
        entry: The entry as it was read.
        after: The new state.
        doing: Who changes it, when and why.
        **columns: Other columns of the outbox and their new values.

    Raises:
        ActionError: Where the state may not follow the present one, or the entry was changed since it was read.
    """
    demand_permitted(entry.id, entry.state, after)
    change_columns(connection, entry, after.value, doing, state=after, **columns)


def change_columns(connection: Connection, entry: Entry, event: str, doing: Doing, **columns: Any) -> None:
    """Change columns of the entry and add a line to its history.

    Args:
        connection: An open transaction on the state store; the change is part of it.
        entry: The entry as it was read.
        event: What happened, in a word or two; the name of the line in the history.
        doing: Who changes it, when and why.
        **columns: Columns of the outbox and their new values.

    Raises:
        ActionError: Where the entry was changed since it was read.
    """
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
    add_event(connection, entry.id, event, state, doing, attempt=attempt)


def add_event(
    connection: Connection, action_id: str, event: str, state: ActionState, doing: Doing, *, attempt: int = 0
) -> None:
    """Add a line to the history of an action.

    Args:
        connection: An open transaction on the state store; the change is part of it.
        action_id: The full id of the action.
        event: What happened, in a word or two.
        state: The state of the action after the event.
        doing: Who changes it, when and why.
        attempt: How many attempts were begun so far.
    """
    line = {"action_id": action_id, "event": event, "state": state.value, "attempt": attempt, "token": doing.token}
    connection.execute(insert(OUTBOX_EVENTS).values(at=doing.at, actor=doing.actor, reason=doing.reason, **line))
