"""What keeps a signal silent: doubtful telemetry, days of which something is known, trouble everywhere at once, and small numbers.

A guarded anomaly is kept with its reason and never becomes an episode.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.signals.series import SeriesPanel
from intelligence.signals.settings import KnownDays

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

NOT_WHOLE: Final = ("partial", "empty")
MOVED: Final = 2.0
BROAD_SHARE: Final = 0.6
FEWEST_FOR_BROAD: Final = 10
BROAD_DAYS: Final = 2
FLAT_SHARE: Final = 0.6
FEWEST_FOR_FLAT: Final = 5

# Codes in the order in which they are looked at; 0 means that nothing speaks against the anomaly.
REASONS: Final = (
    "",
    "telemetry",
    "known day",
    "everything at once",
    "flat line",
    "low count",
    "too small",
)
TELEMETRY, KNOWN, BROAD, FLAT, LOW_COUNT, TOO_SMALL = range(1, len(REASONS))


def _nowhere(panel: SeriesPanel) -> Bools:
    return np.zeros((len(panel.series), len(panel.days.each)), dtype=bool)


def doubtful(panel: SeriesPanel, quality: pl.DataFrame) -> Bools:
    """Return where the telemetry of a series' day is in doubt, in an array of shape (series, days).

    Where only some columns are in doubt, only what rests on them is.

    Args:
        panel: The series.
        quality: Rows of `telemetry.day_quality`.
    """
    found = _nowhere(panel)
    bad = quality.filter(pl.col("verdict").is_in(NOT_WHOLE))
    for row in bad.iter_rows(named=True):
        t = (row["event_date"] - panel.days.start).days
        if not 0 <= t < found.shape[1]:
            continue
        columns = set(row.get("doubted_columns") or ())
        resting = np.array([not columns or bool(columns & set(metric.telemetry)) for metric in panel.families])
        found[:, t] |= resting[panel.family] if len(panel.families) else False
    return found


def known(panel: SeriesPanel, days: Sequence[KnownDays]) -> Bools:
    """Return where something is known of the day that explains the series: of volumes on every known day, else on those of everything.

    Args:
        panel: The series.
        days: The days of which something is known.
    """
    found = _nowhere(panel)
    volume = np.array([metric.is_volume for metric in panel.families], dtype=bool)
    for each in days:
        first = max((each.first - panel.days.start).days, 0)
        end = min((each.until + timedelta(days=1) - panel.days.start).days, found.shape[1])
        if first < end and len(volume):
            found[:, first:end] |= (volume[panel.family] | each.everything)[:, None]
    return found


def everywhere(panel: SeriesPanel, raw: Floats) -> NDArray[np.int8]:
    """Return where a series moves together with nearly everything: 1 up, -1 down, 0 not, in an array of shape (series, days).

    What moves features' volumes all at once is a holiday, an outage or a fault of the telemetry. It also explains the volumes of the
    product as a whole for two days; after that it is news about the product.

    Args:
        panel: The series.
        raw: Residuals before the common movement is taken off.
    """
    shape = panel.level.shape
    found = np.zeros(shape, dtype=np.int8)
    groups: dict[tuple[bool, str], list[int]] = {}
    for number, metric in enumerate(panel.families):
        if metric.scope == "feature":
            groups.setdefault((metric.is_volume, "" if metric.is_volume else metric.name), []).append(number)
    volume = quality = np.zeros(len(panel.days.each), dtype=np.int8)
    for (is_volume, _), numbers in groups.items():
        who = np.flatnonzero(np.isin(panel.family, numbers))
        direction = _broad(raw[who])
        found[who] = direction
        if is_volume:
            volume = direction
        else:
            quality = np.where(direction != 0, np.int8(1), quality)
    kpis = [(number, metric) for number, metric in enumerate(panel.families) if metric.scope == "kpi"]
    for number, metric in kpis:
        found[panel.family == number] = _for_some_days(volume if metric.is_volume else quality)
    return found


def _broad(raw: Floats) -> NDArray[np.int8]:
    """Return per day the direction in which most series moved."""
    judged = np.isfinite(raw).sum(axis=0)
    with np.errstate(invalid="ignore"):
        up, down = (raw > MOVED).sum(axis=0), (raw < -MOVED).sum(axis=0)
    enough = judged >= FEWEST_FOR_BROAD
    return np.where(
        enough & (up >= BROAD_SHARE * judged), 1, np.where(enough & (down >= BROAD_SHARE * judged), -1, 0)
    ).astype(np.int8)


def _for_some_days(direction: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the direction on the first days of each run of equal directions only."""
    kept, run = direction.copy(), 0
    for t, now in enumerate(direction):
        run = run + 1 if now and t and now == direction[t - 1] else int(bool(now))
        kept[t] = now if run <= BROAD_DAYS else 0
    return kept


def flat(panel: SeriesPanel) -> Bools:
    """Return where most series of a level have exactly the value of the day before, as from a pipeline that is stuck."""
    found = np.zeros(panel.level.shape, dtype=bool)
    for number, metric in enumerate(panel.families):
        who = np.flatnonzero(panel.family == number)
        if metric.kind != "level" or len(who) < FEWEST_FOR_FLAT:
            continue
        value = panel.value[who]
        both = np.isfinite(value[:, 1:]) & np.isfinite(value[:, :-1])
        same = (both & (value[:, 1:] == value[:, :-1])).sum(axis=0)
        counted = both.sum(axis=0)
        found[who[:, None], 1 + np.flatnonzero((counted >= FEWEST_FOR_FLAT) & (same >= FLAT_SHARE * counted))] = True
    return found


def small(metric_floors: "MetricFloors", effect: Floats, expected: Floats, total: Floats) -> Ints:
    """Return the code of what is too little about each change: LOW_COUNT, TOO_SMALL, or 0.

    Args:
        metric_floors: The floors of each change's metric.
        effect: What was observed, in the metric's unit.
        expected: What was expected.
        total: Events or values behind what was observed.
    """
    change = np.abs(effect - expected)
    in_events = np.where(metric_floors.is_rate, change * total, change)
    low = in_events < metric_floors.absolute
    little = change < metric_floors.relative * np.maximum(np.abs(expected), 1e-9)
    return np.where(low, LOW_COUNT, np.where(little, TOO_SMALL, 0)).astype(np.int64)


class MetricFloors:
    """The floors of the metrics of some changes, as arrays.

    Args:
        panel: The series.
        who: Position of the series of each change.
    """

    def __init__(self, panel: SeriesPanel, who: Ints) -> None:
        family = panel.family[who]
        self.is_rate = np.array([metric.kind == "rate" for metric in panel.families], dtype=bool)[family]
        self.absolute = np.array([metric.absolute_floor for metric in panel.families], dtype=np.float64)[family]
        self.relative = np.array([metric.relative_floor for metric in panel.families], dtype=np.float64)[family]
