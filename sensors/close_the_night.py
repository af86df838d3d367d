"""The nightly close: yesterday is judged although nothing arrived for it."""

from datetime import timedelta

import dagster as dg

from assets.house import DAY, PRODUCT, key_of
from assets.requests import run_request
from assets.steps import Step, today_of_product
from intelligence.tables import Days
from intelligence.telemetry.open_nights import first_open_night
from intelligence.telemetry.tables import DAY_QUALITY, EVENTS
from resources.lake import Lake
from resources.retention import forgotten_runs


@dg.schedule(
    # The later ones find nothing to do unless the run of the first has failed.
    cron_schedule=["30 1 * * *", "30 2 * * *", "30 3 * * *"],
    execution_timezone=PRODUCT.timezone,
    target=[key_of(EVENTS), key_of(DAY_QUALITY)],
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Assesses whether yesterday's telemetry is whole: a day without one event is a fault that no file announces.",
)
def close_the_night(context: dg.ScheduleEvaluationContext, lake: Lake) -> dg.RunRequest | dg.SkipReason:
    """Judge whether yesterday's telemetry is whole: a day without one event is a fault that no file announces.

    Nights of the week before that nobody closed, while the daemon stood still or runs failed, are closed with it.
    Runs that Dagster has kept for long enough are deleted first.
    """
    forgotten_runs(context.instance, keep_days=PRODUCT.keep_runs_days)
    today = today_of_product()
    yesterday = today - timedelta(days=1)
    span = lake.span() if lake.exists() else None
    if span is None:
        return dg.SkipReason("Nothing was taken in yet.")
    if not DAY.has_partition_key(str(yesterday)):
        return dg.SkipReason(f"The product's data does not reach {yesterday}.")
    judged = set(lake.frame(f"SELECT event_date FROM {DAY_QUALITY.path}")["event_date"])
    first = first_open_night(judged, today=today, since=span.start)
    return run_request(context.instance, Step((EVENTS, DAY_QUALITY), Days(first, today)), because="the night is over")
