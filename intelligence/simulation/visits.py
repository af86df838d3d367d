"""The visits of one simulated day: the users, times and lengths of sessions, and the feature of each event."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from intelligence.simulation.draws import Floats, Ints, generator
from intelligence.simulation.people import SEGMENTS, People
from intelligence.simulation.plan import SimulationPlan
from intelligence.simulation.product import Catalogue

HOUR_US: Final = 3_600_000_000

_DAY_US: Final = 24 * HOUR_US
_EVENTS_PER_SESSION: Final = 7
_LONGEST_SESSION_HOURS: Final = 4
_WEEKDAY_VOLUME: Final = (1.25, 1.27, 1.26, 1.22, 1.03, 0.45, 0.52)
_LOCAL_HOUR_VOLUME: Final = (
    *(0.6, 0.4, 0.3, 0.3, 0.4, 0.8, 2.0, 4.5, 7.0, 8.5, 8.5, 8.0),
    *(6.5, 7.0, 7.5, 7.0, 6.0, 5.0, 4.5, 4.5, 4.0, 3.2, 2.0, 1.1),
)
_HOURS_AHEAD_OF_UTC: Final = np.array([1, -6, 8])


@dataclass(frozen=True, slots=True)
class Visits:
    """The day's events in order of time; each array has one element per event.

    Attributes:
        since_midnight_us: Time since midnight UTC, in µs.
        session: Number of the session within the day.
        user: Position of the user in `People`.
    """

    since_midnight_us: Ints
    session: Ints
    user: Ints


def expected_volume(plan: SimulationPlan, index: int) -> float:
    """Return the expected number of events on a day, by its weekday and a mild growth that levels off.

    Args:
        plan: The plan of the simulation.
        index: The day, counted from 0 on the plan's first day.

    >>> round(sum(expected_volume(SimulationPlan(), index) for index in range(42, 49)) / 7, -2)
    50300.0
    """
    growth = 1.06 - 0.09 * np.exp(-index / 90)
    return float(plan.events_per_day * _WEEKDAY_VOLUME[plan.date_of(index).weekday()] * growth)


def _start_us(plan: SimulationPlan, region: Ints, span_us: Floats, index: int) -> Floats:
    clock = np.cumsum(_LOCAL_HOUR_VOLUME)
    moment = generator(plan.seed, "session hour", index).random(len(region)) * clock[-1]
    hour = (np.searchsorted(clock, moment, side="right") - _HOURS_AHEAD_OF_UTC[region]) % 24
    minute = generator(plan.seed, "session minute", index).random(len(region))
    start: Floats = np.minimum((hour + minute) * HOUR_US, _DAY_US - span_us - 1)
    return start


def visitors(plan: SimulationPlan, crowd: People, index: int) -> Ints:
    """Return for each session of a day its user's position in `People`.

    Args:
        plan: The plan of the simulation.
        crowd: The users.
        index: The day, counted from 0 on the plan's first day.
    """
    weights = np.cumsum(crowd.weights(index))
    mean = expected_volume(plan, index) / _EVENTS_PER_SESSION if weights[-1] > 0 else 0.0
    sessions = int(generator(plan.seed, "sessions", index).poisson(mean))
    chosen = generator(plan.seed, "session user", index).random(sessions) * weights[-1]
    found: Ints = np.minimum(np.searchsorted(weights, chosen, side="right"), len(weights) - 1)
    return found


def visits(plan: SimulationPlan, crowd: People, user: Ints, index: int) -> Visits:
    """Return the visits of a day; a session never crosses midnight.

    Args:
        plan: The plan from whose seed times and lengths are drawn.
        crowd: The users.
        user: For each session of the day its user's position in `People`.
        index: The day, counted from 0 on the plan's first day.
    """
    sessions = len(user)
    length = generator(plan.seed, "session length", index).geometric(1 / _EVENTS_PER_SESSION, sessions)
    pace = np.exp(0.5 * generator(plan.seed, "session pace", index).standard_normal(sessions))
    span = np.minimum(60e6 * length * pace, _LONGEST_SESSION_HOURS * HOUR_US)
    start = _start_us(plan, crowd.region[user].astype(np.int64), span, index)

    session = np.repeat(np.arange(sessions), length)
    offset = generator(plan.seed, "event offset", index).random(len(session)) * span[session]
    since_midnight = (start[session] + offset).astype(np.int64)
    order = np.argsort(since_midnight, kind="stable")
    return Visits(since_midnight[order], session[order], user[session[order]])


def touched_features(plan: SimulationPlan, product: Catalogue, segment: Ints, index: int) -> Ints:
    """Return for each event the position of its feature in `Catalogue`.

    Args:
        plan: The plan of the simulation.
        product: The features of the product.
        segment: For each event the position of its user's segment in `SEGMENTS`.
        index: The day, counted from 0 on the plan's first day.
    """
    draw = generator(plan.seed, "event feature", index).random(len(segment))
    found = np.zeros(len(segment), dtype=np.int64)
    for code, weights in zip(range(len(SEGMENTS)), product.weights(index), strict=True):
        theirs = segment == code
        found[theirs] = np.searchsorted(np.cumsum(weights), draw[theirs], side="right")
    return np.minimum(found, plan.features - 1)
