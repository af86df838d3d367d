"""The two scales on which rules can only go down: actions by strength, and levels by how much is done without a person."""

from typing import Final, Literal

Kind = Literal["monitor", "ticket", "alert", "hold", "throttle", "rollback"]
Level = Literal["shadow", "advise", "approve", "auto"]

# Weakest first. Actions that change the product are stronger than those that only notify a person.
KINDS: Final[tuple[Kind, ...]] = ("monitor", "ticket", "alert", "hold", "throttle", "rollback")
NOTIFYING: Final[tuple[Kind, ...]] = ("ticket", "alert")
TOUCHING: Final[tuple[Kind, ...]] = ("hold", "throttle", "rollback")
ACTIVE: Final = (*NOTIFYING, *TOUCHING)
# What a rollout does at its next step; no answer to the trouble of a feature, and so not on the scale above.
ADVANCE: Final = "advance"
LEVELS: Final[tuple[Level, ...]] = ("shadow", "advise", "approve", "auto")

STRENGTH: Final = {kind: place for place, kind in enumerate(KINDS)}
RANK: Final = {level: place for place, level in enumerate(LEVELS)}


def lower_level(*levels: Level) -> Level:
    """Return the lowest of the levels.

    >>> lower_level("auto", "advise", "approve")
    'advise'
    """
    return min(levels, key=RANK.__getitem__)


def steps_down(level: Level, steps: int = 1) -> Level:
    """Return the level that lies some steps lower; `shadow` is the lowest.

    Args:
        level: Level to start from.
        steps: Number of steps down.

    >>> steps_down("auto"), steps_down("advise", 3)
    ('approve', 'shadow')
    """
    return LEVELS[max(0, RANK[level] - steps)]


def autonomy(action: Kind, level: Level | None) -> tuple[int, int, int]:
    """Return the autonomy of a decision as a sortable tuple: what it changes without a person, its strength and its level.

    Notifying a person is not autonomy: after an alert that is sent automatically, people still decide.

    Args:
        action: Kind of action that was decided.
        level: Level of the decision; None for `monitor`.

    >>> autonomy("throttle", "auto") > autonomy("rollback", "approve") > autonomy("alert", "auto")
    True
    """
    alone = STRENGTH[action] if action in TOUCHING and level == "auto" else 0
    return alone, STRENGTH[action], RANK[level] if level and action in TOUCHING else 0
