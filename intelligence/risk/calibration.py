"""Platt's calibration, fitted on scores that the model gave to rows it had not seen."""

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

    `weights` of shape (rows,) count rows; without any row the logits are taken at their word. The targets are pulled in
    as Platt did, so that a perfect separation keeps finite numbers; the slope is never negative, since calibration must
    not turn a ranking round.
    """
    counted = np.ones((1, len(logits))) if weights is None else weights[None, :]
    slope, intercept = _curves(logits, labels, counted)[0]
    return Platt(slope, intercept)


def at_level(logits: Floats, share: float) -> Platt:
    """Return the shift of the logits that makes their mean probability `share`, which lies between 0 and 1.

    It needs no labels of its own: what is left to do while those that would teach the slope are not known yet.
    """
    low, high = -LARGEST_SHIFT, LARGEST_SHIFT
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if sigmoid(logits + middle).mean() < share else (low, middle)
    return Platt(1.0, (low + high) / 2)


def with_draws(calibration: Platt, logits: Floats, labels: NDArray[np.bool_], weights: Floats) -> Platt:
    """Return the calibration with one draw per line of `weights`, shape (draws, rows): how often each row counts."""
    return Platt(calibration.slope, calibration.intercept, tuple(_curves(logits, labels, weights)))


def _curves(logits: Floats, labels: NDArray[np.bool_], weights: Floats) -> list[tuple[float, float]]:
    """Return slope and intercept for each line of weights, by Newton's method over cells of like logits."""
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
    """Return slope and intercept by Newton's method with halved steps, on standardized logits: it ends from anywhere."""
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
