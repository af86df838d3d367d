"""A clock that was wrong does not decide where a product begins, and real history is not taken for one."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.telemetry.beginnings import (
    COUNTED_DAYS,
    DayCount,
    days_set_aside,
    days_to_count,
    has_gaps,
    set_aside_sentences,
)

FIRST = date(2025, 11, 1)
Days_ = dict[date, DayCount]


def run_of(first: date, days: int, *, events: int = 60, users: int = 20, every: int = 1) -> Days_:
    return {first + timedelta(days=every * n): DayCount(events, users) for n in range(days)}


TEN = run_of(FIRST, 10)
ONE_DEVICE = {"events": 50, "users": 1}
# By name: the days, and those that are none of the product's.
WRONG_CLOCKS = {
    "one row of 2001": (TEN, run_of(date(2001, 1, 1), 1, events=1, users=1)),
    "the default of many devices": (TEN, run_of(date(2000, 1, 1), 1, events=600, users=20)),
    "one device over ten days": (TEN, run_of(date(2001, 1, 1), 10, **ONE_DEVICE)),
    "one device over forty days": (TEN, run_of(date(2019, 3, 1), 40, **ONE_DEVICE)),
    "days scattered over twenty years": (TEN, run_of(date(2001, 1, 1), 30, events=1, users=1, every=290)),
    "two clocks": (
        TEN,
        {**run_of(date(2001, 1, 1), 1, events=3, users=1), **run_of(date(2012, 5, 1), 2, events=9, users=1)},
    ),
    "one row of three months ago": (TEN, run_of(date(2025, 7, 20), 1, events=1, users=1)),
    "a row of years ahead": (TEN, run_of(date(2026, 11, 28), 1, events=1, users=1)),
    "a first day and an old clock that wrote more": (
        run_of(FIRST, 1),
        run_of(date(2001, 1, 1), 1, events=500, users=2),
    ),
    "two rows in all": (run_of(FIRST, 1, events=1, users=1), run_of(date(2001, 1, 1), 1, events=1, users=1)),
    "five users": (run_of(FIRST, 10, events=20, users=5), run_of(date(2008, 1, 1), 3, events=20, users=1)),
    "the first day of old history": (TEN, run_of(date(2023, 1, 1), 1)),
}
REAL = {
    "one run of days": TEN,
    "a month's holiday": {**run_of(date(2025, 8, 1), 30), **run_of(date(2025, 10, 10), 20)},
    "a job on the first of the month": {date(2025, month, 1): DayCount(500, 3) for month in range(1, 12)},
    "a quarterly report": {date(year, month, 5): DayCount(40, 9) for year in (2023, 2024) for month in (1, 4, 7, 10)},
    "a pilot of three days": {**run_of(date(2025, 8, 1), 3), **TEN},
    "a small pilot of two weeks": {**run_of(date(2025, 6, 1), 14, events=4, users=3), **run_of(FIRST, 30, events=900, users=300)},
    "history of ten days, years ago": {**run_of(date(2022, 1, 1), 10), **TEN},
    "a product that grew": {FIRST + timedelta(days=n): DayCount(1 + n * n, 1 + n) for n in range(90)},
    "one user in all": {**run_of(date(2025, 5, 1), 20, events=8, users=1), **run_of(FIRST, 20, events=9, users=1)},
    "a product that starts again after a year": {**run_of(date(2024, 5, 1), 200), **run_of(date(2025, 10, 1), 1)},
    "a single day": run_of(FIRST, 1),
    "nothing": {},
}  # fmt: skip


def aside(days: Days_, **declared: date) -> list[date]:
    asked = days_to_count(sorted(days))
    return [each.day for each in days_set_aside(list(days), {day: days[day] for day in asked}, **declared)]


@pytest.mark.parametrize("name", WRONG_CLOCKS)
def test_days_of_a_wrong_clock_are_set_aside_and_no_others(name: str) -> None:
    real, wrong = WRONG_CLOCKS[name]
    assert aside({**real, **wrong}) == sorted(wrong)
    assert has_gaps(sorted({**real, **wrong}))


@pytest.mark.parametrize("name", WRONG_CLOCKS)
def test_declared_days_settle_it(name: str) -> None:
    real, wrong = WRONG_CLOCKS[name]
    days = {**real, **wrong}
    assert aside(days, start=min(days), end=max(days)) == []
    assert aside(days, start=min(real), end=max(real)) == sorted(wrong)


@pytest.mark.parametrize("name", REAL)
def test_real_days_are_never_set_aside(name: str) -> None:
    assert aside(REAL[name]) == []


def test_history_that_arrives_day_by_day_from_the_oldest_on_is_taken_once_it_is_a_week() -> None:
    verdicts = [aside({**TEN, **run_of(date(2023, 1, 1), n)}) != [] for n in range(1, 12)]
    assert verdicts == [True] * 6 + [False] * 5
    assert aside({**TEN, **run_of(date(2023, 1, 1), 1_035)}) == []


@settings(max_examples=50, deadline=None)
@given(
    wrong=st.sets(st.integers(0, 8_000), max_size=12), length=st.integers(8, 200), events=st.integers(40, 2_000),
    more=st.integers(1, 60),
)  # fmt: skip
def test_a_few_old_rows_never_move_the_beginning_and_more_days_of_the_product_change_nothing(
    wrong: set[int], length: int, events: int, more: int
) -> None:
    real = run_of(FIRST, length, events=events, users=15)
    old = {date(2000, 1, 1) + timedelta(days=n): DayCount(1, 1) for n in wrong}
    found = aside({**old, **real})
    assert found == sorted(old)
    assert aside({**old, **real, **run_of(FIRST + timedelta(days=length), more, events=events, users=15)}) == found


def test_the_last_days_of_a_stretch_are_counted() -> None:
    days = sorted({*run_of(date(2020, 1, 1), 100), *TEN})
    assert len(days_to_count(days)) == COUNTED_DAYS + 10


def test_what_is_set_aside_is_told_with_what_settles_it() -> None:
    days = {**TEN, **run_of(date(2001, 1, 1), 1, events=1, users=1), **run_of(date(2026, 11, 1), 2, events=2, users=1)}
    before, after = set_aside_sentences(days_set_aside(list(days), days))
    assert before.startswith("1 event of 2001-01-01 lies 9,070 days before all others: it is set aside")
    assert "`start: 2001-01-01`" in before
    assert after.startswith("4 events on 2 days from 2026-11-01 to 2026-11-02 lie 356 days after all others")
    assert set_aside_sentences([]) == []
