"""Analysis of any frame with one row per user, without Dagster and without the tables of a product.

>>> import numpy as np
>>> import polars as pl
>>> from intelligence.experiments.analysis import analysis
>>> from intelligence.metrics.registry import Metric
>>> random = np.random.default_rng(7)
>>> is_treated = random.random(4_000) < 0.5
>>> before = random.gamma(2.0, 10.0, 4_000)
>>> revenue = 0.8 * before + random.gamma(2.0, 4.0, 4_000) + 1.0 * is_treated
>>> frame = pl.DataFrame({
...     "user_id": range(4_000),
...     "variant": np.where(is_treated, "new", "old"),
...     "revenue": revenue,
...     "pre_revenue": before,
... })
>>> metric = Metric(name="revenue_per_user", kind="mean", column="revenue", covariate="pre_revenue", role="goal")
>>> found = analysis(frame, [metric], control="old")
>>> print(found.verdicts["new"])
ship: revenue_per_user is better, and no goal or guardrail is harmed
>>> found.table.select(pl.col("effect", "low", "high", "variance_left").round(2)).rows()
[(1.1, 0.76, 1.45, 0.2)]
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from intelligence.core.errors import ExperimentError, NotEnoughEvidence
from intelligence.experiments.health import health
from intelligence.experiments.moments import NO_DAY, arms_of_all, check_columns, moments
from intelligence.experiments.results import Look, Results, concluded, read
from intelligence.experiments.sequences import PLANNED_UNITS
from intelligence.experiments.settings import Design, MetricUse
from intelligence.metrics.registry import Metric, metric_named

NAME: Final = "frame"


def analysis(
    frame: pl.DataFrame,
    metrics: Sequence[Metric | str],
    *,
    control: str = "control",
    variant: str = "variant",
    unit: str | None = "user_id",
    shares: Mapping[str, float] | None = None,
    design: Design = "fixed",
    alpha: float = 0.05,
    margins: Mapping[str, float] | None = None,
    smallest_effects: Mapping[str, float] | None = None,
    planned_units: float = PLANNED_UNITS,
    minimum_units: int = 100,
) -> Results:
    """Return what the variants of an experiment changed: problems, effects with intervals, and a verdict for each.

    Health comes first: an experiment with a blocking problem has no effects. A metric without enough evidence has a note and
    no number. Units in more than one variant are counted and left out.

    Args:
        frame: One row per unit, with its variant and the columns of the metrics; null where a unit has no outcome.
        metrics: The metrics, or names of the registry. At least one has the role `goal` or `guardrail` for a verdict.
        control: The variant that the others are compared with.
        variant: Column of the variant.
        unit: Column of the unit; None where each row is another unit.
        shares: Planned share of each variant; None for equal shares of the variants in the frame.
        design: `fixed` for a single look, `always_valid` where one looks again and again. For `group_sequential` the earlier
            looks are needed: use `results`.
        alpha: Chance of finding an effect where there is none, for all goals and variants together.
        margins: Largest relative harm that is accepted, by guardrail; 0 where it is not named.
        smallest_effects: Smallest relative change worth having, by goal.
        planned_units: Units for which always-valid intervals are narrowest; decided before the results are seen.
        minimum_units: Units of a variant with an outcome below which there is no number.

    Raises:
        ExperimentError: A column is missing or of the wrong type, a unit has several rows, a covariate is null for every unit,
            the design needs earlier looks, or names of variants or metrics do not fit.
        NotEnoughEvidence: The frame has no row, or no unit of the control or of another variant.
    """
    known = [metric_named(each) if isinstance(each, str) else each for each in metrics]
    for name, number, least in (("minimum_units", minimum_units, 0), ("planned_units", planned_units, 1)):
        if not least <= number < math.inf:
            raise ExperimentError(name, f"is {number!r}.", hint=f"Give a number from {least}.")
    _check_request(frame, known, variant=variant, unit=unit, design=design)
    units, in_two_arms = _of_one_arm(frame, variant=variant, unit=unit)
    counted = dict(units.group_by(variant).len().sort(variant).iter_rows())
    treatments = _treatments(counted, control=control, shares=shares)
    _check_values(units, known)
    found = moments(units, known, experiment=NAME, variant=variant, exposed_on=NO_DAY)
    planned = shares or dict.fromkeys(counted, 1 / len(counted))
    problems = health(
        found,
        known,
        shares=planned,
        control=control,
        units=counted,
        in_two_arms=in_two_arms,
    )
    look = Look(design, alpha, planned_units=planned_units)
    by_metric = arms_of_all(found)
    goals = max(1, sum(metric.role == "goal" for metric in known) * len(treatments))
    accepted = _changes("margins", margins or {}, known)
    worth = _changes("smallest_effects", smallest_effects or {}, known)
    uses = [_use(metric, accepted, worth) for metric in known]
    readings = {
        treatment: [
            read(
                by_metric.get(metric.name, {}),
                metric,
                use,
                control=control,
                variant=treatment,
                look=look,
                among=goals if metric.role == "goal" else 1,
                minimum_units=minimum_units,
            )
            for metric, use in zip(known, uses, strict=True)
        ]
        for treatment in treatments
    }
    return concluded(readings, problems, look=look)


def _check_request(
    frame: pl.DataFrame, metrics: Sequence[Metric], *, variant: str, unit: str | None, design: Design
) -> None:
    if design == "group_sequential":
        raise ExperimentError(
            "design", "`group_sequential` needs the earlier looks.", hint="Use `fixed` or `always_valid`, or `results`."
        )
    if not metrics:
        raise ExperimentError("metrics", "there are none.", hint="Name at least one metric.")
    names = [metric.name for metric in metrics]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ExperimentError("metrics", f"{', '.join(repeated)} is named more than once.", hint="Name each once.")
    check_columns(frame, metrics, also=(variant, *((unit,) if unit else ())))


def _of_one_arm(frame: pl.DataFrame, *, variant: str, unit: str | None) -> tuple[pl.DataFrame, int]:
    """Return the units of a single variant, and how many others there are."""
    if frame.is_empty():
        raise NotEnoughEvidence(NAME, "has no row.", hint="Wait for exposures.")
    for column in (variant, *((unit,) if unit else ())):
        missing = frame[column].null_count()
        if missing:
            raise ExperimentError(column, f"is null in {missing} rows.", hint="Leave out who was not exposed.")
    text = frame.with_columns(pl.col(variant).cast(pl.String))
    if unit is None:
        return text, 0
    variants = text.group_by(unit).agg(pl.col(variant).n_unique().alias("variants"), pl.len().alias("rows"))
    repeated = variants.filter((pl.col("variants") == 1) & (pl.col("rows") > 1)).height
    if repeated:
        raise ExperimentError(unit, f"{repeated} units have several rows.", hint="Give one row for each unit.")
    crossed = variants.filter(pl.col("variants") > 1).select(unit)
    return text.join(crossed, on=unit, how="anti", maintain_order="left"), crossed.height


def _treatments(counted: Mapping[str, int], *, control: str, shares: Mapping[str, float] | None) -> list[str]:
    if shares is not None and (control not in shares or any(not share > 0 for share in shares.values())):
        raise ExperimentError(
            "shares", f"are {dict(shares)}.", hint=f"Give a share above 0 for `{control}` and each other variant."
        )
    if control not in counted:
        raise NotEnoughEvidence(
            control, f"has no unit; there are units of {', '.join(counted) or 'no variant'}.", hint="Name the control."
        )
    treatments = [name for name in counted if name != control]
    if not treatments:
        raise NotEnoughEvidence(NAME, f"has units of `{control}` alone.", hint="Wait for units of another variant.")
    return treatments


def _check_values(units: pl.DataFrame, metrics: Sequence[Metric]) -> None:
    for metric in metrics:
        for covariate in metric.covariates:
            if units[covariate].null_count() == units.height:
                raise ExperimentError(
                    covariate, "is null for every unit.", hint=f"Leave the covariate of `{metric.name}` out."
                )
        for column in (*metric.columns, *metric.covariates):
            if units.schema[column].is_float() and units[column].is_infinite().any():
                raise ExperimentError(column, "is infinite for some units.", hint="Give numbers, or null.")


def _changes(argument: str, given: Mapping[str, float], metrics: Sequence[Metric]) -> Mapping[str, float]:
    """Return relative changes by metric, after a check that each is one and is of a metric that is asked for."""
    names = [metric.name for metric in metrics]
    for name, change in given.items():
        if name not in names:
            raise ExperimentError(
                argument, f"names `{name}`, which is not asked for.", hint=f"Use some of {', '.join(names)}."
            )
        if isinstance(change, bool) or not isinstance(change, int | float) or not 0 <= change < math.inf:
            raise ExperimentError(
                argument,
                f"has {change!r} for `{name}`.",
                hint="Give a share of the control's value from 0, such as 0.05.",
            )
    return given


def _use(metric: Metric, margins: Mapping[str, float], smallest: Mapping[str, float]) -> MetricUse:
    # The metric need not be one of the registry, which MetricUse asks for in product.yaml.
    return MetricUse.model_construct(
        metric=metric.name, margin=margins.get(metric.name, 0.0), smallest_effect=smallest.get(metric.name, 0.0)
    )
