"""The cross-fitted doubly robust estimate (AIPW; Robins, Rotnitzky and Zhao 1994; Chernozhukov et al. 2018).

Two models are fitted on other folds than those that they speak of: the propensity of the treatment, and each outcome in each arm.
The estimate is right if either is. Linear models are solved by their normal equations, fold by fold, with all outcomes at once:
the logistic fit on all rows is followed by one Newton step for each left-out fold, which differs from a fit of its own by terms
of the square of the fold's share in the parameters.
"""

from dataclasses import dataclass
from itertools import pairwise, product
from typing import Final, Literal

import numpy as np

from intelligence.causality.interval import Bools, Floats, Floats32, Interval, Ints, clustered_se
from intelligence.core.errors import NotEnoughEvidence

Target = Literal["everyone", "treated"]
Learner = Literal["linear", "boosted"]

FEWEST_PER_ARM: Final = 30
# From so many rows on one Newton step stands for a fit of its own.
MANY_ROWS: Final = 2_000
# The first steps are done on about so many rows.
START_ROWS: Final = 8_000
NEWTON_STEPS: Final = 30
# Rows whose weighted values fit into the processor's cache.
BLOCK: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How effects are estimated.

    Attributes:
        target: Whose effect: that of `everyone` in the frame, or of the `treated`.
        learner: `linear` for logistic and ridge regression with bends, `boosted` for histogram gradient boosting.
        folds: Number of folds of the cross-fitting.
        trim: A row is trimmed where its propensity is below this share of the share treated, or its complement below this share
            of the share not treated, so that a rare treatment is not trimmed for being rare.
        fewest_kept: Share of the target's rows that must be left after trimming.
        refute: Whether the estimate is put to the refutations.
        seed: Seed of all random numbers.
    """

    target: Target = "everyone"
    learner: Learner = "linear"
    folds: int = 5
    trim: float = 0.1
    fewest_kept: float = 0.5
    refute: bool = True
    seed: int = 7


DEFAULT: Final = Rules()


@dataclass(frozen=True)
class Sample:
    """Rows without gaps.

    Attributes:
        x: Standardised confounders, shape (rows, columns).
        treated: Whether each row is treated.
        y: Outcomes, shape (rows, outcomes).
        clusters: Unit of each row, numbered from 0.
        folds: Fold of each row, in rising order; the rows of one cluster are in the same fold.
    """

    x: Floats32
    treated: Bools
    y: Floats
    clusters: Ints
    folds: Ints

    def rows(self, chosen: Bools | Ints) -> "Sample":
        """Return the sample of the chosen rows, which are chosen in their order."""
        return Sample(self.x[chosen], self.treated[chosen], self.y[chosen], self.clusters[chosen], self.folds[chosen])

    @property
    def fewest_units(self) -> int:
        """Return the number of different units in the smaller arm."""
        return min(int(np.count_nonzero(np.bincount(self.clusters[self.treated == arm]))) for arm in (True, False))


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far the arms can be compared.

    Attributes:
        trimmed: Share of the rows that were left out since nearly all or nearly none like them are treated.
        treated_trimmed: The same share of the treated rows.
        lowest: Lowest propensity of a row that was kept.
        highest: Highest propensity of a row that was kept.
        effective_treated: Number of equally weighted treated rows that would tell as much (Kish 1965).
        effective_control: The same of rows that are not treated.
    """

    trimmed: float
    treated_trimmed: float
    lowest: float
    highest: float
    effective_treated: float
    effective_control: float

    @property
    def words(self) -> str:
        """Return in words what was trimmed and what is left."""
        return (
            f"{self.trimmed:.1%} of the rows trimmed, propensities {self.lowest:.3f} to {self.highest:.3f}, effective rows "
            f"{self.effective_treated:,.0f} treated and {self.effective_control:,.0f} not"
        )


@dataclass(frozen=True)
class Adjusted:
    """The doubly robust estimate of each outcome.

    Attributes:
        effects: Effect on each outcome.
        means: Mean of each outcome if all of the target were treated, and if none were, shape (2, outcomes).
        overlap: How far the arms can be compared.
        kept: Which rows were kept.
    """

    effects: tuple[Interval, ...]
    means: Floats
    overlap: Overlap
    kept: Bools


def naive(sample: Sample) -> tuple[Interval, ...]:
    """Return the plain difference of the arms' means for each outcome, with errors clustered by unit."""
    t = sample.treated[:, None]
    share = sample.treated.mean()
    means = [sample.y[sample.treated == arm].mean(axis=0) for arm in (True, False)]
    influence = np.where(t, (sample.y - means[0]) / share, -(sample.y - means[1]) / (1 - share))
    errors = clustered_se(influence, sample.clusters)
    return tuple(Interval(float(a - b), float(se)) for a, b, se in zip(*means, errors, strict=True))


def adjusted(sample: Sample, rules: Rules) -> Adjusted:
    """Return the doubly robust effects of a treatment on all outcomes of a sample.

    Rows without counterpart in the other arm are trimmed first (Crump et al. 2009), and the models fitted again on those left.

    Args:
        sample: The rows.
        rules: How effects are estimated.

    Raises:
        NotEnoughEvidence: An arm has too few units, or the arms do not overlap.
    """
    enough(sample, "treated and untreated units")
    models = _Boosted(rules.seed) if rules.learner == "boosted" else _Linear()
    e = models.propensities(sample)
    kept = _comparable(e, sample.treated, rules)
    share = kept[sample.treated].mean() if rules.target == "treated" else kept.mean()
    if share < rules.fewest_kept:
        raise NotEnoughEvidence(
            "overlap",
            f"Only {share:.0%} of the rows have a counterpart in the other arm.",
            hint="Choose a population in which both arms occur, or fewer confounders that decide the treatment.",
        )
    left = sample
    if not kept.all():
        left = sample.rows(kept)
        enough(left, "comparable treated and untreated units")
        e = np.clip(models.propensities(left), *_bounds(left.treated.mean(), rules))
    overlap = _overlap(sample, left, kept, e, rules)
    if min(overlap.effective_treated, overlap.effective_control) < FEWEST_PER_ARM:
        raise NotEnoughEvidence(
            "overlap",
            f"The comparable rows tell as much as {overlap.effective_treated:.0f} treated and "
            f"{overlap.effective_control:.0f} untreated ones.",
            hint=f"At least {FEWEST_PER_ARM} are needed of each.",
        )
    effects, means = _doubly_robust(left, e, models.outcomes(left), rules)
    return Adjusted(effects, means, overlap, kept)


def enough(sample: Sample, what: str) -> None:
    """Do nothing where both arms have enough units.

    Args:
        sample: The rows.
        what: What is counted, in words.

    Raises:
        NotEnoughEvidence: One arm is empty or has too few units.
    """
    if sample.treated.all() or not sample.treated.any():
        only = "treated" if len(sample.treated) and sample.treated.all() else "untreated"
        raise NotEnoughEvidence(
            what, f"All {len(sample.treated)} rows are {only}.", hint="An effect compares two arms."
        )
    if (number := sample.fewest_units) < FEWEST_PER_ARM:
        raise NotEnoughEvidence(
            what, f"The smaller arm has {number}.", hint=f"At least {FEWEST_PER_ARM} are needed in each arm."
        )


def folds_of(clusters: Ints, rules: Rules) -> Ints:
    """Return a fold for each row, at random, the rows of one cluster in the same fold; the caller sorts its rows by it.

    Args:
        clusters: Unit of each row, numbered from 0.
        rules: Number of folds and seed.
    """
    number = int(clusters.max()) + 1
    drawn = np.random.default_rng(rules.seed).permutation(number) % rules.folds
    return drawn[clusters].astype(np.int64)


def _bounds(share: float, rules: Rules) -> tuple[float, float]:
    low = rules.trim * share if rules.target == "everyone" else 0.0
    return low, 1 - rules.trim * (1 - share)


def _comparable(propensity: Floats, treated: Bools, rules: Rules) -> Bools:
    low, high = _bounds(treated.mean(), rules)
    kept: Bools = (propensity >= low) & (propensity <= high)
    return kept


def _overlap(sample: Sample, left: Sample, kept: Bools, e: Floats, rules: Rules) -> Overlap:
    t = left.treated
    weights = (1 / e[t], 1 / (1 - e[~t])) if rules.target == "everyone" else (np.ones(t.sum()), (e / (1 - e))[~t])
    effective = [float(each.sum() ** 2 / (each**2).sum()) for each in weights]
    return Overlap(
        float(1 - kept.mean()), float(1 - kept[sample.treated].mean()), float(e.min()), float(e.max()), *effective
    )


def _doubly_robust(
    sample: Sample, propensity: Floats, outcomes: tuple[Floats, Floats], rules: Rules
) -> tuple[tuple[Interval, ...], Floats]:
    t, e = sample.treated[:, None].astype(np.float64), propensity[:, None]
    mu0, mu1 = outcomes
    if rules.target == "everyone":
        with_it, without = mu1 + t * (sample.y - mu1) / e, mu0 + (1 - t) * (sample.y - mu0) / (1 - e)
        values = with_it.mean(axis=0), without.mean(axis=0)
        influence = with_it - without - (values[0] - values[1])
    else:
        share = t.mean()
        without = (t * mu0 + (1 - t) * e / (1 - e) * (sample.y - mu0)) / share
        values = (t * sample.y / share).mean(axis=0), without.mean(axis=0)
        influence = t * sample.y / share - without - t / share * (values[0] - values[1])
    errors = clustered_se(influence, sample.clusters)
    effects = tuple(Interval(float(a - b), float(se)) for a, b, se in zip(*values, errors, strict=True))
    return effects, np.stack(values)


def _parts(sample: Sample) -> list[slice]:
    numbers = np.unique(sample.folds)
    bounds = np.searchsorted(sample.folds, [*numbers, numbers[-1] + 1])
    return [slice(int(a), int(b)) for a, b in pairwise(bounds)]


def _with_intercept(x: Floats32) -> Floats32:
    return np.concatenate([np.ones((len(x), 1), np.float32), x], axis=1)


class _Linear:
    """Logistic regression of the treatment, ridge regression of the outcomes in each arm."""

    def __init__(self) -> None:
        self._start: Floats | None = None

    def propensities(self, sample: Sample) -> Floats:
        """Return the cross-fitted propensity of each row. A second call on fewer rows starts where the first one ended."""
        x, t, parts = _with_intercept(sample.x), sample.treated.astype(np.float32), _parts(sample)
        ridge = np.diag(np.r_[1e-6, np.ones(x.shape[1] - 1)])
        weights = self._start
        if weights is None:
            weights = np.r_[np.log(t.mean() / (1 - t.mean())), np.zeros(x.shape[1] - 1)]
        if self._start is None and len(x) >= 2 * START_ROWS:
            few = slice(None, None, len(x) // START_ROWS)
            weights = _logistic(x[few], t[few], weights, ridge, [slice(None)])[0]
        weights, gradients, hessians = _logistic(x, t, weights, ridge, parts)
        self._start = weights
        hessian = sum(hessians) + ridge
        e = np.empty(len(x))
        for place, part in enumerate(parts):
            if len(x) >= MANY_ROWS:
                own = weights - np.linalg.solve(hessian - hessians[place], gradients[place])
            else:
                others = np.ones(len(x), np.bool_)
                others[part] = False
                own = _logistic(x[others], t[others], weights, ridge, [slice(None)])[0]
            e[part] = _inverse_logit(x[part], own)
        return e

    def outcomes(self, sample: Sample) -> tuple[Floats, Floats]:
        """Return the cross-fitted outcomes of each row without and with treatment."""
        x, parts = _with_intercept(sample.x), _parts(sample)
        return (
            _ridge_fitted(x, sample.y, ~sample.treated, parts),
            _ridge_fitted(x, sample.y, sample.treated, parts),
        )


def _ridge_fitted(x: Floats32, y: Floats, arm: Bools, parts: list[slice]) -> Floats:
    """Return the outcomes as ridge regressions on the rows of one arm in all other folds tell them.

    The ridge is as strong as if the confounders explained as much of the spread as they leave.
    """
    columns = x.shape[1]
    centre = y[arm].mean(axis=0)
    grams, crosses = list[Floats](), list[Floats]()
    for part in parts:
        chosen = x[part][arm[part]]
        grams.append((chosen.T @ chosen).astype(np.float64))
        crosses.append((chosen.T @ (y[part][arm[part]] - centre).astype(np.float32)).astype(np.float64))
    gram, cross = sum(grams), sum(crosses)
    ridge = np.diag(np.r_[1e-6, np.full(columns - 1, float(max(columns - 1, 1)))])
    fitted = np.empty(y.shape)
    for part, own, crossed in zip(parts, grams, crosses, strict=True):
        weights = np.linalg.solve(gram - own + ridge, cross - crossed)
        fitted[part] = x[part] @ weights.astype(np.float32) + centre
    return fitted


def _inverse_logit(x: Floats32, weights: Floats) -> Floats32:
    logit: Floats32 = np.clip(x @ weights.astype(np.float32), np.float32(-15), np.float32(15))
    return np.float32(1) / (np.float32(1) + np.exp(-logit))


def _logistic(
    x: Floats32, t: Floats32, start: Floats, ridge: Floats, parts: list[slice]
) -> tuple[Floats, list[Floats], list[Floats]]:
    """Return the weights of a ridge logistic regression, with the gradient and a Hessian of each part.

    Newton's method. A Hessian, which costs most, is kept as long as steps with it shorten the way left by a factor of ten.
    """
    weights, before = start, np.inf
    hessians, gradients = list[Floats](), list[Floats]()
    for _ in range(NEWTON_STEPS):
        chances = [_inverse_logit(x[part], weights) for part in parts]
        gradients = [(x[part].T @ (t[part] - p)).astype(np.float64) for part, p in zip(parts, chances, strict=True)]
        gradient = sum(gradients) - ridge @ weights
        step = np.linalg.solve(sum(hessians) + ridge, gradient) if hessians else np.zeros(len(weights))
        if not hessians or float(step @ gradient) > 0.01 * before:
            hessians = [_curvature(x[part], p) for part, p in zip(parts, chances, strict=True)]
            step = np.linalg.solve(sum(hessians) + ridge, gradient)
        before = float(step @ gradient)
        if before < 1e-7 * len(t):
            break
        # Where arms separate, full steps may overshoot: no weight moves by more than 2 at once.
        weights = weights + step * min(1.0, 2.0 / float(np.abs(step).max()))
    return weights, gradients, hessians


def _curvature(x: Floats32, chance: Floats32) -> Floats:
    total = np.zeros((x.shape[1], x.shape[1]))
    root = np.sqrt(chance * (np.float32(1) - chance))
    for begin in range(0, len(x), BLOCK):
        block = x[begin : begin + BLOCK] * root[begin : begin + BLOCK, None]
        total += block.T @ block
    return total


class _Boosted:
    """Histogram gradient boosting for the treatment and for each outcome in each arm."""

    def __init__(self, seed: int) -> None:
        self._options = {"max_iter": 80, "max_leaf_nodes": 15, "learning_rate": 0.08, "early_stopping": False}
        self._options |= {"random_state": seed}

    def propensities(self, sample: Sample) -> Floats:
        """Return the cross-fitted propensity of each row."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        e = np.empty(len(sample.folds))
        for fold in np.unique(sample.folds):
            train = sample.folds != fold
            model = HistGradientBoostingClassifier(**self._options).fit(sample.x[train], sample.treated[train])
            e[~train] = model.predict_proba(sample.x[~train])[:, 1]
        return np.clip(e, 1e-6, 1 - 1e-6)

    def outcomes(self, sample: Sample) -> tuple[Floats, Floats]:
        """Return the cross-fitted outcomes of each row without and with treatment."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        arms = np.empty(sample.y.shape), np.empty(sample.y.shape)
        for fold, arm in product(np.unique(sample.folds), (False, True)):
            train = (sample.folds != fold) & (sample.treated == arm)
            test = sample.folds == fold
            for place in range(sample.y.shape[1]):
                model = HistGradientBoostingRegressor(**self._options).fit(sample.x[train], sample.y[train, place])
                arms[int(arm)][test, place] = model.predict(sample.x[test])
        return arms
