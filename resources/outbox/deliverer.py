"""From an approved action to its confirmed result: exactly one effect, whatever is killed, locked, slow or down.

An attempt is recorded before the call and its receipt after it. An attempt without a recorded result is never simply
repeated: first the target is asked, once the call can no longer be under way. Where the target cannot say, a person is
asked.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from intelligence.actions.action import key_of
from intelligence.actions.backoff import Backoff
from intelligence.actions.states import ActionState
from intelligence.actions.target import Lasting, Refused, Target, TargetError, Unavailable, Unknown
from intelligence.core.errors import ActionError, StateError
from resources.config.faults import reach
from resources.outbox.attempts import Attempts
from resources.outbox.door import Outbox
from resources.outbox.entries import Entry
from resources.outbox.leases import LeaseLost, is_gone, lease_taken, new_owner
from resources.outbox.pauses import Pause

LEASE = "delivery"
READ_BACK = "read-back"
# The reason of an action begins so while its effect cannot be relied on any more.
LAPSED = "what was done cannot be relied on: "
ASK_AGAIN_AFTER = 4  # the step of the back-off that sets when a target that could not be asked is asked again


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one delivery for one action: its standing afterwards, or `paused` or `waits`, and the reason."""

    action_id: str
    standing: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """The result of one delivery; `held_up` says why it did not begin or did not finish."""

    results: tuple[Result, ...] = ()
    held_up: str | None = None

    def ids(self, standing: str) -> list[str]:
        """Return the ids of the actions that have this standing after the delivery."""
        return [result.action_id for result in self.results if result.standing == standing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a delivery may last, and how long its actions wait after an attempt."""

    longest_s: float = 60.0
    backoff: Backoff = field(default_factory=Backoff)


UNHURRIED = Pace()


def delivered(
    outbox: Outbox,
    targets: Iterable[Target],
    *,
    only: Collection[str] | None = None,
    pace: Pace = UNHURRIED,
    sleep: Callable[[float], None] = time.sleep,
) -> DeliveryReport:
    """Return the report of delivering the approved actions to their targets.

    Args:
        outbox: The store of actions.
        targets: Where actions can be delivered; actions for other targets keep waiting.
        only: Ids of the actions to deliver; None: all that are due, and expired and undone ones are handled too.
        pace: Limits of time for the whole delivery, and the waits after failed attempts.
        sleep: Called with seconds to wait where a target limits the rate; tests replace it.

    Raises:
        StateError: Where the state store cannot be used; the next delivery settles what was begun.
    """
    lease = lease_taken(outbox.state, LEASE, owner=new_owner(), now=outbox.clock())
    if lease is None:
        return DeliveryReport(held_up="another deliverer is at work")
    reach("action.lease_taken")
    delivery = _Delivery(Attempts(outbox, lease), {target.name: target for target in targets}, pace, sleep)
    try:
        delivery.run(only)
    except LeaseLost as error:
        return DeliveryReport(tuple(delivery.results), held_up=str(error))
    except BaseException:
        with suppress(StateError):
            lease.give_back(outbox.state)
        raise
    lease.give_back(outbox.state)
    return DeliveryReport(tuple(delivery.results), held_up=delivery.held_up)


@dataclass(slots=True)
class _Delivery:
    attempts: Attempts
    targets: Mapping[str, Target]
    pace: Pace
    sleep: Callable[[float], None]
    results: list[Result] = field(default_factory=list)
    in_doubt: list[Entry] = field(default_factory=list)
    held_up: str | None = None
    began_s: float = field(default_factory=time.monotonic)
    next_s: dict[str, float] = field(default_factory=dict)

    def run(self, only: Collection[str] | None) -> None:
        if only is None:
            self._recheck_confirmed()
            for entry in self.attempts.expire():
                self._note(entry, "expired" if not entry.attempts else "failed", "it waited too long")
            for entry in self.attempts.to_undo(self.targets):
                self._unless_changed(self._undo, entry)
        for entry in self.attempts.in_doubt(self.targets):
            if only is None or entry.id in only:
                self._unless_changed(self._ask, entry)
        self.in_doubt = self.attempts.in_doubt(self.targets)
        last = 0
        while page := self.attempts.due(self.targets, after=last, only=only):
            for entry in page:
                last = entry.sequence
                if time.monotonic() - self.began_s > self.pace.longest_s:
                    self.held_up = "time is up; the next delivery goes on"
                    return
                if entry.action.target in self.attempts.resting():
                    self._note(entry, "waits", "the target asked to be left alone")
                elif any(_comes_first(each, entry) for each in self.in_doubt):
                    self._note(entry, "waits", "an earlier action of the same episode or feature is in doubt")
                else:
                    self._unless_changed(self._send, entry)

    def _recheck_confirmed(self) -> None:
        """Doubt confirmed actions of a target that cannot be relied on, and confirm them again once it can."""
        for target in self.targets.values():
            if isinstance(target, Lasting):
                lapse, standing = target.lapsed(), target.standing_actions()
                for entry in self.attempts.outbox.entries(states=[ActionState.CONFIRMED, ActionState.SENT]):
                    if entry.id in standing and not entry.undo_wanted:
                        self._unless_changed(partial(self._stand, lapse), entry)

    def _stand(self, lapse: str | None, entry: Entry) -> None:
        outbox = self.attempts.outbox
        if lapse and entry.state is ActionState.CONFIRMED:
            outbox.doubted(entry.id, actor=READ_BACK, reason=f"{LAPSED}{lapse}")
        elif lapse is None and entry.unconfirmed and entry.reason.startswith(LAPSED):
            outbox.settled(entry.id, happened=True, actor=READ_BACK, reason="read back again: it stands")

    def _unless_changed(self, step: Callable[[Entry], None], entry: Entry) -> None:
        """Take the step; where a person changed the entry in the meantime, the person's change is kept."""
        try:
            step(entry)
        except LeaseLost:
            raise
        except ActionError as error:
            self._note(entry, "waits", str(error))

    def _send(self, entry: Entry) -> None:
        target = self.targets[entry.action.target]
        self._keep_pace(target)
        begun = self.attempts.begun(entry)
        if isinstance(begun, Pause):
            self._note(entry, "paused", str(begun))
            return
        reach("action.intended")
        try:
            receipt = target.sent(begun.action, self.attempts.precedent(begun))
        except Refused as error:
            self.attempts.fail(begun, str(error))
            self._note(begun, "failed", str(error))
        except Unavailable as error:
            self.attempts.postpone(begun, str(error), wait_s=self._wait_s(begun, error), rest=True)
            self._note(begun, "waits", str(error))
        except Exception as error:
            reason = str(error) if isinstance(error, TargetError) else f"{type(error).__name__} while sending"
            self.attempts.leave_in_doubt(begun, reason, wait_s=max(target.settle_s, self._wait_s(begun, None)))
            self.in_doubt.append(begun)
            self._note(begun, "in doubt", reason)
        else:
            reach("action.called")
            self.attempts.confirm(begun, receipt, f"receipt {receipt.reference}")
            reach("action.confirmed")
            self._note(begun, "confirmed", receipt.reference)

    def _ask(self, entry: Entry) -> None:
        target, now = self.targets[entry.action.target], self.attempts.now
        if entry.ask_after is None:
            # The call of a process that has ended began at that time; the call of a process that may be alive, or that
            # has another clock, may begin only now.
            is_orphaned = entry.attempted_by and is_gone(entry.attempted_by, noted_at=entry.attempted_at)
            since = entry.attempted_at if is_orphaned else now
            age_s = (now - since).total_seconds() if since else 0.0
            if age_s < target.settle_s:
                self.attempts.leave_in_doubt(entry, "an attempt has no end", wait_s=target.settle_s - max(age_s, 0.0))
                self._note(entry, "in doubt", "its call may still be on its way")
                return
        elif entry.ask_after > now:
            self._note(entry, "in doubt", entry.reason)
            return
        self._settle(entry, target)

    def _settle(self, entry: Entry, target: Target) -> None:
        try:
            receipt = target.found(entry.action, self.attempts.precedent(entry), since=entry.planned_at)
        except Unavailable as error:
            if entry.expires_at <= self.attempts.now:
                self._escalate(entry, f"the target could not be asked in time: {error}")
                return
            wait_s = self.pace.backoff.wait_s(ASK_AGAIN_AFTER, jitter=_jitter(entry), retry_after_s=error.retry_after_s)
            self.attempts.leave_in_doubt(entry, str(error), wait_s=wait_s)
            self._note(entry, "in doubt", str(error))
        except TargetError as error:
            self._escalate(entry, str(error))
        else:
            if receipt:
                self.attempts.confirm(entry, receipt, f"found at the target: {receipt.reference}")
                self._note(entry, "confirmed", receipt.reference)
            else:
                self.attempts.postpone(entry, "the target does not have it", wait_s=0.0)

    def _escalate(self, entry: Entry, reason: str) -> None:
        self.attempts.escalate(entry, reason)
        self._note(entry, "unconfirmed", reason)

    def _undo(self, entry: Entry) -> None:
        if entry.receipt is None:
            return
        self.attempts.prove()
        try:
            receipt = self.targets[entry.action.target].undone(entry.action, entry.receipt)
        except Refused as error:
            self.attempts.postpone_undo(entry, str(error), wait_s=None)
            self._note(entry, entry.standing, f"not undone: {error}")
        except (Unavailable, Unknown) as error:
            self.attempts.postpone_undo(entry, str(error), wait_s=self._wait_s(entry, error))
            self._note(entry, entry.standing, f"not undone yet: {error}")
        else:
            self.attempts.take_back(entry, receipt)
            self._note(entry, "undone", receipt.reference)

    def _wait_s(self, entry: Entry, error: TargetError | None) -> float:
        retry_after_s = error.retry_after_s if isinstance(error, Unavailable) else None
        return self.pace.backoff.wait_s(max(entry.attempts, 1), jitter=_jitter(entry), retry_after_s=retry_after_s)

    def _keep_pace(self, target: Target) -> None:
        if target.rate_per_s is None:
            return
        now_s = time.monotonic()
        turn_s = max(now_s, self.next_s.get(target.name, now_s))
        if turn_s > now_s:
            self.sleep(turn_s - now_s)
        self.next_s[target.name] = turn_s + 1 / target.rate_per_s

    def _note(self, entry: Entry, standing: str, reason: str) -> None:
        self.results.append(Result(entry.id, standing, reason))


def _comes_first(in_doubt: Entry, entry: Entry) -> bool:
    one, other = in_doubt.action, entry.action
    same = one.episode == other.episode or (one.feature is not None and one.feature == other.feature)
    return one.target == other.target and same


def _jitter(entry: Entry) -> float:
    return int(key_of(entry.id, str(entry.attempts))[:8], 16) / 0xFFFFFFFF
