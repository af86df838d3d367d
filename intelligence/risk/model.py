"""A trained risk model: what scoring needs, in two plain files that hold no code and no pickle."""

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

if TYPE_CHECKING:
    import xgboost

Floats = NDArray[np.float64]
Kind = Literal["xgboost", "random_forest", "logistic_regression"]

MODEL_FILE: Final = "model.json"
BOOSTER_FILE: Final = "booster.ubj"
FORMAT: Final = 1
LARGEST_DEVIATION: Final = 5.0
INTERVAL: Final = (0.05, 0.95)
LARGEST_VALUE: Final = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Linear:
    """A logistic regression on standardized predictors: what fills a gap, where the mean lies, one weight each."""

    medians: tuple[float, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    def standardized(self, values: Floats) -> Floats:
        """Return the values in standard deviations from the mean, gaps at the median, none further than 5 out."""
        filled = np.where(np.isnan(values), np.array(self.medians), values)
        deviations: Floats = (filled - np.array(self.means)) / np.array(self.scales)
        clipped: Floats = np.clip(deviations, -LARGEST_DEVIATION, LARGEST_DEVIATION)
        return clipped


@dataclass(frozen=True, slots=True)
class Platt:
    """Calibration by a logistic curve over the raw logit (Platt 1999).

    `draws` are the same two numbers from resamples of the units, and carry the uncertainty of the probability.
    """

    slope: float
    intercept: float
    draws: tuple[tuple[float, float], ...] = ()

    def probabilities(self, logits: Floats) -> Floats:
        """Return the calibrated probability of each raw logit."""
        return sigmoid(self.slope * logits + self.intercept)

    def intervals(self, logits: Floats) -> tuple[Floats, Floats]:
        """Return the bounds between which 90 % of the draws lie, always around the probability itself."""
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
    """A fitted and calibrated model; `booster` holds the trees of the two tree models as UBJSON."""

    kind: Kind
    predictors: tuple[str, ...]
    calibration: Platt
    linear: Linear | None = None
    booster: bytes = b""

    def logits(self, rows: pl.DataFrame) -> Floats:
        """Return the raw logit of each row; raises ModelError where a predictor is missing."""
        values = self._values(rows)
        if self.linear:
            logits: Floats = self.linear.standardized(values) @ np.array(self.linear.weights) + self.linear.intercept
            return logits
        if not len(values):
            return np.empty(0)
        margins: Floats = self._trees.predict(self._matrix(values), output_margin=True).astype(np.float64)
        return margins

    def probabilities(self, rows: pl.DataFrame) -> Floats:
        """Return the calibrated probability of each row."""
        return self.calibration.probabilities(self.logits(rows))

    def contributions(self, rows: pl.DataFrame) -> Floats:
        """Return what each predictor adds to each row's raw logit, shape (rows, predictors).

        TreeSHAP for trees (Lundberg et al. 2020); for a linear model its Shapley values against the mean row.
        """
        values = self._values(rows)
        if self.linear:
            shares: Floats = self.linear.standardized(values) * np.array(self.linear.weights)
            return shares
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
        """Return the model as files by name, the same bytes for the same model."""
        content = {
            "format": FORMAT,
            "kind": self.kind,
            "predictors": self.predictors,
            "calibration": asdict(self.calibration),
            "linear": asdict(self.linear) if self.linear else None,
            "booster_sha256": None if self.linear else hashlib.sha256(self.booster).hexdigest(),
        }
        files = {MODEL_FILE: json.dumps(content, indent=1, sort_keys=True).encode()}
        return files | ({BOOSTER_FILE: self.booster} if self.booster else {})


THREADS: Final = 2


def values_of(rows: pl.DataFrame, predictors: Sequence[str]) -> Floats:
    """Return the predictors as floats in the given order, shape (rows, predictors); NaN where there is no value.

    Infinity, and what single precision cannot hold, is no value either: trees refuse it and a mean is lost to it.
    """
    values: Floats = rows.select(pl.col(name).cast(pl.Float64) for name in predictors).to_numpy(order="c")
    finite: Floats = np.where(np.abs(values) <= LARGEST_VALUE, values, np.nan)
    return finite


def model_from(files: Mapping[str, bytes], *, origin: str) -> RiskModel:
    """Return the model that `files` hold; raises ModelError, naming `origin`, where they are not one."""
    try:
        content = json.loads(files[MODEL_FILE])
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']} is not {FORMAT}")
        calibration, linear = content["calibration"], content["linear"]
        model = RiskModel(
            kind=content["kind"],
            predictors=tuple(content["predictors"]),
            calibration=Platt(
                calibration["slope"],
                calibration["intercept"],
                tuple((slope, intercept) for slope, intercept in calibration["draws"]),
            ),
            linear=Linear(**{name: _frozen(value) for name, value in linear.items()}) if linear else None,
            booster=b"" if linear else files[BOOSTER_FILE],
        )
        _check(model, content["booster_sha256"])
    except Exception as error:
        told = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ModelError(
            origin,
            f"its files cannot be read as a model: {told.splitlines()[0][:200] if told else type(error).__name__}.",
            hint="Promote another version (`intelligence models` lists them), or train again.",
        ) from error
    return model


def _check(model: RiskModel, booster_sha256: str | None) -> None:
    """Raise ValueError where the parts of a model contradict one another; a broken booster may end the process if loaded."""
    if model.kind not in get_args(Kind):
        raise ValueError(f"kind {model.kind} is not one of {', '.join(get_args(Kind))}")
    curves = [(model.calibration.slope, model.calibration.intercept), *model.calibration.draws]
    if not all(math.isfinite(number) for curve in curves for number in curve):
        raise ValueError("its calibration is not finite")
    if model.linear:
        lengths = {len(value) for value in asdict(model.linear).values() if isinstance(value, tuple)}
        if lengths != {len(model.predictors)}:
            raise ValueError(f"it has {len(model.predictors)} predictors, but its parts are of other lengths")
    elif hashlib.sha256(model.booster).hexdigest() != booster_sha256:
        raise ValueError(f"{BOOSTER_FILE} is not the one that was written with {MODEL_FILE}")
    elif tuple(model._trees.feature_names or ()) != model.predictors:
        raise ValueError(f"the predictors of {BOOSTER_FILE} and {MODEL_FILE} differ")


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
