"""Builds days whose telemetry has changed again, layer by layer."""

import dagster as dg

from assets.graph.partitions import Calendar
from assets.graph.requests import failed_upstream_check, run_request, run_under_way
from assets.graph.tables import key_of
from intelligence.catalog.layers import BUILT_BY_DAY
from resources.lake.door import Lake
from resources.services.due import DueService

EVERY_S = 30


@dg.sensor(
    target=[key_of(table) for table in BUILT_BY_DAY],
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Builds days that are missing, or that were built from older telemetry or rules, in the order of the graph.",
)
def build_stale_days(
    context: dg.SensorEvaluationContext,
    lake: dg.ResourceParam[Lake],
    due: dg.ResourceParam[DueService],
    calendar: dg.ResourceParam[Calendar],
) -> dg.RunRequest | dg.SkipReason:
    """Request the days that are missing or were built from older telemetry, beginning with the first layer that needs them.

    The lake records which days are stale. A step is not requested while a blocking check of its upstream tables fails.
    """
    busy = run_under_way(context.instance)
    if busy or lake.is_empty():
        return dg.SkipReason(busy or "Nothing was taken in yet.")
    steps = due.steps_to_build(today=due.today_of_product())
    if not steps:
        return dg.SkipReason("Every day is built from the present telemetry.")
    step = steps[0]
    if step.days and step.days.start < calendar.first_day:
        return dg.SkipReason(
            f"Data from {step.days.start} arrived, before the first known day: reload the code location."
        )
    broken = failed_upstream_check(context.instance, step.tables)
    return dg.SkipReason(broken) if broken else run_request(context.instance, step, because=lake.telemetry_version())
