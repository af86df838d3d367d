"""Which days of which series are anomalous: every detector on every series, calibrated on the past, guarded, and put into rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.core.tables import Days
from intelligence.signals import guards
from intelligence.signals.alarms import KINDS, POINT, SHIFT, TREND, Alarms, Scores, alarms
from intelligence.signals.detectors import (
    AFTER_DAYS,
    BEFORE_DAYS,
    TREND_DAYS,
    Residuals,
    isolation,
    residuals,
    windows,
)
from intelligence.signals.divergence import HORIZON_DAYS, slopes, windows_at
from intelligence.signals.series import Series, SeriesPanel, plain
from intelligence.signals.settings import Signals
from intelligence.signals.tables import ANOMALIES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

CANDIDATE_Z: Final = 2.0
CANDIDATE_CHANGE: Final = 3.5
BAND_Z: Final = 1.959964


@dataclass(frozen=True, slots=True)
class Scored:
    """Every series on every day, in arrays of shape (series, days).

    Attributes:
        panel: The series.
        residuals: What each value differs from what was expected.
        forest: How easily a candidate is isolated; NaN where it was not asked.
        shift: Contrast of the last week against the three before it, in standard errors.
        trend: Slope of three weeks in standard errors.
        alarms: What is anomalous, by which detector and how surprising.
        reason: Position in `guards.REASONS` of what speaks against the anomaly; 0 where nothing does.
        effect: What the anomaly amounts to, as a transform: the value, the level after a shift, or the end of a trend.
        expected: What was expected instead, as a transform.
    """

    panel: SeriesPanel
    residuals: Residuals
    forest: Floats
    shift: Floats
    trend: Floats
    alarms: Alarms
    reason: NDArray[np.int8]
    effect: Floats
    expected: Floats

    @property
    def first_day(self) -> date | None:
        """Return the first day on which a point could be found; None where the history is too short."""
        some = np.isfinite(self.residuals.z).any(axis=0)
        return self.panel.dates[int(some.argmax())] if some.any() else None


def scored(panel: SeriesPanel, quality: pl.DataFrame, settings: Signals) -> Scored:
    """Return every series scored on every day, each day from what was known at its end.

    Args:
        panel: The series.
        quality: Rows of `telemetry.day_quality` for the panel's days.
        settings: The asked rate of false alarms, the needed history, and the days of which something is known.
    """
    doubtful, known = guards.doubtful(panel, quality), guards.known(panel, settings.known_days)
    faulty = doubtful | known
    found = residuals(panel, faulty, minimum_history_days=settings.minimum_history_days)
    judged = np.isfinite(found.z)
    with np.errstate(invalid="ignore"):
        candidates = judged & (
            (np.abs(found.z) >= CANDIDATE_Z) | (np.abs(found.causal).max(axis=2, initial=0) >= CANDIDATE_CHANGE)
        )
    forest = isolation(found.causal, candidates, judged & ~faulty)
    shift, trend = windows(found)
    settled = np.cumsum(judged, axis=1)
    shift = np.where(judged & (settled > AFTER_DAYS), shift, np.nan)
    trend = np.where(judged & (settled > AFTER_DAYS), trend, np.nan)
    reason = np.zeros(panel.level.shape, dtype=np.int8, order="F")
    for code, where in (
        (guards.FLAT, guards.flat(panel)),
        (
            guards.BROAD,
            guards.everywhere(panel, found.raw) == np.sign(np.nan_to_num(found.z)) if panel.series else reason,
        ),
        (guards.KNOWN, known),
        (guards.TELEMETRY, doubtful),
    ):
        reason[where.astype(bool)] = code
    result = Scored(
        panel,
        found,
        forest,
        shift,
        trend,
        alarms(
            Scores(found.z, forest, shift, trend),
            panel.family,
            reason > 0,
            false_alarms_per_week=settings.false_alarms_per_week,
        ),
        reason=reason,
        effect=panel.level.copy(),
        expected=found.expected.copy(),
    )
    _measure(result)
    return result


def _measure(found: Scored) -> None:
    """Write the effect of shifts and trends, and what is too little about an anomaly."""
    who, when = np.nonzero(found.alarms.kind)
    if not who.size:
        return
    panel, y = found.panel, found.residuals.adjusted
    kind = found.alarms.kind[who, when]
    around = np.nan_to_num(panel.level[who, when] - y[who, when])
    for code in (SHIFT, TREND):
        chosen = kind == code
        if not chosen.any():
            continue
        i, t, off = who[chosen], when[chosen], around[chosen]
        if code == SHIFT:
            window = t[:, None] - AFTER_DAYS - BEFORE_DAYS + 1 + np.arange(AFTER_DAYS + BEFORE_DAYS)
            values = y[i[:, None], window]
            before, after = np.median(values[:, :BEFORE_DAYS], axis=1), np.median(values[:, BEFORE_DAYS:], axis=1)
        else:
            line = slopes(windows_at(y, i, t))
            before, after = line.now - line.slope * (TREND_DAYS - 1), line.now
        found.expected[i, t], found.effect[i, t] = before + off, after + off
    free = found.reason[who, when] == 0
    who, when, kind = who[free], when[free], kind[free]
    total = np.nan_to_num(panel.total[who, when]) * np.where(kind == POINT, 1, AFTER_DAYS)
    effect, expected = in_units(found, found.effect, who, when), in_units(found, found.expected, who, when)
    found.reason[who, when] = guards.small(guards.MetricFloors(panel, who), effect, expected, total)


def in_units(found: Scored, level: Floats, who: Ints, when: Ints) -> Floats:
    """Return transforms in the units of their metrics.

    Args:
        found: What was scored.
        level: Transforms, shape (series, days).
        who: Positions of series.
        when: Positions of days.
    """
    panel, values = found.panel, np.full(len(who), np.nan)
    family = panel.family[who]
    effective = 1 / np.maximum(panel.variance[who, when], 1e-12)
    for number, metric in enumerate(panel.families):
        chosen = family == number
        if chosen.any():
            values[chosen] = plain(metric, level[who[chosen], when[chosen]], effective[chosen])
    return values


def anomaly_rows(found: Scored, days: Days, limits: Mapping[str, Mapping[str, float]]) -> pl.DataFrame:
    """Return the rows of signals.anomalies of these days.

    Args:
        found: What was scored.
        days: The days of the rows.
        limits: What the promises allow, by feature and by column of `warehouse.dim_feature_metadata`.
    """
    first, end = (days.start - found.panel.days.start).days, (days.end - found.panel.days.start).days
    who, when = np.nonzero(found.alarms.kind[:, max(first, 0) : end])
    return ANOMALIES.frame(list(_rows(found, who, when + max(first, 0), limits)))


def _rows(
    found: Scored, who: Ints, when: Ints, limits: Mapping[str, Mapping[str, float]]
) -> Iterator[Mapping[str, Any]]:
    panel, dates = found.panel, found.panel.dates
    effect, expected = in_units(found, found.effect, who, when), in_units(found, found.expected, who, when)
    half = BAND_Z * found.residuals.spread
    low, high = (in_units(found, found.expected + side * half, who, when) for side in (-1, 1))
    promise = np.array([limit_of(panel.series[i], limits) for i in who], dtype=np.float64)
    line = slopes(windows_at(panel.value, who, when))
    soon, earliest, latest = line.days_to(promise)
    order = np.lexsort([who, when])
    for k in order:
        i, t = int(who[k]), int(when[k])
        series, metric = panel.series[i], panel.series[i].metric
        is_up = bool(found.effect[i, t] > found.expected[i, t])
        is_adverse = is_up == (metric.bad > 0)
        breaks = (
            found.alarms.kind[i, t] != POINT
            and is_up
            and is_adverse
            and line.low[k] > 0
            and 0 < soon[k] <= HORIZON_DAYS
        )
        ratio = float(found.alarms.surprise[i, t] / found.alarms.needed[i, t])
        change = abs(float(effect[k] - expected[k])) / max(abs(float(expected[k])), 1e-9)
        yield {
            "event_date": dates[t],
            "metric": metric.name,
            "feature": series.feature,
            "segment": series.segment,
            "kind": "divergence" if breaks else KINDS[found.alarms.kind[i, t]],
            "value": _number(effect[k]),
            "expected": _number(expected[k]),
            "low": _number(min(low[k], high[k])),
            "high": _number(max(low[k], high[k])),
            "observed": _number(panel.value[i, t]),
            "total": _number(panel.total[i, t]),
            "direction": "up" if is_up else "down",
            "is_adverse": is_adverse,
            "severity": severity(ratio, change / metric.relative_floor, is_adverse=is_adverse),
            "surprise": round(float(found.alarms.surprise[i, t]), 4),
            "needed_surprise": round(float(found.alarms.needed[i, t]), 4),
            "residual_z": _number(found.residuals.z[i, t]),
            "isolation": _number(found.forest[i, t]),
            "shift_z": _number(found.shift[i, t]),
            "trend_z": _number(found.trend[i, t]),
            "slope_per_day": _number(line.slope[k]),
            "slope_low": _number(line.low[k]),
            "slope_high": _number(line.high[k]),
            "limit_value": _number(promise[k]) if breaks else None,
            "breaks_in_days": _number(soon[k]) if breaks else None,
            "breaks_in_days_low": _number(earliest[k]) if breaks else None,
            "breaks_in_days_high": _number(latest[k]) if breaks else None,
            "suppressed": found.reason[i, t] > 0,
            "suppressed_by": guards.REASONS[found.reason[i, t]] or None,
        }


SEVERITIES: Final = ("mild", "notable", "severe")


def severity(surprise_ratio: float, times_the_floor: float, *, is_adverse: bool) -> str:
    """Return mild, notable or severe; what is no harm is never more than mild.

    Args:
        surprise_ratio: Surprise as a multiple of the surprise that was needed.
        times_the_floor: Relative change as a multiple of the smallest that counts.
        is_adverse: Whether it is the bad direction.

    >>> severity(2.0, 4.0, is_adverse=True), severity(2.0, 4.0, is_adverse=False), severity(1.1, 4.0, is_adverse=True)
    ('severe', 'mild', 'notable')
    """
    if not is_adverse:
        return "mild"
    if surprise_ratio >= 1.5 and times_the_floor >= 3:
        return "severe"
    return "notable" if surprise_ratio >= 1.25 or times_the_floor >= 2 else "mild"


def limit_of(series: Series, limits: Mapping[str, Mapping[str, float]]) -> float:
    """Return what the promise of the series allows; NaN without one.

    The 95th percentile of the latency breaks it at `slow_latency_ms`, where at most 5 % of the events may be slower.

    Args:
        series: The series.
        limits: What the promises allow, by feature and by column of `warehouse.dim_feature_metadata`.
    """
    name, own = series.metric.limit, limits.get(series.feature, {})
    if not name or own.get(name) is None:
        return np.nan
    if name == "slow_latency_ms" and (own.get("max_slow_rate") or 1) > 0.05:
        return np.nan
    return float(own[name])


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
