"""What answers do to the later events of an entity: a simulator that is fitted to the log, and a policy that is learned in it.

States are parts of the contexts, as in the learned policy. From consecutive decisions on an entity come the chances of moving from one
state to another, of not coming back, and the rewards, by answer; decisions count by inverse propensities, and what is rare is drawn
towards what holds for both answers. A policy is learned in the simulator by PPO (Schulman et al. 2017) and judged outside of it: on later
decisions of the log, by the gate of `intelligence.decisions.learned_policy`, with the rewards of an entity's following decisions counted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import Final

import numpy as np

from intelligence.causality.interval import signed
from intelligence.core.errors import NotEnoughEvidence
from intelligence.decisions.learned_policy import (
    FEWEST_IN_LEAF,
    SAFE,
    EntityPolicy,
    Floats,
    Ints,
    Leaf,
    PolicyLog,
    PolicyVerdict,
    RewardModels,
    cells,
    chances_of,
    effects_of,
    gated,
    parts_of,
    policy_verdict,
    tried_both,
    whole,
)
from intelligence.decisions.off_policy import clustered_mean

# What an entity brings at its next decision counts by so much less.
DISCOUNT: Final = 0.9
MOST_STATES: Final = 12
# As many decisions of what holds for both answers are added to those of each.
PRIOR: Final = 20.0
SWEEPS: Final = 400
# Where the policy throttles with a probability nearer to one half, the present one decides.
CLEAR: Final = 0.6
# Two policies compete: each bound is to hold with 99.5 %, so that both do with 99 %.
CONTEST_GATE: Final = 2.575829
CONTEST_LEVEL: Final = "99.5 %"
LEFT_OUT: Final = (
    "PPO was asked for and is left out: Stable-Baselines3 is not installed (`pip install 'product-intelligence-platform[rl]'`, or write"
    " `online: {ppo: false}`)."
)


@dataclass(frozen=True)
class EntitySimulator:
    """How entities move between states, by answer.

    Attributes:
        start: Probability of each state at the first decision on an entity, shape (states,).
        moves: Probability of each next state where there is one, shape (states, 2, states).
        ends: Probability that there is none, shape (states, 2).
        rewards: Expected reward, shape (states, 2).
    """

    start: Floats
    moves: Floats
    ends: Floats
    rewards: Floats

    @property
    def values(self) -> Floats:
        """Return the best discounted sum of rewards by state and first answer, shape (states, 2), by value iteration (Bellman 1957)."""
        found = self.rewards.copy()
        for _ in range(SWEEPS):
            found = self.rewards + DISCOUNT * (1 - self.ends) * (self.moves @ found.max(axis=1))
        return found


# Returns the probability of throttling in each state of a simulator, shape (states,); takes the simulator and a seed.
Learner = Callable[[EntitySimulator, int], Floats]


def following(log: PolicyLog) -> Ints:
    """Return for each decision the place of the next one on the same user; -1 where there is none."""
    _, users = np.unique(np.asarray(log.users), return_inverse=True)
    order = np.lexsort((np.asarray(log.times), users))
    found = np.full(len(order), -1)
    same = users[order[1:]] == users[order[:-1]]
    found[order[:-1][same]] = order[1:][same]
    return found


def with_returns(log: PolicyLog) -> PolicyLog:
    """Return the log with the rewards of each user's later decisions added, discounted."""
    rewards, following_ones = np.asarray(log.rewards, np.float64), following(log)
    found = rewards.copy()
    for place in np.argsort(-np.asarray(log.times), kind="stable"):
        if following_ones[place] >= 0:
            found[place] += DISCOUNT * found[following_ones[place]]
    return replace(log, rewards=found)


def fitted_simulator(log: PolicyLog, states: Ints, count: int) -> EntitySimulator:
    """Return the simulator that fits a log.

    Args:
        log: The decisions.
        states: State of each decision, from 0, shape (decisions,).
        count: Number of states.
    """
    answers, rewards = np.asarray(log.throttled, np.bool_).astype(int), np.asarray(log.rewards, np.float64)
    weights, then = 1 / log.propensities, following(log)
    cell = states * 2 + answers
    sums = np.bincount(cell, weights, 2 * count)
    squares = np.bincount(cell, weights**2, 2 * count)
    # Weights add up to the number of decisions that would tell as much without them (Kish).
    weights = weights * (sums / np.maximum(squares, 1e-12))[cell]

    def shares(kinds: Ints, number: int) -> Floats:
        """Return the share of each kind by state and answer, drawn towards that of the state, and that towards that of all."""
        of_cell = np.bincount(cell * number + kinds, weights, 2 * count * number).reshape(count, 2, number)
        of_all = of_cell.sum(axis=(0, 1)) + 1e-9
        of_state = of_cell.sum(axis=1) + PRIOR * of_all / of_all.sum()
        of_state /= of_state.sum(axis=1, keepdims=True)
        found = of_cell + PRIOR * of_state[:, None, :]
        whole_ones: Floats = found / found.sum(axis=2, keepdims=True)
        return whole_ones

    # The last kind is that there is no next decision.
    chances = shares(np.where(then >= 0, states[then], count), count + 1)
    ends = chances[:, :, count]
    moves = chances[:, :, :count] / chances[:, :, :count].sum(axis=2, keepdims=True)
    total, brought = (np.bincount(cell, each, 2 * count).reshape(count, 2) for each in (weights, weights * rewards))
    mean = (brought.sum(axis=1) + PRIOR * rewards.mean()) / (total.sum(axis=1) + PRIOR)
    first = np.ones(len(states), dtype=bool)
    first[then[then >= 0]] = False
    start = np.bincount(states[first], minlength=count) / first.sum()
    return EntitySimulator(start, moves, ends, (brought + PRIOR * mean[:, None]) / (total + PRIOR))


def sequential_policy(log: PolicyLog, predictors: Sequence[str], learner: Learner, *, seed: int = 7) -> EntityPolicy:
    """Return the policy that is learned in the simulator of a log.

    Args:
        log: The decisions.
        predictors: Names of the contexts' columns.
        learner: Learns in the simulator.
        seed: Seed of the tree, of models and of the learner.

    Raises:
        NotEnoughEvidence: One of the two answers was hardly ever given where the other was possible.
    """
    tried = tried_both(with_returns(log))
    values, effects = whole(tried.contexts), effects_of(tried, seed=seed)
    chances = np.asarray(tried.chances, np.float64)
    fewest = int(np.ceil(FEWEST_IN_LEAF / np.minimum(chances, 1 - chances).mean()))
    targets = np.column_stack([np.asarray(tried.rewards, np.float64), effects])
    targets /= np.maximum(targets.std(axis=0), 1e-12)
    parts = list(cells(values, targets, predictors, leaves=MOST_STATES, fewest=fewest, seed=seed))
    leaves = [_leaf(where, effects[fits], np.asarray(tried.users)[fits]) for where, fits in parts]
    simulator = fitted_simulator(log, _states(leaves, predictors, log), len(leaves))
    throttles = learner(simulator, seed)
    answers = [SAFE[int(each > 0.5)] if max(each, 1 - each) >= CLEAR else "" for each in throttles.tolist()]
    return EntityPolicy(
        tuple(predictors),
        tuple(
            Leaf(leaf.where, answer, leaf.decisions, leaf.gain, leaf.se)
            for leaf, answer in zip(leaves, answers, strict=True)
        ),
    )


def _leaf(where: tuple[tuple[str, bool, float], ...], effects: Floats, users: np.ndarray) -> Leaf:
    if not len(effects):
        return Leaf(where, "", 0, 0.0, 0.0)
    gain = clustered_mean(effects, np.unique(users, return_inverse=True)[1])
    return Leaf(where, "", len(effects), gain.value, gain.se)


def _states(leaves: Sequence[Leaf], predictors: Sequence[str], log: PolicyLog) -> Ints:
    """Return the place of the leaf that fits each decision."""
    values, found = whole(log.contexts), np.zeros(len(log), dtype=np.int64)
    column = {name: place for place, name in enumerate(predictors)}
    for place, leaf in enumerate(leaves):
        fits = np.ones(len(values), dtype=bool)
        for name, above, limit in leaf.where:
            fits &= (values[:, column[name]] > limit) == above
        found[fits] = place
    return found


def policy_contest(
    log: PolicyLog, predictors: Sequence[str], *, share: float, seed: int = 7, learner: Learner | None = None
) -> PolicyVerdict:
    """Return the verdict on the better of two policies: the doubly robust one, and one that is learned by PPO in a simulator.

    Both pass the same gate, with bounds that hold with 99 % together. The one by PPO is judged with the rewards of an entity's following
    decisions counted, since that is all that it can add; it takes the place of a doubly robust one that passes only if it gains more than
    that beyond doubt.

    Args:
        log: The decisions.
        predictors: Names of the contexts' columns.
        share: Share of exploration with which a policy would be deployed.
        seed: Seed of folds, models and the learner.
        learner: Learns in the simulator; None takes PPO, where it is installed.
    """
    first = policy_verdict(log, predictors, share=share, seed=seed)
    if learner is None:
        if not find_spec("stable_baselines3"):
            return replace(first, beside=LEFT_OUT)
        from intelligence.decisions.ppo import ppo

        learner = ppo
    if first.policy is None:
        return replace(first, beside="PPO was not tried: nothing could be learned from the log.")
    return _contest(first.policy, log, predictors, learner, share=share, seed=seed)


def _contest(
    policy: EntityPolicy, log: PolicyLog, predictors: Sequence[str], learner: Learner, *, share: float, seed: int
) -> PolicyVerdict:
    judged = partial(gated, share=share, seed=seed, gate=CONTEST_GATE, level=CONTEST_LEVEL)
    earlier, later = parts_of(log)
    first = judged(policy, earlier, later)
    try:
        other = sequential_policy(earlier, predictors, learner, seed=seed)
    except NotEnoughEvidence as error:
        return replace(first, beside=f"PPO does not earn its place: {error.problem}")
    earlier, later = with_returns(earlier), with_returns(later)
    second = judged(other, earlier, later)
    if not second.deploy:
        return replace(first, beside=f"PPO does not earn its place, {_COUNTED}. {second.reason}")
    if not first.deploy:
        beside = f"PPO earns its place, {_COUNTED}; the doubly robust policy does not pass. {first.reason}"
        return replace(second, beside=beside)
    more = _more((other, policy), later, RewardModels(earlier, seed=seed), share=share)
    gains = f"it gains at least {signed(more)} over the doubly robust policy ({CONTEST_LEVEL}, {_COUNTED})"
    if more > 0:
        return replace(second, beside=f"PPO earns its place: {gains}.")
    return replace(first, beside=f"PPO does not earn its place: {gains}, which is not above 0 beyond doubt.")


_COUNTED: Final = "with an entity's following decisions counted"


def _more(policies: tuple[EntityPolicy, EntityPolicy], log: PolicyLog, models: RewardModels, *, share: float) -> float:
    """Return the lower bound of what one policy brings over another, for each decision in which they differ."""
    would = [chances_of(each, log, share=share) for each in policies]
    differs = would[0] != would[1]
    if not differs.any():
        return 0.0
    own, throttled = log.where(differs), np.asarray(log.throttled, np.bool_)[differs]
    expected, rewards = models.expected(own.contexts), np.asarray(own.rewards, np.float64)
    residual = (rewards - expected[np.arange(len(throttled)), throttled.astype(int)]) / own.propensities
    pseudo = expected[:, 1] - expected[:, 0] + np.where(throttled, residual, -residual)
    gain = (would[0][differs] - would[1][differs]) * pseudo
    found = clustered_mean(gain, np.unique(np.asarray(own.users), return_inverse=True)[1])
    return found.value - CONTEST_GATE * found.se
