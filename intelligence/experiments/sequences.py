"""Always-valid inference: intervals and p-values that hold at all times together, however often one looks and whenever one stops.

The interval is the normal mixture of Robbins (1970), in the form of Howard, Ramdas, McAuliffe and Sekhon (2021), applied to
estimates that are asymptotically normal (Waudby-Smith et al. 2021). Time is counted in units of both arms. It is narrowest,
relative to a single look, around `planned_units`, and holds wherever one stops.
"""

import math
from typing import Final

from scipy import special, stats

from intelligence.core.errors import ExperimentError

# For how many units the interval is made narrow where no number is planned.
PLANNED_UNITS: Final = 10_000


def mixture(planned_units: float, alpha: float) -> float:
    """Return the variance parameter of the mixture, in units, for which the interval at `planned_units` is narrowest.

    Args:
        planned_units: Units of both arms together.
        alpha: Chance in (0, 1) that the interval ever misses the effect.

    Raises:
        ExperimentError: `planned_units` is not above 0, or `alpha` not within (0, 1).
    """
    if not planned_units > 0 or not 0 < alpha < 1:
        raise ExperimentError(
            "confidence sequence",
            f"cannot be made for {planned_units:g} planned units and alpha {alpha:g}.",
            hint="Give planned units above 0, and alpha between 0 and 1.",
        )
    return planned_units / (-float(special.lambertw(-(alpha**2) / math.e, -1).real) - 1)


def always_valid_z(units: float, *, alpha: float = 0.05, planned_units: float = PLANNED_UNITS) -> float:
    """Return how many standard errors wide the always-valid interval is on each side.

    Args:
        units: Units of both arms together that have been seen.
        alpha: Chance in (0, 1) that the interval ever misses the effect.
        planned_units: Units around which it is to be narrowest; decided before the results are seen.

    Raises:
        ExperimentError: The planned units or alpha are out of range.

    >>> round(always_valid_z(10_000), 2), round(always_valid_z(100_000), 2)
    (3.04, 3.25)
    """
    rho = mixture(planned_units, alpha)
    if units <= 0:
        return math.inf
    ratio = units / rho
    return math.sqrt((1 + 1 / ratio) * (math.log1p(ratio) - 2 * math.log(alpha)))


def always_valid_p(z: float, units: float, *, alpha: float = 0.05, planned_units: float = PLANNED_UNITS) -> float:
    """Return the always-valid p-value: it is below any level with at most that probability, at all times together.

    Args:
        z: Effect in standard errors.
        units: Units of both arms together that have been seen.
        alpha: Level at which the interval is narrowest.
        planned_units: Units around which it is narrowest.

    Raises:
        ExperimentError: The planned units or alpha are out of range.

    >>> round(always_valid_p(always_valid_z(4_000), 4_000), 6)
    0.05
    """
    ratio = units / mixture(planned_units, alpha)
    log_p = 0.5 * math.log1p(ratio) - 0.5 * z * z * ratio / (1 + ratio)
    return math.exp(min(0.0, log_p))


def confidence_of(z: float) -> float:
    """Return the confidence of a single look whose interval is `z` standard errors wide on each side; 1 for infinity.

    >>> round(confidence_of(1.959964), 4)
    0.95
    """
    return float(1 - 2 * stats.norm.sf(z))
