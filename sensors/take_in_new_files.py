"""Takes in new files: the first step of everything that happens automatically."""

import dagster as dg

from assets.graph.requests import run_request, run_under_way
from assets.graph.tables import key_of
from intelligence.catalog.layers import DELIVERED
from resources.lake.door import Lake
from resources.services.due import Step
from resources.services.intake import IntakeService

EVERY_S = 30


@dg.sensor(
    target=[key_of(table) for table in DELIVERED],
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Takes in files that the sources name and the lake does not hold, once nobody writes them any more.",
)
def take_in_new_files(
    context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake], intake: dg.ResourceParam[IntakeService]
) -> dg.RunRequest | dg.SkipReason:
    """Request the intake of files that the sources name and that are not in the lake, once they are written completely.

    Files are identified by their bytes: the same file under another name is not new, and a refused file is not tried
    again until it or product.yaml has changed.
    """
    busy = run_under_way(context.instance)
    if busy:
        return dg.SkipReason(busy)
    waiting = intake.over(lake).waiting()
    if not waiting.names and not waiting.is_of_another_clock:
        return dg.SkipReason("No file waits.")
    cause = f"{len(waiting.names)} new files" if waiting.names else "another time zone"
    step = Step(DELIVERED, cause=cause)
    return run_request(context.instance, step, because=waiting.key)
