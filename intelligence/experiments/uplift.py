"""Uplift: for whom a variant works, from the covariates of the units before their exposure.

>>> import numpy as np
>>> import polars as pl
>>> from intelligence.experiments.uplift import uplift
>>> random = np.random.default_rng(7)
>>> is_treated, is_new = random.random(4_000) < 0.5, random.random(4_000) < 0.4
>>> frame = pl.DataFrame({
...     "user_id": range(4_000),
...     "variant": np.where(is_treated, "treatment", "control"),
...     "is_new": is_new,
...     "visits": random.poisson(5, 4_000),
...     "revenue": random.gamma(2.0, 5.0, 4_000) + 3.0 * (is_treated & is_new),
... })
>>> found = uplift(frame, "revenue", ["is_new", "visits"])
>>> found.refused, found.p < 0.001
('', True)
>>> found.table.filter(share=0.3).select(pl.col("effect", "low", "high", "rest").round(1)).rows()
[(2.6, 1.8, 3.4, 0.4)]
>>> uplift(frame.drop("is_new"), "revenue", ["visits"]).refused
'no differing effect is shown'

The effect on each unit is represented by its doubly robust pseudo-outcome, whose mean given the covariates is the effect there,
however wrong the models of the outcome are, since the shares of the variants are known (Kennedy 2023). The models of the outcome
and of the effect are fitted on other units than those that they order.

An order of the units is worth showing only where effects differ. The test of it trains on the first folds and tests on the next
one, fold by fold (Wager 2024): that the folds of a cross-fit train one another would make it reject too often. What is tested is
the Qini coefficient, the rank-weighted average effect of Yadlowsky et al. (2025). Where it does not reject, there is no number for
any group.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from intelligence.core.covariates import Floats, Floats32, encoded, numbers
from intelligence.core.errors import ExperimentError, NotEnoughEvidence
from intelligence.experiments.moments import check_columns
from intelligence.experiments.sample_ratio import ALPHA as HEALTH_ALPHA
from intelligence.experiments.sample_ratio import sample_ratio_p
from intelligence.metrics.registry import Metric

Learner = Literal["linear", "boosted"]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Fitted = Callable[[Floats32], Floats]
Fit = Callable[[Floats32, Floats], Fitted]

REFUSED: Final = "no differing effect is shown"
SHARES: Final = (0.1, 0.2, 0.3, 0.5)
FEWEST_PER_ARM: Final = 200
FOLDS: Final = 5
# One-sided: an order that is worth less than a random one shows nothing.
ALPHA: Final = 0.05
Z: Final = float(special.ndtri(0.975))
_COLUMNS: Final = ("share", "units", "effect", "low", "high", "rest", "rest_low", "rest_high")
TABLE: Final = pl.Schema({**dict.fromkeys(_COLUMNS, pl.Float64()), "units": pl.Int64()})


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval, in the unit of the outcome."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Uplift:
    """For whom a variant works.

    Attributes:
        units: Units of both arms with an outcome.
        average: Effect on all units.
        p: One-sided p-value of no order by the covariates that is worth more than a random one.
        refused: Why there is no number for any group; empty where there are.
        table: One row per share of the units, those with the largest predicted effect first: `share`, `units`, the `effect` on
            them with `low` and `high`, and that on the `rest` with `rest_low` and `rest_high`. No row where it is refused.
        qini: What the order gains over a random one for each unit, as a mean over all shares that could get the variant; None
            where it is refused.
        random: The same of a random order: 0, and the ends between which 95 % of random orders lie.
        scores: One row per unit with an outcome: its predicted effect `score`, by models that never saw it, and its `place` in
            the order of its fold, from 0 for the largest to 1. No row where it is refused.
    """

    units: int
    average: Estimate
    p: float
    refused: str
    table: pl.DataFrame
    qini: Estimate | None
    random: Estimate
    scores: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Sample:
    x: Floats32
    treated: Bools
    y: Floats
    share: float
    folds: Ints
    halves: Bools
    luck: Floats


def uplift(
    frame: pl.DataFrame,
    outcome: str,
    covariates: Sequence[str],
    *,
    treatment: str = "treatment",
    control: str = "control",
    variant: str = "variant",
    unit: str | None = "user_id",
    shares: Mapping[str, float] | None = None,
    learner: Learner = "linear",
    seed: int = 7,
) -> Uplift:
    """Return for whom a variant works, or that no differing effect is shown.

    Intervals are of the mean effect on the units of the experiment, ordered by models that were fitted on other units.

    Args:
        frame: One row per unit. Rows of other variants, or without an outcome, are left out.
        outcome: Column of the outcome, of which more is wanted: give the negative of one of which less is.
        covariates: Columns of numbers, Booleans or text that were known before the exposure.
        treatment: The variant.
        control: The variant that it is compared with.
        variant: Column of the variant.
        unit: Column of the unit; None where each row is another unit.
        shares: Planned share of each variant; None for equal ones.
        learner: `linear` for ridge regression with bends, `boosted` for histogram gradient boosting.
        seed: Seed of the folds.

    Raises:
        ExperimentError: A column is missing or cannot be used, a unit has several rows, a covariate holds no value, or the units
            do not fit the shares.
        NotEnoughEvidence: An arm has too few units, or neither the outcome nor any covariate varies.
    """
    _check_request(frame, outcome, covariates, variant=variant, unit=unit)
    rows = frame.with_columns(pl.col(variant).cast(pl.String)).filter(pl.col(variant).is_in([treatment, control]))
    y = numbers(rows[outcome], error=ExperimentError)
    rows, y = rows.filter(~np.isnan(y)), y[~np.isnan(y)]
    treated = (rows[variant] == treatment).to_numpy()
    share = _share({control: int((~treated).sum()), treatment: int(treated.sum())}, treatment, control, shares)
    matrix = encoded(rows, covariates, error=ExperimentError)
    for varies, name in ((y.std() > 0, outcome), (matrix.values.shape[1] > 0, ", ".join(covariates))):
        if not varies:
            raise NotEnoughEvidence(name, "no two units differ in it.", hint="Choose other columns or wait for units.")
    sample, fit = _sample(matrix.values, treated, y, share=share, seed=seed), _learner(learner, seed)
    from threadpoolctl import threadpool_limits

    # Threads of BLAS and OpenMP wait in a spin, which on a machine with other work takes many times as long as one thread.
    with threadpool_limits(limits=1):
        found = _found(sample, fit)
    names = rows[unit] if unit else pl.Series("row", np.arange(rows.height))
    return _shown(*found, names)


def _check_request(
    frame: pl.DataFrame, outcome: str, covariates: Sequence[str], *, variant: str, unit: str | None
) -> None:
    named = (outcome, variant, *((unit,) if unit else ()), *covariates)
    check_columns(frame, [Metric(name=outcome, kind="mean", column=outcome)], also=named)
    if not covariates:
        raise ExperimentError("covariates", "there are none.", hint="Name columns that were known before the exposure.")
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ExperimentError(
            "covariates", f"{', '.join(twice)} is named more than once.", hint="Give each column one part."
        )
    if unit and frame[unit].n_unique() < frame.height:
        raise ExperimentError(
            unit, f"{frame.height} rows are of {frame[unit].n_unique()} units.", hint="Give one row for each unit."
        )


def _share(units: Mapping[str, int], treatment: str, control: str, shares: Mapping[str, float] | None) -> float:
    """Return the planned share of the treatment in both arms together."""
    if min(units.values()) < FEWEST_PER_ARM:
        counts = " and ".join(f"{count} of `{name}`" for name, count in units.items())
        raise NotEnoughEvidence(
            "uplift", f"{counts} have an outcome.", hint=f"At least {FEWEST_PER_ARM} are needed in each arm."
        )
    planned = shares or dict.fromkeys(units, 0.5)
    if not all(planned.get(name, 0) > 0 for name in (treatment, control)):
        raise ExperimentError(
            "shares", f"are {dict(planned)}.", hint=f"Give a share above 0 for `{control}` and `{treatment}`."
        )
    p = sample_ratio_p(units, {name: planned[name] for name in units})
    if p < HEALTH_ALPHA:
        counts = " and ".join(f"{count} of `{name}`" for name, count in units.items())
        raise ExperimentError(
            "shares", f"do not fit {counts} (p = {p:.1g}).", hint="Find out first why units are missing in one arm."
        )
    return planned[treatment] / (planned[treatment] + planned[control])


def _sample(x: Floats32, treated: Bools, y: Floats, *, share: float, seed: int) -> _Sample:
    """Return the sample with a fold and a half of it for each unit, so that all have as many units of each arm."""
    random = np.random.default_rng(seed)
    number = np.empty(len(y), np.int64)
    for arm in (treated, ~treated):
        number[arm] = random.permutation(int(arm.sum()))
    return _Sample(x, treated, y, share, number % FOLDS, number // FOLDS % 2 == 0, random.random(len(y)))


def _found(sample: _Sample, fit: Fit) -> tuple[Floats, Floats, Floats, float]:
    """Return the pseudo-outcomes, the scores and the places of all units, and the p-value of no differing effect."""
    effects, scores, places = (np.empty(len(sample.y)) for _ in range(3))
    for fold in range(FOLDS):
        test = sample.folds == fold
        effects[test] = _pseudo(sample, ~test, test, fit)
        scores[test] = _scored(sample, ~test, test, fit)
        places[test] = _places(scores[test], sample.luck[test])
    weighted = 0.0
    for fold in range(1, FOLDS):
        test = sample.folds == fold
        before = scores[test] if fold == FOLDS - 1 else _scored(sample, sample.folds < fold, test, fit)
        gains = _gains(effects[test], _places(before, sample.luck[test]))
        # The more units an order was learnt from, the more its test counts. Each is standard normal whatever the ones before
        # it were, and so is their sum.
        weighted += math.sqrt(fold) * float(gains.mean() / gains.std(ddof=1) * math.sqrt(len(gains)))
    z = weighted / math.sqrt(sum(range(1, FOLDS)))
    return effects, scores, places, float(special.ndtr(-z))


def _shown(effects: Floats, scores: Floats, places: Floats, p: float, units: pl.Series) -> Uplift:
    spread = float(effects.std(ddof=1)) * math.sqrt(1 / 12 / len(effects))
    is_refused = p >= ALPHA
    rows = []
    for share in () if is_refused else SHARES:
        is_first = places <= share
        first, rest = _estimate(effects[is_first]), _estimate(effects[~is_first])
        of_both = (each for found in (first, rest) for each in (found.value, found.low, found.high))
        rows.append((share, int(is_first.sum()), *of_both))
    ordered = pl.DataFrame({units.name: units, "score": scores, "place": places})
    return Uplift(
        units=len(effects),
        average=_estimate(effects),
        p=p,
        refused=REFUSED if is_refused else "",
        table=pl.DataFrame(rows, schema=TABLE, orient="row"),
        qini=None if is_refused else _estimate(_gains(effects, places)),
        random=Estimate(0.0, -Z * spread, Z * spread),
        scores=ordered.clear() if is_refused else ordered,
    )


def _estimate(values: Floats) -> Estimate:
    mean, half = float(values.mean()), Z * float(values.std(ddof=1)) / math.sqrt(len(values))
    return Estimate(mean, mean - half, mean + half)


def _gains(effects: Floats, places: Floats) -> Floats:
    """Return values whose mean is the Qini coefficient: what each unit adds to the area over the line of a random order."""
    gains: Floats = (effects - effects.mean()) * (0.5 - places)
    return gains


def _places(scores: Floats, luck: Floats) -> Floats:
    """Return the place of each unit in (0, 1), the largest score first and equal ones at random."""
    places = np.empty(len(scores))
    places[np.lexsort((luck, -scores))] = (np.arange(len(scores)) + 0.5) / len(scores)
    return places


def _pseudo(sample: _Sample, train: Bools, test: Bools, fit: Fit) -> Floats:
    """Return the doubly robust pseudo-outcomes of the test rows, by models of the outcome that are fitted on the train rows."""
    x, y, t, share = sample.x[test], sample.y[test], sample.treated[test], sample.share
    without, with_it = (
        fit(sample.x[train & (sample.treated == arm)], sample.y[train & (sample.treated == arm)])(x)
        for arm in (False, True)
    )
    residual = np.where(t, (y - with_it) / share, -(y - without) / (1 - share))
    found: Floats = with_it - without + residual
    return found


def _scored(sample: _Sample, train: Bools, test: Bools, fit: Fit) -> Floats:
    """Return the predicted effects on the test rows, from the pseudo-outcomes of the train rows, each half by the other."""
    effects = np.empty(len(sample.y))
    for half in (sample.halves, ~sample.halves):
        effects[train & half] = _pseudo(sample, train & ~half, train & half, fit)
    return fit(sample.x[train], effects[train])(sample.x[test])


def _learner(name: Learner, seed: int) -> Fit:
    return _boosted(seed) if name == "boosted" else _ridge


def _ridge(x: Floats32, y: Floats) -> Fitted:
    """Return a ridge regression, as strong as if the columns explained as much of the spread as they leave."""
    middle, centre = x.mean(axis=0, dtype=np.float64), float(y.mean())
    wide = x - middle
    gram = wide.T @ wide + max(x.shape[1], 1) * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, wide.T @ (y - centre))
    return lambda rows: centre + (rows - middle) @ weights


def _boosted(seed: int) -> Fit:
    # Loaded here, before threads are limited: only those of libraries that are loaded are.
    from sklearn.ensemble import HistGradientBoostingRegressor

    options = {"max_iter": 60, "max_leaf_nodes": 8, "learning_rate": 0.08, "early_stopping": False}

    def fit(x: Floats32, y: Floats) -> Fitted:
        model = HistGradientBoostingRegressor(**options, random_state=seed).fit(x, y)
        return lambda rows: np.asarray(model.predict(rows), dtype=np.float64)

    return fit
