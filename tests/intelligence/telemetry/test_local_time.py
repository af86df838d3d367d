"""Days, hours and SQL of a time zone are what its clock shows, in zones of every kind."""

import random
from collections import Counter
from datetime import date, datetime, timedelta

import duckdb
import pytest

from intelligence.core.tables import Days
from intelligence.telemetry.local_time import (
    in_zone,
    known_zone,
    local_date,
    local_time,
    local_time_sql,
    skipped_days,
    start_of_day,
    uneven_hours,
    utc_time_sql,
)

# Half an hour of summer time, changes at midnight, rules that changed, offsets of 45 minutes, winter time that is the odd
# one, a jump over the date line, and none of it.
ZONES = (
    "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "America/Asuncion", "Asia/Beirut",
    "America/Santiago", "America/Havana", "Pacific/Apia", "Asia/Kathmandu", "America/Caracas", "Europe/Moscow",
    "Antarctica/Troll", "Asia/Pyongyang", "Europe/Dublin", "Africa/Casablanca", "Asia/Tehran", "UTC", "Etc/GMT+5",
)  # fmt: skip
# By zone and day, the minutes of the day.
LENGTHS = (
    ("America/New_York", "2025-11-02", 1500), ("America/New_York", "2025-03-09", 1380),
    ("Europe/Berlin", "2025-10-26", 1500), ("Australia/Lord_Howe", "2025-04-06", 1470),
    ("Australia/Lord_Howe", "2025-10-05", 1410), ("Africa/Cairo", "2023-04-28", 1380),
    ("America/Asuncion", "2023-10-01", 1380), ("Asia/Beirut", "2024-03-31", 1380),
    ("America/Havana", "2025-11-02", 1500), ("Pacific/Apia", "2011-12-30", 0),
    ("Asia/Pyongyang", "2018-05-04", 1410), ("Antarctica/Troll", "2025-10-26", 1560),
    ("Europe/Moscow", "2014-10-26", 1500), ("America/Caracas", "2016-05-01", 1410),
)  # fmt: skip


@pytest.mark.parametrize("zone", ZONES)
def test_the_sql_of_a_zone_shows_what_its_clock_shows_and_the_way_back_leads_to_the_same_moment(zone: str) -> None:
    rng = random.Random(zone)
    moments = [datetime(1999, 6, 1) + timedelta(seconds=rng.randrange(30 * 365 * 86_400)) for _ in range(300)]
    moments += [
        start_of_day(date(2025, month, 9), zone) + timedelta(seconds=s) for month in range(1, 13) for s in (-1, 0, 1)
    ]
    shown = [local_time(moment, zone) for moment in moments]
    query = (
        f"SELECT {local_time_sql('t', zone)}, {utc_time_sql('l', zone)} FROM (SELECT unnest($t) AS t, unnest($l) AS l)"
    )
    found = duckdb.execute(query, {"t": moments, "l": shown}).fetchall()
    assert [local for local, _ in found] == shown
    back = [moment for _, moment in found]
    assert [local_time(moment, zone) for moment in back] == shown
    assert all(at >= moment for at, moment in zip(back, moments, strict=True)), "of two moments the later is meant"


@pytest.mark.parametrize(("zone", "day", "minutes"), LENGTHS)
def test_a_day_has_the_hours_of_its_clock(zone: str, day: str, minutes: int) -> None:
    that = date.fromisoformat(day)
    uneven = uneven_hours(zone, Days(that - timedelta(days=20), that + timedelta(days=20)))
    assert sum(uneven[that]) == minutes
    first, after = start_of_day(that, zone), start_of_day(that + timedelta(days=1), zone)
    assert (after - first) == timedelta(minutes=minutes)
    counted = Counter(
        local_time(first + timedelta(minutes=n), zone).hour for n in range(0, minutes, 10)
    )  # every tenth minute
    assert [10 * counted[hour] for hour in range(24)] == list(uneven[that])


@pytest.mark.parametrize("zone", ZONES)
def test_the_first_moment_of_a_day_is_the_first_on_which_the_clock_shows_it(zone: str) -> None:
    for number in range(0, 7_000, 13):
        day = date(2007, 1, 1) + timedelta(days=number)
        first = start_of_day(day, zone)
        assert local_date(first, zone) >= day > local_date(first - timedelta(seconds=1), zone)


def test_a_zone_that_crossed_the_date_line_has_a_day_that_never_was() -> None:
    always = Days(date(1990, 1, 1), date(2040, 1, 1))
    assert {zone: skipped_days(zone, always) for zone in ZONES if skipped_days(zone, always)} == {
        "Pacific/Apia": [date(2011, 12, 30)]
    }


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Europe/Berln", "`Europe/Berlin`"), ("berlin", "`Europe/Berlin`"), ("New York", "`America/New_York`"),
        ("america/new_york", "`America/New_York`"), ("Amerika/Chicago", "`America/Chicago`"), ("lord_howe", "Lord_Howe"),
        ("+02:00", "such as"), ("", "such as"), ("../etc/passwd", "no IANA"), ("Europe/Berlin'; DROP", "no IANA"),
        ("localtime", "no IANA"),
    ],
)  # fmt: skip
def test_a_name_that_is_no_zone_is_refused_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ValueError, match="is no IANA time zone") as refused:
        known_zone(name)
    assert near in str(refused.value)


def test_a_query_in_utc_stays_as_it_is() -> None:
    assert in_zone("SELECT hour(local_time(event_time))", "UTC") == "SELECT hour(event_time)"
    assert "INTERVAL (19800) SECOND" in in_zone("SELECT hour(local_time(e.event_time))", "Asia/Kolkata")
