"""The two orders that a rule may only go down: actions by their strength, levels by what is done without a person."""

from typing import Final, Literal

Kind = Literal["monitor", "ticket", "alert", "hold", "throttle", "rollback"]
Level = Literal["shadow", "advise", "approve", "auto"]

# Weakest first. What touches the product is stronger than what tells a person.
KINDS: Final[tuple[Kind, ...]] = ("monitor", "ticket", "alert", "hold", "throttle", "rollback")
TELLING: Final[tuple[Kind, ...]] = ("ticket", "alert")
TOUCHING: Final[tuple[Kind, ...]] = ("hold", "throttle", "rollback")
ACTIVE: Final = (*TELLING, *TOUCHING)
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
    """Return the level that many steps lower; nothing is lower than shadow.

    >>> steps_down("auto"), steps_down("advise", 3)
    ('approve', 'shadow')
    """
    return LEVELS[max(0, RANK[level] - steps)]


def autonomy(action: Kind, level: Level | None) -> tuple[int, int, int]:
    """Return the place of a decision in the order of autonomy: what it does to the product alone, its strength, its level.

    Telling a person is not autonomy: an alert that goes out by itself leaves the deciding to people.

    >>> autonomy("throttle", "auto") > autonomy("rollback", "approve") > autonomy("alert", "auto")
    True
    """
    alone = STRENGTH[action] if action in TOUCHING and level == "auto" else 0
    return alone, STRENGTH[action], RANK[level] if level and action in TOUCHING else 0
