"""Series of metrics as arrays: each value with its transform and the variance that its own counts give it.

Rates and counts are moved to a scale on which the spread hardly depends on the value, and each day brings its own variance: of a
rate from its effective number of events, in which users are counted and not clicks, of a count from the squares of what each user
did. So ten events never weigh as much as ten thousand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.core.tables import Days
from intelligence.metrics.spread import SUMS, Spread, spread_columns
from intelligence.signals.metrics import ANSWER_METRICS, FEATURE_METRICS, KPI_METRICS, SignalMetric
from intelligence.signals.tables import BLOCK_DAYS, HISTORY_DAYS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

EVERYBODY: Final = "all"


@dataclass(frozen=True, slots=True)
class Series:
    """One series: a metric of a feature, or of a segment of the product."""

    metric: SignalMetric
    feature: str = ""
    segment: str = ""

    @property
    def subject(self) -> str:
        """Return whom it is about: the feature, or the product as the empty text."""
        return self.feature

    @property
    def key(self) -> str:
        """Return the name by which the series is known."""
        return f"{self.metric.name}:{self.feature or self.segment}"


@dataclass(frozen=True, slots=True)
class SeriesPanel:
    """All series over one range of days, in arrays of shape (series, days).

    Attributes:
        days: The days.
        series: The series in their order, those of one metric beside each other.
        value: The metric, NaN where there is none.
        level: Its transform, on which it is compared; NaN where there is none, or too few events.
        variance: Variance of the transform by the counts of the day, up to a factor where `is_counted` is False.
        total: Events, users or values behind each value: the denominator, or the count itself.
        is_counted: Per series, whether the variance is known from the counts alone, so that no series is ever steadier than that.
        family: Per series, the position of its metric in `families`.
        families: The metrics in the order of the series.
    """

    days: Days
    series: tuple[Series, ...]
    value: Floats
    level: Floats
    variance: Floats
    total: Floats
    is_counted: Bools
    family: Ints
    families: tuple[SignalMetric, ...]

    @property
    def dates(self) -> list[date]:
        """Return the days one by one."""
        return self.days.each


def panel_of(
    features: pl.DataFrame,
    kpis: pl.DataFrame,
    answers: pl.DataFrame | None = None,
    *,
    days: Days,
    leave_out: Sequence[str] = (),
) -> SeriesPanel:
    """Return the series of all metrics of all features and of their answers, and of the product by segment.

    A feature that was not used on a day has a count of 0 from its first day on, and neither rates nor levels.

    Args:
        features: Rows of `metrics.fact_feature_metrics`.
        kpis: Rows of `metrics.kpi_day`.
        answers: Sums of the answers of each feature and day, as `signals/answer_series.sql` returns them; None for none.
        days: The days of the panel.
        leave_out: Names of metrics that are not watched.
    """
    parts = [
        *_parts(features, "feature", FEATURE_METRICS, days, leave_out),
        *(() if answers is None else _parts(answers, "feature", ANSWER_METRICS, days, leave_out)),
        *_parts(kpis, "segment", KPI_METRICS, days, leave_out),
    ]
    families = tuple(part.metric for part in parts)
    empty = np.empty((0, len(days.each)))
    return SeriesPanel(
        days=days,
        series=tuple(each for part in parts for each in part.series),
        value=np.concatenate([empty, *(part.value for part in parts)]),
        level=np.concatenate([empty, *(part.level for part in parts)]),
        variance=np.concatenate([empty, *(part.variance for part in parts)]),
        total=np.concatenate([empty, *(part.total for part in parts)]),
        is_counted=np.concatenate(
            [np.empty(0, bool), *(np.full(len(part.series), part.metric.kind != "level") for part in parts)]
        ),
        family=np.concatenate(
            [np.empty(0, np.int64), *(np.full(len(part.series), number) for number, part in enumerate(parts))]
        ),
        families=families,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    metric: SignalMetric
    series: tuple[Series, ...]
    value: Floats
    level: Floats
    variance: Floats
    total: Floats


def _parts(
    rows: pl.DataFrame, by: str, metrics: Sequence[SignalMetric], days: Days, leave_out: Sequence[str]
) -> list[_Part]:
    rows = rows.filter(pl.col("event_date").is_between(days.start, days.end, closed="left"))
    names = rows[by].unique().sort().to_list()
    if not names:
        return []
    length = len(days.each)
    line = rows.select(pl.col(by).replace_strict({name: i for i, name in enumerate(names)}, return_dtype=pl.Int64))
    at = (line[by].to_numpy(), (rows["event_date"] - days.start).dt.total_days().to_numpy())

    def grid(column: str) -> Floats:
        found = np.full((len(names), length), np.nan)
        found[at] = rows[column].cast(pl.Float64).to_numpy()
        return found

    there = {name: grid(name) for name in _columns(metrics)}
    begun = np.maximum.accumulate(np.isfinite(next(iter(there.values()))), axis=1)
    return [_part(metric, names, by, there, begun) for metric in metrics if metric.name not in leave_out]


def _columns(metrics: Sequence[SignalMetric]) -> tuple[str, ...]:
    """Return the columns that these metrics are computed from."""
    found: list[str] = []
    for metric in metrics:
        found += [metric.numerator, metric.denominator] if metric.kind == "rate" else [metric.denominator]
        found += _sums_of(metric).values()
        found += [SOURCES.get(metric.name, metric.name)] if metric.kind != "rate" else []
    usage = ["usage_square_sum"] if any(metric.name == "usage_count" for metric in metrics) else []
    return tuple(dict.fromkeys(name for name in [*found, *usage] if name))


# Levels that no table holds as they are: the sum that is divided by the number of values.
SOURCES: Final = {"duration_per_event_s": "duration_s", "cost_per_answer": "cost"}
_PER_VALUE: Final = ("duration_per_event_s", "value", "cost_per_answer")
# By their names in Spread: the columns of answers.quality_day.
_SUMS_OF_MEASURE: Final = {
    "bad": "hits",
    "total": "total",
    "users": "users",
    "harmed": "hit_users",
    "square": "hit_square_sum",
    "cross": "cross_sum",
    "total_square": "total_square_sum",
}


def _part(metric: SignalMetric, names: Sequence[str], by: str, there: Mapping[str, Floats], begun: Bools) -> _Part:
    series = tuple(Series(metric, feature=name) if by == "feature" else Series(metric, segment=name) for name in names)
    if metric.kind == "count":
        value = np.where(begun, np.nan_to_num(there[metric.name]), np.nan)
        squares = np.nan_to_num(there["usage_square_sum"]) if metric.name == "usage_count" else np.nan_to_num(value)
        variance = (squares + 1) / (np.nan_to_num(value) + 1) ** 2
        return _Part(metric, series, value, np.log1p(value), variance, value)
    total = np.nan_to_num(there[metric.denominator])
    enough = total >= metric.fewest
    with np.errstate(divide="ignore", invalid="ignore"):
        if metric.kind == "rate":
            share = np.where(total > 0, there[metric.numerator] / total, np.nan)
            effective = _effective(metric, there) if _sums_of(metric) else total
            level = np.where(enough & (effective > 0), stable_rate(share, effective), np.nan)
            return _Part(metric, series, share, level, 1 / np.maximum(effective, 1.0), total)
        value = there[SOURCES.get(metric.name, metric.name)]
        value = np.where(total > 0, value / total, np.nan) if metric.name in _PER_VALUE else value
        level = np.log(np.maximum(value, 1e-9)) if metric.is_logarithmic else value
        level = np.where(enough & (value > 0 if metric.is_logarithmic else np.isfinite(value)), level, np.nan)
    return _Part(metric, series, value, level, 1 / np.maximum(total, 1.0), total)


def _effective(metric: SignalMetric, there: Mapping[str, Floats]) -> Floats:
    """Return the effective number of events of a rate, in which the events of one user are not independent."""
    known = {name: np.nan_to_num(there[column]) for name, column in _sums_of(metric).items()}
    # The shares of users say nothing about events, and answers come without them.
    sums = {name: known.get(name, np.zeros_like(known["total"])) for name in SUMS}
    return Spread(**sums).effective_events()


def _sums_of(metric: SignalMetric) -> Mapping[str, str]:
    """Return the columns with the sums over users of a rate, by their names in Spread; none of a rate of users."""
    if metric.measure:
        return {name: f"{metric.measure}_{column}" for name, column in _SUMS_OF_MEASURE.items()}
    return dict(zip(SUMS, spread_columns(metric.objective), strict=True)) if metric.objective else {}


def stable_rate(share: Floats, n: Floats) -> Floats:
    """Return the rate on the scale of Anscombe (1948), where its variance is 1 / n whatever its value.

    Args:
        share: Rates in [0, 1].
        n: Effective number of events behind each.

    >>> stable_rate(np.array([0.0, 0.5]), np.array([100.0, 100.0])).round(3).tolist()
    [0.122, 1.571]
    """
    found: Floats = 2 * np.arcsin(np.sqrt(np.clip((share * n + 0.375) / (n + 0.75), 0, 1)))
    return found


def plain(metric: SignalMetric, level: Floats, effective: Floats) -> Floats:
    """Return values in the metric's own unit from their transforms.

    Args:
        metric: The metric.
        level: Transforms.
        effective: Number of events whose variance each transform has, of a rate.
    """
    if metric.kind == "count":
        return np.maximum(np.expm1(np.minimum(level, 50)), 0)
    if metric.kind == "level":
        return np.exp(np.clip(level, -50, 50)) if metric.is_logarithmic else level
    inside = np.sin(np.clip(level, 0, np.pi) / 2) ** 2
    found: Floats = np.clip((inside * (effective + 0.75) - 0.375) / effective, 0, 1)
    return found


def history_of(days: Days, *, first: date) -> list[tuple[Days, Days]]:
    """Return the parts of `days` with the history that each is assessed on: a year and up to a quarter more.

    The history begins at a fixed day of each quarter of the calendar of 91 days, so that a day is assessed on the same history
    whether it is built alone or with others.

    Args:
        days: The days to assess.
        first: The product's first day.
    """
    parts: dict[date, list[date]] = {}
    for day in days.each:
        block = date.fromordinal(day.toordinal() // BLOCK_DAYS * BLOCK_DAYS + 1)
        parts.setdefault(max(first, block - timedelta(days=HISTORY_DAYS)), []).append(day)
    return [
        (Days(min(begin, each[0]), each[-1] + timedelta(days=1)), Days(each[0], each[-1] + timedelta(days=1)))
        for begin, each in parts.items()
    ]
