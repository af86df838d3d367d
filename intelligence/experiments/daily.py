"""Moments of experiments day by day, and which of them are known at the end of a day.

A unit is observed for a fixed number of days since its exposure. Until these are over, its moments are computed again each day;
afterwards they stay. What is known at the end of a day is therefore, for each day of exposure, the newest row up to that day.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import polars as pl

from intelligence.experiments.moments import MOMENTS, moments
from intelligence.experiments.running import Running
from intelligence.experiments.settings import Experiment
from intelligence.metrics.registry import METRICS, Metric

SINCE_EXPOSURE: Final = "since_exposure"
DAY_ALONE: Final = "day"
_APART: Final = ("event_date", "segment")


def daily_moments(values: pl.DataFrame, experiments: Sequence[Running]) -> pl.DataFrame:
    """Return the rows of experiments.experiment_moments.

    Args:
        values: What each unit did, as `unit_values.sql` returns it.
        experiments: The experiments that have units.
    """
    by_experiment = {str(name): rows for (name,), rows in values.group_by("experiment")}
    parts = [
        part
        for each in experiments
        if each.experiment.name in by_experiment
        for part in _of_experiment(by_experiment[each.experiment.name], each.experiment)
    ]
    empty = pl.DataFrame(schema={"event_date": pl.Date, "segment": pl.String, **MOMENTS, "measured_in": pl.String})
    return pl.concat([empty, *parts])


def _of_experiment(values: pl.DataFrame, experiment: Experiment) -> Iterator[pl.DataFrame]:
    by_window = {str(name): rows for (name,), rows in values.group_by("measured_in")}
    metrics = [METRICS[use.metric] for use in experiment.metrics]
    goals = [METRICS[use.metric] for use in experiment.metrics if use.actual_role == "goal"]
    asked: list[tuple[str, str, list[Metric]]] = [
        (SINCE_EXPOSURE, SINCE_EXPOSURE, [metric for metric in metrics if metric.kind != "retention"]),
        (DAY_ALONE, DAY_ALONE, [metric for metric in goals if metric.kind in ("mean", "ratio")]),
        *((metric.name, SINCE_EXPOSURE, [metric]) for metric in metrics if metric.kind == "retention"),
    ]
    for window, name, chosen in asked:
        if window not in by_window or not chosen:
            continue
        rows = by_window[window]
        if chosen[0].kind == "retention":
            rows = rows.with_columns(pl.col("retained").alias(chosen[0].column))
        found = moments(rows, chosen, experiment=experiment.name, apart=_APART)
        yield found.with_columns(measured_in=pl.lit(name))


def known_on(found: pl.DataFrame, day: date, *, measured_in: str = SINCE_EXPOSURE) -> pl.DataFrame:
    """Return the moments that are known at the end of a day: of each day of exposure the newest.

    Args:
        found: Rows of experiments.experiment_moments.
        day: The day.
        measured_in: Which of the windows.
    """
    key = ("experiment", "metric", "exposed_on")
    rows = found.filter((pl.col("event_date") <= day) & (pl.col("measured_in") == measured_in))
    return rows.filter(pl.col("event_date") == pl.col("event_date").max().over(key))
