"""The confounded feature: the less active users are, the likelier they adopt it, and it makes those who do come more often.

Nobody touches the feature before adopting it, and it can be adopted on a few days only. Adopters and others differ in their activity
before, so that a plain comparison of them has the wrong sign; adjusting for the active days before recovers the effect.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np

from intelligence.simulation.draws import Bools, Floats, Ints, generator
from intelligence.simulation.people import People, people
from intelligence.simulation.plan import DAYS_PER_CYCLE, SimulationPlan
from intelligence.simulation.product import Catalogue, catalogue
from intelligence.simulation.visits import expected_volume, visitors

OPENS: Final = 54
CLOSES: Final = 62
HISTORY_DAYS: Final = 28
FOLLOW_UP_DAYS: Final = 28

# With fewer features in the least popular quarter none would be left untouched.
_FEWEST_RARE: Final = 2
# Chance of adopting on an active day at a weekend: of the least active, of the most active, and how it falls in between.
_LEAST_ACTIVE_ADOPT: Final = 0.53
_MOST_ACTIVE_ADOPT: Final = 0.03
_HALFWAY_DAYS: Final = 14
_SCALE_DAYS: Final = 2.0
# The same chance on other days, as a share of it: there is less time to try something.
_ON_WEEKDAYS: Final = 0.2
_SATURDAY: Final = 5
_EXTRA_VISITS_A_DAY: Final = 0.3
_ADOPTERS_SEED: Final = 2_000_003
_NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class AdoptionEffect:
    """What adopting changed for those who adopted, on average per adopter and in the stream without drift and faults.

    Attributes:
        adopters: Number of users who adopted.
        sessions_7d: Extra sessions on the 7 days after the day of adoption.
        sessions_28d: The same on the 28 days after it.
        active_days_7d: Extra active days on the 7 days after the day of adoption.
        active_days_28d: The same on the 28 days after it.
        retained_7d: Extra share of adopters who are active on one of the 7 days after the day of adoption.
        retained_28d: Extra share of adopters who are active on one of the days 22 to 28 after it.
    """

    adopters: int
    sessions_7d: float
    sessions_28d: float
    active_days_7d: float
    active_days_28d: float
    retained_7d: float
    retained_28d: float


def confounded_feature(plan: SimulationPlan) -> int | None:
    """Return the position in `Catalogue` of the confounded feature; None where none is planted or there are too few features.

    It is the least popular of the features that the product has from its first day on, and belongs to its least popular quarter.
    """
    rare = least_popular(catalogue(plan.features, plan.seed))
    return rare[0] if plan.planted and rare else None


def sized(plan: SimulationPlan) -> SimulationPlan:
    """Return the plan of the same users and features without drift, fault and end: adoption depends on none of them."""
    return replace(plan, days=1, drift=None, fault=None)


def least_popular(product: Catalogue) -> list[int]:
    """Return the features of the first day in the least popular quarter, the least popular first; none of fewer than 8 features."""
    quarter = np.argsort(product.popularity(0), kind="stable")[: len(product.names) // 4]
    return [int(f) for f in quarter if product.introduced[f] == 0] if len(quarter) >= _FEWEST_RARE else []


def adopted(plan: SimulationPlan, crowd: People, index: int) -> Bools:
    """Return which users have adopted the confounded feature by a day, that day included, one element per user.

    Args:
        plan: The plan of the users.
        crowd: The users, in the day's cycle.
        index: The day, counted from 0 on the plan's first day.
    """
    if index < OPENS:
        return np.zeros(len(crowd.left), dtype=np.bool_)
    return _padded(adoption_days(sized(plan)), len(crowd.left)) <= index


def adopters_plan(plan: SimulationPlan) -> SimulationPlan:
    """Return the plan from whose seed the extra visits are drawn, so that no other draw changes."""
    return replace(plan, seed=plan.seed + _ADOPTERS_SEED)


def extra_visitors(plan: SimulationPlan, crowd: People, index: int) -> Ints:
    """Return for each extra session of a day its user's position in `People`: one on the day of adoption, some on later days.

    Args:
        plan: The plan of the users.
        crowd: The users, in the day's cycle.
        index: The day, counted from 0 on the plan's first day.
    """
    if index < OPENS:
        return np.empty(0, dtype=np.int64)
    since = _padded(adoption_days(sized(plan)), len(crowd.left))
    usual = expected_volume(plan, index) / plan.events_per_day
    draw = generator(plan.seed, "extra visit", index).random(len(since))
    comes = draw < _EXTRA_VISITS_A_DAY * usual * crowd.presence(index)
    return np.flatnonzero((since == index) | ((since < index) & comes))


@lru_cache(maxsize=8)
def adoption_days(plan: SimulationPlan) -> Ints:
    """Return the day on which each user adopts, counted from 0 on the plan's first day; the largest integer for never.

    Only users who visit anyway on a day can adopt on it, by chance: the fewer active days they had in the 28 days before, the likelier.
    Users without any adopt nothing.

    Args:
        plan: A plan without drift and fault.
    """
    crowd = people(plan.events_per_day, plan.seed, 0)
    active = _active(plan, CLOSES)
    found = np.full(len(crowd.left), _NEVER, dtype=np.int64)
    for index in range(OPENS, CLOSES + 1):
        before = active[index - HISTORY_DAYS : index].sum(axis=0)
        draw = generator(plan.seed, "adoption", index).random(len(found))
        tries = draw < adoption_chance(before) * (1 if plan.date_of(index).weekday() >= _SATURDAY else _ON_WEEKDAYS)
        found[active[index] & (found == _NEVER) & tries] = index
    return found


def adoption_chance(active_days: Ints) -> Floats:
    """Return the chance of adopting on an active day at a weekend, by the active days in the 28 days before.

    >>> adoption_chance(np.array([0, 1, 14, 28])).round(2).tolist()
    [0.0, 0.53, 0.28, 0.03]
    """
    more = _LEAST_ACTIVE_ADOPT - _MOST_ACTIVE_ADOPT
    chance = _MOST_ACTIVE_ADOPT + more / (1 + np.exp((active_days - _HALFWAY_DAYS) / _SCALE_DAYS))
    found: Floats = np.where(active_days > 0, chance, 0.0)
    return found


@lru_cache(maxsize=8)
def adoption_effect(plan: SimulationPlan) -> AdoptionEffect:
    """Return what adopting changed, by the extra visits that adopters make and the days on which they would not have come.

    Args:
        plan: A plan without drift and fault.
    """
    last = CLOSES + FOLLOW_UP_DAYS
    active = _active(plan, last)
    extra = np.zeros_like(active)
    for index in range(OPENS, last + 1):
        extra[index, extra_visitors(plan, people(plan.events_per_day, plan.seed, index // DAYS_PER_CYCLE), index)] = (
            True
        )
    day = _padded(adoption_days(plan), active.shape[1])
    adopter = np.flatnonzero(day <= CLOSES)
    after = day[adopter] + 1 + np.arange(FOLLOW_UP_DAYS)[:, None]
    came, would = extra[after, adopter], active[after, adopter]

    def more(first: int, end: int) -> float:
        return float(((came | would)[first:end].any(axis=0) * 1.0 - would[first:end].any(axis=0)).mean())

    gained = came & ~would
    if not len(adopter):
        return AdoptionEffect(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    return AdoptionEffect(
        adopters=len(adopter),
        sessions_7d=float(came[:7].sum(axis=0).mean()),
        sessions_28d=float(came.sum(axis=0).mean()),
        active_days_7d=float(gained[:7].sum(axis=0).mean()),
        active_days_28d=float(gained.sum(axis=0).mean()),
        retained_7d=more(0, 7),
        retained_28d=more(21, 28),
    )


def _padded(days: Ints, users: int) -> Ints:
    return np.concatenate([days, np.full(max(0, users - len(days)), _NEVER)])[:users]


def _active(plan: SimulationPlan, last: int) -> Bools:
    crowds = [people(plan.events_per_day, plan.seed, cycle) for cycle in range(last // DAYS_PER_CYCLE + 1)]
    found = np.zeros((last + 1, len(crowds[-1].left)), dtype=np.bool_)
    for index in range(last + 1):
        found[index, visitors(plan, crowds[index // DAYS_PER_CYCLE], index)] = True
    return found
