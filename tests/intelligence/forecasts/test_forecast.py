"""Forecasts are made as far ahead as they say something."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from intelligence.forecasts.cleaning import histories
from intelligence.forecasts.forecast import SAYS_NOTHING, forecast_rows

LAST = date(2026, 6, 30)


def rows_of(values: np.ndarray, series: str = "dau") -> list[dict[str, object]]:
    """The forecast of a series from the end of its history."""
    days = [LAST - timedelta(days=len(values) - 1 - number) for number in range(len(values))]
    frame = pl.DataFrame(
        {"event_date": days, "value": values.astype(float), "series": series, "segment": "all", "feature": ""}
    ).with_columns(cases=pl.lit(None, pl.Float64))
    return forecast_rows(histories(frame, LAST, faulty=()), LAST, ahead=90)


def test_a_steady_history_is_forecast_as_far_as_asked() -> None:
    draw = np.random.default_rng(1)
    found = rows_of(draw.poisson(1_000, 120))
    assert [row["horizon_days"] for row in found] == [*range(1, 91)]
    assert all(row["value"] for row in found)


def test_a_history_of_jumps_is_forecast_no_further_than_its_interval_says_something() -> None:
    draw = np.random.default_rng(2)
    values = np.round(np.exp(np.cumsum(draw.normal(0, 1.2, 60)) % 7))
    found = rows_of(values)
    assert 0 < len(found) < 60
    assert all(row["high_80"] is None or row["high_80"] <= SAYS_NOTHING * values.max() for row in found)
    assert "beyond 10 times all that was ever seen" in str(found[-1]["note"])
    if found[0]["horizon_days"] == 0:
        assert str(found[0]["note"]).startswith("Not enough evidence: its 80 % interval would reach")


def test_an_amount_that_was_negative_is_held_to_the_same() -> None:
    draw = np.random.default_rng(3)
    values = np.cumsum(draw.normal(0, 1, 50) * np.exp(np.arange(50) / 6))
    assert values.min() < 0
    found = rows_of(values, "value")
    assert 0 < len(found) < 50
    reached = [max(abs(row["low_80"]), abs(row["high_80"])) for row in found if row["value"] is not None]  # type: ignore[arg-type]
    assert all(each <= SAYS_NOTHING * np.abs(values).max() for each in reached)
    small = rows_of(draw.gamma(2.0, 0.001, 120), "value")
    assert [row["horizon_days"] for row in small] == [*range(1, 91)]
    nothing = rows_of(np.zeros(120), "value")
    assert [row["horizon_days"] for row in nothing] == [*range(1, 91)]
