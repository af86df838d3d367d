"""A simulated quarter with trouble and one without."""

import polars as pl
import pytest

from intelligence.simulation.stream import (
    Simulation,
    SimulationPlan,
    simulated_day,
    simulation,
)
from tests.intelligence.simulation.simulated_quarters import FAILED, ON_DAY, PLAN, TESTED


@pytest.fixture(scope="session")
def quarter() -> Simulation:
    return simulation(PLAN)


@pytest.fixture(scope="session")
def clean_quarter() -> Simulation:
    return simulation(SimulationPlan(features=40, events_per_day=8_000, planted=False))


@pytest.fixture(scope="session")
def tested_quarter() -> pl.DataFrame:
    """Return the events of a quarter with enough users per feature to measure what experiments and adoption do."""
    names = [
        "event_id",
        "user_id",
        "session_id",
        "feature",
        "event_type",
        "error_count",
        "crashed",
        "experiment",
        "variant",
    ]
    days = [simulated_day(TESTED, TESTED.date_of(index)) for index in range(TESTED.days)]
    return pl.concat(each.select(ON_DAY.alias("day"), "segment", "duration_s", *names) for each in days)


@pytest.fixture(scope="session")
def feature_days(quarter: Simulation) -> pl.DataFrame:
    return quarter.events.group_by("feature", ON_DAY.alias("day")).agg(
        pl.len().alias("events"),
        FAILED.sum().alias("failed"),
        pl.col("crashed").sum().alias("crashes"),
        pl.col("error_count").sum().alias("errors"),
        pl.col("latency_ms").quantile(0.99).alias("p99_latency_ms"),
        pl.col("latency_ms").median().alias("median_latency_ms"),
        pl.col("rating").sum().alias("stars"),
        pl.col("rating").count().alias("ratings"),
    )
