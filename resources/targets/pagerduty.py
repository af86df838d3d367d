"""PagerDuty through its Events API v2: one incident for each episode, resolved when the action is undone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from intelligence.actions.action import Action
from intelligence.actions.rendering import line, plain
from intelligence.actions.target import Precedent, Receipt, Unavailable, Unknown
from resources.targets.http import SETTLE_S, Calls

NAME = "pagerduty"
PATH = "/v2/enqueue"
SOURCE = "product-intelligence"
SUMMARY_LIMIT = 1_024
SEVERITIES = ("critical", "error", "warning", "info")


@dataclass(frozen=True, slots=True)
class PagerDuty:
    """A PagerDuty integration; the same episode is the same incident, however often it is triggered."""

    calls: Calls
    routing_key: SecretStr
    name: str = NAME
    settle_s: float = SETTLE_S
    rate_per_s: float | None = None

    def sent(self, action: Action, precedent: Precedent | None) -> Receipt:  # noqa: ARG002
        """Return the receipt of the event that triggers the incident, or resolves it where the payload says so.

        Args:
            action: The action; its episode is the deduplication key.
            precedent: Not used: PagerDuty finds the incident by its key.

        Raises:
            Unavailable: Where nothing happened and the call may be repeated.
            Refused: Where nothing happened and repeating will not help.
            Unknown: Where it may have happened or not.
        """
        return self._enqueued(action, str(action.payload.get("event_action", "trigger")))

    def found(self, action: Action, precedent: Precedent | None, *, since: datetime) -> Receipt | None:  # noqa: ARG002
        """Return None: PagerDuty cannot be asked, and need not be, since a repeated event makes no second incident.

        Args:
            action: Not used.
            precedent: Not used.
            since: Not used.
        """
        return None

    def undone(self, action: Action, receipt: Receipt) -> Receipt:  # noqa: ARG002
        """Return the receipt of the event that resolves the incident.

        Args:
            action: The action to undo; its episode is the deduplication key.
            receipt: Not used: PagerDuty finds the incident by its key.

        Raises:
            Unavailable: Where the result is not known; a repeated event changes nothing.
            Refused: Where PagerDuty refuses the event.
        """
        try:
            return self._enqueued(action, "resolve")
        except Unknown as error:
            raise Unavailable(str(error)) from None

    def _enqueued(self, action: Action, event_action: str) -> Receipt:
        event: dict[str, Any] = {
            "routing_key": self.routing_key.get_secret_value(),
            "event_action": event_action,
            "dedup_key": action.episode_key,
        }
        if event_action == "trigger":
            event["payload"] = _payload(action)
        answer = self.calls.answer(PATH, json.dumps(event).encode(), {"content-type": "application/json"})
        document = answer.document if isinstance(answer.document, Mapping) else {}
        return Receipt(f"{event_action} {action.episode_key}", {"dedup_key": document.get("dedup_key")})


def _payload(action: Action) -> dict[str, Any]:
    severity = action.payload.get("severity")
    return {
        "summary": line(action.title, limit=SUMMARY_LIMIT) or "(untitled)",
        "source": SOURCE,
        "severity": severity if severity in SEVERITIES else "error",
        "component": line(action.feature or "pipeline"),
        "custom_details": {"text": plain(action.text), "decision_id": action.decision_id, "action_id": action.id},
    }
