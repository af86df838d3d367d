"""Forecasts: the history of every series is read from the lake, and what comes next is computed from it."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from intelligence.catalog.product import Product
from intelligence.core.errors import ForecastError
from intelligence.core.sql import sql
from intelligence.core.tables import Days, Read, Reads
from intelligence.forecasts.settings import KNOWN_AFTER_DAYS, history_parameters
from intelligence.forecasts.tables import ACCURACY, FORECASTS
from intelligence.metrics.tables import FACT_FEATURE_METRICS, FEATURE_HEALTH, KPI_DAY, USER_DAY
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_RELEASES, DIM_USERS
from resources.lake.door import Lake

if TYPE_CHECKING:
    from intelligence.forecasts.cleaning import History
    from intelligence.forecasts.forecast import Outlook
    from intelligence.forecasts.scenarios import Change, Evidence, Scenario

# Forecasts are made from so many days: a further day costs the same, however old the product is.
HISTORY_DAYS = 400
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
_NEWEST = f"FROM {FORECASTS.path} WHERE event_date = (SELECT max(event_date) FROM {FORECASTS.path})"
_WRONG = f"""SELECT answer FROM {ACCURACY.path}
             WHERE is_signal AND event_date = (SELECT max(event_date) FROM {ACCURACY.path} WHERE actual IS NOT NULL)
             ORDER BY segment <> 'all', series, feature, segment, band"""
_FIRST_MADE = f"SELECT min(event_date) FROM {FORECASTS.path}"
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
        """Return the rows of forecasts.accuracy of these days; days that no forecast was made before have none."""
        first = self.lake.frame(_FIRST_MADE).item()
        judged = [day for day in days.each if first is not None and day > first]
        return ACCURACY.frame([row for day in judged for row in self._accuracy_of(day)])

    def outlook(self, day: date) -> "Outlook":
        """Return all forecasts from the end of a day."""
        from intelligence.forecasts.forecast import outlook

        return outlook(self._histories(day), day, ahead=self.product.forecasts.days)

    def newest(self) -> pl.DataFrame:
        """Return the forecasts of the newest day that has some; raises ForecastError where there are none."""
        if self.lake.exists():
            found = self.lake.frame(_NEWEST)
            if found.height:
                return found
        raise ForecastError("lake", "it holds no forecast.", hint="Run `intelligence ingest` first.")

    def wrong(self) -> list[str]:
        """Return, in sentences, which forecasts were wrong beyond their interval on the newest day that was judged."""
        return self.lake.frame(_WRONG)["answer"].to_list() if self.lake.exists() else []

    def scenario(
        self, text: str, *, series: str | None = None, days: int = 28, found: "Outlook | None" = None
    ) -> "Scenario":
        """Return what comes with and without a change, from the newest day on.

        Args:
            text: The change, such as `conversion_rate +2 points`, `new_users -50 %` or `rollback FEATURE`.
            series: The series to look at; the one that the change is usually asked for where it is not given.
            days: How many days ahead.
            found: The forecasts from the end of a day, where they are known already; else they are made from the newest day.

        Raises:
            ForecastError: The lake is empty, or there is no such change or series.
            NotEnoughEvidence: Nobody used the feature, or nothing links the change to the series.
        """
        from intelligence.forecasts.scenarios import change_of, looked_at, scenario

        change = change_of(text)
        if not self.lake.exists() or self.lake.is_empty():
            raise ForecastError("lake", "it holds no day.", hint="Run `intelligence ingest` first.")
        day = found.day if found else self.lake.newest_day().start
        with self.lake.one_snapshot():
            made, evidence = found or self.outlook(day), self._evidence(change, day)
        return scenario(change, made, evidence, series=series or looked_at(change), days=days)

    def _evidence(self, change: "Change", day: date) -> "Evidence":
        """Return what the lake knows of the effects of a change."""
        from intelligence.forecasts.scenarios import Evidence

        results = self.lake.frame(sql("catalog/scenario/experiment_effects.sql"), {"day": day})
        if change.feature:
            asked = {"feature": change.feature, "day": day}
            shares = self.lake.frame(sql("forecasts/feature_share.sql"), asked).row(0, named=True)
            return Evidence(results, self.lake.frame(sql("catalog/scenario/feature_effects.sql"), asked), **shares)
        if change.series != "new_users":
            return Evidence(results)
        begin = self.lake.frame(_FIRST, {"day": day}).item() or day
        first = max(begin + timedelta(days=KNOWN_AFTER_DAYS), day - timedelta(days=HISTORY_DAYS - 1))
        asked = {"first": first, "day": day, "days": (day - first).days + 1}
        return (
            Evidence(results, returns=self.lake.frame(sql("forecasts/returns.sql"), asked))
            if first <= day
            else Evidence()
        )

    def _forecasts_of(self, day: date) -> list[dict[str, Any]]:
        from intelligence.forecasts.forecast import forecast_rows

        return forecast_rows(self._histories(day), day, ahead=self.product.forecasts.days)

    def _histories(self, day: date) -> "tuple[History, ...]":
        from intelligence.forecasts.cleaning import histories

        rows, faulty = self._history(day, first=day - timedelta(days=HISTORY_DAYS - 1))
        return histories(rows, day, faulty=faulty)

    def _accuracy_of(self, day: date) -> list[dict[str, Any]]:
        from intelligence.forecasts.accuracy import accuracy_rows

        first = day - timedelta(days=_LAST_WEEK)
        made = self.lake.frame(sql("forecasts/made_before.sql"), {"first": first, "day": day})
        if made.is_empty():
            return []
        rows, faulty = self._history(day, first=first)
        return accuracy_rows(made, rows, day, faulty=faulty)

    def _history(self, day: date, *, first: date) -> tuple[pl.DataFrame, list[date]]:
        """Return what is known of every series from one day to another, and on which days telemetry was at fault."""
        begin = self.lake.frame(_FIRST, {"day": day}).item() or day
        parameters = history_parameters(self.product.forecasts, day, first=first, begin=begin)
        _, read = self.lake.read({"rows": sql("forecasts/history.sql"), "faulty": _FAULTY}, parameters)
        return read["rows"], read["faulty"]["event_date"].to_list()
