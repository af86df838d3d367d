"""Changes of clocks, quiet weekdays, and outages that are neither."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from intelligence.core.tables import Days
from intelligence.telemetry.day_quality import (
    MEASURED_COLUMNS,
    DayCounts,
    DayQuality,
    day_quality,
    day_quality_frame,
)
from intelligence.telemetry.local_time import local_time, uneven_hours
from intelligence.telemetry.tables import OPTIONAL_COLUMNS

MONDAY = date(2025, 9, 15)
CHANGE = date(2025, 11, 2)
LENGTH = 77
ALL = np.zeros(len(OPTIONAL_COLUMNS), np.int64)
NOBODY = np.zeros(24)
OFFICE = np.array([0] * 9 + [100] * 8 + [0] * 7)
Days_ = dict[date, DayCounts]
# What people do by the local hour, in events.
HABITS = {
    "a help desk": OFFICE,
    "a help desk with a lunch break": OFFICE * (np.arange(24) != 12),
    "a shop with a rush at the opening": np.array([0] * 8 + [220, 90, 60, 60, 80, 70, 50, 40, 30] + [0] * 7),
    "a school that ends early": np.array([0] * 7 + [150, 200, 190, 180, 160, 90] + [0] * 11),
    "a night shift": np.array([120] * 6 + [0] * 16 + [120] * 2),
    "an evening programme": np.array([0] * 19 + [300, 400, 200] + [0] * 2),
    "two meals": np.array([0] * 11 + [250, 200] + [0] * 5 + [300, 280] + [0] * 4),
    "a gym with a slow start": np.array(
        [0] * 6 + [8, 40, 120, 100, 80, 60, 60, 60, 80, 100, 140, 120, 60, 20, 4] + [0] * 3
    ),
    "a busy exchange": 40 * OFFICE,
    "one hour a day": np.array([0] * 10 + [400] + [0] * 13),
}


def days_of(habit: np.ndarray, zone: str, *, seed: int = 3, size: Callable[[date], float] = lambda _: 1.0) -> Days_:
    """Return the days from MONDAY on as UTC sees them, of people who live by the clock of `zone`."""
    rng = np.random.default_rng(seed)
    hours, sizes = clock_of(zone), [size(MONDAY + timedelta(days=n)) for n in range(-2, LENGTH + 2)]
    expected = [habit[hour] * sizes[day] / 2 for day, hour in hours]
    by_day = rng.poisson(expected).reshape(-1, 24, 2).sum(axis=2)
    return {MONDAY + timedelta(days=n): counts(of) for n, of in enumerate(by_day)}


@cache
def clock_of(zone: str) -> list[tuple[int, int]]:
    """Return, for each half hour of the days in UTC, the local day as its place from two days before MONDAY on, and hour."""
    first = datetime.combine(MONDAY, time.min)
    shown = [local_time(first + timedelta(minutes=30 * half), zone) for half in range(48 * LENGTH)]
    return [((local.date() - MONDAY).days + 2, local.hour) for local in shown]


def counts(hours: np.ndarray) -> DayCounts:
    return DayCounts(hours.astype(np.int64), np.full(len(OPTIONAL_COLUMNS), hours.sum(), np.int64))


def without(known: Days_, day: date, *hours: int) -> Days_:
    gone = known[day].by_hour.copy()
    gone[list(hours)] = 0
    return {**known, day: counts(gone)}


def faults(known: Days_, first: date = MONDAY + timedelta(days=14)) -> dict[date, DayQuality]:
    found = {day: day_quality(day, known, since=MONDAY) for day in known if day >= first}
    return {day: quality for day, quality in found.items() if quality.verdict in ("partial", "empty")}


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Sydney", "Europe/Berlin"])
def test_people_who_keep_to_a_clock_that_changes_are_no_fault(habit: str, zone: str) -> None:
    assert faults(days_of(HABITS[habit], zone)) == {}


@pytest.mark.parametrize("habit", ["a help desk", "a shop with a rush at the opening", "a busy exchange"])
@pytest.mark.parametrize("hour", [0, 2, -1])
def test_an_hour_that_is_really_lacking_is_found_before_and_after_the_change(habit: str, hour: int) -> None:
    """The first hour, one inside, the last; an hour of some 60 events or fewer may be a few visits that did not come."""
    known = days_of(HABITS[habit], "America/New_York")
    for back in (-12, -5, -1, 0, 1, 6, 13, 20):
        day = CHANGE + timedelta(days=back)
        lacking = int(np.flatnonzero(known[day].by_hour)[hour])
        verdict = day_quality(day, without(known, day, lacking), since=MONDAY).verdict
        assert verdict == "partial" or known[day].by_hour[lacking] < 80, back


@pytest.mark.parametrize("moved", [2, 3, -4])
def test_a_day_that_lies_hours_off_is_no_clock_change(moved: int) -> None:
    known = days_of(OFFICE, "UTC")
    day = date(2025, 10, 15)
    assert (
        day_quality(day, {**known, day: counts(np.roll(known[day].by_hour, moved))}, since=MONDAY).verdict == "partial"
    )


def weekly(*active: int, of: float = 1.0, rest: float = 0.0) -> Callable[[date], float]:
    return lambda day: of if day.weekday() in active else rest


# By name: how large each day is, and the verdicts that days of the last four weeks may have.
WEEKS = {
    "an office": weekly(0, 1, 2, 3, 4),
    "a weekend of Friday and Saturday": weekly(6, 0, 1, 2, 3),
    "a museum closed on Mondays": weekly(1, 2, 3, 4, 5, 6),
    "a church on Sundays": weekly(6),
    "a weekend with a few stray events": weekly(0, 1, 2, 3, 4, rest=0.01),
    "market days": weekly(2, 5),
    "every day": weekly(*range(7)),
    "a four-day week": weekly(0, 1, 2, 3),
    "a team that meets on Tuesdays and Thursdays": weekly(1, 3, of=0.5),
    "lively weekends": weekly(4, 5, 6, of=3.0),
}


@pytest.mark.parametrize("week", WEEKS)
def test_a_weekday_on_which_nobody_comes_is_unknown_at_first_and_then_whole(week: str) -> None:
    known = days_of(OFFICE, "UTC", size=WEEKS[week])
    found = {day: day_quality(day, known, since=MONDAY).verdict for day in known}
    assert set(found.values()) <= {"whole", "unknown"}
    assert {verdict for day, verdict in found.items() if (day - MONDAY).days >= 28} == {"whole"}


@pytest.mark.parametrize("week", WEEKS)
def test_a_day_of_rest_is_no_excuse_for_the_others(week: str) -> None:
    known = days_of(OFFICE, "UTC", size=WEEKS[week])
    day = next(d for d in known if (d - MONDAY).days >= 40 and WEEKS[week](d) > 0.1)
    assert day_quality(day, {**known, day: counts(NOBODY)}, since=MONDAY).verdict == "empty"
    assert day_quality(day, without(known, day, *range(9, 13)), since=MONDAY).verdict == "partial"


def test_an_outage_of_weeks_does_not_become_a_habit() -> None:
    known = days_of(OFFICE, "UTC")
    first = date(2025, 10, 6)
    silent = {day: counts(NOBODY) if day >= first else of_day for day, of_day in known.items()}
    verdicts = [day_quality(first + timedelta(days=n), silent, since=MONDAY).verdict for n in range(35)]
    assert verdicts[:26] == ["empty"] * 26, "for three weeks and a half"
    assert set(verdicts[26:]) == {"unknown"}, "then nothing is known of what is usual"


@pytest.mark.parametrize("length", [7, 10, 14, 20])
def test_what_comes_after_an_outage_is_assessed_by_what_was_before(length: int) -> None:
    known = days_of(OFFICE, "UTC")
    first = date(2025, 10, 6)
    silent = {day: counts(NOBODY) if 0 <= (day - first).days < length else of for day, of in known.items()}
    back = first + timedelta(days=length)
    assert day_quality(back, silent, since=MONDAY).verdict == "whole"
    again = back + timedelta(days=3)
    assert day_quality(again, {**silent, again: counts(NOBODY)}, since=MONDAY).verdict == "empty"


def test_weekends_that_become_active_are_known_after_three() -> None:
    opened = date(2025, 10, 18)
    known = days_of(OFFICE, "UTC", size=lambda day: float(day.weekday() < 5 or day >= opened))
    saturdays = [opened + timedelta(days=7 * n) for n in range(5)]
    assert all(day_quality(day, known, since=MONDAY).verdict in ("whole", "unknown") for day in saturdays)
    assert day_quality(saturdays[4], {**known, saturdays[4]: counts(NOBODY)}, since=MONDAY).verdict == "empty"


def test_days_before_the_telemetry_begins_are_no_observation() -> None:
    known = days_of(OFFICE, "UTC")
    begins = date(2025, 10, 6)
    later = {day: of for day, of in known.items() if day >= begins}
    assert day_quality(begins + timedelta(days=1), later, since=begins).verdict == "unknown"
    assert day_quality(begins + timedelta(days=4), later, since=begins).verdict == "whole"


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/New_York", "2025-11-02"), ("Europe/Berlin", "2025-10-26"), ("Europe/Berlin", "2026-03-29"),
        ("America/New_York", "2026-03-08"), ("Australia/Lord_Howe", "2026-04-05"), ("Australia/Lord_Howe", "2025-10-05"),
        ("Africa/Cairo", "2026-04-24"), ("America/Havana", "2025-11-02"), ("America/Havana", "2026-03-08"),
        ("Asia/Beirut", "2026-03-29"), ("Antarctica/Troll", "2026-03-29"), ("America/Santiago", "2026-09-06"),
    ],
)  # fmt: skip
def test_a_local_day_of_other_than_24_hours_has_what_its_hours_hold(zone: str, day: str) -> None:
    """Events come all around the clock, as many in each minute: the doubled hour has twice as many, the lost one none."""
    that = date.fromisoformat(day)
    span = Days(that - timedelta(days=35), that + timedelta(days=15))
    minutes = uneven_hours(zone, span)
    rng = np.random.default_rng(5)
    known = {
        span.start + timedelta(days=n): counts(
            rng.poisson(100 * np.array(minutes.get(span.start + timedelta(days=n), [60] * 24)) / 60)
        )
        for n in range((span.end - span.start).days)
    }
    for each in (that, that + timedelta(days=7), that + timedelta(days=14)):
        quality = day_quality(each, known, since=span.start, timezone=zone)
        assert (quality.verdict, quality.silent_hours) == ("whole", ())
    assert quality.expected_events == pytest.approx(2_400, rel=0.05)
    expected = day_quality(that, known, since=span.start, timezone=zone).expected_events
    assert expected == pytest.approx(100 * sum(minutes[that]) / 60, rel=0.05)
    lacking = without(known, that, 13, 14)
    assert day_quality(that, lacking, since=span.start, timezone=zone).silent_hours == (13, 14)


def test_a_day_that_never_was_is_no_day_of_silence() -> None:
    known = {date(2011, 12, 1) + timedelta(days=n): counts(OFFICE) for n in range(50) if n != 29}
    after = {d: day_quality(d, known, timezone="Pacific/Apia").verdict for d in known if d > date(2011, 12, 20)}
    assert "empty" not in after.values()
    assert day_quality(date(2011, 12, 30), known, timezone="Pacific/Apia").verdict == "whole"


def counted(moments: list[datetime]) -> pl.DataFrame:
    """Return what day_quality_hours.sql counts of events at these moments that fill no optional column."""
    found = Counter((moment.date(), moment.hour) for moment in moments)
    columns = {f"{end}_{name}": pl.lit(None, pl.Float64) for name in MEASURED_COLUMNS for end in ("least", "most")}
    rows = [(day, hour, events) for (day, hour), events in sorted(found.items())]
    frame = pl.DataFrame(rows, {"event_date": pl.Date, "hour": pl.Int64, "events": pl.Int64}, orient="row")
    return frame.with_columns(**{name: pl.lit(0, pl.Int64) for name in OPTIONAL_COLUMNS}, **columns)


def verdicts(moments: list[datetime], days: Days) -> dict[date, str]:
    nothing = pl.DataFrame(schema={"event_date": pl.Date, "events": pl.Int64})
    frame = day_quality_frame(counted(moments), nothing, days, since=days.start)
    return dict(frame.select("event_date", "verdict").iter_rows())


def test_case_01_a_help_desk_in_new_york_whose_zone_nobody_declared() -> None:
    draw, moments = random.Random(11), []
    days = Days(date(2025, 9, 29), date(2025, 11, 29))
    for number in range(61):
        day = days.start + timedelta(days=number)
        for hour in range(9, 17):
            for _ in range(draw.randrange(85, 116)):
                local = datetime(day.year, day.month, day.day, hour, draw.randrange(60), draw.randrange(60))
                moments.append(local.replace(tzinfo=ZoneInfo("America/New_York")).astimezone(UTC))
                draw.choice(("inbox", "search", "invoice")), draw.randrange(90), draw.randrange(50, 900)
    assert not {"partial", "empty"} & set(verdicts(moments, days).values())
    for lacking in (datetime(2025, 10, 20, 15), datetime(2025, 11, 5, 15), datetime(2025, 11, 26, 14)):
        left = [at for at in moments if at.replace(minute=0, second=0, tzinfo=None) != lacking]
        assert {d for d, v in verdicts(left, days).items() if v == "partial"} == {lacking.date()}


def test_case_02_an_office_whose_weekends_are_silent() -> None:
    draw, moments = random.Random(12), []
    days = Days(date(2025, 6, 2), date(2025, 7, 21))
    for number in range(49):
        day = days.start + timedelta(days=number)
        if day.weekday() < 5:
            for _ in range(draw.randrange(190, 231)):
                moments.append(
                    datetime(
                        day.year, day.month, day.day, draw.randrange(8, 17), draw.randrange(60), draw.randrange(60)
                    )
                )
    found = verdicts(moments, days)
    assert not {"partial", "empty"} & set(found.values())
    assert [found[date(2025, 6, 7) + timedelta(days=7 * n)] for n in range(6)] == ["unknown"] * 3 + ["whole"] * 3
    monday = date(2025, 7, 7)
    assert verdicts([at for at in moments if at.date() != monday], days)[monday] == "empty"
