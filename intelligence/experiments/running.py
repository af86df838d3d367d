"""Which experiments there are on a day: those that product.yaml declares, and those that are found in the telemetry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from intelligence.core.errors import NotEnoughEvidence
from intelligence.experiments.settings import Experiment, undeclared_experiment
from intelligence.metrics.registry import LONGEST_DAYS, RETENTIONS

# Experiments that nobody declared are analysed up to this number, those with most units first.
MOST_UNDECLARED: Final = 50


@dataclass(frozen=True, slots=True)
class Running:
    """An experiment that has units.

    Attributes:
        experiment: Its declaration, or the defaults.
        is_declared: Whether product.yaml declares it.
        starts_on: First day: the declared one, or that of the first exposure.
        last_seen: Last day with a first exposure.
        ends_on: Last day on which results are computed: the planned one, or the last on which a known unit is observed.
    """

    experiment: Experiment
    is_declared: bool
    starts_on: date
    last_seen: date
    ends_on: date


def running(seen: pl.DataFrame, declared: Sequence[Experiment]) -> tuple[Running, ...]:
    """Return the experiments that have units, declared ones first.

    An undeclared experiment with one variant, or with more than anybody compares, is left out: it has no result.

    Args:
        seen: What `seen.sql` returns: one row per day, experiment and variant with the units first exposed on it.
        declared: The experiments of product.yaml.
    """
    known = {each.name: each for each in declared}
    found = []
    by_size = seen.group_by("experiment").agg(
        pl.col("variant").unique().sort(),
        pl.col("units").sum(),
        pl.col("event_date").min().alias("first_day"),
        pl.col("event_date").max().alias("last_day"),
        pl.col("first_feature").min().alias("feature"),
        (pl.col("first_feature").min() == pl.col("last_feature").max()).alias("is_of_one_feature"),
        pl.col("of_answers").any(),
    )
    undeclared = 0
    for row in by_size.sort("units", "experiment", descending=[True, False]).iter_rows(named=True):
        feature = row["feature"] if row["is_of_one_feature"] else None
        experiment = known.get(row["experiment"])
        if experiment is not None:
            experiment = experiment if experiment.feature else experiment.model_copy(update={"feature": feature})
            found.append(_running(experiment, row, is_declared=True))
            continue
        undeclared += 1
        if undeclared > MOST_UNDECLARED:
            continue
        try:
            experiment = undeclared_experiment(
                row["experiment"], row["variant"], feature=feature, of_answers=row["of_answers"]
            )
        except NotEnoughEvidence:
            continue
        found.append(_running(experiment, row, is_declared=False))
    return tuple(sorted(found, key=lambda each: (not each.is_declared, each.experiment.name)))


def _running(experiment: Experiment, row: Mapping[str, Any], *, is_declared: bool) -> Running:
    last = row["last_day"] + timedelta(days=experiment.outcome_days - 1)
    starts_on = experiment.start or row["first_day"]
    return Running(experiment, is_declared, starts_on, row["last_day"], experiment.horizon or last)


def parameters(experiments: Sequence[Running]) -> Mapping[str, Any]:
    """Return the parameters of `unit_values.sql` for these experiments.

    Args:
        experiments: The experiments that have units.
    """
    return {
        "experiments": [each.experiment.name for each in experiments],
        "features": [each.experiment.feature for each in experiments],
        "outcome_days": [each.experiment.outcome_days for each in experiments],
        "first_days": [each.starts_on for each in experiments],
        "last_days": [each.ends_on for each in experiments],
        "retentions": [metric.name for metric in RETENTIONS],
        "after_days": [metric.after_days for metric in RETENTIONS],
        "window_days": [metric.window_days for metric in RETENTIONS],
        "longest": LONGEST_DAYS,
    }
