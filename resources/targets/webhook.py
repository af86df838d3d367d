"""A signed webhook: the action as JSON, with its id in a header and an HMAC over timestamp and body."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from intelligence.actions.action import Action
from intelligence.actions.signature import KEY_HEADER, SIGNATURE_HEADER, TIME_HEADER, signature
from intelligence.actions.target import Precedent, Receipt, Refused, Unknown
from resources.targets.http import SETTLE_S, Calls

NAME = "webhook"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL of the product's owner; with `deduplicates` its receiver drops a key that it has received before."""

    calls: Calls
    secret: SecretStr
    clock: Callable[[], datetime]
    deduplicates: bool = False
    name: str = NAME
    settle_s: float = SETTLE_S
    rate_per_s: float | None = None

    def sent(self, action: Action, precedent: Precedent | None) -> Receipt:  # noqa: ARG002
        """Return the receipt of the call.

        Args:
            action: The action; its id is the idempotency key.
            precedent: Not used: each action is a call of its own.

        Raises:
            Unavailable: Where nothing happened and the call may be repeated.
            Refused: Where nothing happened and repeating will not help.
            Unknown: Where it may have happened or not.
        """
        body = json.dumps(_document(action), sort_keys=True, default=str).encode()
        timestamp = str(int(self.clock().timestamp()))
        headers = {
            "content-type": "application/json",
            KEY_HEADER: action.id,
            TIME_HEADER: timestamp,
            SIGNATURE_HEADER: signature(self.secret.get_secret_value(), timestamp, body),
        }
        answer = self.calls.answer("", body, headers)
        return Receipt(f"{answer.status} {action.id}", {"status": answer.status})

    def found(self, action: Action, precedent: Precedent | None, *, since: datetime) -> Receipt | None:  # noqa: ARG002
        """Return None where the receiver drops repeated keys, so that the call can be repeated.

        Args:
            action: Not used.
            precedent: Not used.
            since: Not used.

        Raises:
            Unknown: Where the receiver does not, since it cannot be asked.
        """
        if self.deduplicates:
            return None
        raise Unknown("a webhook cannot be asked what it received")

    def undone(self, action: Action, receipt: Receipt) -> Receipt:  # noqa: ARG002
        """Raise Refused: only the receiver can undo the action.

        Args:
            action: Not used.
            receipt: Not used.
        """
        raise Refused("a webhook cannot be taken back; undo it where it was received")


def _document(action: Action) -> dict[str, object]:
    fields = {name: getattr(action, name) for name in ("kind", "feature", "episode", "title", "text", "decision_id")}
    return {**fields, "id": action.id, "day": action.day.isoformat(), "payload": dict(action.payload)}
