"""A seeded simulator of a learning product's event stream, with the truths planted in it.

Public API: everything in `__all__`. Each day is simulated independently, in any order, and is always the same byte for
byte, whatever the plan's length. What is planted changes only the events that it concerns: the same plan with
`planted=False` has the same users, sessions, times and features. So has the same plan without its drift or fault: users
who leave because of a drift are removed from the stream, those of a new platform are added, and all others stay the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from intelligence.core.truths import PlantedTruth
from intelligence.simulation.changes import (
    NEW_PLATFORM,
    departed,
    faulty,
    lost_hours,
    newcomers,
    newcomers_plan,
)
from intelligence.simulation.outcomes import Events, labels, outcomes
from intelligence.simulation.people import REGIONS, SEGMENTS, People, people, release_slots
from intelligence.simulation.plan import DAYS_PER_CYCLE, SimulationPlan, SimulationPlanError
from intelligence.simulation.planted_effects import RELEASES_IN_USE, Condition, condition, versions_in_use
from intelligence.simulation.planted_truths import Experiment, Script, planted_truths, script
from intelligence.simulation.product import PLATFORMS, Catalogue, catalogue, simulated_feature_names
from intelligence.simulation.visits import HOUR_US, VARIANTS, Visits, touched_features, variants, visits

__all__ = [
    "EVENT_SCHEMA",
    "PlantedTruth",
    "Simulation",
    "SimulationPlan",
    "SimulationPlanError",
    "planted_truths",
    "simulated_day",
    "simulated_feature_names",
    "simulation",
]

EVENT_SCHEMA: Final = pl.Schema(
    {
        "event_id": pl.String(),
        "event_time": pl.Datetime("us"),
        "user_id": pl.String(),
        "session_id": pl.String(),
        "feature": pl.String(),
        "event_type": pl.String(),
        "latency_ms": pl.Float64(),
        "error_count": pl.Int64(),
        "crashed": pl.Boolean(),
        "rating": pl.Float64(),
        "duration_s": pl.Float64(),
        "value": pl.Float64(),
        "platform": pl.String(),
        "app_version": pl.String(),
        "region": pl.String(),
        "segment": pl.String(),
        "experiment": pl.String(),
        "variant": pl.String(),
        "properties": pl.String(),
    }
)


@dataclass(frozen=True, slots=True)
class Simulation:
    """The events of all days of a plan, the truths planted in them and the features on which nothing was planted."""

    events: pl.DataFrame
    truths: tuple[PlantedTruth, ...]
    clean_features: tuple[str, ...]


def _numbered(prefix: str, count: int, digits: int) -> pl.Series:
    number = pl.int_range(count).cast(pl.String).str.zfill(digits)
    return pl.select(pl.lit(prefix) + number).to_series()


def _identities(day: date, visited: Visits, crowd: People, mark: str) -> dict[str, pl.Series]:
    midnight_us = (day - date(1970, 1, 1)).days * 24 * HOUR_US
    sessions = int(visited.session.max(initial=-1)) + 1
    session_ids = _numbered(f"s{day:%Y%m%d}-{mark}", sessions, 6)
    user_ids = _numbered(f"u{mark}", len(crowd.segment), 6)
    return {
        "event_id": _numbered(f"{day:%Y%m%d}-{mark}", len(visited.user), 7),
        "event_time": pl.Series(midnight_us + visited.since_midnight_us).cast(pl.Datetime("us")),
        "user_id": user_ids.gather(pl.Series(visited.user.astype(np.uint32))),
        "session_id": session_ids.gather(pl.Series(visited.session.astype(np.uint32))),
    }


def _circumstances(
    events: Events, features: tuple[str, ...], versions: tuple[str, ...], crowd: People, test: Experiment | None
) -> dict[str, pl.Series]:
    running = None if test is None else test.name
    return {
        "feature": labels(features, events.feature),
        "platform": labels(PLATFORMS, events.platform),
        "app_version": labels(versions, events.release),
        "region": labels(REGIONS, crowd.region[events.user].astype(np.int64)),
        "segment": labels(SEGMENTS, crowd.segment[events.user].astype(np.int64)),
        "experiment": labels((running, running, None), events.variant),
        "variant": labels(VARIANTS, events.variant),
    }


@dataclass(frozen=True, slots=True)
class _Today:
    """One day of a product, independent of its visitors."""

    plan: SimulationPlan
    day: date

    @property
    def index(self) -> int:
        return (self.day - self.plan.first_day).days

    @property
    def scripts(self) -> tuple[Script, ...]:
        plan, cycle = self.plan, self.index // DAYS_PER_CYCLE
        return tuple(script(plan.features, plan.seed, plan.planted, c) for c in range(max(0, cycle - 1), cycle + 1))

    def test(self) -> Experiment | None:
        return next((test for test in self.scripts[-1].experiments if test.first <= self.index <= test.last), None)

    def events(self, plan: SimulationPlan, crowd: People, visited: Visits, mark: str = "") -> pl.DataFrame:
        """Return the events of these visits; `plan` is the plan of these users, who have random draws of their own."""
        product, test, index, seed = self._product, self.test(), self.index, self.plan.seed
        user, platform = visited.user, crowd.platform[visited.user].astype(np.int64)
        segment = crowd.segment[user].astype(np.int64)
        events = Events(
            seed=plan.seed,
            index=index,
            user=user,
            feature=touched_features(plan, product, segment, index),
            platform=platform,
            release=platform * RELEASES_IN_USE + release_slots(crowd, seed, index)[user],
            variant=variants(plan, test, len(crowd.segment))[user],
        )
        columns = {
            **_identities(self.day, visited, crowd, mark),
            **_circumstances(events, product.names, versions_in_use(self.scripts, seed, index), crowd, test),
            **outcomes(events, product, crowd, test, self._condition),
        }
        return pl.DataFrame(columns).select(EVENT_SCHEMA.names())

    @property
    def _product(self) -> Catalogue:
        return catalogue(self.plan.features, self.plan.seed)

    @property
    def _condition(self) -> Condition:
        found = condition(self._product, self.scripts[-1], self.plan.seed, self.index)
        drift = self.plan.drift
        slower = drift.latency_multiplier(self.index) if drift else 1.0
        return found if slower == 1.0 else replace(found, latency_multiplier=found.latency_multiplier * slower)


def simulated_day(plan: SimulationPlan, day: date) -> pl.DataFrame:
    """Return the events of one UTC day, sorted by time, with the columns of `EVENT_SCHEMA`.

    Latencies are in ms, durations in s, `value` is the revenue of a `subscribe`. A failed event has an `error_count`
    above 0; every crashed event failed. Numbers missing from `event_id` were lost by a pipeline fault, or belong to users
    who left because of a drift.

    Args:
        plan: The plan of the simulation; its number of days has no influence.
        day: The day in UTC, which may be after the plan's last day.

    Raises:
        SimulationPlanError: The day is before the plan's first day.

    >>> plan = SimulationPlan(features=8, events_per_day=100)
    >>> simulated_day(plan, date(2026, 5, 5)).schema == EVENT_SCHEMA
    True
    >>> simulated_day(plan, date(2026, 5, 3))
    Traceback (most recent call last):
    intelligence.simulation.plan.SimulationPlanError: day: 2026-05-03 is too early. Begin with 2026-05-04.
    """
    index = (day - plan.first_day).days
    if index < 0:
        raise SimulationPlanError("day", f"{day} is too early.", hint=f"Begin with {plan.first_day}.")
    today, cycle = _Today(plan, day), index // DAYS_PER_CYCLE
    crowd = people(plan.events_per_day, plan.seed, cycle)
    visited = visits(plan, crowd, index)
    whole = today.events(plan, crowd, visited)
    if plan.drift:
        gone = departed(crowd, plan.seed, index, plan.drift)[visited.user]
        whole = pl.concat([whole.filter(~pl.Series(gone)), *_newcomers_events(today)]).sort(
            "event_time", maintain_order=True
        )
    if index in today.scripts[-1].fault_days:
        whole = whole.filter(~lost_hours())
    if plan.fault is None or not plan.fault.touches(index):
        return whole
    return faulty(whole, plan.fault, lambda: _as_it_was(plan, index - 1))


def _as_it_was(plan: SimulationPlan, index: int) -> pl.DataFrame:
    """Return the events of the day `index` without the fault; no events before the first day."""
    empty = pl.DataFrame(schema=EVENT_SCHEMA)
    return simulated_day(replace(plan, fault=None), plan.date_of(index)) if index >= 0 else empty


def _newcomers_events(today: _Today) -> Iterator[pl.DataFrame]:
    theirs = newcomers_plan(today.plan)
    if theirs is None or today.day < theirs.first_day:
        return
    index = (today.day - theirs.first_day).days
    crowd = newcomers(theirs.events_per_day, theirs.seed, index // DAYS_PER_CYCLE)
    found = today.events(theirs, crowd, visits(theirs, crowd, index), mark="n")
    yield found.with_columns(platform=pl.lit(NEW_PLATFORM))


def simulation(plan: SimulationPlan) -> Simulation:
    """Return the events of all days of the plan, in order of time, with the truths planted in them.

    A feature is clean when no truth that concerns the plan's days names it, experiments included.

    >>> week = simulation(SimulationPlan(features=8, days=7, events_per_day=100))
    >>> week.events["event_time"].dt.date().n_unique(), week.truths, len(week.clean_features)
    (7, (), 8)
    """
    truths = planted_truths(plan)
    touched = {truth.feature for truth in truths}
    names = catalogue(plan.features, plan.seed).names
    return Simulation(
        events=pl.concat([simulated_day(plan, plan.date_of(index)) for index in range(plan.days)]),
        truths=truths,
        clean_features=tuple(name for name in names if name not in touched),
    )
