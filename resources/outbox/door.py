"""The outbox: every planned action, its standing and its history, and the only way to read and change them.

What a deliverer does to an action is in `resources/outbox/attempts.py`.
"""

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from intelligence.actions.action import Action
from intelligence.actions.settings import Actions
from intelligence.actions.states import ActionState
from intelligence.core.errors import ActionError
from resources.config.faults import reach
from resources.outbox.entries import (
    ActionEvent,
    Doing,
    Entry,
    add_event,
    change_columns,
    change_state,
    current,
    entry_from,
    row_of,
)
from resources.outbox.pauses import Pause, demand_scope, pause_recorded, pauses_in
from resources.state.rows import inserted_if_new
from resources.state.store import State, state_at
from resources.state.tables import OUTBOX, OUTBOX_EVENTS

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Outbox:
    """The actions of one state store.

    Attributes:
        approval: How long an action waits for a person before it expires.
        give_up: How long after its approval an action may still be tried.
    """

    state: State
    clock: Clock = utc_now
    approval: timedelta = timedelta(hours=24)
    give_up: timedelta = timedelta(hours=24)

    @classmethod
    def of(cls, url: str, settings: Actions) -> "Outbox":
        """Return the outbox with the waiting times of the product's settings.

        Args:
            url: SQLAlchemy URL of the state store.
            settings: The section `actions` of product.yaml.
        """
        approval, give_up = timedelta(hours=settings.approval_hours), timedelta(hours=settings.give_up_hours)
        return cls(state_at(url), approval=approval, give_up=give_up)

    def planned(self, actions: Iterable[Action], *, actor: str, reason: str, approved: bool = False) -> tuple[str, ...]:
        """Return the ids of the actions that are new; actions that were planned before are not changed.

        Args:
            actions: The actions to plan; their ids are idempotency keys.
            actor: Who does it, as the history shows it: a person, or a component such as `the policy`.
            reason: Why, in one sentence; it is recorded with the change.
            approved: Whether they are approved at the same time, so that no person is asked.
        """
        state, actions, now = ActionState.APPROVED if approved else ActionState.PLANNED, list(actions), self.clock()
        doing, waits = Doing(actor, reason, now), self.give_up if approved else self.approval
        times = {"planned_at": now, "expires_at": now + waits, "changed_at": now}
        with self.state.writing() as connection:
            rows = [{**row_of(action), **times, "state": state.value, "reason": reason} for action in actions]
            new = tuple(actions[place].id for place in inserted_if_new(connection, OUTBOX, rows))
            for action_id in new:
                add_event(connection, action_id, ActionState.PLANNED.value, ActionState.PLANNED, doing)
                if approved:
                    add_event(connection, action_id, ActionState.APPROVED.value, ActionState.APPROVED, doing)
        reach("action.planned")
        return new

    def approved(self, action_id: str, *, actor: str, reason: str) -> Entry:
        """Return the action after its approval; it will be delivered.

        Args:
            action_id: Its id, or a beginning of it that no other id shares.
            actor: Who does it, as the history shows it: a person, or a component such as `the policy`.
            reason: Why, in one sentence; it is recorded with the change.

        Raises:
            ActionError: Where the action does not wait for an approval, or its time for approval is over.
        """
        now = self.clock()
        with self.state.writing() as connection:
            entry = current(connection, action_id)
            if entry.state is ActionState.PLANNED and entry.expires_at <= now:
                raise ActionError(f"action {action_id}", "its time for approval is over.", hint="The next day decides.")
            change_state(
                connection, entry, ActionState.APPROVED, Doing(actor, reason, now), expires_at=now + self.give_up
            )
        reach("action.approved")
        return self.entry(action_id)

    def rejected(self, action_id: str, *, actor: str, reason: str) -> Entry:
        """Return the action after its rejection; it will never be delivered.

        Args:
            action_id: Its id, or a beginning of it that no other id shares.
            actor: Who does it, as the history shows it: a person, or a component such as `the policy`.
            reason: Why, in one sentence; it is recorded with the change.

        Raises:
            ActionError: Where an attempt was already begun.
        """
        with self.state.writing() as connection:
            change_state(connection, current(connection, action_id), ActionState.REJECTED, self._doing(actor, reason))
        return self.entry(action_id)

    def withdrawn(self, kinds: Collection[str], *, approved_by: str, reason: str) -> list[str]:
        """Return the ids of the waiting actions that will not be sent, because only `approved_by` had approved them.

        They are expired, or failed where they had been attempted. An action that somebody else changes in the meantime
        is left as it is.

        Args:
            kinds: The kinds of actions to withdraw.
            approved_by: The actor whose approval no longer counts.
            reason: Why, in one sentence; it is recorded with the change.
        """
        alone = select(OUTBOX_EVENTS.c.action_id).where(
            OUTBOX_EVENTS.c.event == ActionState.APPROVED.value, OUTBOX_EVENTS.c.actor == approved_by
        )
        waiting = select(OUTBOX).where(
            OUTBOX.c.state == ActionState.APPROVED.value, OUTBOX.c.kind.in_(kinds), OUTBOX.c.id.in_(alone)
        )
        with self.state.reading() as connection:
            entries = [entry_from(row) for row in connection.execute(waiting).mappings()]
        ended = []
        for entry in entries:
            after = ActionState.FAILED if entry.attempts else ActionState.EXPIRED
            with suppress(ActionError), self.state.writing() as connection:
                change_state(connection, entry, after, self._doing(approved_by, reason))
                ended.append(entry.id)
        return ended

    def undo_wanted(self, action_id: str, *, actor: str, reason: str) -> Entry:
        """Return the action, which the next delivery undoes; an action that was not begun is rejected instead.

        Args:
            action_id: Its id, or a beginning of it that no other id shares.
            actor: Who does it, as the history shows it: a person, or a component such as `the policy`.
            reason: Why, in one sentence; it is recorded with the change.

        Raises:
            ActionError: Where the action has no effect that could be undone.
        """
        with self.state.writing() as connection:
            entry, doing = current(connection, action_id), self._doing(actor, reason)
            if entry.state in (ActionState.PLANNED, ActionState.APPROVED):
                change_state(connection, entry, ActionState.REJECTED, doing)
            elif entry.state is ActionState.CONFIRMED or (entry.unconfirmed and entry.receipt):
                change_columns(connection, entry, "undo wanted", doing, undo_wanted=True, not_before=None)
            else:
                raise ActionError(
                    f"action {action_id}",
                    f"it is {entry.standing}: there is nothing to take back.",
                    hint="Wait for the next delivery." if entry.state is ActionState.SENT else "Look at its history.",
                )
        return self.entry(action_id)

    def doubted(self, action_id: str, *, actor: str, reason: str) -> Entry:
        """Return the action, which was confirmed and is *unconfirmed* now, since its expected effect did not show.

        Args:
            action_id: Its id, or a beginning of it that no other id shares.
            actor: Who does it, as the history shows it: a person, or a component such as `the policy`.
            reason: What was expected and not seen; it is recorded with the change.
        """
        with self.state.writing() as connection:
            entry = current(connection, action_id)
            change_state(connection, entry, ActionState.SENT, self._doing(actor, reason), unconfirmed=True)
        return self.entry(action_id)

    def settled(self, action_id: str, *, happened: bool, actor: str, reason: str) -> Entry:
        """Return an unconfirmed action with the result that a person reported.

        Args:
            action_id: Its id, or a beginning of it that no other id shares.
            happened: Whether it was carried out: True confirms it, False makes it failed.
            actor: Who does it, as the history shows it: a person, or a component such as `the policy`.
            reason: Why, in one sentence; it is recorded with the change.

        Raises:
            ActionError: Where the action is not unconfirmed.
        """
        with self.state.writing() as connection:
            entry = current(connection, action_id)
            if not entry.unconfirmed:
                raise ActionError(f"action {action_id}", f"it is {entry.state}, in no doubt.", hint="Nothing is to do.")
            after = ActionState.CONFIRMED if happened else ActionState.FAILED
            change_state(connection, entry, after, self._doing(actor, reason), unconfirmed=False)
        return self.entry(action_id)

    def entry(self, action_id: str) -> Entry:
        """Return the action whose id is, or begins with, `action_id`; raises ActionError unless exactly one does."""
        with self.state.reading() as connection:
            return current(connection, action_id)

    def ids(self) -> set[str]:
        """Return the id of every action."""
        with self.state.reading() as connection:
            return set(connection.execute(select(OUTBOX.c.id)).scalars())

    def entries(
        self,
        *,
        states: Collection[ActionState] | None = None,
        feature: str | None = None,
        decision_id: str | None = None,
        limit: int | None = None,
    ) -> list[Entry]:
        """Return the actions that satisfy every given condition, the newest first.

        Args:
            states: The states to include; None: all.
            feature: The product feature that they act on; None: any.
            decision_id: The decision that asked for them; None: any.
            limit: The largest number of entries to return; None: all.
        """
        query = select(OUTBOX).order_by(OUTBOX.c.sequence.desc()).limit(limit)
        if states is not None:
            query = query.where(OUTBOX.c.state.in_([state.value for state in states]))
        if feature is not None:
            query = query.where(OUTBOX.c.feature == feature)
        if decision_id is not None:
            query = query.where(OUTBOX.c.decision_id == decision_id)
        with self.state.reading() as connection:
            return [entry_from(row) for row in connection.execute(query).mappings()]

    def unconfirmed(self) -> list[Entry]:
        """Return the actions of which it is not known whether they were carried out, the newest first."""
        return [entry for entry in self.entries(states=[ActionState.SENT]) if entry.unconfirmed]

    def history(self, action_id: str) -> list[ActionEvent]:
        """Return the recorded changes of an action, the oldest first."""
        names = [getattr(OUTBOX_EVENTS.c, name) for name in ActionEvent.__slots__]
        query = select(*names).where(OUTBOX_EVENTS.c.action_id == action_id).order_by(OUTBOX_EVENTS.c.sequence)
        with self.state.reading() as connection:
            rows = connection.execute(query).mappings()
            return [ActionEvent(**{**row, "state": ActionState(row["state"])}) for row in rows]

    def paused(self, scope: str, *, actor: str, reason: str) -> bool:
        """Return whether the pause is new; from now on nothing under `scope` is sent, not even by a running delivery.

        An undo that a person asked for is carried out all the same.

        Args:
            scope: `everything`, `feature:<name>` or `kind:<kind>`.
            actor: Who does it, as the history shows it: a person, or a component such as `the policy`.
            reason: Why, in one sentence; it is recorded with the change.

        Raises:
            ActionError: Where the scope is none of these.
        """
        return self._pause(scope, paused=True, actor=actor, reason=reason)

    def resumed(self, scope: str, *, actor: str, reason: str) -> bool:
        """Return whether there was such a pause; what no other pause covers is sent again.

        Args:
            scope: `everything`, `feature:<name>` or `kind:<kind>`.
            actor: Who does it, as the history shows it: a person, or a component such as `the policy`.
            reason: Why, in one sentence; it is recorded with the change.

        Raises:
            ActionError: Where the scope is none of these.
        """
        return self._pause(scope, paused=False, actor=actor, reason=reason)

    def pauses(self) -> list[Pause]:
        """Return the pauses that are in force."""
        with self.state.reading() as connection:
            return list(pauses_in(connection).values())

    def _pause(self, scope: str, *, paused: bool, actor: str, reason: str) -> bool:
        demand_scope(scope)
        with self.state.writing() as connection:
            return pause_recorded(connection, scope, paused=paused, at=self.clock(), actor=actor, reason=reason)

    def _doing(self, actor: str, reason: str) -> Doing:
        return Doing(actor, reason, self.clock())
