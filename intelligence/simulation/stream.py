"""A seeded simulator of a learning product's event stream, with the truths planted in it.

Public API: everything in `__all__`. Each day is simulated independently, in any order, and is always the same byte for
byte, whatever the plan's length. What is planted changes only the events that it concerns: the same plan with
`planted=False` has the same users, sessions, times and features, but for the confounded feature: its events before a user adopts
it do not happen, and the extra visits of adopters, marked `a` in the ids of their events, are added. So has the same plan without
its drift or fault: users who leave because of a drift are removed from the stream, those of a new platform are added, and all
others stay the same. Where truths are planted, newcomers of one week who stay away are removed too.
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
from intelligence.simulation.draws import Bools, Ints
from intelligence.simulation.outcomes import Events, labels, outcomes
from intelligence.simulation.people import REGIONS, SEGMENTS, People, people, release_slots
from intelligence.simulation.plan import DAYS_PER_CYCLE, SimulationPlan, SimulationPlanError
from intelligence.simulation.planted_adoption import CLOSES, adopted, adopters_plan, confounded_feature, extra_visitors
from intelligence.simulation.planted_effects import RELEASES_IN_USE, Condition, condition, versions_in_use
from intelligence.simulation.planted_experiments import VARIANTS, Experiment, marks
from intelligence.simulation.planted_truths import Script, planted_truths, script
from intelligence.simulation.planted_usage import stays_away
from intelligence.simulation.product import PLATFORMS, Catalogue, catalogue, simulated_feature_names
from intelligence.simulation.visits import HOUR_US, Visits, touched_features, visitors, visits

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Party:
    """Visitors of one day, with random draws of their own.

    Attributes:
        plan: The plan of the users.
        drawn: The plan from whose seed their events are drawn.
        crowd: The users.
        visited: Their visits.
        adopted: Whether each user has adopted the confounded feature; the others do not see it.
        gone: Whether each user has left because of a drift.
        platform: Platform of all of them; None for that of each user.
        begins_with: Position in `Catalogue` of the feature with which each visit begins; None for any.
        mark: Mark in the ids of events and sessions.
        user_mark: Mark in the ids of users.
    """

    plan: SimulationPlan
    drawn: SimulationPlan
    crowd: People
    visited: Visits
    adopted: Bools
    gone: Bools
    platform: str | None = None
    begins_with: int | None = None
    mark: str = ""
    user_mark: str = ""

    def features(self, product: Catalogue, index: int) -> Ints:
        """Return the position in `Catalogue` of the feature of each event on the day `index`."""
        found = touched_features(self.drawn, product, self.crowd.segment[self.visited.user].astype(np.int64), index)
        if self.begins_with is not None:
            found[np.unique(self.visited.session, return_index=True)[1]] = self.begins_with
        return found


def _identities(day: date, party: _Party) -> dict[str, pl.Series]:
    visited, mark = party.visited, party.mark
    midnight_us = (day - date(1970, 1, 1)).days * 24 * HOUR_US
    sessions = int(visited.session.max(initial=-1)) + 1
    session_ids = _numbered(f"s{day:%Y%m%d}-{mark}", sessions, 6)
    user_ids = _numbered(f"u{party.user_mark}", len(party.crowd.segment), 6)
    return {
        "event_id": _numbered(f"{day:%Y%m%d}-{mark}", len(visited.user), 7),
        "event_time": pl.Series(midnight_us + visited.since_midnight_us).cast(pl.Datetime("us")),
        "user_id": user_ids.gather(pl.Series(visited.user.astype(np.uint32))),
        "session_id": session_ids.gather(pl.Series(visited.session.astype(np.uint32))),
    }


def _circumstances(
    events: Events, features: tuple[str, ...], versions: tuple[str, ...], crowd: People
) -> dict[str, pl.Series]:
    running = [*(test.name for test in events.marks.tests), None]
    return {
        "feature": labels(features, events.feature),
        "platform": labels(PLATFORMS, events.platform),
        "app_version": labels(versions, events.release),
        "region": labels(REGIONS, crowd.region[events.user].astype(np.int64)),
        "segment": labels(SEGMENTS, crowd.segment[events.user].astype(np.int64)),
        "experiment": labels(running, events.marks.test),
        "variant": labels(VARIANTS, events.marks.variant),
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

    @property
    def tests(self) -> tuple[Experiment, ...]:
        """Return the experiments that run today; the last of a cycle goes on into the next."""
        return tuple(
            test for acts in self.scripts for test in acts.experiments if test.first <= self.index <= test.last
        )

    def events(self, party: _Party) -> pl.DataFrame:
        """Return the events of these visitors who are still there, without those on a feature that they do not see."""
        product, index, crowd, user = self._product, self.index, party.crowd, party.visited.user
        platform, feature = crowd.platform[user].astype(np.int64), party.features(product, index)
        events = Events(
            seed=party.drawn.seed,
            index=index,
            user=user,
            feature=feature,
            platform=platform,
            release=platform * RELEASES_IN_USE + release_slots(crowd, self.plan.seed, index)[user],
            marks=marks(party.plan.seed, self.tests, users=len(crowd.segment), user=user, feature=feature),
        )
        columns = {
            **_identities(self.day, party),
            **_circumstances(events, product.names, versions_in_use(self.scripts, self.plan.seed, index), crowd),
            **outcomes(events, product, crowd, self._condition),
        }
        columns["event_type"] = self._as_broken(columns["event_type"], events)
        if party.platform is not None:
            columns["platform"] = labels([party.platform], np.zeros_like(user))
        apart = confounded_feature(self.plan)
        happens = ~party.gone[user] & (party.adopted[user] | (apart is None) | (feature != apart))
        return pl.DataFrame(columns).select(EVENT_SCHEMA.names()).filter(pl.Series(happens))

    def _as_broken(self, event_type: pl.Series, events: Events) -> pl.Series:
        """Return the types of the events, where a completion that is lost on a platform is a use."""
        broken = self.scripts[-1].broken_step
        if broken is None or not broken.first <= self.index <= broken.last:
            return event_type
        touched = (events.feature == broken.feature) & (events.platform == broken.platform)
        lost = pl.Series(touched & (events.uniform("lost completion") < broken.lost_share))
        return event_type.set(lost & (event_type == "complete"), "use")

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
    above 0; every crashed event failed. Numbers missing from `event_id` were lost by a pipeline fault, belong to users who left
    because of a drift, or to a feature that the user had not adopted yet.

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
    today = _Today(plan, day)
    whole = pl.concat([today.events(party) for party in _parties(today)]).sort("event_time", maintain_order=True)
    if index in today.scripts[-1].fault_days:
        whole = whole.filter(~lost_hours())
    if plan.fault is None or not plan.fault.touches(index):
        return whole
    return faulty(whole, plan.fault, lambda: _as_it_was(plan, index - 1))


def _as_it_was(plan: SimulationPlan, index: int) -> pl.DataFrame:
    """Return the events of the day `index` without the fault; no events before the first day."""
    empty = pl.DataFrame(schema=EVENT_SCHEMA)
    return simulated_day(replace(plan, fault=None), plan.date_of(index)) if index >= 0 else empty


def _parties(today: _Today) -> Iterator[_Party]:
    plan, index = today.plan, today.index
    crowd = people(plan.events_per_day, plan.seed, index // DAYS_PER_CYCLE)
    nobody = np.zeros(len(crowd.left), dtype=np.bool_)
    apart = confounded_feature(plan)
    away = stays_away(plan, crowd, index, spared=lambda: nobody if apart is None else adopted(plan, crowd, CLOSES))
    left = nobody if plan.drift is None else departed(crowd, plan.seed, index, plan.drift)
    usual = _Party(
        plan=plan,
        drawn=plan,
        crowd=crowd,
        visited=visits(plan, crowd, visitors(plan, crowd, index), index),
        adopted=nobody if apart is None else adopted(plan, crowd, index),
        gone=away | left,
    )
    yield usual
    yield from _newcomers(today)
    if apart is not None:
        drawn = adopters_plan(plan)
        extra = visits(drawn, crowd, extra_visitors(plan, crowd, index), index)
        yield replace(usual, drawn=drawn, visited=extra, begins_with=apart, mark="a")


def _newcomers(today: _Today) -> Iterator[_Party]:
    theirs = newcomers_plan(today.plan)
    if theirs is None or today.day < theirs.first_day:
        return
    index = (today.day - theirs.first_day).days
    crowd = newcomers(theirs.events_per_day, theirs.seed, index // DAYS_PER_CYCLE)
    nobody = np.zeros(len(crowd.left), dtype=np.bool_)
    visited = visits(theirs, crowd, visitors(theirs, crowd, index), index)
    yield _Party(
        plan=theirs,
        drawn=theirs,
        crowd=crowd,
        visited=visited,
        adopted=nobody,
        gone=nobody,
        platform=NEW_PLATFORM,
        mark="n",
        user_mark="n",
    )


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
