"""Actions: what decisions cause in the outside world, and what that achieved."""

import dagster as dg

from assets.graph.automation import when_updated
from assets.graph.building import Graph
from assets.graph.partitions import deps_of
from intelligence.actions.tables import ACTION_LOG, OUTCOMES
from intelligence.core.tables import ALWAYS
from intelligence.decisions.tables import FEATURE_DECISIONS
from resources.lake.door import Lake
from resources.services.actions import READS, ActionService
from resources.services.outcomes import READS as OUTCOME_READS
from resources.services.outcomes import OutcomeService


def assets(graph: Graph) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer actions for this product."""

    @dg.asset(
        **graph.table_asset(
            ACTION_LOG, kinds={"sqlite"}, daily=False, automation_condition=when_updated(FEATURE_DECISIONS)
        ),
        deps=deps_of(READS[ACTION_LOG], daily=False),
    )
    def action_log(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], actions: dg.ResourceParam[ActionService]
    ) -> dg.MaterializeResult:
        """Puts the actions that the newest day's decisions request into the outbox, delivers approved ones, and shows their state.

        Only the newest day acts: decisions of a backfill are records. An action that was requested before is not requested
        again. If the first sound day after a flag was changed does not show the change, its action becomes unconfirmed.
        """
        rows, report = actions.acted()
        context.log.info(report)
        lake.replace(ACTION_LOG, ALWAYS, "FROM entries", frames={"entries": rows})
        return graph.materialized(lake, ACTION_LOG, ALWAYS, delivery=report)

    @dg.asset(
        **graph.table_asset(OUTCOMES, kinds={"polars"}, daily=False, automation_condition=when_updated(ACTION_LOG)),
        deps=deps_of(OUTCOME_READS[OUTCOMES], daily=False),
    )
    def outcomes(
        lake: dg.ResourceParam[Lake], outcome_service: dg.ResourceParam[OutcomeService]
    ) -> dg.MaterializeResult:
        """What each action achieved: its feature's rate before and after, compared with features on which nobody acted."""
        rows = outcome_service.rows()
        lake.replace(OUTCOMES, ALWAYS, "FROM found", frames={"found": rows})
        return graph.materialized(lake, OUTCOMES, ALWAYS)

    return [action_log, outcomes]
