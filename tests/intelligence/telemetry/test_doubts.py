"""A fault lasts from the day it began until it ends, product.yaml accepts it, or enough days have passed."""

from collections.abc import Iterable
from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from intelligence.drift.reported_faults import telemetry_notices
from intelligence.simulation.stream import SimulationPlan, simulated_day
from intelligence.telemetry.doubts import SCHEMA, in_words, with_doubts
from intelligence.telemetry.measured import DayMeasured
from intelligence.telemetry.settings import AcceptedChange, Telemetry
from intelligence.telemetry.tables import DAY_QUALITY
from tests.intelligence.telemetry.measured_product import measured

PLAN = SimulationPlan(features=4, events_per_day=900, seed=9, planted=False)
DAYS = 34
BEGINS = 10


def days_with(changes: dict[str, Iterable[int]]) -> dict[date, DayMeasured]:
    """Return what was measured on the days, with these changes on the days of these numbers."""

    def changed(number: int) -> pl.DataFrame:
        events = simulated_day(PLAN, PLAN.date_of(number))
        for name, numbers in changes.items():
            if number in numbers:
                events = events.with_columns(CHANGES[name])
        return events

    return measured(pl.concat([changed(number) for number in range(DAYS)]))


CHANGES = {
    "microseconds": (pl.col("latency_ms") * 1_000).alias("latency_ms"),
    "stuck": pl.lit(1, dtype=pl.Int64).alias("error_count"),
    "one user": pl.lit("u").alias("user_id"),
}


def arrived(numbers: Iterable[int], verdicts: dict[int, str] | None = None) -> pl.DataFrame:
    said = verdicts or {}
    rows = [(PLAN.date_of(n), said.get(n, "whole"), f"{said.get(n, 'all')} came") for n in numbers]
    others = [column.name for column in DAY_QUALITY.columns if column.name not in ("event_date", "verdict", "reason")]
    frame = pl.DataFrame(rows, schema={"event_date": pl.Date, "verdict": pl.String, "reason": pl.String}, orient="row")
    return frame.with_columns([pl.lit(None).alias(name) for name in others if name not in SCHEMA])


def found(days: dict[date, DayMeasured], rules: Telemetry | None = None) -> pl.DataFrame:
    history = arrived([]).with_columns([pl.lit(None, dtype=kind).alias(name) for name, kind in SCHEMA.items()])
    return with_doubts(arrived(range(DAYS)), history, days, rules=rules or Telemetry())


@pytest.fixture(scope="module")
def for_good() -> dict[date, DayMeasured]:
    return days_with({"microseconds": range(BEGINS, DAYS)})


@pytest.fixture(scope="module")
def three_days() -> dict[date, DayMeasured]:
    return days_with({"microseconds": range(BEGINS, BEGINS + 3), "one user": [BEGINS + 1]})


def partial(frame: pl.DataFrame) -> list[int]:
    doubted = frame.filter(verdict="partial")["event_date"]
    return [(day - PLAN.first_day).days for day in doubted]


def test_a_fault_is_over_when_it_is_over_and_a_second_one_is_told_by_itself(
    three_days: dict[date, DayMeasured],
) -> None:
    frame = found(three_days)
    assert partial(frame) == [BEGINS, BEGINS + 1, BEGINS + 2]
    rows = frame.filter(verdict="partial").rows(named=True)
    first, second = PLAN.date_of(BEGINS), PLAN.date_of(BEGINS + 1)
    assert [row["doubted_columns"] for row in rows] == [["latency_ms"], [], ["latency_ms"]]
    assert [row["since"] for row in rows] == [first, second, first]
    assert rows[1]["faults_since"] == [first, second]
    assert f"(since {first})" in rows[2]["reason"]
    notices = telemetry_notices(frame.head(BEGINS + 5))
    assert [notice.key for notice in notices] == [
        f"telemetry@{first}",
        f"telemetry@{second}",
        f"telemetry@{first}: over",
    ]
    assert telemetry_notices(frame) == []


def test_a_change_for_good_is_doubted_for_two_weeks_and_then_said_to_be_usual(
    for_good: dict[date, DayMeasured],
) -> None:
    frame = found(for_good)
    assert partial(frame) == list(range(BEGINS, BEGINS + 14))
    after = frame.row(BEGINS + 14, named=True)
    assert after["reason"] == "all came; latency_ms is taken as usual from now on, after 14 days"
    assert {notice.key for notice in telemetry_notices(frame.head(BEGINS + 15))} == {
        f"telemetry@{PLAN.date_of(BEGINS)}",
        f"telemetry@{PLAN.date_of(BEGINS)}: over",
    }


def test_a_persons_word_ends_the_doubt_from_the_day_on_that_it_names(for_good: dict[date, DayMeasured]) -> None:
    word = AcceptedChange(of="latency_ms", since=PLAN.date_of(BEGINS))
    assert partial(found(for_good, Telemetry(accepted_changes=(word,)))) == []
    other = AcceptedChange(of="rating", since=PLAN.date_of(BEGINS))
    assert partial(found(for_good, Telemetry(accepted_changes=(other,), accepted_after_days=5))) == list(
        range(BEGINS, BEGINS + 5)
    )


def test_what_went_back_after_it_was_accepted_is_a_fault_of_its_own(for_good: dict[date, DayMeasured]) -> None:
    back = days_with({"microseconds": range(BEGINS, DAYS - 2)})
    frame = found(back)
    assert partial(frame) == [*range(BEGINS, BEGINS + 14), DAYS - 2, DAYS - 1]
    assert frame.row(-1, named=True)["since"] == PLAN.date_of(DAYS - 2)


def test_the_days_are_assessed_the_same_one_by_one_or_together(for_good: dict[date, DayMeasured]) -> None:
    together = found(for_good)
    singly = together.head(0)
    for number in range(DAYS):
        past = singly.filter(pl.col("event_date") >= PLAN.date_of(number) - timedelta(days=28))
        one = with_doubts(arrived([number]), past, for_good, rules=Telemetry())
        singly = pl.concat([singly, one.cast(dict(together.schema))])
    assert_frame_equal(singly, together)


def test_rows_of_a_former_version_have_no_faults_and_are_read() -> None:
    days = days_with({"stuck": [DAYS - 1]})
    history = arrived(range(DAYS - 1), {3: "partial"}).with_columns(
        [pl.lit(None, dtype=kind).alias(name) for name, kind in SCHEMA.items()]
    )
    row = with_doubts(arrived([DAYS - 1]), history, days, rules=Telemetry()).row(0, named=True)
    assert (row["verdict"], row["doubted_columns"]) == ("partial", ["error_count"])
    assert "error_count is set in 100% of the events" in in_words(row)


def test_what_did_not_arrive_and_a_fault_of_a_column_leave_nothing_to_rely_on(
    for_good: dict[date, DayMeasured],
) -> None:
    history = arrived([]).with_columns([pl.lit(None, dtype=kind).alias(name) for name, kind in SCHEMA.items()])
    assessed = arrived(range(DAYS), {BEGINS: "partial", BEGINS + 1: "empty", BEGINS + 2: "unknown"})
    rows = with_doubts(assessed, history, for_good, rules=Telemetry()).rows(named=True)
    assert rows[BEGINS]["faults"] == ["arrival", "latency_ms"]
    assert rows[BEGINS]["doubted_columns"] == []
    assert (rows[BEGINS + 1]["verdict"], rows[BEGINS + 1]["faults"]) == ("empty", ["arrival"])
    assert (rows[BEGINS + 2]["verdict"], rows[BEGINS + 2]["doubted_columns"]) == ("partial", ["latency_ms"])
    assert rows[BEGINS + 2]["since"] == PLAN.date_of(BEGINS)


def halved_and_without(platform: str, numbers: Iterable[int]) -> dict[date, DayMeasured]:
    """Return the days, on these numbers with half of each user's events and none of the platform."""

    def changed(number: int) -> pl.DataFrame:
        events = simulated_day(PLAN, PLAN.date_of(number))
        if number not in numbers:
            return events
        half = events.filter(pl.int_range(pl.len()).over("user_id") % 2 == 0)
        return half.filter(pl.col("platform") != platform)

    return measured(pl.concat([changed(number) for number in range(DAYS)]))


@pytest.mark.parametrize("platform", ["android", "web"])
def test_hours_that_did_not_arrive_explain_what_else_is_missing(platform: str) -> None:
    days = halved_and_without(platform, range(28, 30))
    alone = with_doubts(arrived(range(DAYS)), found({}).clear(), days, rules=Telemetry())
    both = with_doubts(arrived(range(DAYS), {28: "partial", 29: "partial"}), found({}).clear(), days, rules=Telemetry())
    assert {name for row in alone["faults"].to_list()[28:30] for name in row} >= {f"platform {platform}"}
    assert set(both["since"].to_list()[28:30]) == {PLAN.date_of(28)}
    assert [each.count("(since") for each in both["reason"].to_list()[28:30]] == [1, 1]
    assert len(telemetry_notices(both)) == 2, "its beginning and its end"


@pytest.mark.parametrize("seed", range(4))
def test_the_first_weeks_of_a_product_with_a_quiet_weekday_are_no_change_of_sampling(seed: int) -> None:
    plan = SimulationPlan(features=8, events_per_day=4_000, seed=seed, planted=False)
    busy = pl.col("event_time").dt.weekday() != 2 + seed % 2
    seldom = pl.int_range(pl.len()).over("user_id") % 3 == 0
    events = pl.concat([simulated_day(plan, plan.date_of(number)) for number in range(16)]).filter(busy | seldom)
    days = measured(events)
    rows = arrived(range(16)).with_columns(event_date=pl.Series([plan.date_of(number) for number in range(16)]))
    frame = with_doubts(rows, found({}).clear(), days, rules=Telemetry())
    assert [each for row in frame["faults"].to_list() for each in row if each == "volume"] == []


@pytest.mark.parametrize("column", ["latency_ms", "duration_s", "error_count", "rating"])
def test_a_column_that_came_empty_is_one_fault_from_its_first_day_on(column: str) -> None:
    def changed(number: int) -> pl.DataFrame:
        events = simulated_day(PLAN, PLAN.date_of(number))
        empty = pl.lit(None, dtype=events.schema[column]).alias(column)
        return events.with_columns(empty) if number in range(28, 32) else events

    days = measured(pl.concat([changed(number) for number in range(DAYS)]))
    rows = arrived(range(DAYS), dict.fromkeys(range(28, 32), "partial")).with_columns(
        emptied_columns=pl.when(pl.col("verdict") == "partial").then(pl.lit([column])).otherwise(pl.lit([]))
    )
    frame = with_doubts(rows, found({}).clear(), days, rules=Telemetry())
    assert set(frame["since"].to_list()[28:32]) == {PLAN.date_of(28)}
    assert [each.count("(since") for each in frame["reason"].to_list()[28:32]] == [1] * 4


def test_a_column_that_came_stuck_is_one_fault_when_its_arrival_is_usual_again() -> None:
    def changed(number: int) -> pl.DataFrame:
        events = simulated_day(PLAN, PLAN.date_of(number))
        return events.with_columns(latency_ms=pl.lit(250.0)) if number >= 28 else events

    days = measured(pl.concat([changed(number) for number in range(DAYS)]))
    stuck = pl.when(pl.col("verdict") == "partial").then(pl.lit(["latency_ms"])).otherwise(pl.lit([]))
    rows = arrived(range(DAYS), dict.fromkeys(range(28, 31), "partial")).with_columns(stuck_columns=stuck)
    frame = with_doubts(rows, found({}).clear(), days, rules=Telemetry())
    assert set(frame["since"].to_list()[28:]) == {PLAN.date_of(28)}
    assert len(telemetry_notices(frame)) == 1
