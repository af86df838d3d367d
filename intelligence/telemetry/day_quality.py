"""Assess whether a day's telemetry is whole: silent hours, emptied columns and repeated days reveal a pipeline's fault."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl

from intelligence.core.tables import Days
from intelligence.telemetry.local_time import changes_of_clocks, local_time, start_of_day, uneven_hours
from intelligence.telemetry.rhythm import (
    FULL_HOURS,
    LEAST_QUIET_TO_BE_USUAL,
    QUIET_SHARE,
    WEEKDAYS,
    Counts,
    Hours,
    Past,
    Weekday,
    hours_after_a_clock_change,
    hours_of_the_day_of_a_change,
    usual_hours,
    weekday_of,
)
from intelligence.telemetry.tables import DAY_QUALITY, OPTIONAL_COLUMNS

# Measurements differ from event to event: one and the same value in all events means that the pipeline is stuck.
MEASURED_COLUMNS: Final = ("latency_ms", "duration_s")
LEAST_TO_BE_STUCK: Final = 50
HISTORY_DAYS: Final = 28
# doubts.py adds the columns of faults that show in the measured values.
_SCHEMA: Final = DAY_QUALITY.schema(without=("faults", "faults_since", "doubted_columns", "since"))


@dataclass(frozen=True, slots=True)
class DayCounts:
    """What arrived on one day.

    Attributes:
        by_hour: Events in each of the 24 hours of the product's clock.
        filled: Events with a value in each optional column, in the order of OPTIONAL_COLUMNS.
        flat: The measurements with one and the same value in all events.
    """

    by_hour: Counts
    filled: Counts
    flat: frozenset[str] = frozenset()

    @property
    def events(self) -> int:
        """Return the day's events."""
        return int(self.by_hour.sum())


@dataclass(frozen=True, slots=True)
class DayQuality:
    """The verdict on one day.

    Attributes:
        expected_events: Median events of the same weekday in the four weeks before; None without such days.
        silent_hours: Hours (0 to 23) without an event in which events were expected.
        missing_rate: Share of the day's expected events in the silent hours, in [0, 1]; None where it is unknown.
        emptied_columns: Columns that used to be filled and have no value.
        verdict: whole, partial, empty or unknown.
        reason: The verdict in words.
        stuck_columns: Measurements that used to vary and have one and the same value.
    """

    expected_events: float | None
    silent_hours: tuple[int, ...]
    missing_rate: float | None
    emptied_columns: tuple[str, ...]
    verdict: str
    reason: str
    stuck_columns: tuple[str, ...] = ()


_NOTHING: Final = DayCounts(np.zeros(24, np.int64), np.zeros(len(OPTIONAL_COLUMNS), np.int64))


def day_quality(
    day: date,
    counts: Mapping[date, DayCounts],
    *,
    since: date | None = None,
    timezone: str = "UTC",
    least_expected_per_hour: float = 5,
    least_expected_per_day: float = 20,
    missing_limit: float = 0.05,
    least_expected_missing: float = 60,
    least_hours_to_repeat: int = 6,
) -> DayQuality:
    """Return the verdict on `day`, compared with the 28 days before it.

    The hourly profile is the median of the same weekday in the last four weeks (two of them suffice), or else the
    minimum of all earlier days (three suffice). An hour with no event in which the profile has events is silent, unless
    the whole day is shifted as after a change of clocks (see `rhythm`). A day without visitors is whole where at least
    three of the same weekdays before were as quiet, empty where most of them had visitors, and unknown in between.
    A day is also partial when a column that used to be filled is empty, when a measurement that used to vary is the same in
    all events, or when it repeats the day before hour for hour (dates without a time all fall into one hour).

    Args:
        day: The day to assess.
        counts: What arrived on each day; a day from `since` on that is not in it has no event.
        since: The first day of the telemetry; None: the first in `counts`.
        timezone: IANA time zone of the product, on whose clock days and hours are.
        least_expected_per_hour: Expected events from which an hour without any counts as silent.
        least_expected_per_day: Usual events of a day below which the verdict is unknown.
        missing_limit: Share of the day's expected events in silent hours, in [0, 1], from which the day is partial.
        least_expected_missing: Expected events in silent hours that are needed as well: fewer may be a few missing visits.
        least_hours_to_repeat: Hours with events that a day needs before it can count as a repetition of the day before.
    """
    today = counts.get(day, _NOTHING)
    minutes = uneven_hours(timezone, Days(day - timedelta(days=HISTORY_DAYS), day + timedelta(days=1)))
    past = _past_of(day, counts, min(counts, default=day) if since is None else since, minutes)
    if not sum(minutes.get(day, FULL_HOURS)):
        return DayQuality(None, (), 0.0, (), "whole", f"a day that {timezone} never had")
    active, weekday = past.active, weekday_of(past, day)
    of_weekday = len(weekday.observed) >= 2
    basis = weekday.observed if of_weekday else active if len(active) >= 3 else ()
    if not basis:
        nothing = f"no event in the {len(past.hours)} days before: nothing is usual any more"
        few = f"{len(active)} earlier days are too few to judge by"
        return _unknown(nothing if past.hours and not active else few)
    busy = float(np.median([past.per_day(other) for other in active]))
    usual = float(np.median([past.per_day(other) for other in basis])) * sum(minutes.get(day, FULL_HOURS)) / 1440
    expected = usual if of_weekday else None
    if today.events <= QUIET_SHARE * busy and busy >= least_expected_per_day:
        quiet = _quiet_day(day, today.events, weekday, expected)
        if quiet:
            return quiet
    if usual < least_expected_per_day:
        return _unknown(f"about {usual:.0f} events a day are too few to judge by", expected)
    if today.events == 0:
        return DayQuality(
            expected, tuple(range(24)), 1.0, (), "empty", f"no event at all, where {usual:,.0f} are usual"
        )
    hours = np.array(minutes.get(day, FULL_HOURS)) / 60
    rule = _Silence(hours, least_expected_per_hour, missing_limit, least_expected_missing)
    found = _silent_hours(past, basis, today.by_hour, rule, least=not of_weekday)
    faults = _faults(day, counts, found, least_of_a_column=least_expected_per_day)
    spread = np.count_nonzero(today.by_hour) >= least_hours_to_repeat
    yesterday = counts.get(day - timedelta(days=1))
    if (
        yesterday
        and spread
        and today.events >= 24 * least_expected_per_hour
        and (today.by_hour == yesterday.by_hour).all()
    ):
        faults.reasons.append("the same events per hour as the day before")
    reason = "; ".join(faults.reasons) or f"{today.events:,} events, {usual:,.0f} are usual"
    verdict = "partial" if faults.reasons else "whole"
    if found.is_fault and len(faults.reasons) == 1:
        of = _clock_that_changed(past, basis, today.by_hour, rule, day, timezone, least=not of_weekday)
        verdict = "unknown" if of else verdict
        reason += f", or people keep to the clock of {of}, which was changed on this day" if of else ""
    return DayQuality(expected, found.hours, found.rate, faults.emptied, verdict, reason, faults.stuck)


def _silent_hours(past: Past, basis: Sequence[date], today: Counts, rule: "_Silence", *, least: bool) -> "_Silent":
    """Return the silent hours, by the usual profile or by that after a change of clocks where it fits much better."""
    found = rule.found(usual_hours(past, basis, least=least), today)
    if not found.is_fault:
        return found
    moved = [rule.found(usual, today) for usual in hours_after_a_clock_change(past, basis, today, least=least)]
    after = min(moved, key=lambda silent: silent.rate, default=found)
    return after if after.rate <= found.rate / 2 else found


def _clock_that_changed(
    past: Past, basis: Sequence[date], today: Counts, rule: "_Silence", day: date, timezone: str, *, least: bool
) -> str | None:
    """Return a zone whose clock was changed during this day, where that alone explains its silent hours; otherwise None."""
    first, end = start_of_day(day, timezone), start_of_day(day + timedelta(days=1), timezone)
    for (moment, by), name in changes_of_clocks(first, end).items():
        hour = local_time(moment, timezone).hour
        usual = hours_of_the_day_of_a_change(past, basis, by, hour, least=least)
        if not rule.found(usual, today).is_fault:
            return name
    return None


def _past_of(day: date, counts: Mapping[date, DayCounts], since: date, minutes: Mapping[date, Sequence[int]]) -> Past:
    known = [
        other for other in _days_before(day, HISTORY_DAYS) if other >= since and sum(minutes.get(other, FULL_HOURS)) > 0
    ]
    return Past({other: counts.get(other, _NOTHING).by_hour for other in known}, minutes)


def _unknown(reason: str, expected: float | None = None) -> DayQuality:
    return DayQuality(expected, (), None, (), "unknown", reason)


def _quiet_day(day: date, events: int, weekday: Weekday, expected: float | None) -> DayQuality | None:
    """Return the verdict on a day without visitors, by the same weekdays before; None where most of them had visitors."""
    quiet, active = len(weekday.quiet), len(weekday.active)
    name = WEEKDAYS[day.weekday()]
    came = f"{events:,} events" if events else "no event"
    if quiet >= LEAST_QUIET_TO_BE_USUAL:
        reason = f"{came}, as on {quiet} of the last {quiet + active} days of its kind: a {name} is quiet"
        return DayQuality(expected, (), 0.0, (), "whole", reason)
    if quiet < active:
        return None
    known = f"{quiet} of {quiet + active} earlier ones were quiet" if quiet else "no earlier one is known"
    return _unknown(f"{came} on a {name}, of which {known}: too few to know whether that is usual", expected)


@dataclass(frozen=True, slots=True)
class _Silent:
    hours: tuple[int, ...]
    rate: float
    is_fault: bool


@dataclass(frozen=True, slots=True)
class _Silence:
    """When an hour without an event is silent; `hours` is the length of each hour of the day, in hours."""

    hours: Hours
    least_per_hour: float
    limit: float
    least_missing: float

    def found(self, usual: Hours, today: Counts) -> _Silent:
        profile = usual * self.hours
        silent = np.flatnonzero((today == 0) & (profile >= self.least_per_hour))
        gone, everything = float(profile[silent].sum()), float(profile.sum())
        rate = gone / everything if everything else 0.0
        return _Silent(tuple(map(int, silent)), rate, rate >= self.limit and gone >= self.least_missing)


@dataclass(frozen=True, slots=True)
class _Faults:
    reasons: list[str]
    emptied: tuple[str, ...]
    stuck: tuple[str, ...]


def _faults(day: date, counts: Mapping[date, DayCounts], silent: _Silent, *, least_of_a_column: float) -> _Faults:
    """Return the faults of the day's hours and columns; columns are compared with the last seven known days."""
    last = [counts[other] for other in _days_before(day, HISTORY_DAYS) if other in counts][:7]
    emptied = _emptied_columns(counts[day], last, least_expected=least_of_a_column)
    stuck = _stuck_columns(counts[day], last)
    reasons = []
    if silent.is_fault:
        reasons.append(f"no event in {len(silent.hours)} hours that hold {silent.rate:.0%} of such a day")
    if emptied:
        reasons.append(f"no value in {', '.join(emptied)}")
    if stuck:
        reasons.append(f"one and the same value in {', '.join(stuck)}")
    return _Faults(reasons, emptied, stuck)


def _days_before(day: date, reach: int) -> list[date]:
    return [day - timedelta(days=back) for back in range(1, reach + 1)]


def _emptied_columns(today: DayCounts, past: Sequence[DayCounts], *, least_expected: float) -> tuple[str, ...]:
    shares = [other.filled / other.events for other in past if other.events]
    if len(shares) < 3:
        return ()
    usual = np.median(shares, axis=0)
    gone = (today.filled == 0) & (usual * today.events >= least_expected)
    return tuple(name for name, is_gone in zip(OPTIONAL_COLUMNS, gone, strict=True) if is_gone)


def _stuck_columns(today: DayCounts, past: Sequence[DayCounts]) -> tuple[str, ...]:
    """Return the measurements that are all alike today, though they varied on at least three of the days before."""
    return tuple(
        name for name in MEASURED_COLUMNS if name in today.flat and sum(_varied(day, name) for day in past) >= 3
    )


def _varied(day: DayCounts, name: str) -> bool:
    return day.filled[OPTIONAL_COLUMNS.index(name)] >= LEAST_TO_BE_STUCK and name not in day.flat


def _flat(group: pl.DataFrame) -> frozenset[str]:
    """Return the measurements with one and the same value in all events of a day, where there are enough values."""
    return frozenset(
        name
        for name in MEASURED_COLUMNS
        if group[name].sum() >= LEAST_TO_BE_STUCK and group[f"least_{name}"].min() == group[f"most_{name}"].max()
    )


def day_quality_frame(
    hours: pl.DataFrame, history: pl.DataFrame, days: Days, *, since: date | None = None, timezone: str = "UTC"
) -> pl.DataFrame:
    """Return one row per day of `days`, with the columns of telemetry.day_quality except those that `with_doubts` adds.

    Args:
        hours: The rows of `intelligence/telemetry/day_quality_hours.sql` for these days, one per day and hour.
        history: Earlier rows of telemetry.day_quality, those of the HISTORY_DAYS days before.
        days: The days to assess.
        since: The first day of the telemetry; None: the first in `hours` and `history`.
        timezone: IANA time zone of the product, on whose clock days and hours are.
    """
    counts = {
        row["event_date"]: DayCounts(
            np.array(row["events_by_hour"], np.int64),
            np.array(row["filled"], np.int64),
            frozenset(row["flat_columns"] or ()),
        )
        for row in history.iter_rows(named=True)
        if row["event_date"] < days.start and row["events"] > 0
    }
    for (day,), group in hours.group_by("event_date"):
        by_hour = np.zeros(24, np.int64)
        by_hour[group["hour"].to_numpy()] = group["events"].to_numpy()
        filled = group.select(OPTIONAL_COLUMNS).sum().to_numpy()[0].astype(np.int64)
        counts[day] = DayCounts(by_hour, filled, _flat(group))
    rows = []
    for day in days.each:
        quality = day_quality(day, counts, since=since, timezone=timezone)
        today = counts.get(day, _NOTHING)
        ratio = today.events / quality.expected_events if quality.expected_events else None
        rows.append(
            (
                day,
                today.events,
                quality.expected_events,
                ratio,
                today.by_hour.tolist(),
                list(quality.silent_hours),
                quality.missing_rate,
                today.filled.tolist(),
                list(quality.emptied_columns),
                sorted(today.flat),
                list(quality.stuck_columns),
                quality.verdict,
                quality.reason,
            )
        )
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")
