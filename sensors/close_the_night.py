"""The nightly close: yesterday is judged although nothing arrived for it."""

from datetime import timedelta

import dagster as dg

from assets.house import DAY, key_of
from assets.requests import run_request
from assets.steps import Step, today_utc
from intelligence.tables import Days
from intelligence.telemetry.tables import DAY_QUALITY, EVENTS
from resources.lake import Lake

JUDGED_BACK_DAYS = 7


@dg.schedule(
    # The later ones find nothing to do unless the run of the first has failed.
    cron_schedule=["30 1 * * *", "30 2 * * *", "30 3 * * *"],
    execution_timezone="UTC",
    target=[key_of(EVENTS), key_of(DAY_QUALITY)],
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def close_the_night(context: dg.ScheduleEvaluationContext, lake: Lake) -> dg.RunRequest | dg.SkipReason:
    """Judge whether yesterday's telemetry is whole: a day without one event is a fault that no file announces.

    Nights of the week before that nobody closed, while the daemon stood still or runs failed, are closed with it.
    """
    today = today_utc()
    yesterday = today - timedelta(days=1)
    span = lake.span() if lake.exists() else None
    if span is None:
        return dg.SkipReason("Nothing was taken in yet.")
    if not DAY.has_partition_key(str(yesterday)):
        return dg.SkipReason(f"The product's data does not reach {yesterday}.")
    query = f"SELECT event_date FROM {DAY_QUALITY.path} WHERE event_date >= $first"
    judged = set(lake.frame(query, {"first": today - timedelta(days=JUDGED_BACK_DAYS)})["event_date"])
    week = [today - timedelta(days=back) for back in range(JUDGED_BACK_DAYS, 0, -1)]
    first = next((day for day in week if day not in judged and day >= span.start), yesterday)
    return run_request(context.instance, Step((EVENTS, DAY_QUALITY), Days(first, today)), because="the night is over")
