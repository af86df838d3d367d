"""Forecasts are made as far ahead as they say something."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from intelligence.forecasts.cleaning import histories
from intelligence.forecasts.forecast import SAYS_NOTHING, forecast_rows

LAST = date(2026, 6, 30)


def rows_of(values: np.ndarray) -> list[dict[str, object]]:
    """The forecast of daily users from the end of a history."""
    days = [LAST - timedelta(days=len(values) - 1 - number) for number in range(len(values))]
    frame = pl.DataFrame(
        {"event_date": days, "value": values.astype(float), "series": "dau", "segment": "all", "feature": ""}
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
