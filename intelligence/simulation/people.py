"""The users of the simulated product: who they are, when they come, how much they do and when they leave."""

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

    `signed_up` is the first day index and `left` the first one without the user; codes index `SEGMENTS`, `REGIONS`,
    `PLATFORMS` and, for the subscription, `PRICES`.
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
        """Return how much each user does on the day `index`: 0 when absent, less and less before leaving for good."""
        winding_down = np.clip((self.left - index) / _WINDING_DOWN_DAYS, 0, 1)
        return self.activity * winding_down * (self.signed_up <= index)


@lru_cache(maxsize=4)
def people(events_per_day: int, seed: int, cycle: int) -> People:
    """Return everybody who has signed up by the end of a cycle; a later cycle only appends."""
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
    """Return for each user the release in use on the day `index`: 0 newest of the platform, 1 the one before, 2 older.

    A user updates once per release, early or late by chance, and never goes back.
    """
    recent = current_releases(seed, index)
    slot = np.full(len(crowd.platform), 2, dtype=np.int64)
    for platform, (newest, previous, _) in enumerate(recent):
        for rank, (number, day) in ((1, previous), (0, newest)):
            lateness = generator(seed, "release lateness", platform, number).random(len(slot))
            slot[(crowd.platform == platform) & (lateness < adoption(index - day))] = rank
    return slot
