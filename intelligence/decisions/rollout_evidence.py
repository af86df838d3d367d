"""The evidence of a step of a rollout: those who have the feature against those who do not, on the days of the step alone.

Units are all users who were seen on the days of the step, whether or not they were seen before: the variants of a step are those
of its days, so that a user who gets the feature by a step is in its variant and no longer in its control.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from intelligence.decisions.rollout_settings import Rollout
from intelligence.experiments.health import Problem, health
from intelligence.experiments.moments import Arm, arms_of_all, moments
from intelligence.experiments.results import Look, read
from intelligence.experiments.settings import MetricUse
from intelligence.metrics.registry import METRICS, Metric

SHARE_UNIT: Final = "share of"


@dataclass(frozen=True, slots=True)
class GuardrailReading:
    """What a step shows of one guardrail.

    Attributes:
        use: The guardrail with its margin.
        effect: Value with the feature less the value without it; None where nothing can be said.
        low: Lower end of the always-valid interval.
        high: Upper end of it.
        is_kept: Whether the interval shows that the metric is not worse by more than the margin.
        is_harmed: Whether the interval shows that it is.
        note: Why nothing, or not enough, can be said.
    """

    use: MetricUse
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    is_kept: bool = False
    is_harmed: bool = False
    note: str = ""

    @property
    def sentence(self) -> str:
        """Return the reading in words, with its interval and its margin."""
        if self.effect is None or self.low is None or self.high is None:
            return f"{self.use.metric}: {self.note}" if self.note else self.use.metric
        margin = f"{self.use.margin:g}" if self.use.scale == "absolute" else f"{self.use.margin:.1%}"
        note = f"; {self.note}" if self.note else ""
        return f"{self.use.metric} {self.effect:+.2g} ({self.low:+.2g} to {self.high:+.2g}, margin {margin}{note})"


@dataclass(frozen=True, slots=True)
class StepEvidence:
    """What is known of a step.

    Attributes:
        days: Whole days of the step that are known.
        units: Units by variant.
        guardrails: What is known of each guardrail; empty where a problem blocks.
        problems: What is wrong with the step as an experiment.
    """

    days: int
    units: Mapping[str, int]
    guardrails: tuple[GuardrailReading, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def blocking(self) -> tuple[str, ...]:
        """Return the problems with which nothing is concluded, in sentences."""
        return tuple(each.sentence for each in self.problems if each.blocking)


def step_evidence(
    values: pl.DataFrame,
    rollout: Rollout,
    *,
    share: float,
    variants: tuple[str, str],
    days: int,
    in_two: int = 0,
    faulty_days: Sequence[date] = (),
) -> StepEvidence:
    """Return what a step shows so far.

    Args:
        values: One row per unit seen on the days of the step: `variant`, `exposed_on` and the columns of the guardrails.
        rollout: The rollout.
        share: Share of users, in (0, 1), to whom the flag shows the feature in this step.
        variants: The variant without the feature, which is the control, and the one with it.
        days: Whole days of the step that are known.
        in_two: Units seen in both variants on these days, which are in no row of `values`.
        faulty_days: Days of the step on which telemetry was at fault.
    """
    metrics = [METRICS[use.metric] for use in rollout.guardrails]
    # What units did before is no covariate: those who had the feature in an earlier step did it with the feature.
    before = {name: pl.lit(None, pl.Float64) for metric in metrics for name in metric.covariates}
    found = moments(values.with_columns(**before), metrics, experiment=rollout.experiment)
    control, variant = variants
    by_metric = arms_of_all(found)
    counted = dict(values.group_by("variant").len().iter_rows())
    units = {name: int(counted.pop(name, 0)) for name in variants} | {str(name): n for name, n in counted.items()}
    problems = health(
        found,
        metrics,
        shares={control: 1 - share, variant: share},
        control=control,
        units=units,
        in_two_arms=in_two,
        faulty_days=faulty_days,
    )
    evidence = StepEvidence(days, units, (), problems)
    if evidence.blocking:
        return evidence
    look = Look("always_valid", rollout.alpha)
    readings = tuple(
        _reading(by_metric.get(metric.name, {}), metric, use, rollout, look=look, variants=variants)
        for metric, use in zip(metrics, rollout.guardrails, strict=True)
    )
    return StepEvidence(days, units, readings, problems)


def _reading(
    arms: Mapping[str, Arm],
    metric: Metric,
    use: MetricUse,
    rollout: Rollout,
    *,
    look: Look,
    variants: tuple[str, str],
) -> GuardrailReading:
    control, variant = variants
    fewest = rollout.minimum_units
    found, note = read(arms, metric, use, control=control, variant=variant, look=look, minimum_units=fewest)
    lacking = _too_few_trials(arms, metric, rollout, variants=variants)
    if found.watched is None:
        alike = not lacking and _are_alike(arms, metric, variants=variants, fewest=fewest)
        return GuardrailReading(use, is_kept=alike, note="" if alike else lacking or note)
    effect = found.watched
    return GuardrailReading(
        use,
        effect.effect,
        effect.low,
        effect.high,
        is_kept=found.is_kept and not lacking,
        is_harmed=found.is_harmed,
        note=lacking if found.is_kept else "",
    )


def _too_few_trials(arms: Mapping[str, Arm], metric: Metric, rollout: Rollout, *, variants: tuple[str, str]) -> str:
    """Return in words that the variant is too small to show so small a difference of a share; empty where it is not.

    An interval from moments is too narrow where what is counted hardly happens. Without a single failure in n trials, a rate
    of `m` more is excluded once (1 - m) ** n < alpha, however often one looks (Ville's inequality).
    """
    control, variant = (arms.get(name) for name in variants)
    if control is None or variant is None or not metric.unit.startswith(SHARE_UNIT):
        return ""
    use = next(each for each in rollout.guardrails if each.metric == metric.name)
    margin = use.margin * (1.0 if use.scale == "absolute" else _value(control, metric))
    if not 0 < margin < 1:
        return f"its margin is {margin:g}, which no number of trials shows"
    trials = variant.n * (float(variant.means[1]) if metric.kind == "ratio" else 1.0)
    needed = math.log(rollout.alpha) / math.log1p(-margin)
    return "" if trials >= needed else f"{trials:.0f} trials, where its margin needs {math.ceil(needed)}"


def _are_alike(arms: Mapping[str, Arm], metric: Metric, *, variants: tuple[str, str], fewest: int) -> bool:
    """Return whether all units of both variants have the same value, so that there is no interval and no difference."""
    over = "y" if metric.kind == "ratio" else None
    both = [arms[name] for name in variants if name in arms]
    if len(both) < len(variants) or any(arm.n < fewest or (over and arm.means[1] <= 0) for arm in both):
        return False
    before, after = (_value(arm, metric) for arm in both)
    is_flat = all(arm.variance("x", over) == 0 for arm in both)
    return is_flat and math.isclose(before, after, rel_tol=1e-9, abs_tol=1e-12)


def _value(arm: Arm, metric: Metric) -> float:
    x, y = float(arm.means[0]), float(arm.means[1])
    if metric.kind != "ratio":
        return x
    return x / y if y else 0.0
