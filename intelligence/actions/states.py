"""The states of an action, and the permitted transitions between them."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from intelligence.core.errors import ActionError


class ActionState(StrEnum):
    """The state of an action.

    `sent` means that an attempt has begun and that its result is not known yet. An action whose result can never be known is
    flagged as *unconfirmed* and stays `sent` until a person records what happened.
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
        # Back to approved: the target reported that nothing happened, so that another attempt cannot do it twice.
        ActionState.SENT: frozenset(
            {ActionState.CONFIRMED, ActionState.FAILED, ActionState.APPROVED, ActionState.UNDONE}
        ),
        # Back to sent: the effect of a confirmed action was not visible in the telemetry.
        ActionState.CONFIRMED: frozenset({ActionState.UNDONE, ActionState.SENT}),
        ActionState.FAILED: frozenset(),
        ActionState.EXPIRED: frozenset(),
        ActionState.REJECTED: frozenset(),
        ActionState.UNDONE: frozenset(),
    }
)


def demand_permitted(action_id: str, before: ActionState, after: ActionState) -> None:
    """Raise ActionError where an action cannot go from one state to another.

    Args:
        action_id: Id of the action, for the message.
        before: Present state.
        after: Requested state.

    >>> demand_permitted("a1", ActionState.PLANNED, ActionState.APPROVED)
    >>> demand_permitted("a1", ActionState.REJECTED, ActionState.APPROVED)
    Traceback (most recent call last):
    intelligence.core.errors.ActionError: action a1: it is rejected and cannot become approved. Nothing follows rejected.
    """
    allowed = PERMITTED[before]
    if after not in allowed:
        following = f"It can become {', '.join(sorted(allowed))}." if allowed else f"Nothing follows {before}."
        raise ActionError(f"action {action_id}", f"it is {before} and cannot become {after}.", hint=following)
