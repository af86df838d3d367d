"""Payers of each day against a plain second computation, whatever the order of payments, and day by day as all at once."""

from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.core.tables import Days
from intelligence.metrics.tables import PAYER_DAY, SILENCE_DAYS
from resources.lake.door import Lake
from resources.services.people import PeopleService
from tests.lakes import lake_in

FIRST = date(2026, 5, 4)
LENGTH = 70
PEOPLE = ("u1", "u2", "u3")
# By user: the days of activity, and what value was made on each; some is given back.
HISTORIES = st.fixed_dictionaries(
    {
        user: st.dictionaries(st.integers(0, LENGTH - 1), st.sampled_from([0.0, 0.0, 4.5, 9.0, -4.5]), max_size=9)
        for user in PEOPLE
    }
)
COUNTS = ("active_users", "unpaid_users", "new_payers", "repeat_payers", "recovered_payers", "stopped_payers")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = lake_in(tmp_path_factory.mktemp("payers"))
    yield made
    made.close()


def plainly(histories: dict[str, dict[int, float]]) -> dict[tuple[date, str], dict[str, float]]:
    """Return the rows by walking through the days of each user."""
    rows: dict[tuple[date, str], dict[str, float]] = {}

    def add(day: int, cohort: str, name: str, value: float = 1) -> None:
        for each in (cohort, "all"):
            row = rows.setdefault((FIRST + timedelta(days=day), each), {})
            row[name] = row.get(name, 0) + value

    for history in histories.values():
        if not history:
            continue
        first = FIRST + timedelta(days=min(history))
        cohort = str(first - timedelta(days=first.weekday()))
        last: int | None = None
        for day in range(LENGTH):
            paid = max(0.0, history.get(day, 0.0))
            if day in history:
                add(day, cohort, "active_users")
                add(day, cohort, "value", history[day])
                if last is None:
                    add(day, cohort, "unpaid_users")
            if paid:
                move = "new" if last is None else "recovered" if day - last > SILENCE_DAYS else "repeat"
                add(day, cohort, f"{move}_payers")
                if move != "repeat":
                    add(day, cohort, f"{move}_value", paid)
                last = day
            elif last is not None and day - last == SILENCE_DAYS:
                add(day, cohort, "stopped_payers")
                add(
                    day, cohort, "stopped_value", sum(v for d, v in history.items() if last - 27 <= d <= last and v > 0)
                )
    return rows


def fill(lake: Lake, histories: dict[str, dict[int, float]]) -> None:
    days = [
        {"event_date": FIRST + timedelta(days=day), "user_id": user, "value": value, "events": 1}
        for user, history in histories.items() for day, value in history.items()
    ]  # fmt: skip
    users = [
        {"user_id": user, "first_seen_at": datetime.combine(FIRST + timedelta(days=min(history)), datetime.min.time())}
        for user, history in histories.items() if history
    ]  # fmt: skip

    def insert(connection: Any) -> None:
        for path in ("metrics.user_day", "warehouse.dim_users", PAYER_DAY.path):
            connection.execute(f"DELETE FROM {path}")
        for path, rows in (("metrics.user_day", days), ("warehouse.dim_users", users)):
            if rows:
                connection.register("given_rows", pl.DataFrame(rows))
                connection.execute(f"INSERT INTO {path} BY NAME FROM given_rows")
                connection.unregister("given_rows")

    lake.commit(insert)


@settings(max_examples=8)
@given(histories=HISTORIES)
def test_payers_are_those_of_a_plain_computation_day_by_day_as_all_at_once(
    lake: Lake, histories: dict[str, dict[int, float]]
) -> None:
    fill(lake, histories)
    whole = Days(FIRST, FIRST + timedelta(days=LENGTH))
    service = PeopleService(lake)
    service.payers_written(whole)
    found = lake.frame(f"FROM {PAYER_DAY.path}")
    expected = plainly(histories)
    assert {(row["event_date"], row["cohort"]) for row in found.iter_rows(named=True)} == set(expected)
    for row in found.iter_rows(named=True):
        plain = expected[row["event_date"], row["cohort"]]
        for name in (*COUNTS, "value", "new_value", "recovered_value", "stopped_value"):
            assert row[name] == pytest.approx(plain.get(name, 0)), (name, row)
        assert row["paid_conversion_rate"] == (row["new_payers"] / row["unpaid_users"] if row["unpaid_users"] else None)
    for start in (FIRST + timedelta(days=40), FIRST + timedelta(days=12)):
        service.payers_written(Days(start, start + timedelta(days=9)))
    assert lake.frame(f"FROM {PAYER_DAY.path}").sort("event_date", "cohort").equals(found.sort("event_date", "cohort"))
