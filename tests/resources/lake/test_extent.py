"""Days far from all others are set aside in the lake, however the rows were delivered, and come back when they are real."""

import random
from datetime import date, timedelta
from typing import Any

import pytest

from intelligence.catalog.layers import DAILY_TABLES
from intelligence.core.tables import Days
from resources.intake.preview import previewed_sources
from resources.lake.door import Lake

HEADER = "event_id,event_time,user_id,feature,event_type"
TEN = [date(2025, 11, 1) + timedelta(days=n) for n in range(10)]
OLD = date(2001, 1, 1)
LATER = date(2026, 7, 1)


def rows(day: date, events: int = 60, users: int = 20, *, name: str = "e") -> list[str]:
    return [f"{name}{day}-{n},{day}T10:00:{n % 60:02},u{n % users},search,use" for n in range(events)]


def deliver(bench: Any, name: str, lines: list[str]) -> None:
    bench.deliver(name, "\n".join([HEADER, *lines]) + "\n")


def extent(lake: Lake) -> Days | None:
    return lake.span()


@pytest.mark.parametrize("order", ["in one file", "the old row first", "the old row last", "file by file, shuffled"])
def test_case_08_one_old_clock_decides_nothing_in_any_order_of_delivery(bench: Any, order: str) -> None:
    thirds = {str(n): [row for day in TEN[n::3] for row in rows(day)] for n in range(3)}
    everything = thirds | {"old": rows(OLD, 1)}
    if order == "in one file":
        deliver(bench, "all.csv", [row for of_day in everything.values() for row in of_day])
        bench.ingest()
    else:
        names = [*everything]
        random.Random(4).shuffle(names)
        if order != "file by file, shuffled":
            names = sorted(everything, key=lambda name: (name == "old") == (order == "the old row last"))
        for name in names:
            deliver(bench, f"{name}.csv", everything[name])
            bench.ingest()
    assert extent(bench.lake) == Days(TEN[0], TEN[-1] + timedelta(days=1))
    assert [(each.day, each.events, each.reason) for each in bench.lake.set_aside()] == [
        (OLD, 1, "lies 9,070 days before all others")
    ]
    stale = bench.lake.stale(before=LATER)
    assert min(days[0].start for days in stale.values()) == TEN[0]
    before = bench.snapshot()
    bench.ingest()
    assert bench.snapshot() == before


def test_what_was_built_for_a_day_that_turns_out_to_be_of_a_wrong_clock_is_taken_back(bench: Any) -> None:
    deliver(bench, "old.csv", rows(OLD, 1))
    bench.ingest()
    assert extent(bench.lake) == Days(OLD, OLD + timedelta(days=1)), "there is nothing else to hold it against"
    users = next(table for table in DAILY_TABLES if table.path == "warehouse.dim_users")
    metrics = next(table for table in DAILY_TABLES if table.path == "metrics.user_day")
    day = Days(OLD, OLD + timedelta(days=1))
    bench.lake.replace(users, day, f"SELECT 'u0' AS user_id, TIMESTAMP '{OLD}' AS first_seen_at")
    bench.lake.replace(metrics, day, f"SELECT DATE '{OLD}' AS event_date, 'u0' AS user_id")
    deliver(bench, "ten.csv", [row for each in TEN for row in rows(each)])
    bench.ingest()
    assert bench.rows("FROM warehouse.dim_users") == bench.rows("FROM metrics.user_day") == []
    assert extent(bench.lake) == Days(TEN[0], TEN[-1] + timedelta(days=1))


def test_a_declared_start_brings_them_back_and_another_leaves_them_out(bench: Any) -> None:
    deliver(bench, "all.csv", [*rows(OLD, 1), *(row for day in TEN for row in rows(day))])
    bench.ingest()
    undeclared = bench.product
    bench.product = undeclared.model_copy(update={"start": OLD})
    bench.ingest()
    assert (bench.lake.set_aside(), extent(bench.lake).start) == ([], OLD)
    bench.product = undeclared.model_copy(update={"start": TEN[2]})
    bench.ingest()
    assert [each.day for each in bench.lake.set_aside()] == [OLD, TEN[0], TEN[1]]
    assert extent(bench.lake).start == TEN[2]
    bench.product = undeclared
    bench.ingest()
    assert [each.day for each in bench.lake.set_aside()] == [OLD]


def test_rows_that_were_rejected_for_a_start_come_back_when_it_is_declared_earlier(bench: Any) -> None:
    bench.product = bench.product.model_copy(update={"start": TEN[0]})
    deliver(bench, "all.csv", [*rows(OLD, 1), *(row for day in TEN for row in rows(day))])
    bench.ingest()
    assert bench.rejected("reason") == [("event_time lies before the product's start",)]
    assert bench.lake.set_aside() == []
    bench.product = bench.product.model_copy(update={"start": OLD})
    assert bench.redrive().accepted == 1
    assert extent(bench.lake).start == OLD


def test_history_that_is_loaded_day_by_day_comes_in_once_it_is_a_week(bench: Any) -> None:
    deliver(bench, "now.csv", [row for day in TEN for row in rows(day)])
    bench.ingest()
    first, began = date(2023, 1, 1), []
    for days in (range(1), range(1, 6), range(6, 7)):
        deliver(bench, f"{days}.csv", [row for n in days for row in rows(first + timedelta(days=n))])
        bench.ingest()
        began.append(extent(bench.lake).start)
    assert began == [TEN[0], TEN[0], first]


def test_check_tells_of_a_day_far_from_all_others_of_its_file_and_not_of_files_far_apart(bench: Any) -> None:
    deliver(bench, "2023.csv", rows(date(2023, 1, 1)))
    deliver(bench, "2025.csv", [*rows(OLD, 1), *(row for day in TEN for row in rows(day))])
    (found,) = previewed_sources(bench.product)
    (warning,) = found.warnings
    assert warning.startswith("1 event of 2001-01-01 lies 9,070 days before all others")
    assert "write `start: 2001-01-01` in product.yaml" in warning
