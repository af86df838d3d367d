"""How good the champion is on days whose outcome nobody knows yet, told from its own calibrated probabilities.

Confidence-based performance estimation (NannyML; Garg et al. 2022 for the idea): a row with probability p is a hit with
probability p. It sees that the rows have become harder to tell apart. It cannot see that the same rows have come to mean
something else; that shows in the outcomes once they are known.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from intelligence.risk.capacity import flagged_at_capacity
from intelligence.risk.evaluation import Estimate, Ints
from intelligence.risk.model import Floats

DRAWS: Final = 200
SEED: Final = 4_711
LEVEL: Final = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class Expected:
    """What the probabilities promise, each with the bounds of its 90 % interval."""

    rows: int
    pr_auc: Estimate
    precision_at_capacity: Estimate
    rate: Estimate


def expected_performance(probabilities: Floats, low: Floats, high: Floats, times: Ints, *, capacity: float) -> Expected:
    """Return expected PR-AUC, precision at capacity and share of positives of the rows, with intervals.

    `low` and `high` bound each probability: all of them lie higher or lower together, as far as the calibration is
    unsure, and each row's outcome is drawn beside it.
    """
    if not len(probabilities):
        nothing = Estimate(None)
        return Expected(0, nothing, nothing, nothing)
    order = np.argsort(-probabilities, kind="stable")
    sorted_, flagged = probabilities[order], flagged_at_capacity(probabilities, times, capacity)
    rng = np.random.default_rng(SEED)
    shift = np.clip(rng.standard_normal((DRAWS, 1)) / 1.645, -2, 2)
    span = np.where(shift > 0, (high - probabilities)[order], (probabilities - low)[order])
    drawn = rng.random((DRAWS, len(sorted_))) < np.clip(sorted_ + shift * span, 0, 1)
    return Expected(
        len(probabilities),
        _estimate(average_precision(sorted_), average_precision(drawn.astype(np.float64))),
        Estimate(None)
        if flagged is None
        else _estimate(sorted_[flagged[order]].mean(), drawn[:, flagged[order]].mean(axis=1)),
        _estimate(sorted_.mean(), drawn.mean(axis=1)),
    )


def average_precision(hits: Floats, weights: Floats | float = 1.0) -> Floats:
    """Return the average precision of rows in falling order of score, whose hits may be fractions; NaN without any hit.

    >>> round(float(average_precision(np.array([1.0, 0.0, 1.0]))), 3)
    0.833
    """
    counted = weights * hits
    caught, seen = np.cumsum(counted, axis=-1), np.cumsum(np.broadcast_to(weights, counted.shape), axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(seen > 0, caught / seen, 0.0)
        found: Floats = np.asarray((counted * precision).sum(axis=-1) / caught[..., -1])
    return found


def _estimate(value: Floats | float, drawn: Floats) -> Estimate:
    sound = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(sound):
        return Estimate(None)
    low, high = np.quantile(sound, LEVEL)
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))
