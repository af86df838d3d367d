"""Faults of measurement over time: each lasts from the day it began until it ends or is accepted as the new usual."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from intelligence.telemetry.measured import DayMeasured
from intelligence.telemetry.measurement import measurement_faults
from intelligence.telemetry.measurement_base import Fault
from intelligence.telemetry.settings import Telemetry
from intelligence.telemetry.tables import DAY_QUALITY

# Fault subjects that put only one column in doubt; all others put the whole day in doubt.
DOUBTED_ALONE: Final = (
    "latency_ms",
    "error_count",
    "crashed",
    "rating",
    "duration_s",
    "value",
    "platform",
    "app_version",
)
# The fault subject of missing data: silent hours, a column that is wholly empty, a day without an event.
ARRIVAL: Final = "arrival"
# A fault continues when it is seen again within so many days: it may not show on a quiet day.
GAP_DAYS: Final = 3
SCHEMA: Final[dict[str, Any]] = {
    "faults": pl.List(pl.String),
    "faults_since": pl.List(pl.Date),
    "doubted_columns": pl.List(pl.String),
    "since": pl.Date,
}


@dataclass(slots=True)
class _Past:
    """The faults of the days so far: `marks` has, by day and fault subject, the day on which the fault began."""

    rules: Telemetry
    marks: dict[date, dict[str, date]] = field(default_factory=dict)

    def since(self, subject: str, day: date) -> date:
        """Return the day on which the fault that is seen on `day` began."""
        days = (self.marks.get(day - timedelta(days=back), {}) for back in range(1, GAP_DAYS + 1))
        return next((marks[subject] for marks in days if subject in marks), day)

    def usual_since(self, subject: str, day: date) -> date | None:
        """Return since when the subject's present state is accepted, by product.yaml or because the fault lasted; else None."""
        accepted = [each.since for each in self.rules.accepted_changes if each.of == subject and each.since <= day]
        lasted = [
            marks[subject]
            for when, marks in self.marks.items()
            if when < day
            and subject in marks
            and subject != ARRIVAL
            and (when - marks[subject]).days + 1 >= self.rules.accepted_after_days
        ]
        return max(accepted + lasted, default=None)

    def is_sound(self, subject: str, when: date, day: date) -> bool:
        """Return whether the earlier day `when` may serve as a reference for the subject on `day`."""
        marks, usual_since = self.marks.get(when, {}), self.usual_since(subject, day)
        if usual_since and when < usual_since:
            return False
        if subject in marks:
            return usual_since is not None
        return not any(
            name not in DOUBTED_ALONE and ((known := self.usual_since(name, day)) is None or when < known)
            for name in marks
        )

    def settled(self, day: date) -> list[str]:
        """Return the subjects whose fault was seen on the day before and is accepted as usual from `day` on."""
        marks = self.marks.get(day - timedelta(days=1), {})
        return [name for name in marks if self.usual_since(name, day) == marks[name]]


def in_words(row: Mapping[str, Any]) -> str:
    """Return the sentence that describes a day whose telemetry is at fault, from its row of telemetry.day_quality.

    >>> in_words({"event_date": date(2026, 6, 8), "verdict": "partial", "reason": "every rating is 1"})
    'The telemetry of 2026-06-08 is partial: every rating is 1. No flag is touched; somebody should look.'
    """
    held = "No flag is touched; somebody should look"
    why = row["reason"] or "it was not said why"
    return f"The telemetry of {row['event_date']} is {row['verdict']}: {why}. {held}."


def with_doubts(
    assessed: pl.DataFrame, history: pl.DataFrame, measured: Mapping[date, DayMeasured], *, rules: Telemetry
) -> pl.DataFrame:
    """Return the rows of telemetry.day_quality with the faults of measurement: since when, in which columns, in words.

    A day with a fault is partial. Where each of its faults concerns a single column, `doubted_columns` names these columns
    and the rest of the day can be relied on; where it is empty on a partial day, nothing of the day can be relied on.

    Args:
        assessed: One row per day, as `day_quality_frame` returns it.
        history: Earlier rows of the result, with the faults of the days before.
        measured: What was measured on these days and on the three weeks before.
        rules: Which changes of measurement product.yaml accepts, and after how many days a lasting change is accepted.
    """
    past = _Past(rules)
    for row in history.iter_rows(named=True):
        past.marks[row["event_date"]] = dict(zip(row.get("faults") or (), row.get("faults_since") or (), strict=True))
    rows = [_doubted(row, past, measured) for row in assessed.sort("event_date").iter_rows(named=True)]
    found = pl.DataFrame(rows, schema={**assessed.schema, **SCHEMA}, orient="row")
    return found.select([column.name for column in DAY_QUALITY.columns])


def _is_missing_data(fault: Fault, arrived: Mapping[str, Any]) -> bool:
    """Return whether the fault follows from missing data: an empty or stuck column, or a part of the product without events."""
    columns = {*(arrived.get("emptied_columns") or ()), *(arrived.get("stuck_columns") or ())}
    return fault.column in columns or fault.subject.startswith(("volume", "platform ", "release ", "region "))


def _doubted(row: dict[str, Any], past: _Past, measured: Mapping[date, DayMeasured]) -> dict[str, Any]:
    day, did_not_arrive = row["event_date"], row["verdict"] in ("partial", "empty")
    faults = [Fault(ARRIVAL, row["reason"])] if did_not_arrive else []
    if row["verdict"] != "empty":
        faults += measurement_faults(day, measured, sound=lambda subject, when: past.is_sound(subject, when, day))
    marks = {fault.subject: past.since(fault.subject, day) for fault in faults}
    reported_already = {fault.subject for fault in faults if did_not_arrive and _is_missing_data(fault, row)}
    # It began with the missing data, and stays the same fault when the missing data is no longer reported.
    marks |= {subject: min(marks[subject], marks[ARRIVAL]) for subject in reported_already}
    settled = [name for name in past.settled(day) if name not in marks]
    past.marks[day] = marks
    reported = [
        f"{fault.words} (since {marks[fault.subject]})" for fault in faults if fault.subject not in reported_already
    ]
    usual = [f"{name} is taken as usual from now on, after {past.rules.accepted_after_days} days" for name in settled]
    alone = all(fault.column for fault in faults)
    return {
        **row,
        "verdict": "partial" if faults and row["verdict"] != "empty" else row["verdict"],
        "reason": "; ".join([*reported, *usual] if faults else [row["reason"], *usual]),
        "faults": list(marks),
        "faults_since": list(marks.values()),
        "doubted_columns": [fault.column for fault in faults] if alone else [],
        "since": max(marks.values(), default=None),
    }
