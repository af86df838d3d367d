"""Faults of the pipeline are distinguished from those of the product, and days are assessed equally one by one or together."""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from intelligence.core.tables import Days
from intelligence.telemetry.day_quality import (
    HISTORY_DAYS,
    LEAST_TO_BE_STUCK,
    MEASURED_COLUMNS,
    DayCounts,
    DayQuality,
    day_quality,
    day_quality_frame,
)
from intelligence.telemetry.doubts import SCHEMA as DOUBTS
from intelligence.telemetry.tables import DAY_QUALITY, OPTIONAL_COLUMNS

MONDAY = date(2026, 3, 2)
HOURS = np.array([0, 0, 0, 0, 0, 2, 10, 40, 90, 100, 110, 100, 80, 90, 100, 90, 70, 50, 30, 20, 10, 4, 0, 0])
ALL_FILLED = [*OPTIONAL_COLUMNS]


def counts(by_hour: np.ndarray, *, filled: list[str] = ALL_FILLED, flat: tuple[str, ...] = ()) -> DayCounts:
    events = int(by_hour.sum())
    return DayCounts(by_hour, np.array([events if name in filled else 0 for name in OPTIONAL_COLUMNS]), frozenset(flat))


def varied(day: date, by_hour: np.ndarray = HOURS) -> np.ndarray:
    """Return the hours with a few events more or less, so that no two days are the same."""
    return by_hour + (by_hour > 5) * np.random.default_rng(day.toordinal()).integers(-5, 6, 24)


def school_weeks(weeks: int, *, weekend: float = 1.0) -> dict[date, DayCounts]:
    days = [MONDAY + timedelta(days=n) for n in range(7 * weeks)]
    size = {day: weekend if day.weekday() >= 5 else 1.0 for day in days}
    return {day: counts((varied(day) * size[day]).astype(np.int64)) for day in days}


def assessed(history: Mapping[date, DayCounts], day: date, today: DayCounts | None) -> DayQuality:
    return day_quality(day, history if today is None else {**history, day: today})


NEXT = MONDAY + timedelta(days=28)


def test_an_ordinary_day_is_whole() -> None:
    quality = assessed(school_weeks(4), NEXT, counts(varied(NEXT)))
    assert (quality.verdict, quality.silent_hours, quality.missing_rate) == ("whole", (), 0.0)
    assert quality.expected_events == pytest.approx(HOURS.sum(), rel=0.1)


def test_half_a_day_of_silence_is_partial_and_names_its_hours() -> None:
    silent = varied(NEXT)
    silent[8:20] = 0
    quality = assessed(school_weeks(4), NEXT, counts(silent))
    assert quality.verdict == "partial"
    assert quality.silent_hours == tuple(range(8, 20))
    assert quality.missing_rate == pytest.approx(HOURS[8:20].sum() / HOURS.sum(), abs=0.02)
    assert "12 hours" in quality.reason


def test_one_quiet_hour_of_little_weight_is_no_fault() -> None:
    quiet = varied(NEXT)
    quiet[20] = 0
    quality = assessed(school_weeks(4), NEXT, counts(quiet))
    assert quality.silent_hours == (20,)
    assert quality.verdict == "whole"


def test_hours_in_which_nothing_is_expected_are_not_silent() -> None:
    assert not set(assessed(school_weeks(4), NEXT, counts(varied(NEXT))).silent_hours) & {0, 1, 2, 3, 22, 23}


def test_half_the_volume_in_every_hour_is_the_products_affair() -> None:
    assert assessed(school_weeks(4), NEXT, counts(varied(NEXT) // 2)).verdict == "whole"


@pytest.mark.parametrize("today", [None, counts(np.zeros(24, np.int64))])
def test_a_day_without_events_is_empty_where_events_are_usual(today: DayCounts | None) -> None:
    quality = assessed(school_weeks(4), NEXT, today)
    assert (quality.verdict, quality.missing_rate, quality.silent_hours) == ("empty", 1.0, tuple(range(24)))


@pytest.mark.parametrize("known_days", [0, 1, 2])
def test_the_first_days_are_unknown_rather_than_whole_or_partial(known_days: int) -> None:
    history = dict(list(school_weeks(1).items())[:known_days])
    quality = assessed(history, MONDAY + timedelta(days=known_days), counts(HOURS))
    assert quality.verdict == "unknown"
    assert quality.missing_rate is None
    assert str(known_days) in quality.reason


def test_the_fourth_day_is_assessed_by_the_three_before_it() -> None:
    history = dict(list(school_weeks(1).items())[:3])
    thursday = MONDAY + timedelta(days=3)
    silent = varied(thursday)
    silent[8:20] = 0
    assert assessed(history, thursday, counts(varied(thursday))).verdict == "whole"
    assert assessed(history, thursday, counts(silent)).verdict == "partial"


def test_a_tiny_stream_is_unknown_and_never_empty() -> None:
    few = np.zeros(24, np.int64)
    few[9:12] = 6
    history = {day: counts(few) for day in school_weeks(4)}
    assert assessed(history, NEXT, None).verdict == "unknown"


def test_a_column_that_went_empty_is_named() -> None:
    without = [name for name in OPTIONAL_COLUMNS if name not in ("latency_ms", "rating")]
    quality = assessed(school_weeks(4), NEXT, counts(varied(NEXT), filled=without))
    assert quality.verdict == "partial"
    assert quality.emptied_columns == ("latency_ms", "rating")
    assert "latency_ms, rating" in quality.reason


def test_a_column_that_was_always_empty_is_no_fault() -> None:
    history = {day: counts(other.by_hour, filled=["platform"]) for day, other in school_weeks(4).items()}
    assert assessed(history, NEXT, counts(varied(NEXT), filled=["platform"])).verdict == "whole"


def test_a_column_that_is_rarely_filled_may_stay_empty_for_a_day() -> None:
    history = school_weeks(4)
    for day, other in history.items():
        rare = other.filled.copy()
        rare[OPTIONAL_COLUMNS.index("rating")] = 3
        history[day] = DayCounts(other.by_hour, rare)
    no_rating = [name for name in OPTIONAL_COLUMNS if name != "rating"]
    assert assessed(history, NEXT, counts(varied(NEXT), filled=no_rating)).verdict == "whole"


def test_a_measurement_that_used_to_vary_and_is_now_one_and_the_same_is_named() -> None:
    quality = assessed(school_weeks(4), NEXT, counts(varied(NEXT), flat=("latency_ms",)))
    assert (quality.verdict, quality.stuck_columns) == ("partial", ("latency_ms",))
    assert "one and the same value in latency_ms" in quality.reason


def test_a_measurement_that_never_varied_is_no_fault() -> None:
    history = {day: counts(other.by_hour, flat=("duration_s",)) for day, other in school_weeks(4).items()}
    assert assessed(history, NEXT, counts(varied(NEXT), flat=("duration_s",))).verdict == "whole"


def test_what_is_stuck_for_good_is_a_fault_until_nobody_remembers_it_vary() -> None:
    days = dict(school_weeks(4))
    verdicts = []
    for number in range(10):
        day = NEXT + timedelta(days=number)
        days[day] = counts(varied(day), flat=("latency_ms",))
        verdicts.append(day_quality(day, days).verdict)
    assert verdicts == ["partial"] * 5 + ["whole"] * 5


def test_a_day_that_repeats_the_day_before_hour_for_hour_is_partial() -> None:
    history = school_weeks(4)
    quality = assessed(history, NEXT, history[NEXT - timedelta(days=1)])
    assert quality.verdict == "partial"
    assert "day before" in quality.reason


def test_a_day_that_repeats_an_earlier_monday_is_whole() -> None:
    history = school_weeks(4)
    assert assessed(history, NEXT, history[NEXT - timedelta(days=7)]).verdict == "whole"


def test_days_whose_events_have_no_hour_may_have_the_same_number_of_events() -> None:
    midnight = np.zeros(24, np.int64)
    midnight[0] = 500
    history = {day: counts(midnight) for day in school_weeks(4)}
    assert assessed(history, NEXT, counts(midnight)).verdict == "whole"


@pytest.mark.parametrize("weekend", [0.3, 0.1, 0.02])
def test_quiet_weekends_are_not_called_partial(weekend: float) -> None:
    weeks = school_weeks(8, weekend=weekend)
    known_weekends = [day for day in weeks if day.weekday() >= 5][4:]
    assert {day_quality(day, weeks).verdict for day in known_weekends} <= {"whole", "unknown"}
    mondays = [day for day in weeks if day.weekday() == 0][3:]
    assert {day_quality(day, weeks).verdict for day in mondays} == {"whole"}


def test_the_first_weekend_of_a_product_is_whole_if_people_use_it_in_every_hour() -> None:
    weeks = school_weeks(2, weekend=0.3)
    assert {day_quality(day, weeks).verdict for day in weeks if (day - MONDAY).days >= 4} == {"whole"}


def test_a_silent_saturday_is_assessed_by_saturdays() -> None:
    weeks = school_weeks(5, weekend=0.3)
    saturday = MONDAY + timedelta(days=33)
    silent = weeks[saturday].by_hour.copy()
    silent[8:20] = 0
    quality = assessed(weeks, saturday, counts(silent))
    assert quality.verdict == "partial"
    assert quality.expected_events == pytest.approx(0.3 * HOURS.sum(), rel=0.1)


def hours_frame(days: Mapping[date, DayCounts]) -> pl.DataFrame:
    """Return the counts as day_quality_hours.sql gives them; what an hour fills is its share of what the day fills."""
    rows = []
    for day, of_day in days.items():
        left = of_day.filled.copy()
        for hour in np.flatnonzero(of_day.by_hour):
            here = np.minimum(left, of_day.by_hour[hour])
            left = left - here
            extremes = [value for name in MEASURED_COLUMNS for value in (1.0, 1.0 if name in of_day.flat else 2.0)]
            rows.append((day, int(hour), int(of_day.by_hour[hour]), *map(int, here), *extremes))
    bounds = [f"{end}_{name}" for name in MEASURED_COLUMNS for end in ("least", "most")]
    columns = {"event_date": pl.Date, "hour": pl.Int64, "events": pl.Int64, **dict.fromkeys(OPTIONAL_COLUMNS, pl.Int64)}
    columns |= dict.fromkeys(bounds, pl.Float64)
    return pl.DataFrame(rows, schema=columns, orient="row")


def one_by_one(hours: pl.DataFrame, days: Days, steps: list[int]) -> pl.DataFrame:
    """Return the result of consecutive runs over so many days each, each knowing the HISTORY_DAYS before it."""
    whole = day_quality_frame(hours.clear(), hours.clear().select("event_date"), Days(days.start, days.start))
    start = days.start
    for step in steps:
        end = start + timedelta(days=step)
        known = whole.filter(pl.col("event_date") >= start - timedelta(days=HISTORY_DAYS))
        here = hours.filter(pl.col("event_date").is_between(start, end, closed="left"))
        whole = pl.concat([whole, day_quality_frame(here, known, Days(start, end), since=MONDAY)])
        start = end
    assert start == days.end
    return whole


KINDS = st.sampled_from(["ordinary", "ordinary", "ordinary", "silent", "none", "emptied", "stuck", "repeated"])


def stream(kinds: list[str]) -> dict[date, DayCounts]:
    days: dict[date, DayCounts] = {}
    for number, kind in enumerate(kinds):
        day = MONDAY + timedelta(days=number)
        today = counts(varied(day))
        if kind == "none":
            continue
        if kind == "silent":
            today.by_hour[9:15] = 0
            today = counts(today.by_hour)
        if kind == "emptied":
            today = counts(today.by_hour, filled=["session_id"])
        if kind == "stuck":
            today = counts(today.by_hour, flat=("duration_s",))
        if kind == "repeated":
            today = days.get(day - timedelta(days=1), today)
        days[day] = today
    return days


@pytest.mark.proof
@settings(max_examples=25, deadline=None)
@given(kinds=st.lists(KINDS, min_size=30, max_size=45), data=st.data())
def test_days_assessed_one_by_one_are_assessed_as_in_one_run(kinds: list[str], data: st.DataObject) -> None:
    hours = hours_frame(stream(kinds))
    days = Days(MONDAY, MONDAY + timedelta(days=len(kinds)))
    nothing_before = day_quality_frame(hours.clear(), hours.clear().select("event_date"), Days(days.start, days.start))
    together = day_quality_frame(hours, nothing_before, days, since=MONDAY)
    assert together["event_date"].to_list() == [MONDAY + timedelta(days=n) for n in range(len(kinds))]
    assert_frame_equal(one_by_one(hours, days, [1] * len(kinds)), together, check_exact=True)
    cut = data.draw(st.integers(1, len(kinds) - 1))
    assert_frame_equal(one_by_one(hours, days, [cut, len(kinds) - cut]), together, check_exact=True)


def test_every_planted_fault_of_a_stream_is_found_and_nothing_else() -> None:
    kinds = ["ordinary"] * 42
    kinds[30], kinds[34], kinds[36], kinds[38], kinds[40] = "silent", "none", "emptied", "stuck", "repeated"
    days = stream(kinds)
    verdicts = {
        number: day_quality(MONDAY + timedelta(days=number), days).verdict
        for number in range(3, 42)
        if day_quality(MONDAY + timedelta(days=number), days).verdict != "whole"
    }
    assert verdicts == {30: "partial", 34: "empty", 36: "partial", 38: "partial", 40: "partial"}


def test_the_frame_has_the_columns_of_its_table() -> None:
    frame = day_quality_frame(hours_frame(stream(["ordinary"] * 9)), pl.DataFrame(schema=empty_history()), ONE_WEEK)
    assert frame.columns == [column.name for column in DAY_QUALITY.columns if column.name not in DOUBTS]
    assert frame.height == 7


def test_a_flat_line_is_told_from_the_least_and_the_most_of_the_hours_and_not_of_a_handful_of_events() -> None:
    days = {day: counts(varied(day)) for day in school_weeks(2)}
    today, few = MONDAY + timedelta(days=14), MONDAY + timedelta(days=15)
    days[today] = counts(varied(today), flat=("latency_ms",))
    days[few] = DayCounts(varied(few), np.full(len(OPTIONAL_COLUMNS), LEAST_TO_BE_STUCK - 1), frozenset(["latency_ms"]))
    frame = day_quality_frame(
        hours_frame(days), pl.DataFrame(schema=empty_history()), Days(MONDAY, few + timedelta(days=1))
    )
    flat = frame.filter(pl.col("flat_columns").list.len() > 0).select("event_date", "flat_columns", "stuck_columns")
    assert flat.rows() == [(today, ["latency_ms"], ["latency_ms"])]


def empty_history() -> dict[str, pl.DataType]:
    return {
        "event_date": pl.Date(),
        "events": pl.Int64(),
        "events_by_hour": pl.List(pl.Int64),
        "filled": pl.List(pl.Int64),
        "flat_columns": pl.List(pl.String),
    }


ONE_WEEK = Days(MONDAY, MONDAY + timedelta(days=7))
