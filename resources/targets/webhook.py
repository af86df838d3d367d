"""A signed webhook: the action as JSON, with its key in a header and an HMAC over the moment and the body."""

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
    """An address of the product's own; with `deduplicates` it promises to drop a key that it has seen."""

    calls: Calls
    secret: SecretStr
    clock: Callable[[], datetime]
    deduplicates: bool = False
    name: str = NAME
    settle_s: float = SETTLE_S
    rate_per_s: float | None = None

    def sent(self, action: Action, precedent: Precedent | None) -> Receipt:  # noqa: ARG002
        """Return the receipt of the call."""
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
        """Return None where the address drops what it has seen; raises Unknown where it cannot be asked."""
        if self.deduplicates:
            return None
        raise Unknown("a webhook cannot be asked what it received")

    def undone(self, action: Action, receipt: Receipt) -> Receipt:  # noqa: ARG002
        """Raise Refused: nobody but the receiver knows how."""
        raise Refused("a webhook cannot be taken back; undo it where it was received")


def _document(action: Action) -> dict[str, object]:
    fields = {name: getattr(action, name) for name in ("kind", "feature", "episode", "title", "text", "decision_id")}
    return {**fields, "id": action.id, "day": action.day.isoformat(), "payload": dict(action.payload)}
