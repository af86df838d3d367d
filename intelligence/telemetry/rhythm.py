"""The rhythm of a product: its usual hours, its quiet weekdays, and whether its users changed their clocks.

Hours are those of the product's time zone. Users who live in another zone keep their habits too, but twice a year these
are an hour earlier or later on the product's clock: the profile of the whole day then matches the days before, shifted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Hours = NDArray[np.float64]

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FULL_HOURS: Final = (60,) * 24
# A day with at most this share of a usual day's events is quiet, such as a weekend with a few visitors.
QUIET_SHARE: Final = 0.05
LEAST_QUIET_TO_BE_USUAL: Final = 3
# By how many hours clocks are put forward or back.
CLOCK_CHANGES: Final = (1.0, -1.0, 0.5, -0.5)
# A day counts as shifted only if that increases its log-likelihood by so much: in nats, and in nats per event.
LEAST_GAIN: Final = 10.0
LEAST_GAIN_PER_EVENT: Final = 0.01


@dataclass(frozen=True)
class Past:
    """The observed days before one day, those without an event included.

    Attributes:
        hours: The events in each of the 24 hours, by day.
        minutes: The length of each of the 24 hours in minutes, for days that do not have 24 full hours.
    """

    hours: Mapping[date, Counts]
    minutes: Mapping[date, Sequence[int]]

    @cached_property
    def events(self) -> Mapping[date, int]:
        """Return each day's events."""
        return {day: int(hours.sum()) for day, hours in self.hours.items()}

    def per_day(self, day: date) -> float:
        """Return the day's events, scaled to 24 hours."""
        if day not in self.minutes:
            return float(self.events[day])
        minutes = sum(self.minutes[day])
        return self.events[day] * 1440 / minutes if minutes else 0.0

    def rates(self, day: date) -> Hours:
        """Return the day's events per full hour, of shape (24,); NaN in an hour that the clock skipped."""
        if day not in self.minutes:
            return self.hours[day].astype(np.float64)
        minutes = np.array(self.minutes[day], float)
        found: Hours = np.where(minutes > 0, self.hours[day] * 60 / np.where(minutes > 0, minutes, 1), np.nan)
        return found

    @cached_property
    def active(self) -> list[date]:
        """Return the days with visitors: those that are not quiet."""
        present = [events for events in self.events.values() if events]
        limit = QUIET_SHARE * float(np.median(present)) if present else 0.0
        return [day for day, events in self.events.items() if events > limit]


@dataclass(frozen=True, slots=True)
class Weekday:
    """The days with one weekday: those with visitors, and the quiet ones in weeks that otherwise had visitors."""

    active: tuple[date, ...]
    quiet: tuple[date, ...]

    @property
    def observed(self) -> tuple[date, ...]:
        """Return the active and the quiet days, the latest first."""
        return tuple(sorted((*self.active, *self.quiet), reverse=True))


def weekday_of(past: Past, day: date) -> Weekday:
    """Return the days before with the same weekday.

    A quiet day counts only between days with visitors, at most six days away on both sides. A longer stretch without
    visitors is an outage or a holiday, and shows nothing about the weekday.

    Args:
        past: The days before.
        day: The day whose weekday is meant.
    """
    active = past.active
    same = [other for other in past.hours if (day - other).days % 7 == 0]
    came = tuple(other for other in same if other in active)
    first = min(past.hours, default=day)

    def lies_between(other: date) -> bool:
        before = other == first or any(0 < (other - one).days < 7 for one in active)
        return before and any(0 < (one - other).days < 7 for one in active)

    return Weekday(came, tuple(other for other in same if other not in came and lies_between(other)))


def usual_hours(past: Past, days: Sequence[date], *, least: bool) -> Hours:
    """Return the usual events per full hour of these days, of shape (24,).

    Args:
        past: The days before.
        days: The days of it to use.
        least: Whether the minimum over the days is returned instead of the median.
    """
    return _usual([past.rates(day) for day in days], least=least)


def hours_after_a_clock_change(past: Past, days: Sequence[date], today: Counts, *, least: bool) -> list[Hours]:
    """Return the usual hours of these days after a change of clocks, for each change that today's events support.

    A day that explains today's hours far better when shifted was before the change and is shifted by an hour or half an
    hour; any other day was after it and stays. An hour without events today counts neither for nor against a shift:
    otherwise an outage at the end of the day could look like a change.

    Args:
        past: The days before.
        days: The days of it to use.
        today: Today's events in each of the 24 hours.
        least: Whether the minimum over the days is used instead of the median.
    """
    enough = max(LEAST_GAIN, LEAST_GAIN_PER_EVENT * today.sum())
    found = []
    for change in CLOCK_CHANGES:
        moves = [change if _gain(past, day, change, today) >= enough else 0.0 for day in days]
        if any(moves):
            rates = [_at_least(past, day, by) for day, by in zip(days, moves, strict=True)]
            found.append(_usual(rates, least=least))
    return found


def hours_of_the_day_of_a_change(past: Past, days: Sequence[date], by: float, hour: int, *, least: bool) -> Hours:
    """Return the usual events per full hour of a day on which clocks were changed, of shape (24,).

    Args:
        past: The days before.
        days: The days of it to use.
        by: By how many hours events are later after the change.
        hour: The hour of the change on the product's clock.
        least: Whether the minimum over the days is returned instead of the median.
    """
    rates = [np.concatenate([past.rates(day)[:hour], moved(past, day, by)[hour:]]) for day in days]
    return _usual(rates, least=least)


def moved(past: Past, day: date, by: float) -> Hours:
    """Return the day's events per hour as they are when everything happens later, with events of the neighbouring day.

    Args:
        past: The days before.
        day: The day of it to shift.
        by: The shift in hours; a negative one is earlier.
    """
    earlier, later, share = _shifted(past, day, by)
    found: Hours = (1 - share) * earlier + share * later
    return found


def _at_least(past: Past, day: date, by: float) -> Hours:
    """Return the least possible events per hour `by` hours later: half hours are unknown, as events are counted by hour."""
    if by == 0:
        return past.rates(day)
    earlier, later, share = _shifted(past, day, by)
    if share == 0:
        return earlier
    half = max(earlier.max(), later.max()) / 2
    found: Hours = np.maximum(earlier - half, 0) + np.maximum(later - half, 0)
    return found


def _shifted(past: Past, day: date, by: float) -> tuple[Hours, Hours, float]:
    """Return the two hours that are shifted into each hour, and the share of the second one of them."""
    around = [other if other in past.hours else day for other in (day - timedelta(days=1), day + timedelta(days=1))]
    line = np.nan_to_num(np.concatenate([past.rates(other) for other in (around[0], day, around[1])]))
    low = int(np.floor(24 - by))
    return line[low : low + 24], line[low + 1 : low + 25], 24 - by - low


def _usual(rates: Sequence[Hours], *, least: bool) -> Hours:
    together = np.stack(rates)
    if np.isnan(together).any():
        # An hour that all of the days skipped has no events.
        together[:, np.isnan(together).all(axis=0)] = 0
        usual: Hours = np.nanmin(together, axis=0) if least else np.nanmedian(together, axis=0)
    else:
        usual = np.min(together, axis=0) if least else np.median(together, axis=0)
    return usual


def _gain(past: Past, day: date, by: float, today: Counts) -> float:
    return _fit(moved(past, day, by), today) - _fit(np.nan_to_num(past.rates(day)), today)


def _fit(profile: Hours, today: Counts) -> float:
    """Return the log-likelihood of today's events among the hours in which there are some."""
    weight = np.where((today == 0) & (profile > 0), 0, profile + 0.5)
    heard = today > 0
    return float((today[heard] * np.log(weight[heard] / weight.sum())).sum())
