"""Retrains a model after drift: once for each episode, and the gate decides whether the new version is used."""

import dagster as dg

from assets.graph.requests import EPISODE_TAG, failed_upstream_check, run_request, run_under_way
from assets.graph.tables import key_of
from intelligence.catalog.layers import TRAINED
from intelligence.drift.episodes import Waiting
from resources.lake.door import Lake
from resources.models.registry import Registry
from resources.services.retraining import RetrainingService

EVERY_S = 30


@dg.sensor(
    target=[key_of(table) for pair in TRAINED.values() for table in pair],
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for one training when what matters has moved on consecutive days, within its cooldown and budget.",
)
def retrain_on_drift(
    context: dg.SensorEvaluationContext,
    lake: dg.ResourceParam[Lake],
    registry: dg.ResourceParam[Registry],
    retraining: dg.ResourceParam[RetrainingService],
) -> list[dg.RunRequest] | dg.SkipReason:
    """Request one training when important predictors have moved on consecutive days and the change persists.

    Verdicts, trainings and runs are read from where they are stored, so that a lost cursor, a repeated tick or a
    restart neither requests a second training nor forgets one. A training that failed is requested again, three times
    in all.
    """
    busy = run_under_way(context.instance)
    if busy or not lake.exists() or not registry.exists():
        return dg.SkipReason(busy or "Nothing was trained yet.")
    requests, reasons = [], []
    for step, found in retraining.retrainings():
        if isinstance(found, Waiting):
            reasons.append(f"{step.tables[0].name.removesuffix('_training')}: {found.reason}")
            continue
        failed = failed_upstream_check(context.instance, step.tables)
        answer = (
            dg.SkipReason(failed)
            if failed
            else run_request(context.instance, step, because=found.key, tags={EPISODE_TAG: found.key})
        )
        if isinstance(answer, dg.RunRequest):
            requests.append(answer)
        else:
            reasons.append(answer.skip_message or "")
    return requests or dg.SkipReason(" ".join(reasons))
