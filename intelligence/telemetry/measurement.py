"""Faults of measurement: a change in nearly all features at once is first of all attributed to the telemetry.

A fault of one column excludes the results that use that column; any other fault puts the whole day in doubt. A change in
a single feature, however bad, is never a fault of measurement.
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
    """Return the faults of measurement of a day, compared with the sound days of the three weeks before it.

    Fewer than five sound days are not enough evidence, and with fewer than three features with enough events a fault
    cannot be distinguished from trouble of the product itself. Of several faults of one subject the first is reported.

    Args:
        day: The day to assess.
        measured: What was measured on that day and on the days before.
        sound: Returns whether an earlier day may serve as a reference for a fault subject.
    """
    if day not in measured:
        return ()
    look = Look(day, measured[day], measured, sound)
    found: dict[str, Fault] = {}
    for fault in (fault for check in CHECKS for fault in check(look)):
        found.setdefault(fault.subject, fault)
    # Names that collapsed into one leave the other names without events: that is one fault, not several.
    if {"platform", "app_version"} & found.keys():
        found = {
            subject: fault for subject, fault in found.items() if not subject.startswith(("platform ", "release "))
        }
    return tuple(found.values())
