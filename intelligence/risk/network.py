"""A small neural network as plain numbers: it is trained with PyTorch, and scored with numpy alone.

Whoever scores needs no PyTorch, and nothing is pickled. Its hidden units are smooth (tanh), so that contributions can be
integrated to within rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LARGEST_DEVIATION: Final = 5.0
# Nodes of the Gauss-Legendre rule on the way from the mean row to a row: the error of a contribution is far below 1e-5.
NODES: Final = 48


def in_deviations(values: Floats, medians: Sequence[float], means: Sequence[float], scales: Sequence[float]) -> Floats:
    """Return the values in standard deviations from the mean, clipped to ±5; a missing value becomes the median.

    Args:
        values: One column per predictor, shape (rows, predictors), NaN where a value is missing.
        medians: Median of each predictor.
        means: Mean of each predictor.
        scales: Standard deviation of each predictor.
    """
    filled = np.where(np.isnan(values), np.array(medians), values)
    deviations: Floats = (filled - np.array(means)) / np.array(scales)
    clipped: Floats = np.clip(deviations, -LARGEST_DEVIATION, LARGEST_DEVIATION)
    return clipped


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: weights, one tuple per input with one weight per output, and one bias per output."""

    weights: tuple[tuple[float, ...], ...]
    biases: tuple[float, ...]

    @property
    def arrays(self) -> tuple[Floats, Floats]:
        """Return the weights, shape (inputs, outputs), and the biases, shape (outputs,)."""
        return np.array(self.weights, dtype=np.float64).reshape(len(self.weights), -1), np.array(self.biases)


@dataclass(frozen=True)
class Network:
    """Layers over standardized predictors and, for those with gaps, over whether the value is missing.

    Attributes:
        medians: Per predictor the median, which replaces a gap.
        means: Per predictor the mean.
        scales: Per predictor the standard deviation.
        gaps: Places of the predictors that had gaps in training; of the others a gap is only replaced.
        layers: The layers; all but the last end in tanh, and the last gives the logit.
    """

    medians: tuple[float, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    gaps: tuple[int, ...]
    layers: tuple[Layer, ...] = ()

    @cached_property
    def _arrays(self) -> tuple[tuple[Floats, Floats], ...]:
        return tuple(layer.arrays for layer in self.layers)

    def inputs(self, values: Floats) -> Floats:
        """Return what the first layer takes, shape (rows, predictors + gaps).

        Args:
            values: The predictors, shape (rows, predictors), NaN where a value is missing.
        """
        missing = np.isnan(values[:, list(self.gaps)]).astype(np.float64)
        return np.hstack([in_deviations(values, self.medians, self.means, self.scales), missing])

    def logits(self, values: Floats) -> Floats:
        """Return the raw logit of each row.

        Args:
            values: The predictors, shape (rows, predictors), NaN where a value is missing.
        """
        present = self.inputs(values)
        for weights, biases in self._arrays[:-1]:
            present = np.tanh(present @ weights + biases)
        weights, biases = self._arrays[-1]
        logits: Floats = (present @ weights + biases)[:, 0]
        return logits

    def contributions(self, values: Floats) -> Floats:
        """Return the contribution of each predictor to each row's logit, by integrated gradients (Sundararajan et al. 2017).

        They are relative to the mean row without gaps, and add up to the difference of the two logits. A predictor that is
        missing contributes by its median and by being missing.

        Args:
            values: The predictors, shape (rows, predictors), NaN where a value is missing.
        """
        inputs = self.inputs(values)
        places, shares = np.polynomial.legendre.leggauss(NODES)
        slopes = np.zeros_like(inputs)
        for place, share in zip((places + 1) / 2, shares / 2, strict=True):
            slopes += share * self._gradient(place * inputs)
        each = inputs * slopes
        count = len(self.medians)
        found: Floats = each[:, :count].copy()
        found[:, list(self.gaps)] += each[:, count:]
        return found

    def _gradient(self, inputs: Floats) -> Floats:
        """Return the slope of the logit along each input."""
        hidden = [inputs]
        for weights, biases in self._arrays[:-1]:
            hidden.append(np.tanh(hidden[-1] @ weights + biases))
        last, _ = self._arrays[-1]
        slope: Floats = np.broadcast_to(last[:, 0], hidden[-1].shape)
        for (weights, _), units in zip(self._arrays[-2::-1], hidden[:0:-1], strict=True):
            slope = (slope * (1 - units**2)) @ weights.T
        return slope

    def check(self, predictors: int) -> None:
        """Raise ValueError where parts are of other lengths than the predictors ask for, or a number is not finite.

        Args:
            predictors: Number of predictors.
        """
        if {len(self.medians), len(self.means), len(self.scales)} != {predictors}:
            raise ValueError(f"it has {predictors} predictors, but its parts are of other lengths")
        if not all(0 <= place < predictors for place in self.gaps) or len(set(self.gaps)) < len(self.gaps):
            raise ValueError("it asks whether predictors are missing that it does not have")
        shapes = [weights.shape for weights, _ in self._arrays]
        fits = all(one[1] == other[0] for one, other in pairwise(shapes))
        fits = fits and bool(shapes) and shapes[0][0] == predictors + len(self.gaps) and shapes[-1][1] == 1
        if not fits or any(biases.shape != weights.shape[1:] for weights, biases in self._arrays):
            raise ValueError("its layers do not fit one another")
        numbers = [
            np.array((self.medians, self.means, self.scales)),
            *(part for layer in self._arrays for part in layer),
        ]
        if not all(np.isfinite(part).all() for part in numbers):
            raise ValueError("one of its weights is not finite")
