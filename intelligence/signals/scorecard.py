"""The scorecard of the detectors: precision, recall, delay and false alarms on series whose incidents are known.

Every detector gets its threshold from other series of the same kind without incidents, at one common rate of alarms; none is tuned on
the series that it is measured on. `static 3-sigma` and `weekday median` are the floors: what a plain rule reaches.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.core.tables import Days
from intelligence.signals.alarms import POINT, SHARES, Scores, alarms
from intelligence.signals.detectors import Residuals, isolation, residuals, shifts, trends
from intelligence.signals.metrics import SignalMetric
from intelligence.signals.series import Series, SeriesPanel

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SERIES: Final = 200
DAYS: Final = 365
HISTORY: Final = 28
# Alarms per series and day that every threshold allows on series without incidents.
ALARM_RATE: Final = 1 / 1000
SAME_ALARM_DAYS: Final = 3
BURST_AFTER_DAYS: Final = 1
SHIFT_AFTER_DAYS: Final = 14
_METRIC: Final = SignalMetric(
    name="level", words="level", scope="feature", kind="level", relative_floor=0.0, absolute_floor=0.0
)


@dataclass(frozen=True, slots=True)
class Labelled:
    """Series with their incidents.

    Attributes:
        level: Shape (series, days).
        incidents: Series, first day and last day on which an alarm is right, and whether it is a level shift.
    """

    level: Floats
    incidents: tuple[tuple[int, int, int, bool], ...]


def labelled(seed: int, *, series: int = SERIES, days: int = DAYS, with_incidents: bool = True) -> Labelled:
    """Return series with a weekly rhythm, drift, dependent and heavy-tailed noise, and bursts and level shifts among them.

    Args:
        seed: Seed of everything drawn.
        series: Number of series.
        days: Number of days.
        with_incidents: Whether there are bursts and shifts.
    """
    draw = np.random.default_rng(seed)
    noise = draw.standard_t(5, (series, days)) * np.sqrt(3 / 5)
    for t in range(1, days):
        noise[:, t] += 0.3 * noise[:, t - 1]
    sd = np.exp(draw.normal(-2.5, 0.5, series))[:, None]
    rhythm = draw.normal(0, 1.5, (series, 7))[:, np.arange(days) % 7]
    drift = np.cumsum(draw.normal(0, 0.05, (series, days)), axis=1)
    incidents = []
    added = np.zeros((series, days))
    for who in range(series if with_incidents else 0):
        if draw.random() < 0.4:
            at = int(draw.integers(60, days - 30))
            added[who, at:] += draw.choice([-1, 1]) * draw.uniform(2.5, 5)
            incidents.append((who, at, at + SHIFT_AFTER_DAYS, True))
            continue
        for at in range(50, days - 30, 120):
            start, length = at + int(draw.integers(0, 60)), int(draw.integers(1, 4))
            added[who, start : start + length] += draw.choice([-1, 1]) * draw.uniform(4, 9)
            incidents.append((who, start, start + length - 1 + BURST_AFTER_DAYS, False))
    return Labelled(5 + sd * (noise + rhythm + drift + added), tuple(incidents))


def panel_of_levels(level: Floats, *, first: date = date(2026, 1, 5)) -> SeriesPanel:
    """Return series of plain levels as a panel whose variance is not known from counts.

    Args:
        level: Shape (series, days).
        first: The first day.
    """
    return SeriesPanel(
        days=Days(first, first + timedelta(days=level.shape[1])),
        series=tuple(Series(_METRIC, feature=f"series_{number:04}") for number in range(len(level))),
        value=level,
        level=level,
        variance=np.ones_like(level),
        total=np.full_like(level, 1e3),
        is_counted=np.zeros(len(level), dtype=bool),
        family=np.zeros(len(level), dtype=np.int64),
        families=(_METRIC,),
    )


def _found(level: Floats) -> Residuals:
    return residuals(panel_of_levels(level), np.zeros(level.shape, dtype=bool), minimum_history_days=HISTORY)


def _residual(level: Floats) -> Floats:
    return np.abs(_found(level).z)


def _isolation(level: Floats) -> Floats:
    found = _found(level)
    judged = np.isfinite(found.z)
    return isolation(found.causal, judged, judged)


def _shift(level: Floats) -> Floats:
    return np.abs(shifts(_found(level)))


def _weekday_median(level: Floats) -> Floats:
    """Return the difference from the median of the same weekday in the four weeks before, in the MAD of these weeks."""
    found = np.full(level.shape, np.nan)
    for t in range(HISTORY, level.shape[1]):
        past = level[:, t - HISTORY : t]
        middle = np.median(past[:, (t % 7 - np.arange(t - HISTORY, t)) % 7 == 0], axis=1)
        by_day = np.stack([np.median(past[:, day::7], axis=1) for day in range(7)], axis=1)
        spread = 1.4826 * np.median(np.abs(past - np.tile(by_day, (1, 4))), axis=1)
        found[:, t] = np.abs(level[:, t] - middle) / np.maximum(spread, 1e-9)
    return found


def _static(level: Floats) -> Floats:
    """Return the difference from the mean of the first four weeks, in their standard deviation."""
    first = level[:, :HISTORY]
    found = np.abs(level - first.mean(axis=1)[:, None]) / first.std(axis=1, ddof=1)[:, None]
    found[:, :HISTORY] = np.nan
    return np.asarray(found)


DETECTORS: Final[Mapping[str, Callable[[Floats], Floats]]] = {
    "residual z": _residual,
    "isolation forest": _isolation,
    "level shift": _shift,
    "weekday median (floor)": _weekday_median,
    "static 3-sigma (floor)": _static,
}
STATIC: Final = "static 3-sigma (floor)"
SCHEMA: Final = pl.Schema(
    {
        "detector": pl.String,
        "precision": pl.Float64,
        "recall of bursts": pl.Float64,
        "recall of shifts": pl.Float64,
        "delay (days)": pl.Float64,
        "false alarms a month": pl.Float64,
    }
)


def scorecard(seed: int = 1) -> pl.DataFrame:
    """Return one row per detector; false alarms are per series and month.

    Args:
        seed: Seed of the series; those for the thresholds have another one.
    """
    known, clean = labelled(seed), labelled(seed + 1_000, with_incidents=False)
    rows = []
    for name, detector in DETECTORS.items():
        limit = 3.0 if name == STATIC else float(np.nanquantile(detector(clean.level), 1 - ALARM_RATE))
        with np.errstate(invalid="ignore"):
            rows.append((name, *_measured(detector(known.level) > limit, known)))
    for name, with_windows in (("combined points", False), ("all together", True)):
        rows.append((name, *_measured(_as_shipped(known.level, with_windows=with_windows), known)))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _as_shipped(level: Floats, *, with_windows: bool) -> Bools:
    """Return where the product's own alarms are, whose tails are learnt on the very series, at the same rate of alarms.

    Args:
        level: The series.
        with_windows: Whether shifts and trends count beside points.
    """
    found = _found(level)
    judged = np.isfinite(found.z)
    nothing = np.full(level.shape, np.nan)
    scores = Scores(
        residual=found.z,
        isolation=isolation(found.causal, judged, judged),
        shift=shifts(found) if with_windows else nothing,
        trend=trends(found) if with_windows else nothing,
    )
    rate = 7 * len(level) * ALARM_RATE / (1.0 if with_windows else SHARES[POINT])
    family = np.zeros(len(level), dtype=np.int64)
    return alarms(scores, family, np.zeros(level.shape, dtype=bool), false_alarms_per_week=rate).kind > 0


def _measured(alarms: Bools, known: Labelled) -> tuple[float, float, float, float, float]:
    """Return precision, both recalls, the median delay and the false alarms of one detector."""
    right: dict[int, list[tuple[int, int]]] = {}
    hits: dict[bool, list[bool]] = {True: [], False: []}
    delays = []
    for who, first, last, is_shift in known.incidents:
        right.setdefault(who, []).append((first, last))
        told = np.flatnonzero(alarms[who, first : last + 1])
        hits[is_shift].append(bool(told.size))
        delays += [int(told[0])] if told.size else []
    runs = true = 0
    for who in range(len(alarms)):
        for begin, end in _runs(alarms[who]):
            runs += 1
            true += any(begin <= last and end >= first for first, last in right.get(who, ()))
    months = alarms.shape[0] * (alarms.shape[1] - HISTORY) / 30
    return (
        true / max(runs, 1),
        float(np.mean(hits[False])),
        float(np.mean(hits[True])),
        float(np.mean(delays)) if delays else np.nan,
        (runs - true) / months,
    )


def _runs(alarms: Bools) -> list[tuple[int, int]]:
    """Return the first and last day of each run of alarms, those with a short gap joined."""
    found: list[tuple[int, int]] = []
    for t in np.flatnonzero(alarms).tolist():
        if found and t - found[-1][1] <= SAME_ALARM_DAYS:
            found[-1] = (found[-1][0], t)
        else:
            found.append((t, t))
    return found


def first_shift(level: Floats, *, limit: float) -> int | None:
    """Return the first day on which the contrast of one series exceeds the limit; None where it never does.

    Args:
        level: One series.
        limit: Contrast in standard errors.
    """
    with np.errstate(invalid="ignore"):
        told = np.flatnonzero(_shift(level[None, :])[0] > limit)
    return int(told[0]) if told.size else None


def as_markdown(card: pl.DataFrame) -> str:
    """Return the scorecard as a table in Markdown, as docs/signals.md has it."""
    head = "| " + " | ".join(card.columns) + " |\n|---|" + "---:|" * (card.width - 1)
    rows = (
        f"| {row[0]} | {row[1]:.2f} | {row[2]:.2f} | {row[3]:.2f} | {row[4]:.1f} | {row[5]:.2f} |"
        for row in card.iter_rows()
    )
    return "\n".join([head, *rows])
