"""Verification: whether changes of flags show in the telemetry; an action that does not show is doubted once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from intelligence.actions.action import Kind
from intelligence.actions.flags import STEP, Document, digest_of
from intelligence.actions.seen_exposure import BASELINE_DAYS, first_day_after, seen_exposure, still_served
from intelligence.actions.states import ActionState
from intelligence.catalog.product import Product
from intelligence.core.errors import ActionError
from intelligence.core.sql import sql
from resources.lake.door import Lake
from resources.messages.announcer import Announcer

VERIFIER = "exposure"
VERIFIED_DAYS = 14


def _is_verifiable(entry: Any, newest: date | None) -> bool:
    is_recent = newest is not None and entry.action.day >= newest - timedelta(days=VERIFIED_DAYS)
    is_touch = entry.action.target == "flags" and entry.action.kind in (Kind.ROLLBACK, Kind.THROTTLE)
    return is_touch and is_recent and not entry.undo_wanted and entry.receipt is not None


def _promised(entry: Any, document: Document, record: Any) -> float | None:
    """Return the share of its use that the feature keeps after the action; None without such a claim, or where the flag changed since."""
    flag, left = entry.receipt.details["flag"], record.of_action(entry.id)
    last = record.last(flag)
    if left is None or last is None or last.action_id != entry.id or record.lock_of(flag):
        return None
    try:
        if digest_of(document, flag) != last.digest:
            return None
        step = entry.action.payload.get("step")
        step = STEP if step is None else step
        return still_served(document, flag, kind=entry.action.kind, step=step, former=left.former)
    except ActionError:
        return None


def _confirmed_at(history: list[Any]) -> datetime:
    moment: datetime = next(line.at for line in history if line.state is ActionState.CONFIRMED)
    return moment.astimezone(UTC)


def _is_doubted(outbox: Any, action_id: str, reason: str) -> bool:
    try:
        outbox.doubted(action_id, actor=VERIFIER, reason=reason)
    except ActionError:
        return False  # a person changed it in the meantime, and that change is kept
    return True


_TAKEN_IN = sql("telemetry/taken_in.sql")
# A day counts only where the use of the feature and that of the whole product are both built.
_DAYS = sql("metrics/use_by_day.sql")


@dataclass(frozen=True, slots=True)
class VerificationService:
    """Looks in the telemetry for the effects of changes of flags."""

    product: Product
    lake: Lake
    announcer: Announcer

    def doubted(self) -> list[str]:
        """Return the ids of rollbacks and throttles that are unconfirmed now, since the telemetry does not show their effect.

        Only flags that are as the platform left them are assessed, on days with complete telemetry. An action is
        doubted once: what a person reports about it afterwards is kept.
        """
        outbox, found = self.announcer.outbox(), []
        for entry, promised in self._claims():
            moment = _confirmed_at(outbox.history(entry.id))
            since = first_day_after(
                moment, self._made() if self.product.is_simulated() else None, timezone=self.product.timezone
            )
            span = {"feature": entry.action.feature, "first": entry.action.day - timedelta(days=BASELINE_DAYS - 1)}
            seen = seen_exposure(
                self.lake.frame(_DAYS, span), decided_on=entry.action.day, since=since, promised=promised
            )
            if seen.verdict == "not seen" and _is_doubted(outbox, entry.id, seen.reason):
                found.append(entry.id)
        return found

    def _claims(self) -> Iterator[tuple[Any, float]]:
        """Yield the confirmed actions that reduce their feature's use, with the share that is to be left of it."""
        outbox, (file, record) = self.announcer.outbox(), self.announcer.flags([])
        newest: date | None = self.lake.frame("SELECT max(event_date) AS day FROM metrics.feature_health")["day"][0]
        entries = [entry for entry in outbox.entries(states=[ActionState.CONFIRMED]) if _is_verifiable(entry, newest)]
        if not entries:
            return
        try:
            document = file.document()
        except ActionError:
            return
        for entry in entries:
            promised = _promised(entry, document, record)
            if promised is not None and VERIFIER not in {line.actor for line in outbox.history(entry.id)}:
                yield entry, promised

    def _made(self) -> dict[date, datetime]:
        """Return when each simulated day was made, or at the latest: a lake may be filled again, and files may be copied."""
        taken_in = {day: at.replace(tzinfo=UTC) for day, at in self.lake.frame(_TAKEN_IN).iter_rows()}
        made = self.announcer.days_made()
        return {day: min(at, made.get(day, at)) for day, at in taken_in.items()}
