"""The history as it is forecast from: days with faulty telemetry count as missing, and gaps are known."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl

from intelligence.forecasts.scales import Floats, Kind, Scale

# What is forecast, with its kind, and the group of series whose forecast errors are comparable in units of their spread.
SERIES: Final[Mapping[str, tuple[Kind, str]]] = {
    "dau": ("count", "counts"),
    "wau": ("count", "windows"),
    "mau": ("count", "windows"),
    "new_users": ("count", "counts"),
    "retention_7d": ("rate", "rates"),
    "conversion_rate": ("rate", "rates"),
    "value": ("amount", "counts"),
    "mean_rating": ("rating", "ratings"),
    "feature_users": ("count", "counts"),
}
LEAST_DAYS: Final = 42
# Fewer known days than this share of the history are no evidence of a week's rhythm.
LEAST_KNOWN: Final = 0.6


@dataclass(frozen=True, slots=True)
class Name:
    """What one series is of.

    Attributes:
        series: A name in SERIES.
        segment: Kind of user, or `all`.
        feature: Product feature; empty for the whole product.
    """

    series: str
    segment: str
    feature: str

    def __str__(self) -> str:
        """Return the name for people."""
        of = self.feature or ("" if self.segment == "all" else self.segment)
        return f"{self.series.replace('_', ' ')}{f' of {of}' if of else ''}"


@dataclass(frozen=True, slots=True)
class History:
    """The days of one series that it is forecast from.

    Attributes:
        name: What it is of.
        first: First day.
        values: One value per day up to the last one; NaN where the day is missing or its telemetry is at fault.
        cases: Denominators of a rate; NaN where they are not known.
        faulty: How many days were left out because their telemetry is at fault.
        scale: The scale on which it is forecast.
        lacks: Why it is not forecast; None where there is enough evidence.
    """

    name: Name
    first: date
    values: Floats
    cases: Floats
    faulty: int
    scale: Scale
    lacks: str | None

    @property
    def numbers(self) -> Floats:
        """Return the values on the scale of the forecast."""
        return self.scale.there(self.values)

    @property
    def chances(self) -> Floats:
        """Return the denominators of a rate on the days whose value counts; NaN on others, and for what is no rate."""
        counts = np.isfinite(self.values) & (self.cases > 0) & (self.scale.kind == "rate")
        return np.where(counts, self.cases, np.nan)


def histories(
    rows: pl.DataFrame, day: date, *, faulty: Collection[date], least_days: int = LEAST_DAYS
) -> tuple[History, ...]:
    """Return the history of every series up to a day, each from its own first day.

    Args:
        rows: What `history.sql` returns: event_date, series, segment, feature, value and cases.
        day: The last day.
        faulty: Days whose telemetry is partial or empty.
        least_days: Fewer days are not enough evidence.
    """
    found = []
    for key, part in rows.group_by("series", "segment", "feature", maintain_order=True):
        name = Name(*map(str, key))
        days = part["event_date"].to_list()
        found.append(
            history(
                name,
                dict(zip(days, part["value"].to_list(), strict=True)),
                dict(zip(days, part["cases"].to_list(), strict=True)),
                day,
                faulty=faulty,
                least_days=least_days,
            )
        )
    return tuple(sorted(found, key=_order))


def _order(each: History) -> tuple[int, bool, str, str]:
    name = each.name
    return list(SERIES).index(name.series), name.segment != "all", name.segment, name.feature


def history(
    name: Name,
    values: Mapping[date, float | None],
    cases: Mapping[date, float | None],
    day: date,
    *,
    faulty: Collection[date] = (),
    least_days: int = LEAST_DAYS,
) -> History:
    """Return the history of one series.

    Args:
        name: What it is of.
        values: Values by day; a day that is not there, or None, is missing.
        cases: Denominators by day, of a rate.
        day: The last day.
        faulty: Days whose telemetry is partial or empty.
        least_days: Fewer days are not enough evidence.
    """
    first = min((each for each, value in values.items() if value is not None and each <= day), default=day)
    days = [first + timedelta(days=number) for number in range((day - first).days + 1)]
    bad = set(faulty)
    known = _numbers(values, days)
    left_out = np.array([each in bad for each in days])
    faults = int((left_out & np.isfinite(known)).sum())
    known[left_out] = np.nan
    kind, _ = SERIES[name.series]
    return History(name, first, known, _numbers(cases, days), faults, Scale.of(kind, known), _lacks(known, least_days))


def _numbers(values: Mapping[date, float | None], days: Sequence[date]) -> Floats:
    found = (values.get(day) for day in days)
    return np.array([np.nan if value is None else float(value) for value in found], dtype=np.float64)


def _lacks(values: Floats, least_days: int) -> str | None:
    """Return why a history is not enough to forecast from; None where it is enough."""
    known = int(np.isfinite(values).sum())
    if len(values) < least_days:
        return f"It has {len(values)} days of history, and a forecast needs {least_days}."
    if known < LEAST_KNOWN * len(values):
        return f"Only {known} of its {len(values)} days are known."
    if not np.isfinite(values[-7:]).any():
        return "None of its last 7 days is known."
    return None
