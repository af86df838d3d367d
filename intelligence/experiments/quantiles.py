"""Effects on quantiles, by order statistics, with units that may have several values each.

The interval of a quantile lies between two order statistics, as many places apart as the share of values below the quantile may
be off by chance. Where a unit has several values, that share is a ratio of sums over units and its error that of the delta
method (Deng, Knoblich and Lu 2018), so that a unit with many values is not counted as many units.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from intelligence.core.errors import NotEnoughEvidence
from intelligence.experiments.inference import FEWEST_UNITS, Effect

# Fewer values than this beyond the quantile leave no order statistic for its interval.
FEWEST_BEYOND: Final = 5

Floats = NDArray[np.float64]


def quantile_effect(
    control: ArrayLike,
    treated: ArrayLike,
    *,
    quantile: float,
    metric: str = "quantile",
    variant: str = "treatment",
    confidence: float = 0.95,
    control_units: ArrayLike | None = None,
    treated_units: ArrayLike | None = None,
) -> Effect:
    """Return the effect of a variant on a quantile.

    Args:
        control: Values of the control, shape (values,); those that are no finite number are left out.
        treated: Values of the variant.
        quantile: Which quantile, in (0, 1).
        metric: Name of the metric.
        variant: Name of the variant.
        confidence: Confidence of the interval, in (0, 1).
        control_units: The unit of each value of the control; None where each value is of another unit.
        treated_units: The unit of each value of the variant.

    Raises:
        NotEnoughEvidence: There are too few units, or too few values beyond the quantile, or all are equal.
    """
    arms = [
        _quantile_of(np.asarray(values, dtype=float), units, quantile, name, metric)
        for name, values, units in (("control", control, control_units), ("variant", treated, treated_units))
    ]
    (base, base_error, n_control), (value, error, n_variant) = arms
    standard_error = math.hypot(base_error, error)
    if standard_error == 0:
        raise NotEnoughEvidence(
            metric, "its values do not differ around the quantile.", hint="Choose another quantile."
        )
    effect = value - base
    half = float(stats.norm.isf((1 - confidence) / 2)) if confidence < 1 else math.inf
    is_positive = base > 0 and value > 0
    log_half = half * math.hypot(base_error / base, error / value) if is_positive else math.nan
    return Effect(
        metric=metric,
        variant=variant,
        n_control=n_control,
        n_variant=n_variant,
        control=base,
        value=value,
        effect=effect,
        standard_error=standard_error,
        low=effect - half * standard_error,
        high=effect + half * standard_error,
        relative=value / base - 1 if is_positive else None,
        relative_low=value / base * math.exp(-log_half) - 1 if is_positive else None,
        relative_high=value / base * math.exp(log_half) - 1 if is_positive else None,
        p=float(2 * stats.norm.sf(abs(effect) / standard_error)),
        confidence=confidence,
        is_adjusted=False,
    )


def _quantile_of(
    values: Floats, units: ArrayLike | None, quantile: float, name: str, metric: str
) -> tuple[float, float, int]:
    """Return a quantile, its standard error and the number of units."""
    is_there = np.isfinite(values)
    present = values[is_there]
    of_unit = np.unique(np.asarray(units)[is_there], return_inverse=True)[1] if units is not None else None
    n = int(of_unit.max()) + 1 if of_unit is not None and len(of_unit) else len(present)
    if n < FEWEST_UNITS or len(present) * min(quantile, 1 - quantile) < FEWEST_BEYOND:
        raise NotEnoughEvidence(
            metric,
            f"{len(present)} values of {n} units of the {name} are too few for the quantile {quantile:g}.",
            hint="Wait for more units, or choose a quantile nearer to the middle.",
        )
    ordered = np.sort(present)
    found = float(np.quantile(ordered, quantile))
    share_error = _share_error(present <= found, of_unit, n)
    # 95 % of the share's own error on each side, whatever confidence is asked for, so that the error is one of the quantile.
    reach = 1.96 * share_error
    low, high = np.quantile(ordered, np.clip([quantile - reach, quantile + reach], 0, 1))
    return found, float(high - low) / (2 * 1.96), n


def _share_error(is_below: NDArray[np.bool_], of_unit: NDArray[np.int64] | None, n: int) -> float:
    """Return the standard error of the share of values below the quantile, clustered by unit."""
    if of_unit is None:
        share = is_below.mean()
        return math.sqrt(share * (1 - share) / n)
    below = np.bincount(of_unit, weights=is_below, minlength=n)
    every = np.bincount(of_unit, minlength=n)
    rest = below - below.sum() / every.sum() * every
    return float(math.sqrt((rest**2).sum() / (n - 1) / n) / every.mean())
