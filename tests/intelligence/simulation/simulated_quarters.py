"""Quarters that the simulator tests look at, and how they look."""

from datetime import date, timedelta

import polars as pl

from intelligence.simulation.stream import (
    PlantedTruth,
    SimulationPlan,
)

PLAN = SimulationPlan(features=40, events_per_day=16_000)
TESTED = SimulationPlan(features=24, events_per_day=30_000)
SMALL = SimulationPlan(features=12, days=30, events_per_day=600)
DAY = timedelta(days=1)
FAILED = pl.col("error_count") > 0
ON_DAY = pl.col("event_time").dt.date()


def number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def of_kind(truths: tuple[PlantedTruth, ...], kind: str) -> list[PlantedTruth]:
    return [truth for truth in truths if truth.kind == kind]


def between(first: date, last: date) -> pl.Expr:
    return pl.col("day").is_between(first, last)


def ratio(rows: pl.DataFrame, numerator: str, denominator: str) -> float:
    return number(rows[numerator].sum()) / number(rows[denominator].sum())
