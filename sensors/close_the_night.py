"""The nightly close: yesterday is judged although nothing arrived for it."""

from datetime import timedelta

import dagster as dg

from assets.graph.building import Graph
from assets.graph.partitions import Calendar
from assets.graph.requests import run_request
from assets.graph.tables import key_of
from intelligence.core.tables import Days
from intelligence.telemetry.open_nights import first_open_night
from intelligence.telemetry.tables import DAY_QUALITY, EVENTS
from resources.lake.door import Lake
from resources.processes.retention import forgotten_runs
from resources.services.due import DueService, Step


def nightly_close(graph: Graph) -> dg.ScheduleDefinition:
    """Return the schedule on the product's own clock."""

    @dg.schedule(
        # The later ones find nothing to do unless the run of the first has failed.
        cron_schedule=["30 1 * * *", "30 2 * * *", "30 3 * * *"],
        execution_timezone=graph.product.timezone,
        target=[key_of(EVENTS), key_of(DAY_QUALITY)],
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Assesses whether yesterday's telemetry is whole: a day without one event is a fault that no file announces.",
    )
    def close_the_night(
        context: dg.ScheduleEvaluationContext,
        lake: Lake,
        due: dg.ResourceParam[DueService],
        calendar: dg.ResourceParam[Calendar],
    ) -> dg.RunRequest | dg.SkipReason:
        """Judge whether yesterday's telemetry is whole: a day without one event is a fault that no file announces.

        Nights of the week before that nobody closed, while the daemon stood still or runs failed, are closed with it.
        Runs that Dagster has kept for long enough are deleted first.
        """
        forgotten_runs(context.instance, keep_days=graph.product.keep_runs_days)
        today = due.today_of_product()
        yesterday = today - timedelta(days=1)
        span = lake.span() if lake.exists() else None
        if span is None:
            return dg.SkipReason("Nothing was taken in yet.")
        if not calendar.partitions.has_partition_key(str(yesterday)):
            return dg.SkipReason(f"The product's data does not reach {yesterday}.")
        judged = set(lake.frame(f"SELECT event_date FROM {DAY_QUALITY.path}")["event_date"])
        first = first_open_night(judged, today=today, since=span.start)
        return run_request(
            context.instance, Step((EVENTS, DAY_QUALITY), Days(first, today)), because="the night is over"
        )

    return close_the_night
