"""Plans from a product's own history: its past users, their values in a window as long as the plan and in the time before it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final, get_args

import polars as pl

from intelligence.core.errors import ExperimentError, NotEnoughEvidence
from intelligence.core.tables import Days
from intelligence.experiments.moments import NO_DAY, arms, moments
from intelligence.experiments.plan import Plan, plans
from intelligence.experiments.settings import Design
from intelligence.metrics.registry import ANSWER_VALUES, FEATURE_VALUES, Metric, metric_named

SHOWN_DAYS: Final = (7, 14, 28)
MOST_DAYS: Final = 365
PAST: Final = "past"


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be planned.

    Attributes:
        metric: The metric that decides.
        feature: The feature that the experiment is on; None for the whole product.
        relative: Effect that is to be found, as a share of the metric's value in the window.
        share: Share of the units that get the variant, in (0, 1).
        days: Length of the experiment in days.
    """

    metric: Metric
    feature: str | None
    relative: float
    share: float
    days: int

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the parameters of `history_values.sql`, but for the window and the conversion events."""
        return {
            "feature": self.feature,
            "days": self.days,
            "after_days": self.metric.after_days or 0,
            "window_days": self.metric.window_days,
        }

    def window(self, first: date, last: date) -> Days:
        """Return the newest days that are as many as the plan's and on which the metric is known.

        Args:
            first: First day of the history.
            last: Last day of the history.

        Raises:
            NotEnoughEvidence: The history is shorter.
        """
        end = last + timedelta(days=1 - self.metric.matures_after_days)
        start = end - timedelta(days=self.days)
        if start < first:
            needed, known = self.days + self.metric.matures_after_days, (last - first).days + 1
            raise NotEnoughEvidence(
                "history",
                f"{known} days are known, and {self.metric.name} over {self.days} days needs {needed}.",
                hint="Plan for fewer days, or wait.",
            )
        return Days(start, end)


@dataclass(frozen=True, slots=True)
class Planned:
    """Plans of every design.

    Attributes:
        question: What was planned.
        window: The days of the past whose users stand for the experiment's units.
        value: Value of the metric in the window.
        units: Users active in the window.
        units_per_day: Those first active in the window, per day of it.
        plans: Plans by design, without and with a covariate.
        no_covariate: Why there is no plan with a covariate; empty where there is.
    """

    question: Question
    window: Days
    value: float
    units: int
    units_per_day: float
    plans: Mapping[Design, tuple[Plan, ...]]
    no_covariate: str


def question(name: str, *, feature: str | None, relative: float, share: float, days: int) -> Question:
    """Return what is to be planned.

    Args:
        name: Name of the metric.
        feature: The feature that the experiment is on; None for the whole product.
        relative: Effect that is to be found, as a share of the metric's value.
        share: Share of the units that get the variant, in (0, 1).
        days: Length of the experiment in days.

    Raises:
        ExperimentError: There is no such metric, it is a quantile, it is of a feature and none is given, or there are too few or too
            many days.
    """
    metric = metric_named(name)
    if metric.kind == "quantile":
        raise ExperimentError(name, "is a quantile, which has no moments.", hint="Plan with another metric.")
    if not feature and metric.column in {**FEATURE_VALUES, **ANSWER_VALUES}:
        raise ExperimentError(name, "is measured on one feature.", hint="Name it with --feature.")
    if not 1 <= days <= MOST_DAYS:
        raise ExperimentError("days", f"are {days}.", hint=f"Plan for 1 to {MOST_DAYS} days.")
    return Question(metric, feature or None, relative, share, days)


def planned(values: pl.DataFrame, asked: Question, window: Days, *, first: date) -> Planned:
    """Return the plans of every design from what past users did.

    Args:
        values: One row per user, as `history_values.sql` returns it.
        asked: What is to be planned.
        window: The days of the past that it was read for.
        first: First day of the history. Where it lies within the time before the window, no covariate is used, since it would
            reduce the variance less than it will.

    Raises:
        ExperimentError: A number is out of range, or the metric has no value above 0.
        NotEnoughEvidence: Nobody was active in the window, too few were, or all have the same value.
    """
    if values.is_empty():
        raise NotEnoughEvidence(
            asked.feature or "history",
            f"nobody used it from {window.start} to {window.end - timedelta(days=1)}.",
            hint="Name a feature that is in use; `intelligence ingest` takes in newer days.",
        )
    metric, no_covariate = asked.metric, ""
    if not metric.covariates:
        no_covariate = f"{metric.name} has no value before the exposure."
    elif first > window.start - timedelta(days=asked.days):
        metric = replace(metric, covariate=None, denominator_covariate=None)
        no_covariate = (
            f"The history begins on {first}; {2 * asked.days} days are needed for values before the exposure."
        )
    named = values.with_columns(variant=pl.lit(PAST))
    if metric.kind == "retention":
        named = named.with_columns(pl.col("retained").alias(metric.column))
    arm = arms(moments(named, [metric], experiment=PAST, exposed_on=NO_DAY), metric)[PAST]
    units_per_day = values.height / asked.days
    shown = sorted({*(each for each in SHOWN_DAYS if each < asked.days), asked.days})
    found = {
        design: plans(
            arm,
            metric,
            relative=asked.relative,
            units_per_day=units_per_day,
            share=asked.share,
            design=design,
            looks=asked.days,
            days=shown,
        )
        for design in get_args(Design)
    }
    plan = found["fixed"][0]
    if not no_covariate and len(found["fixed"]) == 1:
        no_covariate = "The values before the exposure do not vary."
    return Planned(asked, window, plan.effect / plan.relative, values.height, units_per_day, found, no_covariate)
