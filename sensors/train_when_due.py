"""Trains models when they are due by the calendar, and scores the newest day once it is built."""

import dagster as dg

from assets.graph.requests import failed_upstream_check, run_request, run_under_way
from assets.graph.tables import key_of
from intelligence.catalog.layers import ENTITY_MODEL, SCORED, TRAINED
from resources.lake.door import Lake
from resources.services.due import DueService

EVERY_S = 30


@dg.sensor(
    target=[key_of(table) for table in (*SCORED, *(each for pair in TRAINED.values() for each in pair), *ENTITY_MODEL)],
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Trains a model that is missing, too old or has other predictors, and scores a newest day without scores.",
)
def train_when_due(
    context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake], due: dg.ResourceParam[DueService]
) -> dg.RunRequest | dg.SkipReason:
    """Request the training of a model that is missing, too old or has other predictors, and the scoring of the newest day."""
    busy = run_under_way(context.instance)
    if busy or lake.is_empty():
        return dg.SkipReason(busy or "Nothing was taken in yet.")
    today = due.today_of_product()
    if due.steps_to_build(today=today):
        return dg.SkipReason("Days wait to be built first.")
    steps = due.scoring_and_training_steps(today=today)
    if not steps:
        return dg.SkipReason("Models are young enough and the newest day is scored.")
    broken = failed_upstream_check(context.instance, steps[0].tables)
    if broken:
        return dg.SkipReason(broken)
    return run_request(context.instance, steps[0], because=lake.telemetry_version())
