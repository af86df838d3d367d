"""The effects of planted bad releases and slow decays on the events of one day."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from intelligence.simulation.draws import Floats
from intelligence.simulation.planted_truths import BadRelease, Script, SlowDecay
from intelligence.simulation.product import PLATFORMS, Catalogue, current_releases

RELEASES_IN_USE: Final = 3


@dataclass(frozen=True, slots=True)
class Condition:
    """How sound each feature is on one day.

    The first three arrays have one row per feature and one column per platform and release in use (ordered by platform,
    then from the newest release); the others have one element per feature.

    Attributes:
        error_rate: Probability that an event fails, crashes included.
        crash_share: Probability that a failed event crashes.
        rating_drop: Reduction of the mean rating, in stars.
        latency_multiplier: Factor of the median latency.
        slow_share: Probability that an event is in the slow tail.
        retries: Scale of the number of further errors in a failed event.
    """

    error_rate: Floats
    crash_share: Floats
    rating_drop: Floats
    latency_multiplier: Floats
    slow_share: Floats
    retries: Floats


def condition(product: Catalogue, acts: Script, seed: int, index: int) -> Condition:
    """Return how sound each feature is on a day, with everything planted that is active on it.

    Args:
        product: The features of the product.
        acts: What is planted in the day's cycle.
        seed: Seed of the plan.
        index: The day, counted from 0 on the plan's first day.
    """
    features = len(product.names)
    extra = np.zeros((features, len(PLATFORMS) * RELEASES_IN_USE))
    crashes = np.repeat((product.error_rate * product.crash_share)[:, None], extra.shape[1], axis=1)
    rating_drop = np.zeros_like(extra)
    latency, slow_share, retries = np.ones(features), np.full(features, 0.005), np.full(features, 0.3)
    for bad in (bad for bad in acts.bad_releases if bad.first <= index <= bad.last):
        hit = bad.feature, _column(bad, seed, index)
        extra[hit] = bad.added_error_rate
        crashes[hit] += 0.3 * bad.added_error_rate
        rating_drop[hit] = 1.2
    for decay, progress in _decaying(acts, index):
        extra[decay.feature] = decay.added_error_rate * progress**2
        crashes[decay.feature] += 0.1 * extra[decay.feature]
        rating_drop[decay.feature] = 0.1 + 0.8 * progress
        latency[decay.feature] = 1 + (decay.latency_multiplier - 1) * progress**2
        slow_share[decay.feature] = 0.025 + 0.06 * progress
        retries[decay.feature] = 0.3 + 0.8 * progress
    error_rate = product.error_rate[:, None] + extra
    return Condition(error_rate, crashes / error_rate, rating_drop, latency, slow_share, retries)


def _column(bad: BadRelease, seed: int, index: int) -> int:
    numbers = [number for number, _ in current_releases(seed, index)[bad.platform]]
    return bad.platform * RELEASES_IN_USE + numbers.index(bad.number)


def _decaying(acts: Script, index: int) -> list[tuple[SlowDecay, float]]:
    return [(decay, decay.progress(index)) for decay in acts.slow_decays if decay.progress(index) > 0]


def versions_in_use(scripts: tuple[Script, ...], seed: int, index: int) -> tuple[str, ...]:
    """Return the version of each column of a `Condition`; a hotfix reaches all users of the bad release at once.

    Args:
        scripts: What is planted in the day's cycle and the one before.
        seed: Seed of the plan.
        index: The day, counted from 0 on the plan's first day.
    """
    mended = {(bad.platform, bad.number) for acts in scripts for bad in acts.bad_releases if bad.last < index}
    return tuple(
        f"3.{number}.{int((platform, number) in mended)}"
        for platform, newest_first in enumerate(current_releases(seed, index))
        for number, _ in newest_first
    )
