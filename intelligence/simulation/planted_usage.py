"""What is planted in how the product is used: a step that breaks on one platform, and newcomers of one week who soon stay away.

Neither touches errors, latencies or ratings: of a broken step nothing but the type of the event is lost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from intelligence.simulation.draws import Bools, Floats, generator
from intelligence.simulation.people import People
from intelligence.simulation.plan import DAYS_PER_CYCLE, SimulationPlan
from intelligence.simulation.product import PLATFORMS

LOST_SHARE: Final = 0.75
LEAVING_SHARE: Final = 0.6

# Earliest first days in a cycle of the broken step, and of the week whose newcomers stay away.
_BREAKS_FROM: Final = 52
_WEEK_FROM: Final = 28
_DAYS_PER_WEEK: Final = 7
_FEWEST_DAYS: Final = 3
_MORE_DAYS: Final = 6


@dataclass(frozen=True, slots=True)
class BrokenStep:
    """A feature whose completions are lost on one platform; days are indices counted from 0 on the plan's first day.

    Attributes:
        feature: Position in `Catalogue` of the feature.
        platform: Position in `PLATFORMS`.
        first: First day.
        last: Last day.
        lost_share: Share of the completions that are uses instead.
    """

    feature: int
    platform: int
    first: int
    last: int
    lost_share: float

    def words(self, feature: str) -> str:
        """Return what breaks, in words; `feature` is the name of the feature."""
        return f"{self.lost_share:.0%} of the completions of {feature} on {PLATFORMS[self.platform]} are lost; nothing fails"


@dataclass(frozen=True, slots=True)
class LeavingCohort:
    """The newcomers of a week, of whom some stay away a few days after signing up.

    Attributes:
        first: Index of the week's Monday, from 0 on the plan's first day.
        last: Index of its Sunday.
    """

    first: int
    last: int


def broken_step(feature: int | None, seed: int, cycle: int) -> BrokenStep | None:
    """Return the broken step of a cycle; None where the product has no feature for it.

    Args:
        feature: Position in `Catalogue` of a sound feature without an experiment.
        seed: Seed of the plan.
        cycle: Number of the cycle, counted from 0.
    """
    if feature is None:
        return None
    draw, start = generator(seed, "broken step", cycle), cycle * DAYS_PER_CYCLE
    platform, first = int(draw.integers(0, len(PLATFORMS))), start + _BREAKS_FROM + int(draw.integers(0, 8))
    return BrokenStep(feature, platform, first, start + DAYS_PER_CYCLE - 1, LOST_SHARE)


def leaving_cohort(plan: SimulationPlan, cycle: int) -> LeavingCohort | None:
    """Return the week of a cycle whose newcomers stay away; None where nothing is planted.

    Args:
        plan: The plan of the simulation.
        cycle: Number of the cycle, counted from 0.
    """
    if not plan.planted:
        return None
    earliest = cycle * DAYS_PER_CYCLE + _WEEK_FROM
    monday = earliest + (-plan.date_of(earliest).weekday()) % _DAYS_PER_WEEK
    return LeavingCohort(monday, monday + _DAYS_PER_WEEK - 1)


def stays_away(plan: SimulationPlan, crowd: People, index: int, *, spared: Callable[[], Bools]) -> Bools:
    """Return which users have left early by a day because of their week, one element per user.

    Args:
        plan: The plan of the users.
        crowd: The users, in the day's cycle.
        index: The day, counted from 0 on the plan's first day.
        spared: Returns the users who do not leave early, so that what is planted about them stays true.
    """
    gone = np.zeros(len(crowd.left), dtype=np.bool_)
    weeks = [week for cycle in range(index // DAYS_PER_CYCLE + 1) if (week := leaving_cohort(plan, cycle))]
    reached = [week for week in weeks if index >= week.first + _FEWEST_DAYS]
    if not reached:
        return gone
    stay = _FEWEST_DAYS + np.floor(_MORE_DAYS * _uniform(plan.seed, "early departure", len(gone)))
    for week in reached:
        gone |= leavers(plan, crowd, week) & (index >= crowd.signed_up + stay)
    return gone & ~spared()


def leavers(plan: SimulationPlan, crowd: People, week: LeavingCohort) -> Bools:
    """Return who would stay away among those who sign up in the week, one element per user, the spared ones included.

    Args:
        plan: The plan of the users.
        crowd: The users.
        week: The week.
    """
    chosen = _uniform(plan.seed, "leaves early", len(crowd.left)) < LEAVING_SHARE
    theirs: Bools = chosen & signed_up_in(crowd, week)
    return theirs


def signed_up_in(crowd: People, week: LeavingCohort) -> Bools:
    """Return who signs up in the week, one element per user.

    Args:
        crowd: The users.
        week: The week.
    """
    found: Bools = (crowd.signed_up >= week.first) & (crowd.signed_up <= week.last)
    return found


def _uniform(seed: int, subject: str, count: int) -> Floats:
    return generator(seed, f"user {subject}").random(count)
