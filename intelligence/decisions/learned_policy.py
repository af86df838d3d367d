"""A policy for entities that is learned from logged decisions: where to throttle, where to let through, and where to leave it as it is.

Rewards of both answers are modelled on other users (cross-fitting) and corrected by inverse propensities, which gives each decision a
doubly robust estimate of what throttling would have brought (Dudik, Langford and Li 2011). A small tree finds the contexts in which it
differs (Athey and Wager 2021), and the better answer is given where the difference is beyond doubt. Only safe answers are given: blocking
stays with the rules. The policy is deployed only if later decisions, of which it knows nothing, show that it gains.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from intelligence.causality.interval import Interval, signed
from intelligence.core.errors import ModelError, NotEnoughEvidence
from intelligence.decisions.entity import Answer
from intelligence.decisions.off_policy import (
    Expected,
    LoggedDecisions,
    OffPolicyValue,
    clustered_mean,
    off_policy_value,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
# Of each condition the predictor, whether the value is above the limit, and the limit.
Conditions = tuple[tuple[str, bool, float], ...]

# The answers that may be learned and drawn by lot, by their code.
SAFE: Final[tuple[Answer, ...]] = ("allow", "throttle")
AS_BEFORE: Final = -1
KIND: Final = "policy_tree"
POLICY_FILE: Final = "policy.json"
# Figures of windows are not negative; unknown ones go left everywhere.
UNKNOWN: Final = -1.0
LARGEST: Final = 1e12
FOLDS: Final = 3
MOST_LEAVES: Final = 8
# A leaf departs from the present policy where the gain is that many standard errors from 0.
SURE: Final = 1.0
FEWEST_TRIED: Final = 60
FEWEST_IN_LEAF: Final = 30
LEARNED_SHARE: Final = 0.6
# Up to that probability an answer was drawn by lot, against what the present policy does.
MOST_BY_LOT: Final = 0.1 + 1e-9
# The gate asks for a lower bound of 99 %, one-sided: intervals of weighted means are a little narrow on short logs.
GATE_Z: Final = 2.326348


@dataclass(frozen=True)
class PolicyLog:
    """Decisions between letting through and throttling that no rule made, and what they brought.

    Attributes:
        contexts: What was known, shape (decisions, predictors), NaN where it was not.
        usual: Whether the score alone throttles there, without lots and without a learned policy.
        throttled: Whether each was throttled.
        chances: Probability with which it was throttled, in [0, 1].
        rewards: What each brought.
        users: Whom each concerned.
        times: Order of the decisions; later ones judge what was learned from earlier ones.
    """

    contexts: ArrayLike
    usual: ArrayLike
    throttled: ArrayLike
    chances: ArrayLike
    rewards: ArrayLike
    users: ArrayLike
    times: ArrayLike

    def __post_init__(self) -> None:
        """Raise ValueError where lengths differ, or no probability is one."""
        chances, throttled = np.asarray(self.chances, np.float64), np.asarray(self.throttled, np.bool_)
        if len({len(np.asarray(each)) for each in self._columns}) != 1:
            raise ValueError("contexts, usual, throttled, chances, rewards, users and times differ in length")
        if not np.all((chances >= 0) & (chances <= 1)) or np.any(np.where(throttled, chances, 1 - chances) <= 0):
            raise ValueError("a chance of throttling is outside of [0, 1], or 0 for what was done")

    def __len__(self) -> int:
        """Return the number of decisions."""
        return len(np.asarray(self.users))

    @property
    def _columns(self) -> tuple[ArrayLike, ...]:
        return self.contexts, self.usual, self.throttled, self.chances, self.rewards, self.users, self.times

    def where(self, chosen: Bools) -> "PolicyLog":
        """Return the decisions chosen.

        Args:
            chosen: Whether each decision is, shape (decisions,).
        """
        return PolicyLog(*(np.asarray(each)[chosen] for each in self._columns))

    @property
    def propensities(self) -> Floats:
        """Return the probability of what was done."""
        chances = np.asarray(self.chances, np.float64)
        return np.where(np.asarray(self.throttled, np.bool_), chances, 1 - chances)


class Leaf(msgspec.Struct, frozen=True):
    """A kind of context, and what to do there.

    Attributes:
        where: Its conditions: predictor, whether the value is above the limit, and the limit.
        answer: The answer; empty where it stays as before.
        decisions: Number of decisions that it was learned from.
        gain: What throttling brings over letting through, for each decision.
        se: Standard error of the gain, clustered by user.
    """

    where: tuple[tuple[str, bool, float], ...]
    answer: str
    decisions: int
    gain: float
    se: float

    @property
    def words(self) -> str:
        """Return it in a sentence.

        >>> Leaf((("events_5m", True, 12.0), ("risk_score", False, 0.4)), "throttle", 800, 0.12, 0.02).words
        'throttle where events_5m is above 12 and risk_score is at most 0.4: throttling brings +0.120 (95 % interval +0.081 to +0.159)'
        """
        limits = [f"{name} is {'above' if above else 'at most'} {limit:g}" for name, above, limit in self.where]
        return (
            f"{self.answer or 'as before'} {'where ' + ' and '.join(limits) if limits else 'everywhere'}:"
            f" throttling brings {Interval(self.gain, self.se).words}"
        )


class EntityPolicy(msgspec.Struct, frozen=True):
    """A tree of conditions with an answer in each leaf; where a leaf has none, the score decides as without it.

    Attributes:
        predictors: What it asks for.
        leaves: Its leaves, of which exactly one fits each context.
    """

    predictors: tuple[str, ...]
    leaves: tuple[Leaf, ...]

    def leaf(self, figures: Mapping[str, float | None]) -> Leaf:
        """Return the leaf of one context.

        Args:
            figures: What is known, by predictor; what is missing or no number counts as unknown.
        """
        known = {name: _number(figures.get(name)) for name in self.predictors}
        return next(
            each for each in self.leaves if all((known[name] > limit) == above for name, above, limit in each.where)
        )

    def answers(self, contexts: ArrayLike) -> Ints:
        """Return the code of the answer in each context; -1 where it stays as before.

        Args:
            contexts: What is known, shape (decisions, predictors).
        """
        values, found = whole(contexts), np.full(len(np.asarray(contexts)), AS_BEFORE)
        column = {name: place for place, name in enumerate(self.predictors)}
        for each in self.leaves:
            if not each.answer:
                continue
            fits = np.ones(len(values), dtype=bool)
            for name, above, limit in each.where:
                fits &= (values[:, column[name]] > limit) == above
            found[fits] = SAFE.index(each.answer)
        return found

    @property
    def departs(self) -> bool:
        """Return whether it ever decides, instead of the score."""
        return any(each.answer for each in self.leaves)

    @property
    def kind(self) -> str:
        """Return the kind of model."""
        return KIND

    def files(self) -> dict[str, bytes]:
        """Return the content of its file by name."""
        return {POLICY_FILE: msgspec.json.encode(self)}


def policy_from(files: Mapping[str, bytes], *, origin: str) -> EntityPolicy:
    """Return the policy that the files contain.

    Args:
        files: Content of the files by name, as from `EntityPolicy.files`.
        origin: Where they come from, such as "entity_policy version 3", for the message of an error.

    Raises:
        ModelError: The files cannot be read as a policy, or it gives an answer that is not safe, or none in some contexts.
    """
    try:
        policy = msgspec.json.decode(files[POLICY_FILE], type=EntityPolicy)
        _check(policy)
    except (KeyError, ValueError, StopIteration) as error:
        raise ModelError(
            origin,
            f"its files cannot be read as a policy: {str(error)[:200] or type(error).__name__}.",
            hint="Promote another version (`intelligence models` lists them), or learn again.",
        ) from error
    return policy


def _check(policy: EntityPolicy) -> None:
    """Raise ValueError where a policy is none."""
    odd = next((each.answer for each in policy.leaves if each.answer not in ("", *SAFE)), None)
    if odd is not None:
        raise ValueError(f"the answer {odd} is not one of {', '.join(SAFE)}")
    asked = {name for each in policy.leaves for name, _, _ in each.where}
    if not asked <= set(policy.predictors):
        raise ValueError(f"it asks for {', '.join(sorted(asked - set(policy.predictors)))}, which it does not name")
    # Leaves of a tree halve the space again and again: their parts add up to the whole of it.
    if sum(0.5 ** len(each.where) for each in policy.leaves) != 1:
        raise ValueError("its leaves do not cover all contexts")


@dataclass(frozen=True)
class PolicyVerdict:
    """Whether a learned policy is to be deployed.

    Attributes:
        deploy: Whether the lower bound of its gain over the present policy, which holds with 99 %, lies above 0.
        reason: Why, in words.
        policy: The policy; None where none could be learned.
        value: What it would have gained on later decisions; None where they cannot tell.
        gate: By how many standard errors the gate asks that the gain lies above 0.
        beside: How a policy of another kind did beside it, in words; empty where none took part.
    """

    deploy: bool
    reason: str
    policy: EntityPolicy | None = None
    value: OffPolicyValue | None = None
    gate: float = GATE_Z
    beside: str = ""

    @property
    def low(self) -> float | None:
        """Return the lower bound of the gain that the gate looks at; None where later decisions cannot tell."""
        return None if self.value is None else self.value.gain.value - self.gate * self.value.gain.se


class RewardModels:
    """What each answer brings, as boosted trees of the context."""

    def __init__(self, log: PolicyLog, *, seed: int) -> None:
        """Fit both.

        Args:
            log: Decisions, of which both answers were given.
            seed: Seed of the trees.
        """
        # Loaded before threads are limited: only those of libraries that are loaded are.
        from sklearn.ensemble import HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits

        values, throttled = whole(log.contexts), np.asarray(log.throttled, np.bool_)
        rewards = np.asarray(log.rewards, np.float64)
        # One thread: on small parts more only wait for one another, and sums are the same on any machine.
        with threadpool_limits(limits=1):
            self._models = [
                HistGradientBoostingRegressor(
                    max_iter=40,
                    max_leaf_nodes=6,
                    min_samples_leaf=30,
                    learning_rate=0.1,
                    early_stopping=False,
                    random_state=seed,
                ).fit(values[throttled == code], rewards[throttled == code])
                for code in (False, True)
            ]

    def expected(self, contexts: ArrayLike) -> Floats:
        """Return what each answer is expected to bring, shape (decisions, 2): letting through, throttling.

        Args:
            contexts: What is known, shape (decisions, predictors).
        """
        from threadpoolctl import threadpool_limits

        values = whole(contexts)
        with threadpool_limits(limits=1):
            return np.stack([np.asarray(each.predict(values), np.float64) for each in self._models], axis=1)


def learned_policy(log: PolicyLog, predictors: Sequence[str], *, seed: int = 7) -> EntityPolicy:
    """Return the policy that a log teaches.

    Args:
        log: The decisions. Only those that could have gone either way teach what throttling brings.
        predictors: Names of the contexts' columns.
        seed: Seed of folds and models.

    Raises:
        NotEnoughEvidence: One of the two answers was hardly ever given where the other was possible.
    """
    tried = tried_both(log)
    users = np.asarray(tried.users)
    values, effects = whole(tried.contexts), effects_of(tried, seed=seed)
    chances = np.asarray(tried.chances, np.float64)
    rare = float(np.minimum(chances, 1 - chances).mean())
    return EntityPolicy(
        tuple(predictors),
        tuple(_leaves(values, effects, users, predictors, fewest=int(np.ceil(FEWEST_IN_LEAF / rare)), seed=seed)),
    )


def tried_both(log: PolicyLog) -> PolicyLog:
    """Return the decisions that could have gone either way; raises NotEnoughEvidence where an answer was hardly ever given there."""
    chances = np.asarray(log.chances, np.float64)
    tried = log.where((chances > 0) & (chances < 1))
    throttled, users = np.asarray(tried.throttled, np.bool_), np.asarray(tried.users)
    for answer, given in (("allow", ~throttled), ("throttle", throttled)):
        people = len(np.unique(users[given]))
        if people < FEWEST_TRIED:
            raise NotEnoughEvidence(
                "learned policy",
                f"where both answers were possible, {people} users met `{answer}`, fewer than {FEWEST_TRIED}.",
                hint="Raise `decisions: entities: exploration: share`, or collect more decisions.",
            )
    return tried


def judged_policy(policy: EntityPolicy, log: PolicyLog, models: RewardModels, *, share: float) -> OffPolicyValue:
    """Return what a policy would have gained where it departs from the present one, with the same exploration.

    All other decisions would have been the same: they tell nothing of the difference, and would hide how few tell of it.

    Args:
        policy: The policy.
        log: Decisions that it was not learned from.
        models: Models of rewards, fitted on other decisions.
        share: Share of exploration with which it would be deployed.

    Raises:
        NotEnoughEvidence: The log cannot tell, as `off_policy_value` says.
    """
    would = chances_of(policy, log, share=share)
    departs = would != np.asarray(log.chances, np.float64)
    own, would = log.where(departs), would[departs]
    if not len(would):
        raise NotEnoughEvidence(
            "learned policy", "no later decision is one in which it departs.", hint="Collect more decisions."
        )
    throttled, chances = np.asarray(own.throttled, np.bool_), np.asarray(own.chances, np.float64)
    expected = models.expected(own.contexts)
    untried = np.where(chances == 0, would, 0.0) + np.where(chances == 1, 1 - would, 0.0)
    return off_policy_value(
        LoggedDecisions(own.rewards, own.propensities, own.users),
        np.where(throttled, would, 1 - would),
        expected=Expected(
            expected[np.arange(len(throttled)), throttled.astype(int)],
            expected[:, 0] * (1 - would) + expected[:, 1] * would,
        ),
        untried=float(untried.mean()),
    )


def chances_of(policy: EntityPolicy, log: PolicyLog, *, share: float) -> Floats:
    """Return the probability with which a policy would throttle; where it agrees with what was done, as it was.

    Args:
        policy: The policy.
        log: The decisions.
        share: Share of exploration with which it would be deployed.
    """
    chances, answers = np.asarray(log.chances, np.float64), policy.answers(log.contexts)
    throttles = np.where(answers == AS_BEFORE, np.asarray(log.usual, np.bool_), answers == SAFE.index("throttle"))
    agrees = np.where(throttles, chances >= 1 - MOST_BY_LOT, chances <= MOST_BY_LOT)
    return np.where(agrees, chances, np.where(throttles, 1 - share, share))


def policy_verdict(log: PolicyLog, predictors: Sequence[str], *, share: float, seed: int = 7) -> PolicyVerdict:
    """Return what a log teaches, and whether to deploy it: it is learned from earlier decisions and judged on later ones.

    Where the log cannot tell, or the gain is not beyond doubt, the present policy stays.

    Args:
        log: The decisions.
        predictors: Names of the contexts' columns.
        share: Share of exploration with which it would be deployed.
        seed: Seed of folds and models.

    >>> draw = np.random.default_rng(1)
    >>> risk, throttled = draw.random(6_000), draw.random(6_000) < 0.2
    >>> harm = np.where(risk > 0.5, 0.6, 0.02) * ~throttled
    >>> rewards, order, never = -harm - 0.1 * throttled, np.arange(6_000), np.zeros(6_000)
    >>> log = PolicyLog(risk[:, None], never, throttled, np.full(6_000, 0.2), rewards, order, order)
    >>> found = policy_verdict(log, ["risk_score"], share=0.05)
    >>> found.deploy, found.policy.answers([[0.1], [0.9]]).tolist()
    (True, [0, 1])
    """
    if not len(log):
        return PolicyVerdict(False, "The present policy stays: no decision was made by a score at the level auto.")
    earlier, later = parts_of(log)
    try:
        policy = learned_policy(earlier, predictors, seed=seed)
    except NotEnoughEvidence as error:
        return PolicyVerdict(False, _stays(error))
    return gated(policy, earlier, later, share=share, seed=seed)


def parts_of(log: PolicyLog) -> tuple[PolicyLog, PolicyLog]:
    """Return the earlier decisions, from which a policy is learned, and the later ones, which judge it."""
    times = np.asarray(log.times)
    ends = np.sort(times)[int(LEARNED_SHARE * len(times))]
    return log.where(times < ends), log.where(times >= ends)


def gated(
    policy: EntityPolicy,
    earlier: PolicyLog,
    later: PolicyLog,
    *,
    share: float,
    seed: int = 7,
    gate: float = GATE_Z,
    level: str = "99 %",
) -> PolicyVerdict:
    """Return whether a policy is to be deployed.

    Args:
        policy: The policy.
        earlier: The decisions that it was learned from.
        later: Decisions that it was not learned from.
        share: Share of exploration with which it would be deployed.
        seed: Seed of the models of rewards.
        gate: By how many standard errors its gain must lie above 0.
        level: With what probability such a bound holds, in words.
    """
    if not policy.departs:
        return PolicyVerdict(False, "The present policy stays: nothing that was learned differs from it.", policy)
    try:
        value = judged_policy(policy, later, RewardModels(earlier, seed=seed), share=share)
    except NotEnoughEvidence as error:
        return PolicyVerdict(False, _stays(error), policy)
    departing = float((chances_of(policy, later, share=share) != np.asarray(later.chances)).mean())
    found = PolicyVerdict(False, "", policy, value, gate)
    low = found.low or 0.0
    gain = f"gains {signed(value.gain.value)} in each of the {departing:.0%} of later decisions where it departs, at least {signed(low)}"
    if low > 0:
        return replace(found, deploy=True, reason=f"The learned policy {gain} ({level}).")
    return replace(
        found, reason=f"The present policy stays: the learned one {gain} ({level}), which is not above 0 beyond doubt."
    )


def _stays(error: NotEnoughEvidence) -> str:
    return f"The present policy stays: {error.problem} {error.hint}"


def effects_of(log: PolicyLog, *, seed: int) -> Floats:
    """Return a doubly robust estimate of what throttling brings for each decision, by models that were fitted on other users.

    Args:
        log: Decisions that could have gone either way.
        seed: Seed of folds and models.
    """
    throttled, chances = np.asarray(log.throttled, np.bool_), np.asarray(log.chances, np.float64)
    rewards, contexts = np.asarray(log.rewards, np.float64), np.asarray(log.contexts, np.float64)
    _, users = np.unique(np.asarray(log.users), return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(users.max() + 1) % FOLDS)[users]
    found = np.empty(len(rewards))
    for each in range(FOLDS):
        own = fold == each
        expected = RewardModels(log.where(~own), seed=seed).expected(contexts[own])
        residual = np.where(
            throttled[own],
            (rewards[own] - expected[:, 1]) / chances[own],
            -(rewards[own] - expected[:, 0]) / (1 - chances[own]),
        )
        found[own] = expected[:, 1] - expected[:, 0] + residual
    return found


def _leaves(
    values: Floats, effects: Floats, users: NDArray[np.generic], predictors: Sequence[str], *, fewest: int, seed: int
) -> Iterator[Leaf]:
    for where, fits in cells(values, effects, predictors, leaves=MOST_LEAVES, fewest=fewest, seed=seed):
        yield _leaf(where, effects[fits], users[fits])


def cells(
    values: Floats, targets: Floats, predictors: Sequence[str], *, leaves: int, fewest: int, seed: int
) -> Iterator[tuple[Conditions, Bools]]:
    """Yield parts of the contexts in which targets are alike, as conditions and as rows; exactly one fits each context.

    Args:
        values: The contexts without unknown values, shape (decisions, predictors).
        targets: One or more numbers for each decision, shape (decisions,) or (decisions, targets).
        predictors: Names of the contexts' columns.
        leaves: Greatest number of parts.
        fewest: Least number of decisions in each.
        seed: Seed of the tree.
    """
    from sklearn.tree import DecisionTreeRegressor

    grown = DecisionTreeRegressor(max_leaf_nodes=leaves, min_samples_leaf=fewest, random_state=seed)
    # The tree compares in single precision; limits are rounded so that every reader finds the same side.
    tree = grown.fit(values, targets).tree_
    limits = [_rounded(limit) for limit in tree.threshold]

    def below(node: int, where: Conditions, fits: Bools) -> Iterator[tuple[Conditions, Bools]]:
        if tree.children_left[node] < 0:
            yield where, fits
            return
        column, limit = int(tree.feature[node]), limits[node]
        above = values[:, column] > limit
        yield from below(int(tree.children_left[node]), (*where, (predictors[column], False, limit)), fits & ~above)
        yield from below(int(tree.children_right[node]), (*where, (predictors[column], True, limit)), fits & above)

    yield from below(0, (), np.ones(len(values), dtype=bool))


def _leaf(where: tuple[tuple[str, bool, float], ...], effects: Floats, users: NDArray[np.generic]) -> Leaf:
    if len(effects) < FEWEST_IN_LEAF:
        return Leaf(where, "", len(effects), 0.0, 0.0)
    _, numbered = np.unique(users, return_inverse=True)
    gain = clustered_mean(effects, numbered)
    is_sure = abs(gain.value) > SURE * gain.se and gain.se > 0
    answer = "" if not is_sure else SAFE[int(gain.value > 0)]
    return Leaf(where, answer, len(effects), gain.value, gain.se)


def _rounded(limit: float) -> float:
    """Return a limit with six significant digits, so that it can be read."""
    return float(f"{limit:.6g}")


def whole(contexts: ArrayLike) -> Floats:
    """Return contexts without a value that is unknown or beyond all measure; both count as UNKNOWN."""
    values = np.asarray(contexts, np.float64)
    return np.where(np.abs(values) <= LARGEST, values, UNKNOWN)


def _number(value: float | None) -> float:
    """Return what `whole` makes of one value."""
    return UNKNOWN if value is None or not abs(value) <= LARGEST else float(value)
