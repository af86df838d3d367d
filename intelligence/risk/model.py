"""A trained risk model and its files: JSON and the UBJSON of XGBoost, without pickled objects or code."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.core.errors import ModelError
from intelligence.risk.network import Layer, Network, in_deviations

if TYPE_CHECKING:
    import xgboost

Floats = NDArray[np.float64]
Kind = Literal["xgboost", "random_forest", "logistic_regression", "neural_network"]

MODEL_FILE: Final = "model.json"
BOOSTER_FILE: Final = "booster.ubj"
FORMAT: Final = 1
INTERVAL: Final = (0.05, 0.95)
LARGEST_VALUE: Final = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Linear:
    """A logistic regression on standardized predictors: per predictor the median that replaces a gap, mean, scale and weight."""

    medians: tuple[float, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    def standardized(self, values: Floats) -> Floats:
        """Return the values in standard deviations from the mean, clipped to ±5; a missing value becomes the median."""
        return in_deviations(values, self.medians, self.means, self.scales)


@dataclass(frozen=True, slots=True)
class Platt:
    """Calibration by a logistic curve over the raw logit (Platt 1999).

    `draws` are slope and intercept from bootstrap resamples of the units; they give the interval of a probability.
    """

    slope: float
    intercept: float
    draws: tuple[tuple[float, float], ...] = ()

    def probabilities(self, logits: Floats) -> Floats:
        """Return the calibrated probability of each raw logit."""
        return sigmoid(self.slope * logits + self.intercept)

    def intervals(self, logits: Floats) -> tuple[Floats, Floats]:
        """Return lower and upper bounds of each probability's 90 % interval, which always contains the probability."""
        expected = self.probabilities(logits)
        if not self.draws:
            return expected, expected
        slopes, intercepts = np.array(self.draws).T
        low, high = np.empty_like(expected), np.empty_like(expected)
        for start in range(0, len(logits), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            bounds = np.quantile(np.outer(logits[rows], slopes) + intercepts, INTERVAL, axis=1)
            low[rows], high[rows] = sigmoid(bounds)
        return np.minimum(low, expected), np.maximum(high, expected)


_ROWS_AT_ONCE: Final = 50_000


def sigmoid(logits: Floats) -> Floats:
    """Return 1 / (1 + exp(-logits)), without overflow."""
    value: Floats = 0.5 * (1.0 + np.tanh(0.5 * logits))
    return value


@dataclass(frozen=True)
class RiskModel:
    """A fitted and calibrated model; `booster` contains the trees as UBJSON where `kind` is a tree model."""

    kind: Kind
    predictors: tuple[str, ...]
    calibration: Platt
    linear: Linear | None = None
    booster: bytes = b""
    network: Network | None = None

    def logits(self, rows: pl.DataFrame) -> Floats:
        """Return the raw logit of each row; raises ModelError where a predictor is missing."""
        values = self._values(rows)
        if self.linear:
            logits: Floats = self.linear.standardized(values) @ np.array(self.linear.weights) + self.linear.intercept
            return logits
        if self.network:
            return self.network.logits(values)
        if not len(values):
            return np.empty(0)
        margins: Floats = self._trees.predict(self._matrix(values), output_margin=True).astype(np.float64)
        return margins

    def probabilities(self, rows: pl.DataFrame) -> Floats:
        """Return the calibrated probability of each row."""
        return self.calibration.probabilities(self.logits(rows))

    def contributions(self, rows: pl.DataFrame) -> Floats:
        """Return the contribution of each predictor to each row's raw logit, shape (rows, predictors).

        These are TreeSHAP values for trees (Lundberg et al. 2020), Shapley values relative to the mean row for a linear
        model, and integrated gradients from the mean row for a neural network.
        """
        values = self._values(rows)
        if self.linear:
            shares: Floats = self.linear.standardized(values) * np.array(self.linear.weights)
            return shares
        if self.network:
            return self.network.contributions(values)
        if not len(values):
            return np.empty((0, len(self.predictors)))
        found: Floats = self._trees.predict(self._matrix(values), pred_contribs=True)[:, :-1].astype(np.float64)
        return found

    def _values(self, rows: pl.DataFrame) -> Floats:
        missing = [name for name in self.predictors if name not in rows.columns]
        if missing:
            raise ModelError(
                f"{self.kind} model",
                f"it was trained on {', '.join(missing[:5])}{' …' if len(missing) > 5 else ''}, which the rows do not have.",
                hint="Train again on the present predictors, or promote a version that was.",
            )
        return values_of(rows, self.predictors)

    @cached_property
    def _trees(self) -> "xgboost.Booster":
        import xgboost

        booster = xgboost.Booster({"nthread": THREADS})
        booster.load_model(bytearray(self.booster))
        return booster

    def _matrix(self, values: Floats) -> "xgboost.DMatrix":
        import xgboost

        return xgboost.DMatrix(values, feature_names=list(self.predictors), nthread=THREADS)

    def files(self) -> dict[str, bytes]:
        """Return the content of the model's files by name; the same model always gives the same bytes."""
        content = {
            "format": FORMAT,
            "kind": self.kind,
            "predictors": self.predictors,
            "calibration": asdict(self.calibration),
            "linear": asdict(self.linear) if self.linear else None,
            "booster_sha256": hashlib.sha256(self.booster).hexdigest() if self.booster else None,
            **({"network": asdict(self.network)} if self.network else {}),
        }
        files = {MODEL_FILE: json.dumps(content, indent=1, sort_keys=True).encode()}
        return files | ({BOOSTER_FILE: self.booster} if self.booster else {})


THREADS: Final = 2


def values_of(rows: pl.DataFrame, predictors: Sequence[str]) -> Floats:
    """Return the predictors as floats, shape (rows, predictors); NaN where a value is missing.

    Infinite values and values beyond single precision become NaN as well, since trees refuse them and they make a mean
    useless.

    Args:
        rows: Rows with at least these columns.
        predictors: Columns to return, in this order.
    """
    values: Floats = rows.select(pl.col(name).cast(pl.Float64) for name in predictors).to_numpy(order="c")
    finite: Floats = np.where(np.abs(values) <= LARGEST_VALUE, values, np.nan)
    return finite


def model_from(files: Mapping[str, bytes], *, origin: str) -> RiskModel:
    """Return the model that the files contain.

    Args:
        files: Content of the files by name, as from `RiskModel.files`.
        origin: Where the files come from, such as "feature_risk version 3", for the message of an error.

    Raises:
        ModelError: The files cannot be read as a model, or their parts contradict one another (a ValueError inside).
    """
    try:
        content = json.loads(files[MODEL_FILE])
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']} is not {FORMAT}")
        calibration, linear, network = content["calibration"], content["linear"], content.get("network")
        model = RiskModel(
            kind=content["kind"],
            predictors=tuple(content["predictors"]),
            calibration=Platt(
                calibration["slope"],
                calibration["intercept"],
                tuple((slope, intercept) for slope, intercept in calibration["draws"]),
            ),
            linear=Linear(**{name: _frozen(value) for name, value in linear.items()}) if linear else None,
            booster=b"" if linear or network else files[BOOSTER_FILE],
            network=_network(network) if network else None,
        )
        _check(model, content["booster_sha256"])
    except Exception as error:
        problem = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ModelError(
            origin,
            f"its files cannot be read as a model: {problem.splitlines()[0][:200] if problem else type(error).__name__}.",
            hint="Promote another version (`intelligence models` lists them), or train again.",
        ) from error
    return model


def _check(model: RiskModel, booster_sha256: str | None) -> None:
    """Raise ValueError where the parts of a model contradict one another, before a damaged booster could crash the process."""
    if model.kind not in get_args(Kind):
        raise ValueError(f"kind {model.kind} is not one of {', '.join(get_args(Kind))}")
    curves = [(model.calibration.slope, model.calibration.intercept), *model.calibration.draws]
    if not all(math.isfinite(number) for curve in curves for number in curve):
        raise ValueError("its calibration is not finite")
    if model.linear:
        lengths = {len(value) for value in asdict(model.linear).values() if isinstance(value, tuple)}
        if lengths != {len(model.predictors)}:
            raise ValueError(f"it has {len(model.predictors)} predictors, but its parts are of other lengths")
    elif model.network:
        model.network.check(len(model.predictors))
    elif hashlib.sha256(model.booster).hexdigest() != booster_sha256:
        raise ValueError(f"{BOOSTER_FILE} is not the one that was written with {MODEL_FILE}")
    elif tuple(model._trees.feature_names or ()) != model.predictors:
        raise ValueError(f"the predictors of {BOOSTER_FILE} and {MODEL_FILE} differ")


def _network(content: Mapping[str, Any]) -> Network:
    parts = {name: _frozen(value) for name, value in content.items() if name != "layers"}
    layers = [Layer(tuple(map(tuple, layer["weights"])), tuple(layer["biases"])) for layer in content["layers"]]
    return Network(**parts, layers=tuple(layers))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
