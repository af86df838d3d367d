"""The states of an action, and which may follow which."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from intelligence.core.errors import ActionError


class ActionState(StrEnum):
    """Where an action stands.

    `sent` means that an attempt was begun and that its end is not known yet. Whoever cannot know it for good is flagged
    *unconfirmed* and stays `sent` until a person says what happened.
    """

    PLANNED = "planned"
    APPROVED = "approved"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    EXPIRED = "expired"
    REJECTED = "rejected"
    UNDONE = "undone"


PERMITTED: Mapping[ActionState, frozenset[ActionState]] = MappingProxyType(
    {
        ActionState.PLANNED: frozenset({ActionState.APPROVED, ActionState.REJECTED, ActionState.EXPIRED}),
        ActionState.APPROVED: frozenset(
            {ActionState.SENT, ActionState.REJECTED, ActionState.EXPIRED, ActionState.FAILED}
        ),
        # Back to approved: the target said that nothing happened, so another attempt cannot double it.
        ActionState.SENT: frozenset(
            {ActionState.CONFIRMED, ActionState.FAILED, ActionState.APPROVED, ActionState.UNDONE}
        ),
        # Back to sent: what was confirmed did not show in the telemetry.
        ActionState.CONFIRMED: frozenset({ActionState.UNDONE, ActionState.SENT}),
        ActionState.FAILED: frozenset(),
        ActionState.EXPIRED: frozenset(),
        ActionState.REJECTED: frozenset(),
        ActionState.UNDONE: frozenset(),
    }
)


def demand_permitted(action_id: str, before: ActionState, after: ActionState) -> None:
    """Raise ActionError where an action cannot go from the one state to the other.

    >>> demand_permitted("a1", ActionState.PLANNED, ActionState.APPROVED)
    >>> demand_permitted("a1", ActionState.REJECTED, ActionState.APPROVED)
    Traceback (most recent call last):
    intelligence.core.errors.ActionError: action a1: it is rejected and cannot become approved. Nothing follows rejected.
    """
    allowed = PERMITTED[before]
    if after not in allowed:
        following = f"It can become {', '.join(sorted(allowed))}." if allowed else f"Nothing follows {before}."
        raise ActionError(f"action {action_id}", f"it is {before} and cannot become {after}.", hint=following)
