"""The nightly close: yesterday is judged although nothing arrived for it."""

from datetime import timedelta

import dagster as dg

from assets.house import DAY, key_of
from assets.steps import today_utc
from intelligence.telemetry.tables import DAY_QUALITY, EVENTS
from resources.lake import Lake


@dg.schedule(
    cron_schedule="30 1 * * *",
    execution_timezone="UTC",
    target=[key_of(EVENTS), key_of(DAY_QUALITY)],
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def close_the_night(lake: Lake) -> dg.RunRequest | dg.SkipReason:
    """Judge whether yesterday's telemetry is whole: a day without one event is a fault that no file announces."""
    yesterday = today_utc() - timedelta(days=1)
    if not lake.exists() or lake.span() is None:
        return dg.SkipReason("Nothing was taken in yet.")
    if not DAY.has_partition_key(str(yesterday)):
        return dg.SkipReason(f"The product's data does not reach {yesterday}.")
    return dg.RunRequest(run_key=f"night of {yesterday}", partition_key=str(yesterday))
