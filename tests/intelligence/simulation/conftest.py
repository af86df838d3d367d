"""A simulated quarter with trouble and one without."""

import polars as pl
import pytest

from intelligence.simulation.stream import (
    Simulation,
    SimulationPlan,
    simulation,
)
from tests.intelligence.simulation.simulated_quarters import FAILED, ON_DAY, PLAN


@pytest.fixture(scope="session")
def quarter() -> Simulation:
    return simulation(PLAN)


@pytest.fixture(scope="session")
def clean_quarter() -> Simulation:
    return simulation(SimulationPlan(features=40, events_per_day=8_000, planted=False))


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
