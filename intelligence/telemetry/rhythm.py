"""The rhythm of a product: which hours are usual, on which weekdays nobody comes, and whether people moved their clocks.

Hours are those of the product's time zone. A product that lives by the clock of another zone keeps its hours too, but
twice a year they lie an hour earlier or later: that whole day's shape is found again in the days before, moved.
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
# A day with no more than this share of an active day's events is quiet: nobody works, a few look in.
QUIET_SHARE: Final = 0.05
LEAST_QUIET_TO_BE_USUAL: Final = 3
# By how many hours clocks are put forward or back.
CLOCK_CHANGES: Final = (1.0, -1.0, 0.5, -0.5)
# A day has the moved shape only where that explains its hours clearly better: in nats, and in nats per event.
LEAST_GAIN: Final = 10.0
LEAST_GAIN_PER_EVENT: Final = 0.01


@dataclass(frozen=True)
class Past:
    """The observed days before one day, those without an event included.

    `hours` has each observed day's events by hour, and `minutes` how long each of the hours was.
    """

    hours: Mapping[date, Counts]
    minutes: Mapping[date, Sequence[int]]

    @cached_property
    def events(self) -> Mapping[date, int]:
        """Return each day's events."""
        return {day: int(hours.sum()) for day, hours in self.hours.items()}

    def per_day(self, day: date) -> float:
        """Return the day's events as they would be in 24 hours."""
        if day not in self.minutes:
            return float(self.events[day])
        minutes = sum(self.minutes[day])
        return self.events[day] * 1440 / minutes if minutes else 0.0

    def rates(self, day: date) -> Hours:
        """Return the day's events per full hour; NaN in an hour that the clock left out."""
        if day not in self.minutes:
            return self.hours[day].astype(np.float64)
        minutes = np.array(self.minutes[day], float)
        found: Hours = np.where(minutes > 0, self.hours[day] * 60 / np.where(minutes > 0, minutes, 1), np.nan)
        return found

    @cached_property
    def active(self) -> list[date]:
        """Return the days on which people came: those that are not quiet."""
        present = [events for events in self.events.values() if events]
        limit = QUIET_SHARE * float(np.median(present)) if present else 0.0
        return [day for day, events in self.events.items() if events > limit]


@dataclass(frozen=True, slots=True)
class Weekday:
    """The same weekdays of a past: on which of them people came, and on which nobody did though the week was alive."""

    active: tuple[date, ...]
    quiet: tuple[date, ...]

    @property
    def observed(self) -> tuple[date, ...]:
        """Return all of them, the latest first."""
        return tuple(sorted((*self.active, *self.quiet), reverse=True))


def weekday_of(past: Past, day: date) -> Weekday:
    """Return what the weeks before tell of this weekday.

    A day without people is an observation only between days with people, at most six days off on both sides. In a stretch
    of a week or more nothing came at all: that is an outage or a holiday, and teaches nothing about the weekday.
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
    """Return the usual events per full hour of these days: the median, or the least of them."""
    return _usual([past.rates(day) for day in days], least=least)


def hours_after_a_clock_change(past: Past, days: Sequence[date], today: Counts, *, least: bool) -> list[Hours]:
    """Return the usual hours of these days as they lie after a change of clocks, for each change that today may show.

    Each day lies before the change, and takes the place an hour or half an hour earlier or later, where that explains
    today's hours far better, or else after it and stays. An hour in which nothing came speaks for no place: otherwise an
    outage at the end of the day could pass for a change.
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
    """Return the usual hours of a day on which clocks were changed at `hour`: what comes after it lies `by` hours later."""
    rates = [np.concatenate([past.rates(day)[:hour], moved(past, day, by)[hour:]]) for day in days]
    return _usual(rates, least=least)


def moved(past: Past, day: date, by: float) -> Hours:
    """Return the day's events per hour, `by` hours later; what comes in at midnight is of the day beside it."""
    earlier, later, share = _beside(past, day, by)
    found: Hours = (1 - share) * earlier + share * later
    return found


def _at_least(past: Past, day: date, by: float) -> Hours:
    """Return the events per hour that the day has at least `by` hours later: of half an hour only the whole is known."""
    if by == 0:
        return past.rates(day)
    earlier, later, share = _beside(past, day, by)
    if share == 0:
        return earlier
    half = max(earlier.max(), later.max()) / 2
    found: Hours = np.maximum(earlier - half, 0) + np.maximum(later - half, 0)
    return found


def _beside(past: Past, day: date, by: float) -> tuple[Hours, Hours, float]:
    """Return the hours that come to lie in each hour, wholly or in part, and the share of the latter."""
    around = [other if other in past.hours else day for other in (day - timedelta(days=1), day + timedelta(days=1))]
    line = np.nan_to_num(np.concatenate([past.rates(other) for other in (around[0], day, around[1])]))
    low = int(np.floor(24 - by))
    return line[low : low + 24], line[low + 1 : low + 25], 24 - by - low


def _usual(rates: Sequence[Hours], *, least: bool) -> Hours:
    together = np.stack(rates)
    if np.isnan(together).any():
        # An hour that all of the days left out was never seen.
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
