"""Scores follow the champion: when somebody moves the alias in MLflow, the newest day is scored with that version."""

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
    context: dg.SensorEvaluationContext, lake: Lake, registry: Registry, models: dg.ResourceParam[ModelService]
) -> list[dg.RunRequest] | dg.SkipReason:
    """Score the newest day anew when the alias `champion` stands on another version, and record who moved it.

    What was scored is read from the lake, not from a cursor: a lost cursor or a repeated tick asks for nothing twice,
    and a move that a stopped daemon missed is still followed. A run that failed is asked for again, three times in all.
    """
    if not lake.exists() or not registry.exists():
        return dg.SkipReason("Nothing was trained yet.")
    asked = [
        run_request(context.instance, Step((table,), _day(found.day), found.cause), because=found.key)
        for table, found in models.rescorings()
    ]
    requests = [each for each in asked if isinstance(each, dg.RunRequest)]
    reasons = " ".join(each.skip_message or "" for each in asked if isinstance(each, dg.SkipReason))
    return requests or dg.SkipReason(reasons or "The newest scores come from the champions.")


def _day(day: date) -> Days:
    return Days(day, day + timedelta(days=1))
