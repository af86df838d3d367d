"""Pauses: who stopped which actions, and who resumed them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from intelligence.actions.action import Action, Kind
from intelligence.core.errors import ActionError
from resources.state.tables import PAUSES

EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class Pause:
    """A scope that is paused, by whom, since when and why."""

    scope: str
    at: datetime
    actor: str
    reason: str

    def __str__(self) -> str:
        return f"{self.scope} paused by {self.actor}: {self.reason}"


def demand_scope(scope: str) -> None:
    """Raise ActionError where the scope is not one of those that actions can belong to."""
    kind, _, name = scope.partition(":")
    if scope == EVERYTHING or (kind == "feature" and name) or (kind == "kind" and name in list(Kind)):
        return
    known = f"{EVERYTHING}, feature:<name> or kind:<{'|'.join(Kind)}>"
    raise ActionError(f"pause of {scope}", "there is no such scope.", hint=f"Give {known}.")


def pauses_in(connection: Connection) -> dict[str, Pause]:
    """Return the pauses that are in force, by scope."""
    newest = select(func.max(PAUSES.c.sequence)).group_by(PAUSES.c.scope)
    rows = connection.execute(select(PAUSES).where(PAUSES.c.sequence.in_(newest)).order_by(PAUSES.c.scope)).mappings()
    return {row["scope"]: Pause(row["scope"], row["at"], row["actor"], row["reason"]) for row in rows if row["paused"]}


def pause_of(connection: Connection, action: Action) -> Pause | None:
    """Return a pause that covers the action, the broadest first; None where there is none.

    Args:
        connection: An open connection to the state store.
        action: The action that is to be sent.
    """
    pauses = pauses_in(connection)
    scopes = (EVERYTHING, f"feature:{action.feature}", f"kind:{action.kind}")
    return next((pauses[scope] for scope in scopes if scope in pauses), None)


def pause_recorded(connection: Connection, scope: str, *, paused: bool, at: datetime, actor: str, reason: str) -> bool:
    """Return whether the scope was in the other state before; the history gets its line in any case.

    Args:
        connection: An open transaction on the state store; the change is part of it.
        scope: `everything`, `feature:<name>` or `kind:<kind>`.
        paused: True pauses the scope, False resumes it.
        at: When, in UTC.
        actor: Who does it, as the history shows it: a person, or a component such as `the policy`.
        reason: Why, in one sentence; it is recorded with the change.
    """
    before = scope in pauses_in(connection)
    connection.execute(insert(PAUSES).values(at=at, scope=scope, paused=paused, actor=actor, reason=reason))
    return before != paused
