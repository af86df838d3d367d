"""Scores follow the champion: when somebody moves the alias in MLflow, the newest day is scored by that version."""

from datetime import date, timedelta

import dagster as dg

from assets.graph.requests import run_request
from assets.graph.tables import key_of
from intelligence.catalog.layers import SCORED
from intelligence.core.tables import Days
from resources.lake.door import Lake
from resources.models.registry import Registry
from resources.services.due import Step
from resources.services.models import ModelService

EVERY_S = 30


@dg.sensor(
    target=[key_of(table) for table in SCORED],
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Scores the newest day anew when somebody moved the alias champion in MLflow, and records who did.",
)
def follow_champion(
    context: dg.SensorEvaluationContext,
    lake: dg.ResourceParam[Lake],
    registry: dg.ResourceParam[Registry],
    models: dg.ResourceParam[ModelService],
) -> list[dg.RunRequest] | dg.SkipReason:
    """Request new scores of the newest day when the alias `champion` was moved to another version, and record who moved it.

    The lake, not a cursor, records which version scored: a lost cursor or a repeated tick requests nothing twice, and a
    move during which the daemon did not run is still followed. A run that failed is requested again, three times in
    all.
    """
    if not lake.exists() or not registry.exists():
        return dg.SkipReason("Nothing was trained yet.")
    answers = [
        run_request(context.instance, Step((table,), _day(found.day), found.cause), because=found.key)
        for table, found in models.rescorings()
    ]
    requests = [each for each in answers if isinstance(each, dg.RunRequest)]
    reasons = " ".join(each.skip_message or "" for each in answers if isinstance(each, dg.SkipReason))
    return requests or dg.SkipReason(reasons or "The newest scores come from the champions.")


def _day(day: date) -> Days:
    return Days(day, day + timedelta(days=1))
