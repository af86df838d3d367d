"""The users of the simulated product: their attributes, their activity, when they sign up and when they leave."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from intelligence.simulation.draws import Floats, Ints, generator
from intelligence.simulation.plan import DAYS_PER_CYCLE
from intelligence.simulation.product import PLATFORM_SHARES, adoption, current_releases

SEGMENTS: Final = ("student", "teacher")
REGIONS: Final = ("emea", "amer", "apac")
PRICES: Final = (0.0, 9.0, 49.0)
DAILY_CHURN: Final = 0.0075

_EVENTS_PER_USER: Final = 6
_PRESENT_AT_FIRST: Final = 0.6
_WINDING_DOWN_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class People:
    """Users in the order in which they sign up; each array has one element per user.

    Attributes:
        segment: Position in `SEGMENTS`.
        region: Position in `REGIONS`.
        platform: Position in `PLATFORMS`.
        subscription: Position in `PRICES`.
        activity: Weight of the user's visits relative to those of others.
        diligence: Factor of the user's completion rate.
        signed_up: Index of the user's first day.
        left: Index of the first day without the user.
    """

    segment: npt.NDArray[np.int8]
    region: npt.NDArray[np.int8]
    platform: npt.NDArray[np.int8]
    subscription: npt.NDArray[np.int8]
    activity: Floats
    diligence: Floats
    signed_up: Ints
    left: Ints

    def weights(self, index: int) -> Floats:
        """Return each user's weight on the day `index`: 0 when absent, decreasing over the last two weeks before leaving."""
        return self.activity * self.presence(index) * (self.signed_up <= index)

    def presence(self, index: int) -> Floats:
        """Return how much of its usual activity each user has left on the day `index`, from 1 down to 0 when it has left."""
        return np.clip((self.left - index) / _WINDING_DOWN_DAYS, 0, 1)


@lru_cache(maxsize=4)
def people(events_per_day: int, seed: int, cycle: int) -> People:
    """Return all users who have signed up by the end of a cycle; a later cycle only appends users.

    Args:
        events_per_day: Mean number of events of the product on a day.
        seed: Seed of the plan.
        cycle: Number of the cycle, counted from 0.
    """
    size = max(20, round(events_per_day / _EVENTS_PER_USER))
    at_first = round(size * _PRESENT_AT_FIRST)
    arrivals_per_day = (size - at_first) / DAYS_PER_CYCLE
    count = at_first + round((size - at_first) * (cycle + 1))

    def uniform(subject: str) -> Floats:
        return generator(seed, f"user {subject}").random(count)

    def code(subject: str, shares: tuple[float, ...]) -> npt.NDArray[np.int8]:
        return np.searchsorted(np.cumsum(shares)[:-1], uniform(subject), side="right").astype(np.int8)

    activity = generator(seed, "user activity").standard_gamma(0.9, count) + 0.05
    subscription = code("subscription", (0.8, 0.16, 0.04))
    hazard = DAILY_CHURN * np.where(subscription > 0, 0.5, 1.0) * (0.6 + 0.8 * np.exp(-activity))
    later = np.floor((np.arange(count) - at_first) / arrivals_per_day).astype(np.int64)
    signed_up = np.where(np.arange(count) < at_first, 0, later)
    stay = 1 + np.floor(-np.log1p(-uniform("departure")) / hazard).astype(np.int64)
    return People(
        segment=code("segment", (0.85, 0.15)),
        region=code("region", (0.45, 0.35, 0.2)),
        platform=code("platform", PLATFORM_SHARES),
        subscription=subscription,
        activity=activity,
        diligence=0.7 + 0.6 * uniform("diligence"),
        signed_up=signed_up,
        left=signed_up + stay,
    )


def release_slots(crowd: People, seed: int, index: int) -> Ints:
    """Return each user's release on a day: 0 for the newest of the platform, 1 for the one before, 2 for an older one.

    A user updates once per release, early or late by chance, and never downgrades.

    Args:
        crowd: The users.
        seed: Seed of the plan.
        index: The day, counted from 0 on the plan's first day.
    """
    recent = current_releases(seed, index)
    slot = np.full(len(crowd.platform), 2, dtype=np.int64)
    for platform, (newest, previous, _) in enumerate(recent):
        for rank, (number, day) in ((1, previous), (0, newest)):
            lateness = generator(seed, "release lateness", platform, number).random(len(slot))
            slot[(crowd.platform == platform) & (lateness < adoption(index - day))] = rank
    return slot
