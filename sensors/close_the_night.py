"""The nightly close: yesterday's telemetry is assessed even where no file arrived for it."""

from datetime import timedelta

import dagster as dg

from assets.graph.building import Graph
from assets.graph.partitions import Calendar
from assets.graph.requests import run_request
from assets.graph.tables import key_of
from intelligence.core.tables import Days
from intelligence.telemetry.open_nights import first_unassessed_day
from intelligence.telemetry.tables import DAY_QUALITY, EVENTS
from resources.lake.door import Lake
from resources.processes.retention import forgotten_runs
from resources.services.due import DueService, Step


def nightly_close(graph: Graph) -> dg.ScheduleDefinition:
    """Return the schedule in the product's own time zone."""

    @dg.schedule(
        # The later ticks request nothing unless the run of the first one has failed.
        cron_schedule=["30 1 * * *", "30 2 * * *", "30 3 * * *"],
        execution_timezone=graph.product.timezone,
        target=[key_of(EVENTS), key_of(DAY_QUALITY)],
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Assesses whether yesterday's telemetry is whole: a day without one event is a fault that no file announces.",
    )
    def close_the_night(
        context: dg.ScheduleEvaluationContext,
        lake: dg.ResourceParam[Lake],
        due: dg.ResourceParam[DueService],
        calendar: dg.ResourceParam[Calendar],
    ) -> dg.RunRequest | dg.SkipReason:
        """Assess whether yesterday's telemetry is whole: a day without one event is a fault that no file announces.

        Earlier days of the week that were not assessed, because the daemon did not run or runs failed, are included. Runs
        of Dagster that are older than `keep_runs_days` in product.yaml are deleted first.
        """
        forgotten_runs(context.instance, keep_days=graph.product.keep_runs_days)
        today = due.today_of_product()
        yesterday = today - timedelta(days=1)
        span = lake.span() if lake.exists() else None
        if span is None:
            return dg.SkipReason("Nothing was taken in yet.")
        if not calendar.partitions.has_partition_key(str(yesterday)):
            return dg.SkipReason(f"The product's data does not reach {yesterday}.")
        assessed = set(lake.frame(f"SELECT event_date FROM {DAY_QUALITY.path}")["event_date"])
        first = first_unassessed_day(assessed, today=today, since=span.start)
        return run_request(
            context.instance, Step((EVENTS, DAY_QUALITY), Days(first, today)), because="the night is over"
        )

    return close_the_night
