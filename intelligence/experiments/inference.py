"""Inference on moments: effects of means, ratios and proportions, with and without covariates, by tea-tasting.

Two of tea-tasting's defaults are not used: its continuity correction, which textbooks and other programs do not make, and its
exact tests of fewer than 1,000 units, which give no interval.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import tea_tasting as tt
from scipy import stats
from tea_tasting.aggr import Aggregates

from intelligence.core.errors import ExperimentError, NotEnoughEvidence
from intelligence.experiments.moments import Arm
from intelligence.experiments.quantities import PAIRS, QUANTITIES
from intelligence.metrics.registry import Metric

FEWEST_UNITS: Final = 10
# Below this many units with and without the outcome, in both arms together, the normal approximation does not hold.
FEWEST_OF_A_KIND: Final = 10
Adjustment = Literal["family_wise", "false_discovery"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The difference between a variant and the control in one metric.

    Attributes:
        metric: Name of the metric.
        variant: The variant.
        n_control: Units of the control with an outcome.
        n_variant: Units of the variant with an outcome.
        control: Value of the metric in the control; adjusted by the covariate where there is one.
        value: Value of the metric in the variant, adjusted likewise.
        effect: value - control.
        standard_error: Standard error of the effect.
        low: Lower end of the interval of the effect.
        high: Upper end of it.
        relative: effect / control; None where the control's value is not above 0.
        relative_low: Lower end of the interval of `relative`.
        relative_high: Upper end of it.
        p: Two-sided p-value of no difference, for a single look.
        confidence: Confidence of the intervals in [0, 1]; 1 where nothing can be said at this look.
        is_adjusted: Whether a covariate reduced the variance.
        variance_left: Variance of the effect with the covariate, over that without it; 1 where there is none.
    """

    metric: str
    variant: str
    n_control: int
    n_variant: int
    control: float
    value: float
    effect: float
    standard_error: float
    low: float
    high: float
    relative: float | None
    relative_low: float | None
    relative_high: float | None
    p: float
    confidence: float
    is_adjusted: bool
    variance_left: float = 1.0

    @property
    def z(self) -> float:
        """Return the standard normal deviate with the same p-value and the sign of the effect."""
        return math.copysign(float(stats.norm.isf(self.p / 2)), self.effect)


def effect(
    control: Arm,
    treated: Arm,
    metric: Metric,
    *,
    variant: str = "treatment",
    confidence: float = 0.95,
    with_covariate: bool = True,
) -> Effect:
    """Return the effect of a variant on a metric.

    Means and proportions with a covariate are compared by Welch's t-test after CUPED (Deng et al. 2013); ratios by the delta
    method (Deng et al. 2018); proportions without one by the z-test with pooled variance. Relative intervals are those of the
    logarithm of the ratio of the means.

    Args:
        control: Moments of the control.
        treated: Moments of the variant.
        metric: The metric.
        variant: Name of the variant.
        confidence: Confidence of the intervals, in [0, 1]; with 1 they have no ends.
        with_covariate: Whether a covariate is used where the metric has one that varies.

    Raises:
        NotEnoughEvidence: There are too few units, or all have the same value.
        ExperimentError: The metric is a quantile, which has no moments.
    """
    if metric.kind == "quantile":
        raise ExperimentError(metric.name, "is a quantile, which has no moments.", hint="Use `quantile_effect`.")
    _check_evidence(control, treated, metric)
    is_adjusted = with_covariate and has_covariate(control, treated, metric)
    found = _found(control, treated, metric, confidence=confidence, is_adjusted=is_adjusted, variant=variant)
    if not is_adjusted:
        return found
    return replace(found, variance_left=(found.standard_error / _plain_error(control, treated, metric)) ** 2)


def plain_difference(control: Arm, treated: Arm, metric: Metric) -> tuple[float, float]:
    """Return the plain difference between two arms and its standard error, without a covariate, an interval or a test.

    Args:
        control: Moments of the control.
        treated: Moments of the variant.
        metric: The metric, which is no quantile.

    Raises:
        NotEnoughEvidence: There are too few units, or all have the same value.
    """
    _check_evidence(control, treated, metric)
    base, value = (
        float(arm.means[0] / arm.means[1] if metric.kind == "ratio" else arm.means[0]) for arm in (control, treated)
    )
    return value - base, _plain_error(control, treated, metric)


def _plain_error(control: Arm, treated: Arm, metric: Metric) -> float:
    over = "y" if metric.kind == "ratio" else None
    return math.sqrt(control.variance("x", over) / control.n + treated.variance("x", over) / treated.n)


def with_confidence(found: Effect, confidence: float) -> Effect:
    """Return an effect with the intervals of another confidence, of the normal distribution.

    Args:
        found: An effect whose confidence is in (0, 1).
        confidence: The confidence, in [0, 1]; with 1 the intervals have no ends.
    """
    is_bounded = 0 < confidence < 1
    deviate = float(stats.norm.isf((1 - confidence) / 2)) if is_bounded else math.inf
    half = deviate * found.standard_error
    low, high = found.relative_low, found.relative_high
    if low is not None and high is not None and not (low > -1 and math.isfinite(high)):
        low, high = -1.0, math.inf  # so wide that the ends of the logarithm are lost in rounding
    elif low is not None and high is not None:
        centre, known = (math.log1p(high) + math.log1p(low)) / 2, (math.log1p(high) - math.log1p(low)) / 2
        wide = known * deviate / float(stats.norm.isf((1 - found.confidence) / 2))
        low, high = math.expm1(centre - wide), math.expm1(centre + wide) if is_bounded else math.inf
    return replace(
        found,
        low=found.effect - half,
        high=found.effect + half,
        relative_low=low,
        relative_high=high,
        confidence=confidence,
    )


def _check_evidence(control: Arm, treated: Arm, metric: Metric) -> None:
    hint = "Wait for more units, or choose another metric."
    for name, arm in (("control", control), ("variant", treated)):
        if arm.n < FEWEST_UNITS:
            raise NotEnoughEvidence(metric.name, f"{arm.n} units of the {name} have an outcome.", hint=hint)
        if metric.kind == "ratio" and arm.means[1] <= 0:
            raise NotEnoughEvidence(metric.name, f"its denominator is {arm.means[1]:g} in the {name}.", hint=hint)
    over = "y" if metric.kind == "ratio" else None
    if control.variance("x", over) == treated.variance("x", over) == 0:
        raise NotEnoughEvidence(metric.name, "no two units of an arm differ in it.", hint=hint)
    if not metric.is_share:
        return
    ones = sum(arm.n * arm.means[0] for arm in (control, treated))
    rare = min(ones, control.n + treated.n - ones)
    if rare < FEWEST_OF_A_KIND - 0.5:
        raise NotEnoughEvidence(metric.name, f"only {rare:.0f} units differ from all others.", hint=hint)
    if not all(_is_share(arm) for arm in (control, treated)):
        raise ExperimentError(metric.name, "has values that are neither 0 nor 1.", hint="Use a metric of kind `mean`.")


def _is_share(arm: Arm) -> bool:
    mean = arm.means[0]
    expected = mean * (1 - mean) * arm.n / max(arm.n - 1, 1)
    return bool(0 <= mean <= 1 and math.isclose(arm.covariances[0, 0], expected, rel_tol=1e-6, abs_tol=1e-9))


def has_covariate(control: Arm, treated: Arm, metric: Metric) -> bool:
    """Return whether the metric has a covariate that varies within both arms.

    Args:
        control: Moments of the control.
        treated: Moments of the variant.
        metric: The metric.
    """
    if not metric.covariates or not (control.n_covariate and treated.n_covariate):
        return False
    both = (control, treated)
    if metric.kind == "ratio":
        return all(arm.means[3] > 0 and arm.variance("a", "b") > 0 for arm in both)
    return all(arm.variance("a") > 0 for arm in both)


def _found(control: Arm, treated: Arm, metric: Metric, *, confidence: float, is_adjusted: bool, variant: str) -> Effect:
    is_proportion = metric.is_share and not is_adjusted
    is_bounded = 0 < confidence < 1
    test = _test(metric, confidence=confidence if is_bounded else 0.5, is_adjusted=is_adjusted)
    result = test.analyze_aggregates(aggregates(control), aggregates(treated))
    if is_proportion:
        ones = control.n * result.control + treated.n * result.treatment
        pooled = ones / (control.n + treated.n)
        standard_error = math.sqrt(pooled * (1 - pooled) * (1 / control.n + 1 / treated.n))
    else:
        standard_error = abs(result.effect_size / result.statistic) if result.statistic else _error_of(result, test)
    is_positive = result.control > 0 and result.treatment > 0
    ends = (result.effect_size_ci_lower, result.effect_size_ci_upper)
    relative_ends = (result.rel_effect_size_ci_lower, result.rel_effect_size_ci_upper)
    return Effect(
        metric=metric.name,
        variant=variant,
        n_control=control.n,
        n_variant=treated.n,
        control=float(result.control),
        value=float(result.treatment),
        effect=float(result.effect_size),
        standard_error=float(standard_error),
        low=float(ends[0]) if is_bounded else -math.inf,
        high=float(ends[1]) if is_bounded else math.inf,
        relative=float(result.rel_effect_size) if is_positive else None,
        relative_low=(float(relative_ends[0]) if is_bounded else -1.0) if is_positive else None,
        relative_high=(float(relative_ends[1]) if is_bounded else math.inf) if is_positive else None,
        p=float(result.pvalue),
        confidence=confidence,
        is_adjusted=is_adjusted,
    )


def _error_of(result: Any, test: Any) -> float:
    """Return the standard error of an effect of exactly 0, from its interval; close, since t is taken for normal."""
    half = (result.effect_size_ci_upper - result.effect_size_ci_lower) / 2
    return float(half / stats.norm.isf((1 - test.confidence_level) / 2))


def _test(metric: Metric, *, confidence: float, is_adjusted: bool, **planning: Any) -> Any:
    # Columns are given by position, since tea-tasting 2 renamed a parameter. Power is that of the normal distribution: the
    # noncentral t of scipy is not a number for large samples.
    planning |= {"use_t": not planning}
    covariate = "a" if is_adjusted else None
    if metric.kind == "ratio":
        return tt.RatioOfMeans(
            "x", "y", covariate, "b" if is_adjusted else None,
            confidence_level=confidence, equal_var=False, alternative="two-sided", **planning,
        )  # fmt: skip
    if metric.is_share and not is_adjusted and planning["use_t"]:
        return tt.Proportion("x", method="norm", correction=False, confidence_level=confidence, alternative="two-sided")
    return tt.Mean("x", covariate, confidence_level=confidence, equal_var=False, alternative="two-sided", **planning)


def aggregates(arm: Arm) -> Aggregates:
    """Return the moments of an arm as tea-tasting's aggregates, with the names x, y, a and b."""
    places = {name: place for place, name in enumerate(QUANTITIES)}
    return Aggregates(
        arm.n,
        {name: float(arm.means[i]) for name, i in places.items()},
        {name: float(arm.covariances[i, i]) for name, i in places.items()},
        {(one, two): float(arm.covariances[places[one], places[two]]) for one, two in PAIRS if one != two},
    )


def adjusted_p(p: Sequence[float], *, how: Adjustment = "family_wise") -> list[float]:
    """Return p-values adjusted for their number, in the same order.

    Args:
        p: p-values of one family.
        how: `family_wise` for Holm's procedure, which holds under any dependence, `false_discovery` for that of Benjamini and
            Hochberg.

    >>> adjusted_p([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    >>> [round(each, 12) for each in adjusted_p([0.01, 0.04, 0.03], how="false_discovery")]
    [0.03, 0.04, 0.04]
    """
    if not p:
        return []
    results = tt.experiment.ExperimentResult({str(place): {"pvalue": float(each)} for place, each in enumerate(p)})
    if how == "family_wise":
        adjusted = tt.adjust_fwer(results, alpha=0.05, arbitrary_dependence=True, method="bonferroni")
    else:
        adjusted = tt.adjust_fdr(results, alpha=0.05)
    (found,) = adjusted.values()
    return [float(found[str(place)]["pvalue_adj"]) for place in range(len(p))]


def chance_to_win(found: Effect, *, sign: int = 1, prior_sd: float | None = None) -> float:
    """Return the posterior probability that the variant changes the metric as wanted.

    The effect has a normal likelihood. Without `prior_sd` its prior is flat; with it, normal around 0, which pulls small
    experiments towards no difference.

    Args:
        found: The effect.
        sign: 1 where an increase is wanted, -1 where a decrease is.
        prior_sd: Standard deviation of effects like this one, in the unit of the metric.
    """
    weight = 1.0 if prior_sd is None else prior_sd**2 / (prior_sd**2 + found.standard_error**2)
    mean, deviation = weight * found.effect, math.sqrt(weight) * found.standard_error
    return float(stats.norm.cdf(sign * mean / deviation))


def detectable(
    arm: Arm, metric: Metric, *, units: int, share: float, alpha: float, power: float, with_covariate: bool = True
) -> float:
    """Return the smallest absolute effect that is found with the given power in a single look.

    Args:
        arm: Moments of the metric without any effect, from the past or from all arms together.
        metric: The metric.
        units: Units of the control and the variant together.
        share: Share of these units that get the variant, in (0, 1).
        alpha: Chance of finding an effect where there is none.
        power: Chance of finding it.
        with_covariate: Whether a covariate is used where the metric has one that varies.

    Raises:
        NotEnoughEvidence: The moments are of too few units, or all have the same value.
    """
    _check_evidence(arm, arm, metric)
    test = _test(
        metric,
        confidence=1 - alpha,
        is_adjusted=with_covariate and has_covariate(arm, arm, metric),
        alpha=alpha,
        power=power,
        ratio=share / (1 - share),
        n_obs=units,
    )
    return float(test.solve_power_from_aggregates(aggregates(arm), "effect_size")[0].effect_size)


def units_needed(
    arm: Arm, metric: Metric, *, effect: float, share: float, alpha: float, power: float, with_covariate: bool = True
) -> int:
    """Return how many units of the control and the variant together a single look needs: at least `FEWEST_UNITS` in each arm.

    Args:
        arm: Moments of the metric without any effect, from the past or from all arms together.
        metric: The metric.
        effect: Absolute effect that is to be found.
        share: Share of these units that get the variant, in (0, 1).
        alpha: Chance of finding an effect where there is none.
        power: Chance of finding the effect.
        with_covariate: Whether a covariate is used where the metric has one that varies.

    Raises:
        NotEnoughEvidence: The moments are of too few units, or all have the same value.
    """
    _check_evidence(arm, arm, metric)
    test = _test(
        metric,
        confidence=1 - alpha,
        is_adjusted=with_covariate and has_covariate(arm, arm, metric),
        alpha=alpha,
        power=power,
        ratio=share / (1 - share),
        effect_size=abs(effect),
    )
    # With fewer in an arm nothing is estimated. The solver fails where so few suffice: there is no root between its bounds.
    fewest = math.ceil(FEWEST_UNITS / min(share, 1 - share))
    if abs(effect) >= detectable(
        arm, metric, units=fewest, share=share, alpha=alpha, power=power, with_covariate=with_covariate
    ):
        return fewest
    return int(test.solve_power_from_aggregates(aggregates(arm), "n_obs")[0].n_obs)
