"""The panel of users, from its SQL on constructed tables: compared with counts by hand, without leakage, with labels that can be known."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

from intelligence.core.sql import sql
from intelligence.risk.predictors import USER_PREDICTORS, names_of
from intelligence.telemetry.local_time import in_zone

START = date(2026, 1, 1)
PREDICTORS = names_of(USER_PREDICTORS)


def day(number: int) -> date:
    return START + timedelta(days=number)


def activity(user: str, at: int, **other: Any) -> dict[str, Any]:
    used = {"events": 4, "sessions": 1, "features": 2, "duration_s": 120.0, "errors": 0, "crashed_events": 0}
    worth = {"conversions": 0, "ratings": 0, "rating_sum": 0.0, "value": 0.0}
    return {"event_date": day(at), "user_id": user, "segment": "all", **used, **worth, **other}


def panel(
    rows: Sequence[dict[str, Any]] | pl.DataFrame,
    days: Sequence[int],
    *,
    last: int,
    window: int = 14,
    horizon: int = 7,
    per_thousand: int = 1000,
) -> pl.DataFrame:
    """Return the panel of days, given by number, where the telemetry ends with day `last`."""
    user_day = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(list(rows))
    users = user_day.group_by("user_id").agg(first_seen_at=pl.col("event_date").min().cast(pl.Datetime("us")))
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA metrics; CREATE SCHEMA warehouse; SET threads = 2")
        connection.register("user_day_frame", user_day)
        connection.register("users_frame", users)
        connection.execute("CREATE TABLE metrics.user_day AS FROM user_day_frame")
        connection.execute("CREATE TABLE warehouse.dim_users AS FROM users_frame")
        parameters = {
            "days": [day(number) for number in days], "last_day": day(last), "window_days": window,
            "horizon_days": horizon, "users_per_thousand": per_thousand,
        }  # fmt: skip
        return connection.execute(in_zone(sql("risk/user_panel.sql"), "UTC"), parameters).pl()


def crowd(*, users: int = 60, length: int = 60, seed: int = 4) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(users):
        rhythm = rng.uniform(0.05, 0.7)
        for at in np.flatnonzero(rng.random(length) < rhythm):
            more = {
                "events": int(rng.integers(1, 40)), "duration_s": float(rng.gamma(2, 90)), "errors": int(rng.integers(0, 2)),
                "ratings": 1, "rating_sum": float(rng.integers(1, 6)), "value": float(rng.gamma(1, 3)),
            }  # fmt: skip
            rows.append(activity(f"u{number:03}", int(at), **more))
    return pl.DataFrame(rows)


def test_a_row_counted_by_hand() -> None:
    rows = [
        activity("a", 1, events=99),
        activity("a", 10, events=10, errors=1, crashed_events=1, value=1.25),
        activity("a", 20, events=6, features=1, duration_s=60.0, ratings=2, rating_sum=9.0),
        activity("a", 26, events=4, features=3, conversions=2, value=0.75),
    ]
    found = panel(rows, [29], last=60).row(0, named=True)
    expected = {
        "event_date": day(29), "user_id": "a", "days_since_visit": 3, "active_days_7d": 1, "active_days_14d": 2,
        "active_days_28d": 3, "visit_rhythm_days": 8.0, "absence_against_rhythm": 3 / 8, "events_7d": 4, "events_28d": 20,
        "event_change_14d": np.log(11 / 11), "day_change_14d": 1, "events_per_day_28d": 20 / 3,
        "features_per_day_28d": 2.0, "minutes_per_day_28d": 5 / 3, "error_rate_28d": 0.05, "crashed_events_28d": 1,
        "conversions_28d": 2, "mean_rating_28d": 4.5, "value_28d": 2.0, "tenure_days": 28, "label": True,
    }  # fmt: skip
    assert set(found) == set(expected)
    assert set(PREDICTORS) < set(found)
    for name, value in expected.items():
        assert found[name] == (pytest.approx(value) if isinstance(value, float) else value), name


def test_a_window_begins_with_its_first_day_and_not_before() -> None:
    rows = [activity("in", 16), activity("out", 15), activity("month", 2), activity("month", 29), activity("old", 1)]
    found = panel(rows, [29], last=40, window=14)
    assert found["user_id"].to_list() == ["in", "month"]
    assert found["active_days_28d"].to_list() == [1, 2]
    single = found.row(0, named=True)
    assert (single["visit_rhythm_days"], single["absence_against_rhythm"], single["mean_rating_28d"]) == (None,) * 3


def labels(*visits: int, last: int, horizon: int = 7) -> bool | None:
    rows = [activity("a", 20), *(activity("a", at) for at in visits), activity("other", last)]
    return panel(rows, [20], last=last, horizon=horizon).filter(user_id="a")["label"].item()


def test_the_label_says_whether_nobody_came_back_within_the_horizon() -> None:
    assert labels(last=40) is True
    assert labels(28, last=40) is True
    assert labels(27, last=40) is False
    assert labels(21, last=40) is False


def test_the_label_is_unknown_until_the_horizon_is_over_even_for_those_who_came_back() -> None:
    assert labels(last=26) is None
    assert labels(21, last=26) is None
    assert labels(21, last=27) is False
    assert labels(last=27) is True


def test_a_visit_of_the_day_itself_is_no_return() -> None:
    again = [activity("a", 20), activity("b", 19)]
    assert panel(again, [20], last=40)["label"].to_list() == [True, True]


def bits(rows: pl.DataFrame) -> list[tuple[Any, ...]]:
    return [tuple(map(repr, row)) for row in rows.drop("label").rows()]


def test_days_that_come_later_change_no_bit_of_a_predictor() -> None:
    rows = crowd()
    for last in (20, 33, 47):
        then = panel(rows.filter(pl.col("event_date") <= day(last)), [last - 6, last], last=last)
        assert bits(then) == bits(panel(rows, [last - 6, last], last=59))
        assert then.filter(event_date=day(last))["label"].null_count() == (then["event_date"] == day(last)).sum()


def test_a_day_alone_is_to_the_last_bit_what_it_is_among_others_in_whatever_order() -> None:
    rows = crowd()
    together = panel(rows.sample(fraction=1, shuffle=True, seed=3), [30, 33, 36, 39], last=59)
    for number in (30, 36):
        alone = panel(rows, [number], last=59)
        assert bits(alone) == bits(together.filter(event_date=day(number)))
        assert alone["label"].to_list() == together.filter(event_date=day(number))["label"].to_list()


def test_a_sample_keeps_whole_users_and_a_larger_one_holds_it() -> None:
    rows = crowd(users=300)
    everybody = panel(rows, [30, 40], last=59)
    samples = {share: panel(rows, [30, 40], last=59, per_thousand=share) for share in (100, 400)}
    users = {share: set(found["user_id"]) for share, found in samples.items()}
    assert 10 < len(users[100]) < 60
    assert 80 < len(users[400]) < 160
    assert users[100] < users[400]
    assert samples[400].rows() == everybody.filter(pl.col("user_id").is_in(users[400])).rows()


def test_without_days_there_are_no_rows_but_all_columns() -> None:
    found = panel(crowd(users=3), [], last=59)
    assert found.is_empty()
    assert set(PREDICTORS) < set(found.columns)


def test_tenure_counts_from_the_first_day_and_ends_at_ninety() -> None:
    rows = [activity("old", 0), activity("old", 119), activity("new", 100)]
    assert panel(rows, [120], last=200, window=28).select("user_id", "tenure_days").rows() == [("new", 20), ("old", 90)]
