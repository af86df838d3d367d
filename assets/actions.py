"""Actions: what decisions come to in the outside world, and what that achieved."""

import dagster as dg

from assets.acting import acted, outcome_rows
from assets.house import ALWAYS, key_of, materialized, table_asset, when_updated
from intelligence.actions.tables import ACTION_LOG, OUTCOMES
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.metrics.tables import FACT_FEATURE_METRICS, KPI_DAY
from intelligence.telemetry.tables import BATCHES, DAY_QUALITY
from resources.announcer import Announcer
from resources.lake import Lake


@dg.asset(
    **table_asset(ACTION_LOG, kinds={"sqlite"}, daily=False, automation_condition=when_updated(FEATURE_DECISIONS)),
    deps=[key_of(table) for table in (FEATURE_DECISIONS, FACT_FEATURE_METRICS, KPI_DAY, DAY_QUALITY, BATCHES)],
)
def action_log(context: dg.AssetExecutionContext, lake: Lake, announcer: Announcer) -> dg.MaterializeResult:
    """Puts what the newest day's decisions ask for into the outbox, delivers what is approved, and shows where all stands.

    Only the newest day acts: decisions of a backfill are records. What was asked for before is not asked for again. A
    changed flag that the first sound day after it does not show makes its action unconfirmed.
    """
    rows, report = acted(lake, announcer)
    context.log.info(report)
    lake.replace(ACTION_LOG, ALWAYS, "FROM entries", frames={"entries": rows})
    return materialized(lake, ACTION_LOG, ALWAYS, delivery=report)


@dg.asset(
    **table_asset(OUTCOMES, kinds={"polars"}, daily=False, automation_condition=when_updated(ACTION_LOG)),
    deps=[key_of(ACTION_LOG), key_of(FACT_FEATURE_METRICS)],
)
def outcomes(lake: Lake) -> dg.MaterializeResult:
    """What each action achieved: its feature's rate before and after, against features on which nobody acted."""
    rows = outcome_rows(lake)
    lake.replace(OUTCOMES, ALWAYS, "FROM found", frames={"found": rows})
    return materialized(lake, OUTCOMES, ALWAYS)
