"""Results at a look: the effects of all metrics with the intervals that the design allows on that day, and the verdicts.

Each metric has two intervals. That of the design decides about shipping: group-sequential for a planned horizon, where alpha is
spent by the calendar, so that each day may be looked at. The always-valid one watches for harm, with or without a horizon. The
goals share alpha, since one of them that is better suffices; each guardrail has all of it, since all must hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Final

import polars as pl

from intelligence.core.errors import NotEnoughEvidence
from intelligence.experiments.boundaries import boundaries
from intelligence.experiments.health import Problem, health, is_healthy
from intelligence.experiments.inference import adjusted_p, chance_to_win, effect, with_confidence
from intelligence.experiments.moments import Arm, arms_of_all
from intelligence.experiments.quantiles import quantile_effect
from intelligence.experiments.sequences import PLANNED_UNITS, always_valid_p, always_valid_z, confidence_of
from intelligence.experiments.settings import Design, Experiment, MetricUse
from intelligence.experiments.verdict import Reading, Verdict, verdict
from intelligence.metrics.registry import METRICS, Metric

# Looks between which the information hardly grows count as if it grew by this share, so that the recursion stays exact.
LEAST_GROWTH: Final = 1e-3
RESULTS: Final = pl.Schema(
    {
        **dict.fromkeys(("metric", "role", "variant"), pl.String()),
        **dict.fromkeys(("n_control", "n_variant"), pl.Int64()),
        **dict.fromkeys(("control", "value", "effect", "low", "high"), pl.Float64()),
        **dict.fromkeys(("relative", "relative_low", "relative_high"), pl.Float64()),
        **dict.fromkeys(("watched_low", "watched_high", "p", "p_adjusted", "p_always_valid"), pl.Float64()),
        **dict.fromkeys(("chance_to_win", "variance_left"), pl.Float64()),
        "note": pl.String(),
    }
)


@dataclass(frozen=True, slots=True)
class Look:
    """What a design allows at one look.

    Attributes:
        design: The design.
        alpha: Chance of finding an effect where there is none, for all goals and variants together.
        information: Units seen at each look so far, the last of which is this one.
        spent_at: Share of the horizon that has passed at each of them.
        planned_units: Units of both arms for which always-valid intervals are narrowest.
        is_last: Whether no further look is planned.
    """

    design: Design
    alpha: float = 0.05
    information: tuple[float, ...] = (1.0,)
    spent_at: tuple[float, ...] = (1.0,)
    planned_units: float = PLANNED_UNITS
    is_last: bool = True

    def planned_confidence(self, units: int, *, among: int = 1) -> float:
        """Return the confidence of the interval of the design; 1 where it allows no conclusion at this look.

        Args:
            units: Units of both arms.
            among: How many comparisons share alpha.
        """
        alpha = self.alpha / among
        if self.design == "always_valid":
            return self.watched_confidence(units, among=among)
        if self.design == "fixed":
            return 1 - alpha if self.is_last else 1.0
        return confidence_of(_last_boundary(self.information, self.spent_at, alpha))

    def watched_confidence(self, units: int, *, among: int = 1) -> float:
        """Return the confidence of the always-valid interval, as one of a single look.

        Args:
            units: Units of both arms.
            among: How many comparisons share alpha.
        """
        return confidence_of(always_valid_z(units, alpha=self.alpha / among, planned_units=self.planned_units))


@lru_cache(maxsize=256)
def _last_boundary(information: tuple[float, ...], spent_at: tuple[float, ...], alpha: float) -> float:
    """Return the boundary at the last look; all metrics that share alpha have the same one."""
    return float(boundaries(information, spent_at=spent_at, alpha=alpha)[-1])


def look_at(found: pl.DataFrame, experiment: Experiment, day: date, *, planned_units: float = PLANNED_UNITS) -> Look:
    """Return what the design of an experiment allows at the end of a day.

    Args:
        found: Moments of the experiment, with the columns of `moments.MOMENTS`.
        experiment: Its declaration.
        day: The day.
        planned_units: Units of both arms for which always-valid intervals are narrowest.

    Raises:
        NotEnoughEvidence: No unit is exposed up to the day, or no look is planned so far.
    """
    horizon, start = experiment.horizon, experiment.start
    if experiment.actual_design != "group_sequential" or not horizon or not start:
        is_last = horizon is not None and day >= horizon
        return Look(experiment.actual_design, experiment.alpha, planned_units=planned_units, is_last=is_last)
    # Some metrics, such as retention, know their units later than others.
    by_metric = found.group_by("metric", "exposed_on").agg(pl.col("units").sum())
    units = by_metric.group_by("exposed_on").agg(pl.col("units").max())
    information, spent_at = list[float](), list[float]()
    for look in (each for each in experiment.planned_looks if each <= day):
        seen = float(units.filter(pl.col("exposed_on") <= look)["units"].sum())
        if seen > 0:
            information.append(max(seen, information[-1] * (1 + LEAST_GROWTH)) if information else seen)
            spent_at.append(((look - start).days + 1) / ((horizon - start).days + 1))
    if not information:
        raise NotEnoughEvidence(
            experiment.name, f"no planned look up to {day} has seen a unit.", hint="Wait for the next planned look."
        )
    return Look(
        "group_sequential", experiment.alpha, tuple(information), tuple(spent_at), planned_units, day >= horizon
    )


def read(
    by_variant: Mapping[str, Arm],
    metric: Metric,
    use: MetricUse,
    *,
    control: str,
    variant: str,
    look: Look,
    among: int = 1,
    minimum_units: int = 100,
) -> tuple[Reading, str]:
    """Return what is known of a metric of a variant, and why there is no number where there is none.

    Args:
        by_variant: Arms of the metric by variant.
        metric: The metric.
        use: Its part in the experiment.
        control: The control.
        variant: The variant.
        look: What the design allows at this look.
        among: How many comparisons share alpha.
        minimum_units: Units per variant with an outcome below which there is no number.
    """
    reading = _reading_of(metric, use)
    base, treated = by_variant.get(control), by_variant.get(variant)
    fewest = min(base.n if base else 0, treated.n if treated else 0)
    if not base or not treated or fewest < minimum_units:
        return reading, f"{fewest} units of an arm have an outcome; {minimum_units} are needed"
    units = base.n + treated.n
    of_design, always_valid = look.planned_confidence(units, among=among), look.watched_confidence(units)
    confidence = of_design if 0 < of_design < 1 else always_valid
    try:
        if metric.kind == "quantile":
            found = quantile_effect(
                base.values,
                treated.values,
                quantile=metric.quantile or 0.5,
                metric=metric.name,
                variant=variant,
                confidence=confidence,
            )
        else:
            found = effect(base, treated, metric, variant=variant, confidence=confidence)
    except NotEnoughEvidence as error:
        return reading, error.problem.rstrip(".")
    planned = found if found.confidence == of_design else with_confidence(found, of_design)
    watched = found if found.confidence == always_valid else with_confidence(found, always_valid)
    return replace(reading, planned=planned, watched=watched), ""


def _reading_of(metric: Metric, use: MetricUse) -> Reading:
    """Return a reading without numbers.

    Args:
        metric: The metric.
        use: Its part in the experiment.
    """
    return Reading(
        metric=metric.name,
        role=use.role or metric.role,
        direction=use.direction or metric.direction,
        scale=use.scale,
        margin=use.margin,
        smallest_effect=use.smallest_effect,
    )


@dataclass(frozen=True, slots=True)
class Results:
    """The results of an experiment at one look.

    Attributes:
        problems: What is wrong with it.
        readings: What is known of each metric, by variant; empty where the experiment is not healthy.
        notes: Why a metric of a variant has no number, by variant and metric.
        verdicts: What should become of each variant.
        table: One row per variant and metric, with the columns `RESULTS`; empty where the experiment is not healthy.
    """

    problems: tuple[Problem, ...]
    readings: Mapping[str, tuple[Reading, ...]]
    notes: Mapping[tuple[str, str], str]
    verdicts: Mapping[str, Verdict]
    table: pl.DataFrame


def results(
    found: pl.DataFrame,
    experiment: Experiment,
    *,
    day: date,
    planned_units: float = PLANNED_UNITS,
    in_two_arms: int = 0,
    faulty_days: Sequence[date] = (),
    warnings: Sequence[Problem] = (),
    is_over: bool = False,
) -> Results:
    """Return the results of a declared experiment at the end of a day, from its moments alone.

    Args:
        found: Moments of the experiment, with the columns of `moments.MOMENTS`; later exposures than `day` are left out.
        experiment: Its declaration.
        day: The day.
        planned_units: Units of both arms for which always-valid intervals are narrowest.
        in_two_arms: Units seen in more than one variant, which are in none of the moments.
        faulty_days: Days of the experiment on which telemetry was at fault.
        warnings: Further problems, such as those of `health.novelty`.
        is_over: Whether nothing more will be known of its units, where no end is planned.

    Raises:
        NotEnoughEvidence: No unit is exposed up to the day, or no look is planned so far.
    """
    seen = found.filter((pl.col("experiment") == experiment.name) & (pl.col("exposed_on") <= day))
    if seen.is_empty():
        raise NotEnoughEvidence(experiment.name, f"has no exposure up to {day}.", hint="Wait for exposures.")
    metrics = [METRICS[use.metric] for use in experiment.metrics]
    problems = (
        *health(
            seen,
            metrics,
            shares=experiment.variants,
            control=experiment.control,
            in_two_arms=in_two_arms,
            faulty_days=faulty_days,
        ),
        *warnings,
    )
    look = look_at(seen, experiment, day, planned_units=planned_units)
    by_metric = arms_of_all(seen)
    goals = sum(use.actual_role == "goal" for use in experiment.metrics) * len(experiment.treatments)
    read_metrics = {
        variant: [
            read(
                by_metric.get(metric.name, {}),
                metric,
                use,
                control=experiment.control,
                variant=variant,
                look=look,
                among=goals if use.actual_role == "goal" else 1,
                minimum_units=experiment.minimum_units,
            )
            for metric, use in zip(metrics, experiment.metrics, strict=True)
        ]
        for variant in experiment.treatments
    }
    return concluded(
        read_metrics,
        problems,
        look=look,
        day=day,
        start=experiment.start,
        horizon=experiment.horizon or (day if is_over else None),
        minimum_days=experiment.minimum_days,
    )


def concluded(
    found: Mapping[str, Sequence[tuple[Reading, str]]],
    problems: Sequence[Problem],
    *,
    look: Look,
    day: date | None = None,
    start: date | None = None,
    horizon: date | None = None,
    minimum_days: int = 7,
) -> Results:
    """Return the results of readings: verdicts and a table, or only the problems where the experiment is not healthy.

    Args:
        found: Readings with their notes, by variant.
        problems: What is wrong with the experiment.
        look: What the design allows at this look.
        day: The day of the look.
        start: The first day.
        horizon: The last planned day.
        minimum_days: Days below which nothing is shipped.
    """
    readings = {variant: tuple(reading for reading, _ in pairs) for variant, pairs in found.items()}
    verdicts = {
        variant: verdict(
            each, problems, day=day, start=start, horizon=horizon, minimum_days=minimum_days,
            is_last_look=look.is_last and look.design != "always_valid",
        )
        for variant, each in readings.items()
    }  # fmt: skip
    if not is_healthy(problems):
        return Results(tuple(problems), {}, {}, verdicts, pl.DataFrame(schema=RESULTS))
    notes = {(variant, each.metric): note for variant, pairs in found.items() for each, note in pairs if note}
    return Results(tuple(problems), readings, notes, verdicts, _table(readings, notes, look))


def _table(readings: Mapping[str, Sequence[Reading]], notes: Mapping[tuple[str, str], str], look: Look) -> pl.DataFrame:
    rows = [
        {
            "metric": each.metric,
            "role": each.role,
            "variant": variant,
            "note": notes.get((variant, each.metric)),
            **numbers(each, look),
        }
        for variant, of_variant in readings.items()
        for each in of_variant
    ]
    for role, how in (("goal", "family_wise"), ("guardrail", "family_wise"), ("signal", "false_discovery")):
        family = [row for row in rows if row["role"] == role and row.get("p") is not None]
        adjusted = adjusted_p([row["p"] for row in family], how=how)  # type: ignore[arg-type, misc]
        for row, p in zip(family, adjusted, strict=True):
            row["p_adjusted"] = p
    return pl.DataFrame(rows, schema=RESULTS)


def numbers(reading: Reading, look: Look) -> dict[str, float | int | None]:
    """Return the columns of `RESULTS` that hold numbers; none where there is no evidence.

    Args:
        reading: What is known of a metric of a variant.
        look: What the design allows at this look.
    """
    planned, watched = reading.planned, reading.watched
    if planned is None or watched is None:
        return {}
    units = planned.n_control + planned.n_variant
    sign = 1 if reading.direction == "increase" else -1
    return {
        **{
            name: getattr(planned, name)
            for name in RESULTS
            if hasattr(planned, name) and name not in ("metric", "variant")
        },
        "watched_low": watched.low,
        "watched_high": watched.high,
        "p_always_valid": always_valid_p(planned.z, units, alpha=look.alpha, planned_units=look.planned_units),
        "chance_to_win": chance_to_win(planned, sign=sign),
    }
