"""The record of rollouts: which ones a person started or stopped, and how the flag was at that time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, insert, select

from resources.state.store import State
from resources.state.tables import ROLLOUTS

STARTED: Final = "started"
STOPPED: Final = "stopped"


@dataclass(frozen=True, slots=True)
class RolloutLine:
    """The newest line about the rollout of a flag.

    Attributes:
        sequence: Number of the line, which names the run of the rollout.
        flag: Key of the flag.
        event: `started` or `stopped`.
        exposure: Share of users, in [0, 1], who had the feature then.
        declaration: The settings that were given, as JSON; None for those of product.yaml.
        at: When, in UTC.
        actor: Who did it.
        reason: Why.
    """

    sequence: int
    flag: str
    event: str
    exposure: float
    declaration: str | None
    at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class RolloutRecord:
    """What the state store records about rollouts."""

    state: State
    clock: Callable[[], datetime]

    def newest(self) -> dict[str, RolloutLine]:
        """Return the newest line of each flag that ever had one."""
        last = select(func.max(ROLLOUTS.c.sequence)).group_by(ROLLOUTS.c.flag)
        names = [getattr(ROLLOUTS.c, name) for name in RolloutLine.__slots__]
        query = select(*names).where(ROLLOUTS.c.sequence.in_(last)).order_by(ROLLOUTS.c.flag)
        with self.state.reading() as connection:
            return {row["flag"]: RolloutLine(**row) for row in connection.execute(query).mappings()}

    def add(
        self, flag: str, event: str, *, exposure: float, actor: str, reason: str, declaration: str | None = None
    ) -> None:
        """Record that a rollout was started or stopped.

        Args:
            flag: Key of the flag.
            event: `started` or `stopped`.
            exposure: Share of users, in [0, 1], who have the feature now.
            actor: Who does it.
            reason: Why, in one sentence.
            declaration: The settings that were given, as JSON; None for those of product.yaml.
        """
        values = {"at": self.clock(), "flag": flag, "event": event, "exposure": exposure, "declaration": declaration}
        with self.state.writing() as connection:
            connection.execute(insert(ROLLOUTS).values(**values, actor=actor, reason=reason))
