"""What another policy would have gained on logged decisions, and a refusal where the log cannot tell.

A logged decision has the action that was taken, the probability with which it was drawn (its propensity), and the reward. A policy
that was never followed is judged on them by inverse propensities (Horvitz and Thompson 1952), by their self-normalised form (Swaminathan
and Joachims 2015) and, with a model of rewards, doubly robustly (Dudik, Langford and Li 2011).

>>> import numpy as np
>>> draw = np.random.default_rng(1)
>>> action = draw.integers(0, 2, 4_000)
>>> log = LoggedDecisions(rewards=draw.random(4_000) < 0.1 + 0.2 * action, propensities=np.full(4_000, 0.5), users=np.arange(4_000))
>>> found = off_policy_value(log, target=(action == 1).astype(float))
>>> found.ips.low < 0.3 < found.ips.high, round(found.effective_size) == int((action == 1).sum())
(True, True)
>>> off_policy_value(log, target=np.zeros(4_000), untried=1.0)
Traceback (most recent call last):
    ...
intelligence.core.errors.NotEnoughEvidence: off-policy evaluation: the policy would do with probability 100% what was never tried. \
Let it be tried on a small share first.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from intelligence.causality.interval import Interval
from intelligence.core.errors import NotEnoughEvidence

Floats = NDArray[np.float64]
FEWEST_EFFECTIVE: Final = 100
FEWEST_USERS: Final = 30
MOST_UNTRIED: Final = 0.01
# By so many standard errors the mean weight may differ from 1, which it is where the propensities are right.
MOST_OFF: Final = 4.0


@dataclass(frozen=True)
class LoggedDecisions:
    """Decisions that were drawn by chance, and what they brought.

    Attributes:
        rewards: Reward of each, shape (decisions,).
        propensities: Probability with which each taken action was drawn, in (0, 1].
        users: Whom each concerned; decisions on one user are not independent.
    """

    rewards: ArrayLike
    propensities: ArrayLike
    users: ArrayLike


@dataclass(frozen=True)
class Expected:
    """What a model of rewards expects, fitted on other decisions.

    Attributes:
        taken: Of the action that was taken, shape (decisions,).
        target: Of the other policy, the mean over its actions.
    """

    taken: ArrayLike = field()
    target: ArrayLike = field()


@dataclass(frozen=True, slots=True)
class OffPolicyValue:
    """The mean reward of another policy, estimated from logged decisions.

    Attributes:
        observed: Mean reward of the decisions as they were made.
        ips: By inverse propensities.
        snips: The same, divided by the sum of the weights.
        dr: Doubly robust; None without a model of rewards.
        gain: Of the best of these (`dr`, else `snips`) over the decisions as they were made, on the same users.
        effective_size: Number of decisions that would tell as much if they had been made by the other policy (Kish).
        mean_weight: Mean of the weights, which is 1 but for chance where the propensities are right.
        largest_weight: The largest weight.
    """

    observed: Interval
    ips: Interval
    snips: Interval
    dr: Interval | None
    gain: Interval
    effective_size: float
    mean_weight: float
    largest_weight: float

    @property
    def is_better(self) -> bool:
        """Return whether the whole interval of the gain lies above 0."""
        return self.gain.low > 0


def off_policy_value(
    log: LoggedDecisions, target: ArrayLike, *, expected: Expected | None = None, untried: float = 0.0
) -> OffPolicyValue:
    """Return what another policy would have gained; its intervals are clustered by user.

    Args:
        log: The decisions.
        target: Probability with which the other policy takes the action that was taken, shape (decisions,).
        expected: A model of rewards, fitted on other decisions.
        untried: Mean probability with which the other policy takes an action that could not be drawn there.

    Raises:
        NotEnoughEvidence: The log cannot tell: the policy does what was never tried, hardly any decision is one that it would make, there
            are too few users, or the propensities are not those with which actions were drawn.
        ValueError: A probability is outside of its range, or the lengths differ.
    """
    rewards, propensities, chosen = (
        np.asarray(each, dtype=np.float64) for each in (log.rewards, log.propensities, target)
    )
    _, users = np.unique(np.asarray(log.users), return_inverse=True)
    if not len(rewards) == len(propensities) == len(chosen) == len(users):
        raise ValueError("rewards, propensities, target and users differ in length")
    if not (np.all((propensities > 0) & (propensities <= 1)) and np.all((chosen >= 0) & (chosen <= 1))):
        raise ValueError("a propensity is outside of (0, 1], or a probability of the target outside of [0, 1]")
    weights = chosen / propensities
    effective = _supported(weights, users, untried)
    observed, ips = clustered_mean(rewards, users), clustered_mean(weights * rewards, users)
    total = weights.mean()
    normalised = float((weights * rewards).mean() / total)
    # The influence of each decision on a ratio of two means.
    influence = normalised + weights * (rewards - normalised) / total
    dr = None
    if expected is not None:
        taken, of_target = np.asarray(expected.taken, float), np.asarray(expected.target, float)
        influence = of_target + weights * (rewards - taken)
        dr = clustered_mean(influence, users)
    snips = clustered_mean(normalised + weights * (rewards - normalised) / total, users)
    return OffPolicyValue(
        observed,
        ips,
        Interval(normalised, snips.se),
        dr,
        clustered_mean(influence - rewards, users),
        effective,
        float(total),
        float(weights.max()),
    )


def _supported(weights: Floats, users: NDArray[np.int64], untried: float) -> float:
    """Return the effective number of decisions; raises NotEnoughEvidence where the log cannot tell."""

    def refused(problem: str, hint: str) -> NotEnoughEvidence:
        return NotEnoughEvidence("off-policy evaluation", problem, hint=hint)

    if untried > MOST_UNTRIED:
        raise refused(
            f"the policy would do with probability {untried:.0%} what was never tried.",
            "Let it be tried on a small share first.",
        )
    people = len(np.unique(users[weights > 0]))
    if people < FEWEST_USERS:
        raise refused(
            f"{people} users met what the policy would do, fewer than {FEWEST_USERS}.", "Collect more decisions."
        )
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    if effective < FEWEST_EFFECTIVE:
        raise refused(
            f"{len(weights):,} decisions tell as much about it as {effective:.0f} of its own, fewer than {FEWEST_EFFECTIVE}.",
            "Collect more decisions, or judge a policy nearer to the present one.",
        )
    mean = clustered_mean(weights, users)
    if mean.se > 0 and abs(mean.value - 1) > MOST_OFF * mean.se:
        raise refused(
            f"the weights have the mean {mean.value:.2f}, which is not 1 beyond chance: the propensities are not those with which"
            " actions were drawn.",
            "Log the probability of the action at the time of the draw.",
        )
    return effective


def clustered_mean(values: Floats, users: NDArray[np.int64]) -> Interval:
    """Return the mean with its standard error, clustered by user.

    Args:
        values: One number for each decision.
        users: The user of each, numbered from 0.
    """
    sums = np.bincount(users, weights=values - values.mean())
    number = len(sums)
    spread = float((sums**2).sum()) * number / max(number - 1, 1)
    return Interval(float(values.mean()), float(np.sqrt(spread)) / len(values))
