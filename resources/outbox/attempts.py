"""What the one deliverer at work does to the entries of the outbox.

Every change renews the deliverer's lease in the same transaction, and fails where another deliverer has taken it over.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, delete, or_, select

from intelligence.actions.states import ActionState
from intelligence.actions.target import Precedent, Receipt
from resources.outbox.door import Outbox
from resources.outbox.entries import Doing, Entry, change_columns, change_state, current, entry_from
from resources.outbox.leases import Lease
from resources.outbox.pauses import Pause, pause_of
from resources.state.rows import inserted_if_new
from resources.state.tables import OUTBOX, TARGET_RESTS

DELIVERER = "deliverer"
PAGE = 100


@dataclass(frozen=True, slots=True)
class Attempts:
    """The outbox as the holder of a lease may change it."""

    outbox: Outbox
    lease: Lease

    def expire(self) -> list[Entry]:
        """Return the actions that waited too long: they are expired now, or failed where they had been attempted."""
        waiting = select(OUTBOX).where(
            OUTBOX.c.state.in_([ActionState.PLANNED.value, ActionState.APPROVED.value]), OUTBOX.c.expires_at <= self.now
        )
        entries = self._entries(waiting)
        for entry in entries:
            after = ActionState.FAILED if entry.attempts else ActionState.EXPIRED
            cause = (
                "nobody approved it in time" if entry.state is ActionState.PLANNED else "it could not be sent in time"
            )
            last = f"; last: {entry.reason}" if entry.attempts else ""
            with self._changing(f"{cause}{last}") as (connection, doing):
                change_state(connection, entry, after, doing)
        return entries

    def begun(self, entry: Entry) -> Entry | Pause:
        """Return the entry after an attempt was recorded, or the pause that forbids the attempt."""
        with self._changing("an attempt begins") as (connection, doing):
            pause = pause_of(connection, entry.action)
            if pause:
                return pause
            attempt = {"attempts": entry.attempts + 1, "attempted_at": doing.at, "attempted_by": self.lease.owner}
            change_state(connection, entry, ActionState.SENT, doing, ask_after=None, **attempt)
            return current(connection, entry.id)

    def confirm(self, entry: Entry, receipt: Receipt, reason: str) -> None:
        """Record that the action was carried out.

        Args:
            entry: The action as it was read before the attempt.
            receipt: What the target returned; needed to find or undo the action.
            reason: Why, in one sentence; it is recorded with the change.
        """
        with self._changing(reason) as (connection, doing):
            change_state(connection, entry, ActionState.CONFIRMED, doing, receipt=receipt)

    def fail(self, entry: Entry, reason: str) -> None:
        """Record that the action was not carried out and will not be tried again.

        Args:
            entry: The action as it was read before the attempt.
            reason: What the target said; it is recorded with the change.
        """
        with self._changing(reason) as (connection, doing):
            change_state(connection, entry, ActionState.FAILED, doing)

    def postpone(self, entry: Entry, reason: str, *, wait_s: float, rest: bool = False) -> None:
        """Record that nothing happened and when to try again.

        Args:
            entry: The action as it was read before the attempt.
            reason: What the target said; it is recorded with the change.
            wait_s: Seconds from now until the action is due again.
            rest: Whether no other action is sent to the same target until then either.
        """
        until = self.now + timedelta(seconds=wait_s)
        with self._changing(reason) as (connection, doing):
            change_state(connection, entry, ActionState.APPROVED, doing, not_before=until)
            if rest:
                connection.execute(delete(TARGET_RESTS).where(TARGET_RESTS.c.target == entry.action.target))
                inserted_if_new(
                    connection, TARGET_RESTS, [{"target": entry.action.target, "until": until, "reason": reason}]
                )

    def leave_in_doubt(self, entry: Entry, reason: str, *, wait_s: float) -> None:
        """Record when to ask the target for the result of the attempt.

        Args:
            entry: The action whose attempt ended without a known result.
            reason: Why, in one sentence; it is recorded with the change.
            wait_s: Seconds from now until the target is asked.
        """
        with self._changing(reason) as (connection, doing):
            change_columns(connection, entry, "in doubt", doing, ask_after=doing.at + timedelta(seconds=wait_s))

    def escalate(self, entry: Entry, reason: str) -> None:
        """Record that the result of the attempt cannot be found out by a program, so that a person has to settle it.

        Args:
            entry: The action whose attempt ended without a known result.
            reason: Why the target cannot say; it is recorded with the change.
        """
        with self._changing(reason) as (connection, doing):
            change_columns(connection, entry, "unconfirmed", doing, unconfirmed=True)

    def take_back(self, entry: Entry, receipt: Receipt) -> None:
        """Record that the action was undone.

        Args:
            entry: The action that was to be undone.
            receipt: What the target returned for the undo.
        """
        with self._changing(f"undone: {entry.reason}") as (connection, doing):
            change_state(
                connection, entry, ActionState.UNDONE, doing, receipt=receipt, undo_wanted=False, unconfirmed=False
            )

    def postpone_undo(self, entry: Entry, reason: str, *, wait_s: float | None) -> None:
        """Record when to try to undo the action again.

        Args:
            entry: The action that was to be undone.
            reason: What the target said; it is recorded with the change.
            wait_s: Seconds from now until the next try; None: the undo is given up.
        """
        later = {"not_before": self.now + timedelta(seconds=wait_s)} if wait_s is not None else {"undo_wanted": False}
        with self._changing(f"not undone: {reason}") as (connection, doing):
            change_columns(
                connection, entry, "undo postponed" if wait_s is not None else "undo refused", doing, **later
            )

    def prove(self) -> None:
        """Renew the lease; raises LeaseLost where another deliverer took over."""
        with self.outbox.state.writing() as connection:
            self.lease.renew(connection, now=self.now)

    def in_doubt(self, targets: Collection[str]) -> list[Entry]:
        """Return the actions of these targets whose attempts have no known result, the oldest first."""
        return self._entries(
            select(OUTBOX).where(
                OUTBOX.c.state == ActionState.SENT.value, ~OUTBOX.c.unconfirmed, OUTBOX.c.target.in_(targets)
            )
        )

    def to_undo(self, targets: Collection[str]) -> list[Entry]:
        """Return the actions of these targets that a person wants undone, the newest first, as changes are unwound."""
        query = select(OUTBOX).where(OUTBOX.c.undo_wanted, OUTBOX.c.target.in_(targets), self._is_due())
        return self._entries(query)[::-1]

    def due(self, targets: Collection[str], *, after: int, only: Collection[str] | None) -> list[Entry]:
        """Return the next page of actions that are to be sent now, in the order in which they were planned.

        Args:
            targets: Names of the targets that can be reached in this delivery.
            after: Sequence number of the last entry of the page before; 0 for the first page.
            only: Ids of the actions to which the page is limited; None: all.
        """
        query = select(OUTBOX).where(
            OUTBOX.c.state == ActionState.APPROVED.value,
            OUTBOX.c.target.in_(targets),
            OUTBOX.c.sequence > after,
            OUTBOX.c.expires_at > self.now,
            self._is_due(),
        )
        if only is not None:
            query = query.where(OUTBOX.c.id.in_(only))
        return self._entries(query.limit(PAGE))

    def resting(self) -> dict[str, datetime]:
        """Return, by target, until when (UTC) no action may be sent to it."""
        query = select(TARGET_RESTS).where(TARGET_RESTS.c.until > self.now)
        with self.outbox.state.reading() as connection:
            return {row["target"]: row["until"] for row in connection.execute(query).mappings()}

    def precedent(self, entry: Entry) -> Precedent | None:
        """Return the first action of the same episode, target and channel that has a receipt; None where there is none."""
        query = select(OUTBOX).where(
            OUTBOX.c.target == entry.action.target,
            OUTBOX.c.episode == entry.action.episode,
            OUTBOX.c.receipt.is_not(None),
            OUTBOX.c.id != entry.id,
        )
        channel = entry.action.payload.get("channel")
        earlier = (each for each in self._entries(query) if each.action.payload.get("channel") == channel)
        return next((Precedent(each.action, each.receipt) for each in earlier if each.receipt), None)

    @property
    def now(self) -> datetime:
        """Return the time by this deliverer's clock."""
        return self.outbox.clock()

    def _is_due(self) -> Any:
        return or_(OUTBOX.c.not_before.is_(None), OUTBOX.c.not_before <= self.now)

    def _entries(self, query: Select[Any]) -> list[Entry]:
        with self.outbox.state.reading() as connection:
            return [entry_from(row) for row in connection.execute(query.order_by(OUTBOX.c.sequence)).mappings()]

    @contextmanager
    def _changing(self, reason: str) -> Iterator[tuple[Connection, Doing]]:
        now = self.now
        with self.outbox.state.writing() as connection:
            self.lease.renew(connection, now=now)
            yield connection, Doing(DELIVERER, reason, now, self.lease.token)
