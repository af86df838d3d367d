"""The outbox: every action that was planned, where it stands, and who said what of it. The one door to it.

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
from resources.outbox.entries import ActionEvent, Doing, Entry, current, entry_from, moved, noted, row_of, told
from resources.outbox.pauses import Pause, demand_scope, pause_noted, pauses_in
from resources.state.rows import inserted_if_new
from resources.state.store import State, state_at
from resources.state.tables import OUTBOX, OUTBOX_EVENTS

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Outbox:
    """The actions of one state store.

    Attributes:
        approval: how long an action waits for a person before it expires.
        give_up: how long after its approval an action may still be tried.
    """

    state: State
    clock: Clock = utc_now
    approval: timedelta = timedelta(hours=24)
    give_up: timedelta = timedelta(hours=24)

    @classmethod
    def of(cls, url: str, wanted: Actions) -> "Outbox":
        """Return the outbox in the state store at `url`, as patient as the product's settings say."""
        approval, give_up = timedelta(hours=wanted.approval_hours), timedelta(hours=wanted.give_up_hours)
        return cls(state_at(url), approval=approval, give_up=give_up)

    def planned(self, actions: Iterable[Action], *, actor: str, reason: str, approved: bool = False) -> tuple[str, ...]:
        """Return the ids of the actions that are new; those that were planned before are left as they stand.

        With `approved` nobody is asked: planning and approval are one.
        """
        state, actions, now = ActionState.APPROVED if approved else ActionState.PLANNED, list(actions), self.clock()
        doing, waits = Doing(actor, reason, now), self.give_up if approved else self.approval
        times = {"planned_at": now, "expires_at": now + waits, "changed_at": now}
        with self.state.writing() as connection:
            rows = [{**row_of(action), **times, "state": state.value, "reason": reason} for action in actions]
            new = tuple(actions[place].id for place in inserted_if_new(connection, OUTBOX, rows))
            for action_id in new:
                told(connection, action_id, ActionState.PLANNED.value, ActionState.PLANNED, doing)
                if approved:
                    told(connection, action_id, ActionState.APPROVED.value, ActionState.APPROVED, doing)
        reach("action.planned")
        return new

    def approved(self, action_id: str, *, actor: str, reason: str) -> Entry:
        """Return the action, which will now be delivered; raises ActionError where it does not wait for that."""
        now = self.clock()
        with self.state.writing() as connection:
            entry = current(connection, action_id)
            if entry.state is ActionState.PLANNED and entry.expires_at <= now:
                raise ActionError(f"action {action_id}", "its time for approval is over.", hint="The next day decides.")
            moved(connection, entry, ActionState.APPROVED, Doing(actor, reason, now), expires_at=now + self.give_up)
        reach("action.approved")
        return self.entry(action_id)

    def rejected(self, action_id: str, *, actor: str, reason: str) -> Entry:
        """Return the action, which will never be delivered; raises ActionError where it was already begun."""
        with self.state.writing() as connection:
            moved(connection, current(connection, action_id), ActionState.REJECTED, self._doing(actor, reason))
        return self.entry(action_id)

    def withdrawn(self, kinds: Collection[str], *, approved_by: str, reason: str) -> list[str]:
        """Return the ids of waiting actions of these kinds that will not be sent, since `approved_by` alone approved them.

        They are expired, or failed where they had been tried. Where somebody changes one at this moment, that holds.
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
                moved(connection, entry, after, self._doing(approved_by, reason))
                ended.append(entry.id)
        return ended

    def undo_wanted(self, action_id: str, *, actor: str, reason: str) -> Entry:
        """Return the action, which the next delivery takes back; one that was not begun is rejected instead."""
        with self.state.writing() as connection:
            entry, doing = current(connection, action_id), self._doing(actor, reason)
            if entry.state in (ActionState.PLANNED, ActionState.APPROVED):
                moved(connection, entry, ActionState.REJECTED, doing)
            elif entry.state is ActionState.CONFIRMED or (entry.unconfirmed and entry.receipt):
                noted(connection, entry, "undo wanted", doing, undo_wanted=True, not_before=None)
            else:
                raise ActionError(
                    f"action {action_id}",
                    f"it is {entry.standing}: there is nothing to take back.",
                    hint="Wait for the next delivery." if entry.state is ActionState.SENT else "Look at its history.",
                )
        return self.entry(action_id)

    def doubted(self, action_id: str, *, actor: str, reason: str) -> Entry:
        """Return the action, confirmed before and *unconfirmed* now: what it should have moved did not move."""
        with self.state.writing() as connection:
            entry = current(connection, action_id)
            moved(connection, entry, ActionState.SENT, self._doing(actor, reason), unconfirmed=True)
        return self.entry(action_id)

    def settled(self, action_id: str, *, happened: bool, actor: str, reason: str) -> Entry:
        """Return an unconfirmed action as a person found it: confirmed if it happened, failed if it did not."""
        with self.state.writing() as connection:
            entry = current(connection, action_id)
            if not entry.unconfirmed:
                raise ActionError(f"action {action_id}", f"it is {entry.state}, in no doubt.", hint="Nothing is to do.")
            after = ActionState.CONFIRMED if happened else ActionState.FAILED
            moved(connection, entry, after, self._doing(actor, reason), unconfirmed=False)
        return self.entry(action_id)

    def entry(self, action_id: str) -> Entry:
        """Return the action whose id is, or begins with, `action_id`; raises ActionError where none or several do."""
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
        """Return the actions of that kind, the newest first."""
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
        """Return the actions of which nobody can tell whether they happened, the newest first."""
        return [entry for entry in self.entries(states=[ActionState.SENT]) if entry.unconfirmed]

    def history(self, action_id: str) -> list[ActionEvent]:
        """Return everything that happened to an action, the oldest first."""
        names = [getattr(OUTBOX_EVENTS.c, name) for name in ActionEvent.__slots__]
        query = select(*names).where(OUTBOX_EVENTS.c.action_id == action_id).order_by(OUTBOX_EVENTS.c.sequence)
        with self.state.reading() as connection:
            rows = connection.execute(query).mappings()
            return [ActionEvent(**{**row, "state": ActionState(row["state"])}) for row in rows]

    def paused(self, scope: str, *, actor: str, reason: str) -> bool:
        """Return whether that was new: nothing under `scope` is sent from now on, not even by a delivery under way.

        A scope is `everything`, `feature:<name>` or `kind:<kind>`. What a person wants undone is undone all the same.
        """
        return self._pause(scope, paused=True, actor=actor, reason=reason)

    def resumed(self, scope: str, *, actor: str, reason: str) -> bool:
        """Return whether that was new: what is under no other pause is sent again."""
        return self._pause(scope, paused=False, actor=actor, reason=reason)

    def pauses(self) -> list[Pause]:
        """Return what is stopped at present."""
        with self.state.reading() as connection:
            return list(pauses_in(connection).values())

    def _pause(self, scope: str, *, paused: bool, actor: str, reason: str) -> bool:
        demand_scope(scope)
        with self.state.writing() as connection:
            return pause_noted(connection, scope, paused=paused, at=self.clock(), actor=actor, reason=reason)

    def _doing(self, actor: str, reason: str) -> Doing:
        return Doing(actor, reason, self.clock())
