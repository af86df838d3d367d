"""Whether a day's telemetry is whole: silent hours, emptied columns and repeated days tell a pipeline's fault."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.tables import Days

OPTIONAL_COLUMNS: Final = (
    "session_id",
    "latency_ms",
    "error_count",
    "crashed",
    "rating",
    "duration_s",
    "platform",
    "app_version",
)
# Measurements: each event has its own, so that one and the same in all of them is a stuck pipeline.
MEASURED_COLUMNS: Final = ("latency_ms", "duration_s")
LEAST_TO_BE_STUCK: Final = 50
HISTORY_DAYS: Final = 28
_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "event_date": pl.Date,
    "events": pl.Int64,
    "expected_events": pl.Float64,
    "volume_ratio": pl.Float64,
    "events_by_hour": pl.List(pl.Int64),
    "silent_hours": pl.List(pl.Int32),
    "missing_rate": pl.Float64,
    "filled": pl.List(pl.Int64),
    "emptied_columns": pl.List(pl.String),
    "flat_columns": pl.List(pl.String),
    "stuck_columns": pl.List(pl.String),
    "verdict": pl.String,
    "reason": pl.String,
}

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DayCounts:
    """Events in each of 24 hours, for each optional column the events that fill it, and the measurements that do not vary."""

    by_hour: Counts
    filled: Counts
    flat: frozenset[str] = frozenset()

    @property
    def events(self) -> int:
        """Return the day's events."""
        return int(self.by_hour.sum())


@dataclass(frozen=True, slots=True)
class DayQuality:
    """The verdict on one day: whole, partial, empty or unknown."""

    expected_events: float | None
    silent_hours: tuple[int, ...]
    missing_rate: float | None
    emptied_columns: tuple[str, ...]
    verdict: str
    reason: str
    stuck_columns: tuple[str, ...] = ()


def day_quality(
    day: date,
    counts: Mapping[date, DayCounts],
    *,
    least_expected_per_hour: float = 5,
    least_expected_per_day: float = 20,
    missing_limit: float = 0.05,
    least_expected_missing: float = 60,
    least_hours_to_repeat: int = 6,
) -> DayQuality:
    """Return the verdict on `day`, judged against the 28 days before it in `counts`.

    The hourly profile is the median of the same weekday in the last four weeks (two of them suffice), or else the
    least of all earlier days (three suffice). Hours in which it expects at least `least_expected_per_hour` events and there
    is none are silent; the day is partial when they should have held `missing_limit` of it
    and at least `least_expected_missing` events: fewer may be a few visits that did not come. A day is also partial
    when a column that used to be filled is empty, when a measurement that used to vary is the same in all events, or when it
    repeats the day before hour for hour over at least `least_hours_to_repeat` hours (dates without a time all lie in one).
    """
    today = counts.get(day, _NOTHING)
    past = [counts[other] for other in _days_before(day, HISTORY_DAYS, 1) if other in counts]
    same = [counts[other] for other in _days_before(day, HISTORY_DAYS, 7) if other in counts]
    basis = same if len(same) >= 2 else past if len(past) >= 3 else []
    if not basis:
        return DayQuality(None, (), None, (), "unknown", f"{len(past)} earlier days are too few to judge by")
    typical = np.median if basis is same else np.min
    profile = typical([other.by_hour for other in basis], axis=0)
    usual = float(np.median([other.events for other in basis]))
    expected = usual if basis is same else None
    if usual < least_expected_per_day:
        return DayQuality(expected, (), None, (), "unknown", f"about {usual:.0f} events a day are too few to judge by")
    if today.events == 0:
        return DayQuality(
            expected, tuple(range(24)), 1.0, (), "empty", f"no event at all, where {usual:,.0f} are usual"
        )
    silent = np.flatnonzero((today.by_hour == 0) & (profile >= least_expected_per_hour))
    missing = float(profile[silent].sum() / profile.sum()) if profile.sum() else 0.0
    emptied = _emptied_columns(today, past[:7], least_expected=least_expected_per_day)
    stuck = _stuck_columns(today, past[:7])
    faults = []
    if missing >= missing_limit and profile[silent].sum() >= least_expected_missing:
        faults.append(f"no event in {len(silent)} hours that hold {missing:.0%} of such a day")
    if emptied:
        faults.append(f"no value in {', '.join(emptied)}")
    if stuck:
        faults.append(f"one and the same value in {', '.join(stuck)}")
    yesterday = counts.get(day - timedelta(days=1))
    spread = np.count_nonzero(today.by_hour) >= least_hours_to_repeat
    if (
        yesterday
        and spread
        and today.events >= 24 * least_expected_per_hour
        and (today.by_hour == yesterday.by_hour).all()
    ):
        faults.append("the same events per hour as the day before")
    reason = "; ".join(faults) or f"{today.events:,} events, {usual:,.0f} are usual"
    verdict = "partial" if faults else "whole"
    return DayQuality(expected, tuple(int(hour) for hour in silent), missing, emptied, verdict, reason, stuck)


_NOTHING: Final = DayCounts(np.zeros(24, np.int64), np.zeros(len(OPTIONAL_COLUMNS), np.int64))


def _days_before(day: date, reach: int, step: int) -> list[date]:
    return [day - timedelta(days=back) for back in range(step, reach + 1, step)]


def _emptied_columns(today: DayCounts, past: Sequence[DayCounts], *, least_expected: float) -> tuple[str, ...]:
    shares = [other.filled / other.events for other in past if other.events]
    if len(shares) < 3:
        return ()
    usual = np.median(shares, axis=0)
    gone = (today.filled == 0) & (usual * today.events >= least_expected)
    return tuple(name for name, is_gone in zip(OPTIONAL_COLUMNS, gone, strict=True) if is_gone)


def _stuck_columns(today: DayCounts, past: Sequence[DayCounts]) -> tuple[str, ...]:
    """Return the measurements that are all alike today, though they varied on at least three of the days before."""
    return tuple(
        name for name in MEASURED_COLUMNS if name in today.flat and sum(_varied(day, name) for day in past) >= 3
    )


def _varied(day: DayCounts, name: str) -> bool:
    return day.filled[OPTIONAL_COLUMNS.index(name)] >= LEAST_TO_BE_STUCK and name not in day.flat


def _flat(group: pl.DataFrame) -> frozenset[str]:
    """Return the measurements with one and the same value in all events of a day, as far as there are enough of them."""
    return frozenset(
        name
        for name in MEASURED_COLUMNS
        if group[name].sum() >= LEAST_TO_BE_STUCK and group[f"least_{name}"].min() == group[f"most_{name}"].max()
    )


def day_quality_frame(hours: pl.DataFrame, history: pl.DataFrame, days: Days) -> pl.DataFrame:
    """Return one row per day of `days` in the shape of telemetry.day_quality.

    `hours` has the counts of `intelligence/telemetry/day_quality_hours.sql` for these days, `history` earlier rows
    of the result.
    """
    counts = {
        row["event_date"]: DayCounts(
            np.array(row["events_by_hour"], np.int64),
            np.array(row["filled"], np.int64),
            frozenset(row["flat_columns"] or ()),
        )
        for row in history.iter_rows(named=True)
        if row["event_date"] < days.start and row["events"] > 0
    }
    for (day,), group in hours.group_by("event_date"):
        by_hour = np.zeros(24, np.int64)
        by_hour[group["hour"].to_numpy()] = group["events"].to_numpy()
        filled = group.select(OPTIONAL_COLUMNS).sum().to_numpy()[0].astype(np.int64)
        counts[day] = DayCounts(by_hour, filled, _flat(group))
    rows = []
    for number in range((days.end - days.start).days):
        day = days.start + timedelta(days=number)
        quality, today = day_quality(day, counts), counts.get(day, _NOTHING)
        ratio = today.events / quality.expected_events if quality.expected_events else None
        rows.append(
            (
                day,
                today.events,
                quality.expected_events,
                ratio,
                today.by_hour.tolist(),
                list(quality.silent_hours),
                quality.missing_rate,
                today.filled.tolist(),
                list(quality.emptied_columns),
                sorted(today.flat),
                list(quality.stuck_columns),
                quality.verdict,
                quality.reason,
            )
        )
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")
