"""What was forecast, held against what came."""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from intelligence.forecasts.backtest import BANDS
from intelligence.forecasts.cleaning import Name

# A forecast was wrong beyond its interval if that is so on this many of the last days, on one side.
SIGNAL_DAYS: Final = 3
OF_DAYS: Final = 7
_KEY: Final = ("series", "segment", "feature")


def accuracy_rows(
    made: pl.DataFrame, came: pl.DataFrame, day: date, *, faulty: Collection[date]
) -> list[dict[str, Any]]:
    """Return the rows of `forecasts.accuracy` of a day: one per series and band of days ahead in which it had been forecast.

    Args:
        made: What `made_before.sql` returns for the last OF_DAYS days: forecasts, each made before the day that it is of.
        came: What `history.sql` returns for these days.
        day: The day.
        faulty: Days whose telemetry is at fault: they are not judged.
    """
    if made.is_empty():
        return []
    truth = came.filter(~pl.col("event_date").is_in(list(faulty))).select(
        *_KEY, pl.col("event_date").alias("forecast_date"), pl.col("value").alias("actual")
    )
    judged = made.join(truth, on=[*_KEY, "forecast_date"], how="left").with_columns(
        above=pl.col("actual") > pl.col("high_95"),
        below=pl.col("actual") < pl.col("low_95"),
        inside_80=pl.col("actual").is_between("low_80", "high_80"),
        inside_95=pl.col("actual").is_between("low_95", "high_95"),
    )
    rows = []
    for first, last in BANDS:
        part = judged.filter(pl.col("horizon_days").is_between(first, last)).sort(
            *_KEY, "forecast_date", "horizon_days"
        )
        for key, group in part.group_by(_KEY, maintain_order=True):
            today = group.filter(forecast_date=day)
            if today.height:
                newest = group.unique("forecast_date", keep="first", maintain_order=True)
                rows.append(_row(Name(*map(str, key)), f"{first}-{last}", today, newest, day))
    return rows


def _row(name: Name, band: str, today: pl.DataFrame, newest: pl.DataFrame, day: date) -> dict[str, Any]:
    """Return the row of a series and band.

    Args:
        name: The series.
        band: The band, in words.
        today: The forecasts of the day in the band, the newest first.
        newest: The newest forecast in the band of each of the last days.
        day: The day.
    """
    latest, actual = today.row(0, named=True), today["actual"][0]
    recent = newest.filter(pl.col("forecast_date") > day - timedelta(days=OF_DAYS))
    above, below = int(recent["above"].sum()), int(recent["below"].sum())
    is_signal = actual is not None and max(above, below) >= SIGNAL_DAYS
    relative = (
        float((today["actual"] / today["value"] - 1).mean())  # type: ignore[arg-type] # a mean of floats is a float
        if actual is not None and (today["value"] > 0).all()
        else None
    )
    return {
        "event_date": day,
        **{column: getattr(name, column) for column in _KEY},
        "band": band,
        "forecasts": today.height,
        "actual": actual,
        "forecast": latest["value"],
        "low_95": latest["low_95"],
        "high_95": latest["high_95"],
        "relative_error": relative,
        "inside_80": today["inside_80"].mean() if actual is not None else None,
        "inside_95": today["inside_95"].mean() if actual is not None else None,
        "judged_days": recent["actual"].count(),
        "days_above": above if actual is not None else 0,
        "days_below": below if actual is not None else 0,
        "is_signal": is_signal,
        "answer": _answer(name, latest, actual, above=above, below=below, is_signal=is_signal),
    }


def _answer(
    name: Name, latest: dict[str, Any], actual: float | None, *, above: int, below: int, is_signal: bool
) -> str:
    expected = f"{latest['value']:.4g} expected {latest['horizon_days']} days before"
    if actual is None:
        return f"{name}: not judged, since the day has no sound value; {expected}."
    side = "above" if above >= below else "below"
    place = "in" if latest["low_95"] <= actual <= latest["high_95"] else "outside"
    said = f"{name}: {actual:.4g}, {place} the 95 % interval from {latest['low_95']:.4g} to {latest['high_95']:.4g}; {expected}."
    more = f" On {max(above, below)} of the last {OF_DAYS} days it lay {side} its interval: the forecast was wrong."
    return f"{said}{more}" if is_signal else said
