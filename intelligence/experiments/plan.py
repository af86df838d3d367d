"""Planning: how many units and days an experiment needs, and which effect it can find, with and without covariates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from scipy import stats

from intelligence.core.errors import ExperimentError
from intelligence.experiments.boundaries import boundaries, needed_drift
from intelligence.experiments.inference import detectable, has_covariate, units_needed
from intelligence.experiments.moments import Arm
from intelligence.experiments.sequences import always_valid_z
from intelligence.experiments.settings import Design
from intelligence.metrics.registry import Metric

# More looks than this need hardly more units, and the recursion takes longer.
MOST_LOOKS: Final = 60
FEWEST_PLANNED: Final = 10
# A smaller change is noise of rounding in every table, and with a smaller arm the normal approximation is none.
SMALLEST_CHANGE: Final = 0.0001
LARGEST_CHANGE: Final = 1_000.0
SMALLEST_SHARE: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an experiment needs.

    Attributes:
        metric: The metric that decides.
        is_adjusted: Whether a covariate reduces the variance.
        effect: Absolute effect that is to be found.
        relative: The same as a share of the control's value.
        units: Units of the control and the variant together.
        days: Days until so many are exposed; None where none come.
        smallest_effects: Smallest relative effect that is found, by number of days; none where no possible one is.
        inflation: How many times the units of a single look the design needs.
    """

    metric: str
    is_adjusted: bool
    effect: float
    relative: float
    units: int
    days: int | None
    smallest_effects: dict[int, float]
    inflation: float


def plans(
    arm: Arm,
    metric: Metric,
    *,
    relative: float,
    units_per_day: float,
    share: float = 0.5,
    alpha: float = 0.05,
    power: float = 0.8,
    design: Design = "group_sequential",
    looks: int = 28,
    days: Sequence[int] = (7, 14, 28),
) -> tuple[Plan, ...]:
    """Return the plan without a covariate, and that with it where the metric has one that varies.

    Args:
        arm: Moments of the metric from the product's past, without any effect.
        metric: The metric that decides.
        relative: Effect that is to be found, as a share of the control's value: from -1 to 1,000, not nearer to 0 than 0.0001,
            and so that a share stays in [0, 1].
        units_per_day: New units of both arms that are exposed on a day.
        share: Share of the units that get the variant, in [0.001, 0.999].
        alpha: Chance of finding an effect where there is none.
        power: Chance of finding the effect up to the last look.
        design: How looking at results on many days is paid for.
        looks: Planned looks, evenly over the horizon.
        days: Numbers of days for which the smallest effect is given.

    Raises:
        ExperimentError: A number is out of range, or the metric has no moments or no value above 0.
        NotEnoughEvidence: The past has too few units, or all have the same value.
    """
    value = float(arm.means[0] / (arm.means[1] if metric.kind == "ratio" and arm.means[1] else 1.0))
    _check(metric, relative=relative, share=share, alpha=alpha, power=power, value=value)
    factor = inflation(design, looks=looks, alpha=alpha, power=power)

    def of(is_adjusted: bool) -> Plan:
        single = units_needed(
            arm, metric, effect=relative * value, share=share, alpha=alpha, power=power, with_covariate=is_adjusted
        )
        units = math.ceil(single * factor * spread(metric, value, relative, share=share))
        found = {}
        for each in days:
            seen = int(each * units_per_day / factor)
            if seen >= FEWEST_PLANNED:
                alike = (
                    detectable(
                        arm, metric, units=seen, share=share, alpha=alpha, power=power, with_covariate=is_adjusted
                    )
                    / value
                )
                smallest = float(alike) * math.sqrt(spread(metric, value, alike, share=share))
                # A share cannot leave [0, 1]: where neither a rise nor a fall of that size is possible, nothing is found.
                if not metric.is_at_most_one or smallest <= max(1.0, 1 / value - 1):
                    found[each] = smallest
        return Plan(
            metric=metric.name,
            is_adjusted=is_adjusted,
            effect=relative * value,
            relative=relative,
            units=units,
            days=math.ceil(units / units_per_day) if units_per_day > 0 else None,
            smallest_effects=found,
            inflation=factor,
        )

    return tuple(map(of, (False, True) if has_covariate(arm, arm, metric) else (False,)))


def spread(metric: Metric, value: float, relative: float, *, share: float) -> float:
    """Return how many times the variance of an effect is that without one, where each unit changes in proportion.

    A lift makes the values of the variant larger and so more different; the past knows the variance of the control alone. For
    a decrease nothing is taken off, since not every unit may change alike.

    Args:
        metric: The metric.
        value: Its value in the control.
        relative: The effect, as a share of it.
        share: Share of the units that get the variant, in (0, 1).
    """
    growth = (1 + relative) ** 2
    if metric.is_share and 0 < value < 1:
        changed = min(value * (1 + relative), 1.0)
        growth = changed * (1 - changed) / (value * (1 - value))
    return share + (1 - share) * max(1.0, growth)


def _check(metric: Metric, *, relative: float, share: float, alpha: float, power: float, value: float) -> None:
    for is_wrong, problem in (
        (metric.kind == "quantile", "is a quantile, which has no moments"),
        (not value > 0, f"has the value {value:g}, of which no share can be taken"),
        (not SMALLEST_CHANGE <= abs(relative) <= LARGEST_CHANGE, f"cannot change by {relative:g} times its value"),
        (relative < -1, f"has the value {value:.4g} and cannot fall by {-relative:.1%} of it"),
        (
            metric.is_at_most_one and value * (1 + relative) > 1,
            f"is a share of {value:.2%} and cannot rise by {relative:.1%} of it, beyond 100%",
        ),
        (
            not SMALLEST_SHARE <= share <= 1 - SMALLEST_SHARE,
            f"cannot be planned with the share {share:g} of the variant",
        ),
        (not 0 < alpha < power < 1, f"cannot be planned with alpha {alpha:g} and power {power:g}"),
    ):
        if is_wrong:
            raise ExperimentError(metric.name, f"{problem}.", hint="Plan with another metric or other numbers.")


@lru_cache(maxsize=64)
def inflation(design: Design, *, looks: int = 28, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return how many times the units of a single look a design needs for the same power.

    Args:
        design: The design.
        looks: Planned looks, evenly over the horizon.
        alpha: Chance of finding an effect where there is none.
        power: Chance of finding it.

    >>> round(inflation("group_sequential", looks=5), 3), inflation("fixed")
    (1.025, 1.0)
    """
    single = float(stats.norm.isf(alpha / 2) + stats.norm.ppf(power))
    if design == "fixed":
        return 1.0
    if design == "always_valid":
        return ((always_valid_z(1.0, alpha=alpha, planned_units=1.0) + float(stats.norm.ppf(power))) / single) ** 2
    shares = np.arange(1, min(looks, MOST_LOOKS) + 1) / min(looks, MOST_LOOKS)
    z = boundaries(shares.tolist(), alpha=alpha)
    return float((needed_drift(z.tolist(), shares.tolist(), power=power) / single) ** 2)
