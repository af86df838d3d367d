"""An action: one thing to do in the outside world because of one decision."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from hashlib import sha256
from typing import Any


class Kind(StrEnum):
    """The kinds of actions."""

    ROLLBACK = "rollback"
    THROTTLE = "throttle"
    HOLD = "hold"
    ADVANCE = "advance"
    ALERT = "alert"
    TICKET = "ticket"


FLAG_KINDS = (Kind.ROLLBACK, Kind.THROTTLE, Kind.HOLD, Kind.ADVANCE)


@dataclass(frozen=True, slots=True)
class Action:
    """What to do, where, and why in words.

    Attributes:
        decision_id: Id of the decision that requested it.
        kind: Kind of action.
        target: Name of the target that carries it out.
        feature: Product feature; None where it concerns a pipeline or a model.
        day: Day whose evidence was decided on.
        episode: Name of the trouble; messages of one episode belong to one thread and one incident.
        title: Short text, not escaped.
        text: Reasons in words, not escaped.
        payload: Parameters of the kind of action, such as `variant`, `exposure`, `share` or `is_held`.
    """

    decision_id: str
    kind: Kind
    target: str
    feature: str | None
    day: date
    episode: str
    title: str
    text: str
    payload: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Return the idempotency key: the same decision, kind and target are always the same action."""
        return key_of(self.decision_id, self.kind, self.target)

    @property
    def identity(self) -> tuple[str, str, str]:
        """Return episode, kind and target, which are not requested twice, whatever the text of the decision."""
        return (self.episode, str(self.kind), self.target)

    @property
    def episode_key(self) -> str:
        """Return the key of the episode, for services that group messages by a key."""
        return key_of("episode", self.episode)


def key_of(*parts: str) -> str:
    """Return a key for these parts in this order: a truncated SHA-256 of 32 hexadecimal digits.

    >>> key_of("a", "bc") == key_of("ab", "c")
    False
    >>> len(key_of("a"))
    32
    """
    return sha256(json.dumps(parts).encode()).hexdigest()[:32]
