"""The performance of the champion on days whose outcome is not known yet, estimated from its calibrated probabilities.

The method is confidence-based performance estimation (NannyML; Garg et al. 2022 for the idea): a row with probability p is
positive with probability p. It detects rows that have become harder to separate. It cannot detect concept drift, a change
in the relation between predictors and outcome; that shows in the outcomes once they are known.
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
    """The expected performance on `rows` rows, each measure with its 90 % interval.

    `rate` is the expected share of positive rows.
    """

    rows: int
    pr_auc: Estimate
    precision_at_capacity: Estimate
    rate: Estimate


def expected_performance(probabilities: Floats, low: Floats, high: Floats, times: Ints, *, capacity: float) -> Expected:
    """Return the expected PR-AUC, precision at capacity and share of positives, with 90 % intervals.

    Each of the 200 simulations shifts all probabilities up or down together within their intervals, for the uncertainty of
    the calibration, and then draws an outcome for each row.

    Args:
        probabilities: Calibrated probability of each row, shape (rows,).
        low: Lower bound of each probability's 90 % interval, shape (rows,).
        high: Upper bound of it, shape (rows,).
        times: Day of each row as a whole number, shape (rows,).
        capacity: Share of the rows of each day that can be reviewed, in [0, 1].
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
    """Return the average precision of rows that are sorted by falling score; NaN where no row is positive.

    Args:
        hits: Outcome of each row, or the probability of it, in [0, 1], shape (..., rows).
        weights: How often each row counts, of a shape that broadcasts with `hits`.

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
