"""Scores follow the champion: when somebody moves the alias in MLflow, the newest day is scored with that version."""

import dagster as dg

from assets.house import key_of
from assets.models import CAUSE_TAG, rescorings
from intelligence.layers import SCORED
from resources.lake import Lake
from resources.registry import Registry

EVERY_S = 30


@dg.sensor(
    target=[key_of(table) for table in SCORED],
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def follow_champion(lake: Lake, registry: Registry) -> list[dg.RunRequest] | dg.SkipReason:
    """Score the newest day anew when the alias `champion` stands on another version, and record who moved it.

    What was scored is read from the lake, not from a cursor: a lost cursor or a repeated tick asks for nothing twice,
    and a move that a stopped daemon missed is still followed.
    """
    if not lake.exists() or not registry.exists():
        return dg.SkipReason("Nothing was trained yet.")
    requests = [
        dg.RunRequest(
            run_key=found.key,
            asset_selection=[key_of(table)],
            partition_key=str(found.day),
            tags={CAUSE_TAG: found.cause},
        )
        for table, found in rescorings(lake, registry)
    ]
    return requests or dg.SkipReason("The newest scores come from the champions.")
