"""One thing to be done in the outside world because of one decision."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from hashlib import sha256
from typing import Any


class Kind(StrEnum):
    """What can be done."""

    ROLLBACK = "rollback"
    THROTTLE = "throttle"
    HOLD = "hold"
    ALERT = "alert"
    TICKET = "ticket"


FLAG_KINDS = (Kind.ROLLBACK, Kind.THROTTLE, Kind.HOLD)


@dataclass(frozen=True, slots=True)
class Action:
    """What to do, where, and why in words; `feature` is None where it concerns a pipeline or a model.

    Messages of one `episode` belong together: one thread, one incident.
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
        """Return the idempotency key: the same decision, kind and target are the same action for ever."""
        return key_of(self.decision_id, self.kind, self.target)

    @property
    def identity(self) -> tuple[str, str, str]:
        """Return episode, kind and target: what is not asked for twice, however the decision is worded."""
        return (self.episode, str(self.kind), self.target)

    @property
    def episode_key(self) -> str:
        """Return the key of the episode for services that gather messages by one."""
        return key_of("episode", self.episode)


def key_of(*parts: str) -> str:
    """Return a key that only these parts, in this order, have.

    >>> key_of("a", "bc") == key_of("ab", "c")
    False
    >>> len(key_of("a"))
    32
    """
    return sha256(json.dumps(parts).encode()).hexdigest()[:32]
