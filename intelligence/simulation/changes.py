"""What planned drift and faults do to the simulated people, visits and events."""

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

# Users of the new platform for each one whom as many events would bring elsewhere: each of them comes seldom.
_USERS_FOR_ONE: Final = 3
_NEWCOMERS_SEED: Final = 1_000_003


def departed(crowd: People, seed: int, index: int, drift: PlannedDrift) -> Bools:
    """Return who has left by the day `index` because of a label shift, without having come less before."""
    if drift.kind != "label_shift" or index < drift.from_day:
        return np.zeros(len(crowd.left), dtype=np.bool_)
    patience = -np.log1p(-generator(seed, "drift departure").random(len(crowd.left)))
    hazard = DAILY_CHURN * (drift.size - 1)
    gone: Bools = index - np.maximum(crowd.signed_up, drift.from_day) >= 1 + np.floor(patience / hazard)
    return gone


def newcomers_plan(plan: SimulationPlan) -> SimulationPlan | None:
    """Return the plan of the new platform's own stream, whose first day is the one on which it comes; None without one."""
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
    """Return the users of the new platform who have signed up by the end of a cycle."""
    return people(events_per_day * _USERS_FOR_ONE, seed, cycle)


def faulty(events: pl.DataFrame, fault: PlannedFault, yesterday: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """Return the events of a day as the fault delivers them; `yesterday` gives those of the day before, as they were."""
    if fault.kind == "lost_hours":
        return events.filter(~lost_hours())
    if fault.kind in CHANGES:
        return CHANGES[fault.kind](events, yesterday() if fault.kind == "replayed" else events)
    latency = pl.lit(None, dtype=pl.Float64)
    if fault.kind == "flat_line":
        latency = pl.when(pl.col("latency_ms").is_not_null()).then(pl.lit(FLAT_LATENCY_MS))
    return events.with_columns(latency_ms=latency)


def lost_hours() -> pl.Expr:
    """Return whether an event lies in the hours that a fault loses."""
    return pl.col("event_time").dt.hour().is_between(*FAULT_HOURS, closed="left")
