"""What every target can do, and the three ways in which it can fail to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from intelligence.actions.action import Action


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the target gave back: a reference that a person can look up, and what is needed to find or undo it."""

    reference: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Precedent:
    """An earlier action of the same episode at the same target, and its receipt."""

    action: Action
    receipt: Receipt


class TargetError(Exception):
    """A target did not do what it was asked; the sentence bears no secret."""


class Unavailable(TargetError):
    """Nothing happened, and it may be tried again, not before `retry_after_s` where the target said so."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Refused(TargetError):
    """Nothing happened, and trying again will not help."""


class Unknown(TargetError):
    """It may have happened and may not have. Whoever raises it from `found` will never be able to tell."""


class Target(Protocol):
    """A place outside. Every method raises Unavailable, Refused or Unknown, and nothing else for what a target does."""

    @property
    def name(self) -> str:
        """Return the name by which actions mean this target."""

    @property
    def settle_s(self) -> float:
        """Return after how long a call that was begun has either arrived, and can be found, or never will."""

    @property
    def rate_per_s(self) -> float | None:
        """Return how many actions a second the target may be sent; None is as many as there are."""

    def sent(self, action: Action, precedent: Precedent | None) -> Receipt:
        """Return the receipt of the action, carried out now."""

    def found(self, action: Action, precedent: Precedent | None, *, since: datetime) -> Receipt | None:
        """Return the receipt of the action if it was carried out after `since`; None if it certainly was not."""

    def undone(self, action: Action, receipt: Receipt) -> Receipt:
        """Return the receipt of taking the action back; a second time changes nothing."""


@runtime_checkable
class Lasting(Protocol):
    """A target whose effects can be looked at again at any time."""

    name: str

    def lapsed(self) -> str | None:
        """Return why nothing that was done there can be relied on just now; None where it can."""

    def standing_actions(self) -> frozenset[str]:
        """Return the ids of the actions whose effects were seen there, and are nobody else's since."""
