"""The effects of planned drift and faults on the simulated people, visits and events."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np
import polars as pl

from intelligence.simulation.draws import Bools, generator
from intelligence.simulation.faults import CHANGES, FLAT_LATENCY_MS
from intelligence.simulation.people import DAILY_CHURN, People, people
from intelligence.simulation.plan import SimulationPlan
from intelligence.simulation.planned_changes import PlannedDrift, PlannedFault
from intelligence.simulation.planted_truths import FAULT_HOURS

NEW_PLATFORM: Final = "tv"

# Users of the new platform per user that the same number of events has elsewhere: each of them visits rarely.
_USERS_FOR_ONE: Final = 3
_NEWCOMERS_SEED: Final = 1_000_003


def departed(crowd: People, seed: int, index: int, drift: PlannedDrift) -> Bools:
    """Return which users have left because of a label shift, one element per user; they show no sign of it before.

    Args:
        crowd: The users.
        seed: Seed of the plan.
        index: The day, counted from 0 on the plan's first day.
        drift: The planned drift; another kind than `label_shift` makes no user leave.
    """
    if drift.kind != "label_shift" or index < drift.from_day:
        return np.zeros(len(crowd.left), dtype=np.bool_)
    patience = -np.log1p(-generator(seed, "drift departure").random(len(crowd.left)))
    hazard = DAILY_CHURN * (drift.size - 1)
    gone: Bools = index - np.maximum(crowd.signed_up, drift.from_day) >= 1 + np.floor(patience / hazard)
    return gone


def newcomers_plan(plan: SimulationPlan) -> SimulationPlan | None:
    """Return the plan of the new platform's own stream, which begins on the day of the drift; None without one."""
    drift = plan.drift
    if drift is None or drift.kind != "new_platform":
        return None
    return replace(
        plan,
        days=max(1, plan.days - drift.from_day),
        events_per_day=max(1, round(plan.events_per_day * (drift.size - 1))),
        seed=plan.seed + _NEWCOMERS_SEED,
        first_day=plan.date_of(drift.from_day),
        drift=None,
        fault=None,
    )


@lru_cache(maxsize=4)
def newcomers(events_per_day: int, seed: int, cycle: int) -> People:
    """Return the users of the new platform who have signed up by the end of a cycle.

    Args:
        events_per_day: Mean number of events of the new platform on a day.
        seed: Seed of the new platform's own plan.
        cycle: Number of the cycle, counted from 0.
    """
    return people(events_per_day * _USERS_FOR_ONE, seed, cycle)


def faulty(events: pl.DataFrame, fault: PlannedFault, yesterday: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """Return the events of a day as the faulty pipeline delivers them.

    Args:
        events: The sound events of the day, one row each, with the columns of EVENT_SCHEMA.
        fault: The planned fault.
        yesterday: Returns the sound events of the day before; called only where the fault needs them.
    """
    if fault.kind == "lost_hours":
        return events.filter(~lost_hours())
    if fault.kind in CHANGES:
        return CHANGES[fault.kind](events, yesterday() if fault.kind == "replayed" else events)
    latency = pl.lit(None, dtype=pl.Float64)
    if fault.kind == "flat_line":
        latency = pl.when(pl.col("latency_ms").is_not_null()).then(pl.lit(FLAT_LATENCY_MS))
    return events.with_columns(latency_ms=latency)


def lost_hours() -> pl.Expr:
    """Return an expression that is true for events in the hours that a fault loses."""
    return pl.col("event_time").dt.hour().is_between(*FAULT_HOURS, closed="left")
