"""Faults of measurement: what changes in nearly everything at once is first of all the telemetry's doing.

A fault of one column sets aside what rests on that column; all others make the whole day doubtful. What one feature does by
itself, however badly, is never a fault of measurement.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

from intelligence.telemetry import measurement_columns as columns
from intelligence.telemetry import measurement_streams as streams
from intelligence.telemetry.measured import DayMeasured
from intelligence.telemetry.measurement_base import Fault, Look, Sound

CHECKS: Final = (
    streams.failures,
    columns.levels,
    columns.precision,
    columns.caps,
    columns.ratings,
    columns.emptied,
    columns.silent_flags,
    columns.collapsed,
    streams.identities,
    streams.moments,
    streams.repeated,
    streams.silent,
    streams.volume,
    streams.names,
    streams.clock,
)


def measurement_faults(day: date, measured: Mapping[date, DayMeasured], *, sound: Sound) -> tuple[Fault, ...]:
    """Return the faults of measurement of `day`, by what was measured on the sound days of the three weeks before it.

    `sound` tells of a subject and an earlier day whether that day shows what is usual. Fewer than five such days are not
    enough evidence, and fewer than three features with enough events cannot be told from the product's own trouble. Of
    several faults of one subject the first is told.
    """
    if day not in measured:
        return ()
    look = Look(day, measured[day], measured, sound)
    found: dict[str, Fault] = {}
    for fault in (fault for check in CHECKS for fault in check(look)):
        found.setdefault(fault.subject, fault)
    # Names that fell together leave the others silent, and that is one fault.
    if {"platform", "app_version"} & found.keys():
        found = {
            subject: fault for subject, fault in found.items() if not subject.startswith(("platform ", "release "))
        }
    return tuple(found.values())
