"""Platt scaling (Platt 1999), fitted on scores that a model gave to rows it had not seen."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from intelligence.risk.model import Floats, Platt, sigmoid

CELLS: Final = 400
STEPS: Final = 60
RIDGE: Final = 1e-3
SMALLEST_STEP: Final = 1e-9
LARGEST_SHIFT: Final = 50.0


def platt(logits: Floats, labels: NDArray[np.bool_], weights: Floats | None = None) -> Platt:
    """Return the logistic curve from raw logits to probabilities (Platt 1999), without draws.

    The targets are smoothed as in Platt's paper, so that the parameters stay finite when the classes are perfectly
    separated. The slope is never negative, since calibration must not reverse a ranking. Without rows the logits stay as
    they are.

    Args:
        logits: Raw logit of each row, shape (rows,).
        labels: Outcome of each row, shape (rows,).
        weights: How often each row counts, shape (rows,); None counts each once.
    """
    counted = np.ones((1, len(logits))) if weights is None else weights[None, :]
    slope, intercept = _curves(logits, labels, counted)[0]
    return Platt(slope, intercept)


def at_level(logits: Floats, share: float) -> Platt:
    """Return the shift of the logits that makes their mean probability equal to a given share, found by bisection.

    It needs no labels, and so serves while too few are known to fit the slope.

    Args:
        logits: Raw logit of each row, shape (rows,).
        share: Mean probability to reach, in (0, 1).
    """
    low, high = -LARGEST_SHIFT, LARGEST_SHIFT
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if sigmoid(logits + middle).mean() < share else (low, middle)
    return Platt(1.0, (low + high) / 2)


def with_draws(calibration: Platt, logits: Floats, labels: NDArray[np.bool_], weights: Floats) -> Platt:
    """Return the calibration with bootstrap draws of its slope and intercept.

    Args:
        calibration: The curve fitted on all rows.
        logits: Raw logit of each row, shape (rows,).
        labels: Outcome of each row, shape (rows,).
        weights: How often each row counts in each draw, shape (draws, rows).
    """
    return Platt(calibration.slope, calibration.intercept, tuple(_curves(logits, labels, weights)))


def _curves(logits: Floats, labels: NDArray[np.bool_], weights: Floats) -> list[tuple[float, float]]:
    """Return slope and intercept for each row of weights, fitted by Newton's method to logits grouped by quantile."""
    if not len(logits):
        return [(1.0, 0.0)] * len(weights)
    edges = np.unique(np.quantile(logits, np.linspace(0, 1, CELLS + 1)))
    cell = np.clip(np.searchsorted(edges, logits, side="right") - 1, 0, len(edges) - 1)
    size = np.bincount(cell, minlength=len(edges))
    centre = np.bincount(cell, weights=logits, minlength=len(edges)) / np.maximum(size, 1)
    return [_curve(centre, *_totals(cell, labels, line, len(edges))) for line in weights]


def _totals(cell: NDArray[np.int64], labels: NDArray[np.bool_], weights: Floats, cells: int) -> tuple[Floats, Floats]:
    positives = np.bincount(cell, weights=weights * labels, minlength=cells)
    return positives.astype(np.float64), np.bincount(cell, weights=weights, minlength=cells).astype(np.float64)


def _curve(logit: Floats, positives: Floats, total: Floats) -> tuple[float, float]:
    """Return slope and intercept by Newton's method on standardized logits; steps are halved while they raise the loss."""
    rows, yes = total.sum(), positives.sum()
    if rows == 0:
        return 1.0, 0.0
    no = rows - yes
    target = (yes + 1) / (yes + 2) * positives + 1 / (no + 2) * (total - positives)
    mean = (total * logit).sum() / rows
    scale = np.sqrt((total * (logit - mean) ** 2).sum() / rows) or 1.0
    design = np.stack([(logit - mean) / scale, np.ones_like(logit)])

    def loss(at: Floats) -> float:
        raw = at @ design
        return float((total * np.logaddexp(0, raw) - target * raw).sum() + RIDGE / 2 * (at[0] - scale) ** 2)

    at = np.array([0.0, np.log((yes + 1) / (no + 1))])
    lowest = loss(at)
    for _ in range(STEPS):
        expected = sigmoid(at @ design)
        gradient = design @ (total * expected - target) + [RIDGE * (at[0] - scale), 0.0]
        curvature = (design * (total * expected * (1 - expected))) @ design.T + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        while loss(at - step) > lowest and np.abs(step).max() > SMALLEST_STEP:
            step = step / 2
        if np.abs(step).max() <= SMALLEST_STEP:
            break
        at = at - step
        lowest = loss(at)
    slope = at[0] / scale
    return (float(slope), float(at[1] - slope * mean)) if slope > 0 else (0.0, float(np.log((yes + 1) / (no + 1))))
