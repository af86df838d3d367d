"""Signals: the series of metrics are read from the lake, and what is unusual in them is computed day by day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from intelligence.answers.tables import ANSWER_DAY, QUALITY_DAY
from intelligence.catalog.annotations import holidays_between
from intelligence.catalog.product import Product
from intelligence.catalog.summary import unjudged
from intelligence.core.errors import SignalError
from intelligence.core.sql import sql
from intelligence.core.tables import Days, Read, Reads
from intelligence.metrics.tables import FACT_FEATURE_METRICS, KPI_DAY
from intelligence.signals.settings import KnownDays
from intelligence.signals.tables import ANOMALIES, EPISODES, HISTORY_DAYS, LOOKBACK_DAYS
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_RELEASES, RELEASES
from resources.lake.door import Lake

if TYPE_CHECKING:
    from intelligence.signals.backtest import Replayed
    from intelligence.signals.scoring import Scored
    from intelligence.signals.series import SeriesPanel

READS: Reads = {
    ANOMALIES: (
        Read(FACT_FEATURE_METRICS, LOOKBACK_DAYS),
        Read(KPI_DAY, LOOKBACK_DAYS),
        Read(QUALITY_DAY, LOOKBACK_DAYS),
        Read(ANSWER_DAY, LOOKBACK_DAYS),
        Read(DAY_QUALITY, LOOKBACK_DAYS),
        Read(DIM_FEATURE_METADATA),
        Read(DIM_RELEASES),
    ),
    EPISODES: (Read(ANOMALIES, LOOKBACK_DAYS), Read(ANSWER_DAY, LOOKBACK_DAYS), Read(DIM_RELEASES)),
}
_QUALITY = "SELECT event_date, verdict, doubted_columns FROM telemetry.day_quality WHERE event_date >= $start AND event_date < $end"
_LIMITS = """
    SELECT
        feature, max_error_rate, max_crash_rate, slow_latency_ms, max_slow_rate, max_bad_rating_rate, max_bad_answer_rate
    FROM warehouse.dim_feature_metadata ORDER BY feature"""
_OPEN = f"""
    FROM {EPISODES.path}
    WHERE is_open AND event_date = (SELECT max(event_date) FROM metrics.kpi_day)
    ORDER BY list_position(['severe', 'notable', 'mild'], severity), surprise DESC, episode"""
_ANOMALIES = f"FROM {ANOMALIES.path} WHERE event_date >= $start AND event_date < $end"


@dataclass(frozen=True, slots=True)
class SignalService:
    """Finds what is unusual in the metrics of a product."""

    product: Product
    lake: Lake

    def over(self, lake: Lake) -> "SignalService":
        """Return the service over the lake of a run, which records for every table which telemetry the run had seen."""
        return replace(self, lake=lake)

    def anomalies_of(self, days: Days) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        """Return the rows of signals.anomalies of these days, each from what was known at its end, and what a page shows of them.

        What a page shows is None where nothing was unusual in the weeks before the last day.
        """
        parts, shown = [], None
        for history, part in self._histories(days):
            from intelligence.signals.bands import bands
            from intelligence.signals.scoring import anomaly_rows

            limits = {row["feature"]: row for row in self.lake.frame(_LIMITS).iter_rows(named=True)}
            found = self.scored(history)
            parts.append(anomaly_rows(found, part, limits))
            shown = bands(found)
        return pl.concat(parts) if parts else ANOMALIES.frame([]), shown if shown is not None and shown.height else None

    def episodes_of(self, days: Days) -> pl.DataFrame:
        """Return the rows of signals.episodes of these days, from the anomalies up to each of them."""
        parts = []
        for history, part in self._histories(days):
            from intelligence.signals.episodes import episodes

            queries = {"anomalies": _ANOMALIES, "releases": RELEASES, "versions": sql("signals/answer_versions.sql")}
            _, read = self.lake.read(queries, history.parameters)
            parts.append(episodes(**read, history=history, days=part))
        return pl.concat(parts) if parts else EPISODES.frame([])

    def open_episodes(self) -> pl.DataFrame:
        """Return the newest row of each episode that is open at the end of the newest day, the most severe first.

        Raises:
            SignalError: The lake is empty.
        """
        self._require_days()
        return self.lake.frame(_OPEN)

    def unjudged(self) -> str:
        """Return why it cannot be said whether the newest day is unusual; empty where it can."""
        return unjudged(self.lake.frame, self.product)

    def _require_days(self) -> Days:
        span = self.lake.span() if self.lake.exists() else None
        if span is None:
            raise SignalError("lake", "it holds no day.", hint="Run `intelligence ingest` first.")
        return span

    def backtest(self, rates: Sequence[float]) -> "list[Replayed]":
        """Return what each rate of false alarms would have flagged on the product's own past.

        Args:
            rates: False alarms per week.

        Raises:
            SignalError: The lake is empty.
        """
        from intelligence.signals.backtest import replayed
        from intelligence.signals.episodes import episodes
        from intelligence.signals.scoring import anomaly_rows

        span = self._require_days()
        last = span.end - timedelta(days=1)
        span = Days(max(span.start, last - timedelta(days=HISTORY_DAYS)), span.end)
        queries = {"limits": _LIMITS, "releases": RELEASES, "versions": sql("signals/answer_versions.sql")}
        _, read = self.lake.read(queries, span.parameters)
        limits = {row["feature"]: row for row in read["limits"].iter_rows(named=True)}
        panel, quality = self._panel(span)
        found = []
        for rate in rates:
            scored = self._scored(panel, quality, rate)
            rows = episodes(
                anomaly_rows(scored, span, limits), read["releases"], read["versions"], history=span, days=span
            )
            found.append(replayed(rate, rows, first_day=scored.first_day, last_day=last))
        return found

    def scored(self, history: Days) -> "Scored":
        """Return every series scored on every day of a history.

        Args:
            history: The days to read.
        """
        panel, quality = self._panel(history)
        return self._scored(panel, quality, self.product.signals.false_alarms_per_week)

    def _panel(self, history: Days) -> "tuple[SeriesPanel, pl.DataFrame]":
        from intelligence.signals.series import panel_of

        queries = {
            "features": sql("signals/feature_series.sql"),
            "kpis": sql("signals/kpi_series.sql"),
            "answers": sql("signals/answer_series.sql"),
            "quality": _QUALITY,
        }
        _, read = self.lake.read(queries, history.parameters)
        quality, left_out = read.pop("quality"), self.product.signals.leave_out
        return panel_of(**read, days=history, leave_out=left_out), quality

    def _scored(self, panel: "SeriesPanel", quality: pl.DataFrame, rate: float) -> "Scored":
        from intelligence.signals.scoring import scored

        given = self.product.signals
        known = (*given.known_days, *self._holidays(panel.days))
        settings = given.model_copy(update={"false_alarms_per_week": rate, "known_days": known})
        return scored(panel, quality, settings)

    def _holidays(self, days: Days) -> list[KnownDays]:
        """Return the holidays of the product's countries, on which other volumes than usual are no news."""
        found = holidays_between(self.product.holidays, days.start, days.end - timedelta(days=1))
        return [KnownDays(first=each.day, reason=each.text) for each in found]

    def _histories(self, days: Days) -> Iterator[tuple[Days, Days]]:
        """Yield the parts of the days with their history, those left out whose history is too short for any anomaly."""
        first = self.lake.first_day(days)
        if (days.end - first).days <= self.product.signals.minimum_history_days:
            return
        from intelligence.signals.series import history_of

        yield from history_of(days, first=min(first, days.start))
