"""The interface of every target, and the three ways in which a target can fail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from intelligence.actions.action import Action


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer of a target.

    Attributes:
        reference: Text by which a person can find the result at the target.
        details: What the target needs to find or undo the result.
    """

    reference: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Precedent:
    """An earlier action of the same episode at the same target, and its receipt."""

    action: Action
    receipt: Receipt


class TargetError(Exception):
    """A target did not carry out the request; the message contains no secret."""


class Unavailable(TargetError):
    """Nothing happened, and another attempt may succeed, not before `retry_after_s` seconds where the target said so."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Refused(TargetError):
    """Nothing happened, and another attempt will not succeed."""


class Unknown(TargetError):
    """It is unknown whether the action was carried out; raised by `found`, it means that it can never be known."""


class Target(Protocol):
    """An external service that carries out actions. For its failures every method raises Unavailable, Refused or Unknown only."""

    @property
    def name(self) -> str:
        """Return the name by which actions refer to this target."""

    @property
    def settle_s(self) -> float:
        """Return the seconds after which a call that was begun can be found at the target, or will never arrive."""

    @property
    def rate_per_s(self) -> float | None:
        """Return how many actions a second may be sent to the target; None means no limit."""

    def sent(self, action: Action, precedent: Precedent | None) -> Receipt:
        """Return the receipt of the action after carrying it out.

        Args:
            action: The action to carry out.
            precedent: An earlier action of the same episode at this target; None where there is none.
        """

    def found(self, action: Action, precedent: Precedent | None, *, since: datetime) -> Receipt | None:
        """Return the receipt of an action if it was carried out; None if it certainly was not.

        Args:
            action: The action to look for.
            precedent: An earlier action of the same episode at this target; None where there is none.
            since: Moment in UTC before which it was not carried out.
        """

    def undone(self, action: Action, receipt: Receipt) -> Receipt:
        """Return the receipt of undoing the action; undoing it a second time changes nothing.

        Args:
            action: The action to undo.
            receipt: The receipt of the action.
        """


@runtime_checkable
class Lasting(Protocol):
    """A target whose effects can be checked at any time."""

    name: str

    def lapsed(self) -> str | None:
        """Return why no effect of earlier actions can be relied on at present; None where they can."""

    def standing_actions(self) -> frozenset[str]:
        """Return the ids of the actions whose effects were seen there and have not been changed by anybody else since."""
