"""Forecasts: the history of every series is read from the lake, and what comes next is computed from it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import polars as pl

from intelligence.catalog.product import Product
from intelligence.core.sql import sql
from intelligence.core.tables import Days, Read, Reads
from intelligence.forecasts.tables import ACCURACY, FORECASTS
from intelligence.metrics.tables import FACT_FEATURE_METRICS, FEATURE_HEALTH, KPI_DAY, USER_DAY
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_RELEASES, DIM_USERS
from resources.lake.door import Lake

# Forecasts are made from so many days: a further day costs the same, however old the product is.
HISTORY_DAYS = 400
# In the first four weeks of the data a user may be new to it who is not new to the product.
KNOWN_AFTER_DAYS = 28
_LAST_WEEK = 6
READS: Reads = {
    FORECASTS: (
        Read(KPI_DAY, HISTORY_DAYS),
        Read(USER_DAY, HISTORY_DAYS),
        Read(FACT_FEATURE_METRICS, HISTORY_DAYS),
        Read(DIM_USERS),
        Read(DAY_QUALITY, HISTORY_DAYS),
        # What happened, for the plot.
        Read(DIM_RELEASES),
        Read(FEATURE_HEALTH, 90),
    ),
    ACCURACY: (
        Read(FORECASTS, 96),
        Read(KPI_DAY, HISTORY_DAYS),
        Read(USER_DAY, 14),
        Read(FACT_FEATURE_METRICS, 28),
        Read(DIM_USERS),
        Read(DAY_QUALITY, HISTORY_DAYS),
    ),
}
_FAULTY = f"SELECT event_date FROM {DAY_QUALITY.path} WHERE verdict IN ('partial', 'empty') AND event_date >= $first AND event_date <= $day"
_FIRST = f"SELECT min(event_date) FROM {KPI_DAY.path} WHERE event_date <= $day"


@dataclass(frozen=True, slots=True)
class ForecastService:
    """Forecasts a product's figures, and says how earlier forecasts turned out."""

    product: Product
    lake: Lake

    def over(self, lake: Lake) -> "ForecastService":
        """Return the service over the lake of a run, which records for every table which telemetry the run had seen."""
        return replace(self, lake=lake)

    def forecasts_of_days(self, days: Days) -> pl.DataFrame:
        """Return the rows of forecasts.forecasts, for each day from what was known at its end."""
        return FORECASTS.frame([row for day in days.each for row in self._forecasts_of(day)])

    def accuracy_of_days(self, days: Days) -> pl.DataFrame:
        """Return the rows of forecasts.accuracy of these days."""
        return ACCURACY.frame([row for day in days.each for row in self._accuracy_of(day)])

    def _forecasts_of(self, day: date) -> list[dict[str, Any]]:
        from intelligence.forecasts.cleaning import histories
        from intelligence.forecasts.forecast import forecast_rows

        rows, faulty = self._history(day, first=day - timedelta(days=HISTORY_DAYS - 1))
        return forecast_rows(histories(rows, day, faulty=faulty), day, ahead=self.product.forecasts.days)

    def _accuracy_of(self, day: date) -> list[dict[str, Any]]:
        from intelligence.forecasts.accuracy import accuracy_rows

        first = day - timedelta(days=_LAST_WEEK)
        made = self.lake.frame(sql("forecasts/made_before.sql"), {"first": first, "last": day})
        if made.is_empty():
            return []
        rows, faulty = self._history(day, first=first)
        return accuracy_rows(made, rows, day, faulty=faulty)

    def _history(self, day: date, *, first: date) -> tuple[pl.DataFrame, list[date]]:
        """Return what is known of every series from one day to another, and on which days telemetry was at fault."""
        begin = self.lake.frame(_FIRST, {"day": day}).item() or day
        parameters: Mapping[str, Any] = {
            "first": first,
            "day": day,
            # Who came in the week before the first day is needed for who returned on it.
            "first_new": max(begin + timedelta(days=KNOWN_AFTER_DAYS), first - timedelta(days=7)),
            "features": self.product.forecasts.features,
            "segments": self.product.forecasts.segments,
        }
        _, read = self.lake.read({"rows": sql("forecasts/history.sql")}, parameters)
        faulty = self.lake.frame(_FAULTY, {"first": first, "day": day})["event_date"].to_list()
        return read["rows"], faulty
