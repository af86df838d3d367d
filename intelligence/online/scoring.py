"""Scores of entities by a registered model: its trees in flat arrays, walked by compiled code without XGBoost's overhead for each row."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from intelligence.core.errors import ModelError
from intelligence.risk.model import LARGEST_VALUE, Floats, Linear, RiskModel

Ints = NDArray[np.int32]
Floats32 = NDArray[np.float32]
# Bounds of probabilities are looked up: computing them takes hundreds of times as long as the score.
_LOGITS: Final = np.linspace(-20.0, 20.0, 8_001)


@dataclass(frozen=True, slots=True)
class Forest:
    """The trees of a booster, all nodes one after the other.

    Attributes:
        roots: Place of each tree's root, shape (trees,).
        left: Place of each node's left child; -1 for a leaf, shape (nodes,).
        right: Place of its right child.
        column: Index of the predictor that it asks for.
        threshold: A value below goes left; of a leaf its contribution to the logit.
        missing_left: Whether a missing value goes left.
        start: Logit without any tree.
    """

    roots: Ints
    left: Ints
    right: Ints
    column: Ints
    threshold: Floats32
    missing_left: NDArray[np.bool_]
    start: float

    @classmethod
    def of(cls, booster: Mapping[str, Any]) -> "Forest":
        """Return the trees of a booster.

        Args:
            booster: What XGBoost writes as JSON.

        Raises:
            ValueError: It does not predict one logit by trees that ask for numbers.
        """
        learner = booster["learner"]
        objective, kind = learner["objective"]["name"], learner["gradient_booster"]["name"]
        if objective != "binary:logistic" or kind != "gbtree":
            raise ValueError(f"a booster {kind} for {objective} is not one of trees for a probability")
        trees = learner["gradient_booster"]["model"]["trees"]
        if any(any(tree["split_type"]) for tree in trees):
            raise ValueError("a tree asks for categories")
        sizes = [len(tree["left_children"]) for tree in trees]
        roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)

        def children(name: str) -> Ints:
            moved = [np.array(tree[name]) + root for tree, root in zip(trees, roots, strict=True)]
            leaves = np.concatenate([np.array(tree["left_children"]) for tree in trees]) < 0
            return np.where(leaves, -1, np.concatenate(moved)).astype(np.int32)

        def all_of(name: str, kind: type) -> NDArray[Any]:
            return np.concatenate([np.array(tree[name]) for tree in trees]).astype(kind)

        chance = float(learner["learner_model_param"]["base_score"].strip("[]"))
        return cls(
            roots,
            children("left_children"),
            children("right_children"),
            all_of("split_indices", np.int32),
            all_of("split_conditions", np.float32),
            all_of("default_left", np.bool_),
            float(np.log(chance / (1 - chance))),
        )

    def logits(self, values: Floats) -> Floats:
        """Return the logit of each row.

        Args:
            values: The predictors, shape (rows, predictors), NaN where one is missing.
        """
        found = np.empty(len(values))
        _walk(
            values.astype(np.float32), self.roots, self.left, self.right, self.column, self.threshold, self.missing_left,
            np.float32(self.start), found,
        )  # fmt: skip
        return found


@njit(cache=True)
def _walk(
    values: Floats32,
    roots: Ints,
    left: Ints,
    right: Ints,
    column: Ints,
    threshold: Floats32,
    missing_left: NDArray[np.bool_],
    start: np.float32,
    found: Floats,
) -> None:
    # As XGBoost does, in single precision and tree by tree, so that the sums are the same.
    for row in range(len(values)):
        total = start
        for root in roots:
            node = root
            while left[node] >= 0:
                value = values[row, column[node]]
                goes_left = missing_left[node] if np.isnan(value) else value < threshold[node]
                node = left[node] if goes_left else right[node]
            total += threshold[node]
        found[row] = total


class Score(msgspec.Struct, frozen=True):
    """A score of an entity.

    Attributes:
        risk_score: Probability of harm in [0, 1].
        low: Lower bound of its 90 % interval.
        high: Upper bound.
        version: Version of the model in the registry.
    """

    risk_score: float
    low: float
    high: float
    version: str


class Scorer:
    """A version of the model, ready to score."""

    def __init__(self, model: RiskModel, version: str, *, predictors: Sequence[str]) -> None:
        """Take the model's trees or weights over.

        Args:
            model: The model.
            version: Its version in the registry.
            predictors: The windows' figures, in the order of their columns.

        Raises:
            ModelError: The model asks for figures that the windows do not have, or its trees are of another kind.
        """
        missing = [name for name in model.predictors if name not in predictors]
        if missing:
            raise ModelError(
                f"entity_risk version {version}",
                f"it asks for {', '.join(missing[:5])}, which the windows do not have.",
                hint="Set online.windows_minutes as when it was trained, or train again.",
            )
        self.version = version
        self._columns = np.array([list(predictors).index(name) for name in model.predictors], dtype=np.int64)
        self._calibration = model.calibration
        self._raw = _logits_of(model, version)
        self._low, self._high = model.calibration.intervals(_LOGITS)

    def logits(self, windows: Floats) -> Floats:
        """Return the raw logit of each row.

        Args:
            windows: The windows' figures, shape (rows, predictors).
        """
        values = windows[:, self._columns]
        values = np.where(np.abs(values) <= LARGEST_VALUE, values, np.nan)
        return self._raw(values)

    def scored(self, windows: Floats) -> list[Score]:
        """Return the score of each row.

        Args:
            windows: The windows' figures, shape (rows, predictors).
        """
        if not len(windows):
            return []
        logits = self.logits(windows)
        chances = self._calibration.probabilities(logits)
        low = np.minimum(np.interp(logits, _LOGITS, self._low), chances)
        high = np.maximum(np.interp(logits, _LOGITS, self._high), chances)
        return [Score(*each, self.version) for each in zip(chances.tolist(), low.tolist(), high.tolist(), strict=True)]


def _logits_of(model: RiskModel, version: str) -> Callable[[Floats], Floats]:
    """Return what gives the raw logits of a model of any kind."""
    if model.linear:
        return partial(_weighted, model.linear)
    return model.network.logits if model.network else _forest_of(model, version).logits


def _weighted(linear: Linear, values: Floats) -> Floats:
    found: Floats = linear.standardized(values) @ np.array(linear.weights) + linear.intercept
    return found


def _forest_of(model: RiskModel, version: str) -> Forest:
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(model.booster))
    try:
        return Forest.of(json.loads(booster.save_raw("json")))
    except (KeyError, ValueError) as error:
        raise ModelError(
            f"entity_risk version {version}",
            f"its trees cannot be read ({error}).",
            hint="Promote another version (`intelligence models` lists them), or train again.",
        ) from error
