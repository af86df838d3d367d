"""What was forecast is held against what came, and what lies beyond its interval for days is a signal."""

from datetime import date, timedelta

import polars as pl
import pytest

from intelligence.forecasts.accuracy import accuracy_rows

DAY = date(2026, 8, 2)


def made(day: date, horizon: int, value: float = 100.0) -> dict[str, object]:
    return {
        "event_date": day - timedelta(days=horizon),
        "series": "dau",
        "segment": "all",
        "feature": "",
        "horizon_days": horizon,
        "forecast_date": day,
        "value": value,
        "low_80": value - 10,
        "high_80": value + 10,
        "low_95": value - 20,
        "high_95": value + 20,
    }


def came(values: dict[int, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"event_date": DAY - timedelta(days=ago), "series": "dau", "segment": "all", "feature": "", "value": value}
            for ago, value in values.items()
        ]
    )


WEEK = pl.DataFrame([made(DAY - timedelta(days=ago), horizon) for ago in range(7) for horizon in (1, 3, 9)])


def test_each_band_says_what_came_of_its_forecasts() -> None:
    near, far = accuracy_rows(WEEK, came({0: 115.0}), DAY, faulty=[])
    assert (near["band"], far["band"]) == ("1-7", "8-28")
    assert (near["forecasts"], far["forecasts"]) == (2, 1)
    assert (near["inside_80"], near["inside_95"]) == (0.0, 1.0)
    assert near["relative_error"] == pytest.approx(0.15)
    assert not near["is_signal"]
    assert "in the 95 % interval" in near["answer"]


def test_one_surprise_is_no_signal_and_three_on_one_side_are() -> None:
    once = accuracy_rows(WEEK, came({0: 150.0}), DAY, faulty=[])[0]
    assert (once["days_above"], once["is_signal"]) == (1, False)
    thrice = accuracy_rows(WEEK, came({0: 150.0, 1: 100.0, 2: 150.0, 3: 150.0}), DAY, faulty=[])[0]
    assert (thrice["days_above"], thrice["judged_days"], thrice["is_signal"]) == (3, 4, True)
    assert "the forecast was wrong" in thrice["answer"]
    both = accuracy_rows(WEEK, came({0: 150.0, 1: 50.0, 2: 150.0, 3: 50.0}), DAY, faulty=[])[0]
    assert not both["is_signal"]


def test_a_day_at_fault_is_not_judged() -> None:
    values = came({0: 10.0, 1: 10.0, 2: 10.0, 3: 10.0})
    row = accuracy_rows(WEEK, values, DAY, faulty=[DAY])[0]
    assert (row["actual"], row["inside_95"], row["is_signal"]) == (None, None, False)
    assert "not judged" in row["answer"]
    later = accuracy_rows(WEEK, values, DAY, faulty=[DAY - timedelta(days=1), DAY - timedelta(days=2)])[0]
    assert (later["days_below"], later["is_signal"]) == (2, False)


def test_nothing_is_said_of_what_was_not_forecast() -> None:
    assert accuracy_rows(WEEK.clear(), came({0: 1.0}), DAY, faulty=[]) == []
    earlier = WEEK.filter(pl.col("forecast_date") < DAY)
    assert accuracy_rows(earlier, came({0: 1.0}), DAY, faulty=[]) == []
