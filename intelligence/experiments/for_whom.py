"""For whom the variants of an experiment work: the outcome of each unit, what was known of it before, and who fares best."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import polars as pl

from intelligence.core.errors import ExperimentError, NotEnoughEvidence
from intelligence.experiments.settings import Experiment
from intelligence.experiments.uplift import Estimate, Uplift, uplift
from intelligence.metrics.registry import Metric, metric_named

OUTCOME: Final = "outcome"
# What was known of a unit before its exposure; of a feature only where the experiment is on one.
COVARIATES: Final = (
    "segment",
    "platform",
    "days_since_first_seen",
    "pre_active_days",
    "pre_events",
    "pre_sessions",
    "pre_errors",
    "pre_converted_days",
    "pre_value",
)
FEATURE_COVARIATES: Final = ("pre_feature_events", "pre_feature_conversions")
# Those who are described: the units with the largest predicted effects.
FIRST_SHARE: Final = 0.3
MOST_LEVELS: Final = 8
TABLE: Final = {
    "share": pl.Float64,
    "units": pl.Int64,
    "effect": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "rest": pl.Float64,
    "rest_low": pl.Float64,
    "rest_high": pl.Float64,
}
PROFILE: Final = {"covariate": pl.String, "level": pl.String, "first": pl.Float64, "rest": pl.Float64}


@dataclass(frozen=True, slots=True, eq=False)
class ForWhom:
    """For whom a variant works.

    Attributes:
        experiment: The experiment.
        variant: The variant.
        control: The variant that it is compared with.
        metric: The metric whose change is looked at, in its own unit and direction.
        day: The last day that is known.
        units: Units of both variants with an outcome; 0 where nothing could be computed.
        average: Effect on all units; None where nothing could be computed.
        p: p-value of no differing effect; None likewise.
        refused: Why there is no number for any group, in a sentence; empty where there are.
        is_evidence: Whether it is refused for want of evidence, and not because the experiment is broken.
        table: One row per share of the units, those with the best predicted effect first: the `effect` on them and on the `rest`,
            with 95 % intervals. No row where it is refused.
        qini: What the order gains over a random one; None where it is refused.
        random: Where 95 % of random orders lie; None where nothing could be computed.
        profile: Who the first 30 % are, beside the rest: shares of levels and means of numbers, known before the exposure.
    """

    experiment: str
    variant: str
    control: str
    metric: Metric
    day: date
    units: int
    average: Estimate | None
    p: float | None
    refused: str
    is_evidence: bool
    table: pl.DataFrame
    qini: Estimate | None
    random: Estimate | None
    profile: pl.DataFrame


def goal_of(experiment: Experiment, metric: str | None) -> Metric:
    """Return the metric that is looked at: the one that is asked for, or the first goal of the experiment.

    Args:
        experiment: The experiment.
        metric: Name of a metric of the registry; None for the first goal.

    Raises:
        ExperimentError: There is no such metric, it is a quantile, or it is of a feature and the experiment is on none.
    """
    goals = [use.metric for use in experiment.metrics if use.actual_role == "goal"]
    found = metric_named(metric or goals[0])
    if found.kind == "quantile":
        raise ExperimentError(found.name, "is a quantile, which no single unit has.", hint="Ask for another metric.")
    if found.column.startswith("feature_") and not experiment.feature:
        raise ExperimentError(
            found.name, f"is of a feature, and {experiment.name} is on none.", hint="Ask for another metric."
        )
    return found


def with_outcome(values: pl.DataFrame, metric: Metric, *, control: str) -> pl.DataFrame:
    """Return the rows with the column `outcome`, of which more is wanted.

    The outcome of a ratio is linear in numerator and denominator around the ratio of the control, so that its mean changes as the
    ratio does (Budylin et al. 2018).

    Args:
        values: One row per unit, as `unit_outcomes.sql` returns it.
        metric: The metric.
        control: The variant that the others are compared with.

    Raises:
        NotEnoughEvidence: Nobody of the control has a value of a ratio.

    >>> from intelligence.metrics.registry import metric_named
    >>> rows = pl.DataFrame({"variant": ["a", "a", "b"], "ratings": [1.0, 3.0, 2.0], "rating_sum": [4.0, 8.0, 8.0]})
    >>> with_outcome(rows, metric_named("mean_rating"), control="a")["outcome"].to_list()
    [3.5, 2.5, 4.0]
    """
    if metric.kind == "retention":
        outcome = pl.col("retained")
    elif metric.denominator:
        mine = values.filter(pl.col("variant") == control)
        over = float(mine[metric.denominator].sum() or 0.0)
        if over <= 0:
            raise NotEnoughEvidence(
                metric.name, f"nobody of `{control}` has a value.", hint="Wait for units, or ask for another metric."
            )
        ratio, mean = float(mine[metric.column].sum()) / over, over / mine.height
        outcome = ratio + (pl.col(metric.column) - ratio * pl.col(metric.denominator)) / mean
    else:
        outcome = pl.col(metric.column)
    return values.with_columns((outcome * metric.sign).alias(OUTCOME))


def for_whom(
    values: pl.DataFrame, experiment: Experiment, metric: Metric, *, day: date, problems: Sequence[str] = ()
) -> tuple[ForWhom, ...]:
    """Return for each variant for whom it works, or why that is not known.

    Args:
        values: One row per unit, as `unit_outcomes.sql` returns it.
        experiment: The experiment.
        metric: The metric whose change is looked at.
        day: The last day that is known.
        problems: What is wrong with the experiment so that its results are blocked; nothing is computed then.
    """
    covariates = (*COVARIATES, *(FEATURE_COVARIATES if experiment.feature else ()))
    found = []
    for variant in experiment.treatments:
        try:
            if problems:
                raise _blocked(experiment, problems)
            rows = with_outcome(values, metric, control=experiment.control)
            shown = uplift(
                rows,
                OUTCOME,
                covariates,
                treatment=variant,
                control=experiment.control,
                shares=experiment.variants,
            )
        except (ExperimentError, NotEnoughEvidence) as error:
            found.append(_unknown(experiment, variant, metric, day, error))
            continue
        found.append(_known(experiment, variant, metric, day, shown, rows, covariates))
    return tuple(found)


def _blocked(experiment: Experiment, problems: Sequence[str]) -> ExperimentError:
    return ExperimentError(experiment.name, f"{problems[0]}.", hint="Its results are blocked until that is explained.")


def _unknown(
    experiment: Experiment, variant: str, metric: Metric, day: date, why: ExperimentError | NotEnoughEvidence
) -> ForWhom:
    return ForWhom(
        experiment=experiment.name,
        variant=variant,
        control=experiment.control,
        metric=metric,
        day=day,
        units=0,
        average=None,
        p=None,
        refused=f"{why.culprit}: {why.problem} {why.hint}",
        is_evidence=isinstance(why, NotEnoughEvidence),
        table=pl.DataFrame(schema=TABLE),
        qini=None,
        random=None,
        profile=pl.DataFrame(schema=PROFILE),
    )


def _known(
    experiment: Experiment,
    variant: str,
    metric: Metric,
    day: date,
    found: Uplift,
    rows: pl.DataFrame,
    covariates: Sequence[str],
) -> ForWhom:
    return ForWhom(
        experiment=experiment.name,
        variant=variant,
        control=experiment.control,
        metric=metric,
        day=day,
        units=found.units,
        average=_turned(found.average, metric),
        p=found.p,
        refused=f"{found.refused} (p = {found.p:.2g}; it takes many more units than the average effect does)."
        if found.refused
        else "",
        is_evidence=True,
        table=_turned_table(found.table, metric),
        qini=found.qini,
        random=found.random,
        profile=pl.DataFrame(schema=PROFILE) if found.refused else profile(rows, found.scores, covariates),
    )


def profile(rows: pl.DataFrame, scores: pl.DataFrame, covariates: Sequence[str]) -> pl.DataFrame:
    """Return who the units with the best predicted effects are, beside the rest, those differences first that are largest.

    Args:
        rows: One row per unit with its covariates.
        scores: `user_id` and `place` of each unit.
        covariates: Columns of text or numbers.
    """
    both = rows.join(scores.select("user_id", "place"), on="user_id")
    is_first = pl.col("place") <= FIRST_SHARE
    told = list[dict[str, Any]]()
    for name in covariates:
        if both[name].dtype == pl.String:
            for level in both[name].value_counts(sort=True)[name].head(MOST_LEVELS):
                first, rest = (
                    both.filter(each).select((pl.col(name) == level).mean()).item() for each in (is_first, ~is_first)
                )
                told.append({"covariate": name, "level": level, "first": first, "rest": rest, "spread": 0.5})
            continue
        first, rest = (both.filter(each)[name].cast(pl.Float64).mean() for each in (is_first, ~is_first))
        spread = both[name].cast(pl.Float64).std()
        told.append({"covariate": name, "level": None, "first": first, "rest": rest, "spread": spread})
    schema = {**PROFILE, "spread": pl.Float64}
    ordered = pl.DataFrame(told, schema=schema).filter(pl.col("spread") > 0)
    apart = (pl.col("first") - pl.col("rest")) / pl.col("spread")
    # Of two levels, of which one is as much more often there as the other is less, the one that is there stands first.
    return ordered.sort(apart.abs().round(9), apart, descending=True, maintain_order=True).drop("spread")


def _turned(found: Estimate, metric: Metric) -> Estimate:
    """Return an estimate in the unit and direction of the metric, of which less may be wanted."""
    if metric.sign > 0:
        return found
    return Estimate(-found.value, -found.high, -found.low)


def _turned_table(table: pl.DataFrame, metric: Metric) -> pl.DataFrame:
    if metric.sign > 0 or table.is_empty():
        return table
    return table.with_columns(
        effect=-pl.col("effect"),
        low=-pl.col("high"),
        high=-pl.col("low"),
        rest=-pl.col("rest"),
        rest_low=-pl.col("rest_high"),
        rest_high=-pl.col("rest_low"),
    )
