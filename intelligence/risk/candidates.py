"""The candidate models: gradient boosted trees, a random forest and a logistic regression; where asked for, a neural network.

All are fitted without class weights: weights for the rare class do not improve the ranking and distort the probabilities.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.risk.model import THREADS, Floats, Kind, Linear, Platt, RiskModel, values_of
from intelligence.risk.network import Network

Bools = NDArray[np.bool_]
Fit = Callable[[pl.DataFrame, Bools, tuple[str, ...], Mapping[str, int], int], RiskModel]
RAW: Final = Platt(1.0, 0.0)

BOOSTING: Final = {
    "max_depth": 3,
    "eta": 0.05,
    "min_child_weight": 2.0,
    "lambda": 5.0,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
}
BOOSTING_ROUNDS: Final = 120
FOREST: Final = {
    "max_depth": 7,
    "eta": 1.0,
    "min_child_weight": 1.0,
    "lambda": 1.0,
    "subsample": 0.63,
    "colsample_bynode": 0.3,
}
FOREST_TREES: Final = 200
RIDGE: Final = 0.05


def boosted_trees(
    rows: pl.DataFrame, labels: Bools, predictors: tuple[str, ...], directions: Mapping[str, int], seed: int
) -> RiskModel:
    """Return gradient boosted trees (Chen and Guestrin 2016), not calibrated yet.

    Args:
        rows: Rows to learn from, one per unit and time, with the predictors as columns.
        labels: Outcome of each row, shape (rows,).
        predictors: Columns to use, in this order.
        directions: For some predictors, whether a higher value can only raise (1) or only lower (-1) the risk.
        seed: Seed of the random numbers.
    """
    return _trees(
        "xgboost",
        rows,
        labels,
        predictors,
        directions,
        seed,
        BOOSTING,
        rounds=BOOSTING_ROUNDS,
        base_score=labels.mean(),
    )


def random_forest(
    rows: pl.DataFrame, labels: Bools, predictors: tuple[str, ...], directions: Mapping[str, int], seed: int
) -> RiskModel:
    """Return a random forest (Breiman 2001), not calibrated yet, grown by XGBoost as one round of bagged trees.

    With a base score of one half the value of a leaf is linear in its share of positives, so the trees vote.

    Args:
        rows: Rows to learn from, one per unit and time, with the predictors as columns.
        labels: Outcome of each row, shape (rows,).
        predictors: Columns to use, in this order.
        directions: For some predictors, whether a higher value can only raise (1) or only lower (-1) the risk.
        seed: Seed of the random numbers.
    """
    terms = {**FOREST, "num_parallel_tree": FOREST_TREES}
    return _trees("random_forest", rows, labels, predictors, directions, seed, terms, rounds=1, base_score=0.5)


def _trees(
    kind: Kind,
    rows: pl.DataFrame,
    labels: Bools,
    predictors: tuple[str, ...],
    directions: Mapping[str, int],
    seed: int,
    terms: Mapping[str, float],
    *,
    rounds: int,
    base_score: float,
) -> RiskModel:
    import xgboost

    data = xgboost.DMatrix(
        values_of(rows, predictors), label=labels.astype(np.float32), feature_names=list(predictors), nthread=THREADS
    )
    settings = {
        **terms,
        "objective": "binary:logistic",
        "base_score": base_score,
        "tree_method": "hist",
        "monotone_constraints": tuple(directions.get(name, 0) for name in predictors),
        "seed": seed,
        "nthread": THREADS,
    }
    booster = xgboost.train(settings, data, num_boost_round=rounds)
    return RiskModel(kind, predictors, RAW, booster=bytes(booster.save_raw("ubj")))


def logistic_regression(
    rows: pl.DataFrame,
    labels: Bools,
    predictors: tuple[str, ...],
    directions: Mapping[str, int],  # noqa: ARG001 - the signature that all candidates share
    seed: int,  # noqa: ARG001
) -> RiskModel:
    """Return a logistic regression with a ridge penalty on standardized predictors, not calibrated yet.

    Missing values are replaced by the median of the column.

    Args:
        rows: Rows to learn from, one per unit and time, with the predictors as columns.
        labels: Outcome of each row, shape (rows,).
        predictors: Columns to use, in this order.
        directions: For some predictors, whether a higher value can only raise (1) or only lower (-1) the risk; not used here.
        seed: Seed of the random numbers; not used here.
    """
    from sklearn.linear_model import LogisticRegression

    values = values_of(rows, predictors)
    linear = Linear(*_scaling(values), (0.0,) * len(predictors), 0.0)
    fitted = LogisticRegression(C=RIDGE, max_iter=500).fit(linear.standardized(values), labels)
    weights = tuple(float(weight) for weight in fitted.coef_[0])
    whole = Linear(linear.medians, linear.means, linear.scales, weights, float(fitted.intercept_[0]))
    return RiskModel("logistic_regression", predictors, RAW, linear=whole)


def neural_network(
    rows: pl.DataFrame,
    labels: Bools,
    predictors: tuple[str, ...],
    directions: Mapping[str, int],  # noqa: ARG001 - the signature that all candidates share
    seed: int,
) -> RiskModel:
    """Return a small neural network on standardized predictors and on which of them are missing, not calibrated yet.

    It is trained with PyTorch (the extra `deep`) and kept as plain numbers, so that scoring needs no PyTorch.

    Args:
        rows: Rows to learn from in order of time, one per unit and time, with the predictors as columns.
        labels: Outcome of each row, shape (rows,).
        predictors: Columns to use, in this order.
        directions: For some predictors, whether a higher value can only raise (1) or only lower (-1) the risk; not used here.
        seed: Seed of the random numbers.
    """
    from intelligence.risk.network_training import trained_layers

    values = values_of(rows, predictors)
    gaps = tuple(np.flatnonzero(np.isnan(values).any(axis=0)).tolist())
    scaled = Network(*_scaling(values), gaps)
    return RiskModel(
        "neural_network",
        predictors,
        RAW,
        network=replace(scaled, layers=trained_layers(scaled.inputs(values), labels, seed=seed)),
    )


def _scaling(values: Floats) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Return median, mean and standard deviation of each column, the latter two after gaps were filled; never a scale of 0."""
    medians = np.array([_median(column) for column in values.T])
    filled = np.where(np.isnan(values), medians, values)
    scales = filled.std(axis=0)
    return (
        tuple(medians.tolist()),
        tuple(filled.mean(axis=0).tolist()),
        tuple(np.where(scales > 0, scales, 1.0).tolist()),
    )


def _median(column: Floats) -> float:
    known = column[~np.isnan(column)]
    return float(np.median(known)) if len(known) else 0.0


CANDIDATES: Final[Mapping[Kind, Fit]] = {
    "xgboost": boosted_trees,
    "random_forest": random_forest,
    "logistic_regression": logistic_regression,
}
# Candidates that are trained only where they are asked for: each needs a package that is an extra.
EXTRA_CANDIDATES: Final[Mapping[Kind, Fit]] = {"neural_network": neural_network}
ALL_CANDIDATES: Final[Mapping[Kind, Fit]] = {**CANDIDATES, **EXTRA_CANDIDATES}
LEFT_OUT: Final = (
    "A neural network was asked for and is left out: PyTorch is not installed (`pip install 'product-intelligence-platform[deep]'`,"
    " or write `risk: {neural_network: false}`)."
)


def asked_for(*, neural_network: bool) -> tuple[tuple[Kind, ...], str]:
    """Return the candidates to train, and in a sentence which one is left out though it was asked for; empty where none is.

    Args:
        neural_network: Whether a neural network is asked for.
    """
    if not neural_network:
        return tuple(CANDIDATES), ""
    return (tuple(ALL_CANDIDATES), "") if find_spec("torch") else (tuple(CANDIDATES), LEFT_OUT)
