"""Doubts about a day's telemetry: faults of measurement from the day they began until they end or are taken as usual."""

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

# Subjects of faults that hit one column; all others put the whole day in doubt.
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
# What did not arrive: silent hours, a column that is wholly empty, a day without an event.
ARRIVAL: Final = "arrival"
# A fault goes on when it is seen again within so many days: on a quiet day it may not show.
GAP_DAYS: Final = 3
SCHEMA: Final[dict[str, Any]] = {
    "faults": pl.List(pl.String),
    "faults_since": pl.List(pl.Date),
    "doubted_columns": pl.List(pl.String),
    "since": pl.Date,
}


@dataclass(slots=True)
class _Past:
    """By day and subject since when it was at fault, and what counts as usual by a person's word or by the passing of time."""

    rules: Telemetry
    marks: dict[date, dict[str, date]] = field(default_factory=dict)

    def since(self, subject: str, day: date) -> date:
        """Return the first day of the fault that is seen on `day`."""
        days = (self.marks.get(day - timedelta(days=back), {}) for back in range(1, GAP_DAYS + 1))
        return next((marks[subject] for marks in days if subject in marks), day)

    def usual_since(self, subject: str, day: date) -> date | None:
        """Return from which day on the subject is as it is now by a person's word, or because its fault lasted so long."""
        said = [each.since for each in self.rules.accepted_changes if each.of == subject and each.since <= day]
        lasted = [
            marks[subject]
            for when, marks in self.marks.items()
            if when < day
            and subject in marks
            and subject != ARRIVAL
            and (when - marks[subject]).days + 1 >= self.rules.accepted_after_days
        ]
        return max(said + lasted, default=None)

    def is_sound(self, subject: str, when: date, day: date) -> bool:
        """Return whether `when` shows what is usual for the subject on `day`."""
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
        """Return the subjects whose fault was seen until the day before and is usual from `day` on."""
        marks = self.marks.get(day - timedelta(days=1), {})
        return [name for name in marks if self.usual_since(name, day) == marks[name]]


def in_words(row: Mapping[str, Any]) -> str:
    """Return what people are told of a day whose telemetry is at fault, from its row of telemetry.day_quality.

    >>> in_words({"event_date": date(2026, 6, 8), "verdict": "partial", "reason": "every rating is 1"})
    'The telemetry of 2026-06-08 is partial: every rating is 1. No flag is touched; somebody should look.'
    """
    held = "No flag is touched; somebody should look"
    why = row["reason"] or "it was not said why"
    return f"The telemetry of {row['event_date']} is {row['verdict']}: {why}. {held}."


def with_doubts(
    judged: pl.DataFrame, history: pl.DataFrame, measured: Mapping[date, DayMeasured], *, rules: Telemetry
) -> pl.DataFrame:
    """Return the rows of telemetry.day_quality with the faults of measurement: since when, of which columns, in words.

    A day with a fault is partial. Where all of its faults lie in columns by themselves `doubted_columns` names these, and
    the rest of the day can be relied on; where it names none on a partial day, nothing can.

    Args:
        judged: the days in order, by what arrived.
        history: earlier rows of the result.
        measured: what was measured on these days and the three weeks before.
        rules: what a person says of changes, and after how many days they are usual.
    """
    past = _Past(rules)
    for row in history.iter_rows(named=True):
        past.marks[row["event_date"]] = dict(zip(row.get("faults") or (), row.get("faults_since") or (), strict=True))
    rows = [_doubted(row, past, measured) for row in judged.sort("event_date").iter_rows(named=True)]
    found = pl.DataFrame(rows, schema={**judged.schema, **SCHEMA}, orient="row")
    return found.select([column.name for column in DAY_QUALITY.columns])


def _is_said(fault: Fault, arrived: Mapping[str, Any]) -> bool:
    """Return whether what did not arrive says as much: the column that came empty or stuck, and whatever else is missing."""
    columns = {*(arrived.get("emptied_columns") or ()), *(arrived.get("stuck_columns") or ())}
    return fault.column in columns or fault.subject.startswith(("volume", "platform ", "release ", "region "))


def _doubted(row: dict[str, Any], past: _Past, measured: Mapping[date, DayMeasured]) -> dict[str, Any]:
    day, did_not_arrive = row["event_date"], row["verdict"] in ("partial", "empty")
    faults = [Fault(ARRIVAL, row["reason"])] if did_not_arrive else []
    if row["verdict"] != "empty":
        faults += measurement_faults(day, measured, sound=lambda subject, when: past.is_sound(subject, when, day))
    marks = {fault.subject: past.since(fault.subject, day) for fault in faults}
    said_already = {fault.subject for fault in faults if did_not_arrive and _is_said(fault, row)}
    # It began with what did not arrive, and stays the same fault when that is no longer told.
    marks |= {subject: min(marks[subject], marks[ARRIVAL]) for subject in said_already}
    settled = [name for name in past.settled(day) if name not in marks]
    past.marks[day] = marks
    said = [f"{fault.words} (since {marks[fault.subject]})" for fault in faults if fault.subject not in said_already]
    usual = [f"{name} is taken as usual from now on, after {past.rules.accepted_after_days} days" for name in settled]
    alone = all(fault.column for fault in faults)
    return {
        **row,
        "verdict": "partial" if faults and row["verdict"] != "empty" else row["verdict"],
        "reason": "; ".join([*said, *usual] if faults else [row["reason"], *usual]),
        "faults": list(marks),
        "faults_since": list(marks.values()),
        "doubted_columns": [fault.column for fault in faults] if alone else [],
        "since": max(marks.values(), default=None),
    }
