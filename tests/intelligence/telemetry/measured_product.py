"""A small sound product, day by day, with a last day that a test may change; read as the lake would give it."""

from collections.abc import Callable
from datetime import date, timedelta

import duckdb
import polars as pl

from intelligence.core.tables import Days
from intelligence.simulation.stream import SimulationPlan, simulated_day
from intelligence.telemetry.measured import DayMeasured, measured_from

PLAN = SimulationPlan(features=12, events_per_day=3_000, seed=9, planted=False)
SOUND_DAYS = 21
LAST = PLAN.first_day + timedelta(days=SOUND_DAYS + 3)

Change = Callable[[pl.DataFrame], pl.DataFrame]


def measured(events: pl.DataFrame) -> dict[date, DayMeasured]:
    """Return what the queries measure of these events."""
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    connection.execute("CREATE SCHEMA telemetry")
    source = pl.lit("app") if "source" not in events.columns else pl.col("source")
    rows = events.with_columns(event_date=pl.col("event_time").dt.date(), source=source)
    connection.register("rows", rows)
    connection.execute("CREATE VIEW telemetry.events AS FROM rows")
    span = Days(date(2020, 1, 1), date(2040, 1, 1))
    return measured_from(
        lambda query, parameters=None: connection.execute(query, parameters).pl(),
        span,
        conversions=("complete", "subscribe"),
    )


def used_again(events: pl.DataFrame, time: int) -> pl.DataFrame:
    """Return the events as they are when the same people come another time on the same day."""
    return events.with_columns(
        *(pl.format(f"{{}}-{time}", name).alias(name) for name in ("event_id", "session_id")),
        *(pl.col(name) * (1 + 0.013 * time) for name in ("latency_ms", "duration_s")),
        event_time=pl.col("event_time") + timedelta(seconds=611 * time),
    ).filter(pl.col("event_time").dt.date() == events["event_time"].dt.date().min())


def day(number: int) -> pl.DataFrame:
    """Return the events of a sound day, counted back from the last."""
    return simulated_day(PLAN, LAST - timedelta(days=number))


def sound_days() -> dict[date, DayMeasured]:
    """Return what was measured on the days before the last."""
    return measured(pl.concat([day(number) for number in range(SOUND_DAYS, 0, -1)]))
