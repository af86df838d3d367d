"""Decisions: what the policy would do for every feature and day, how far by itself, why, and why not more."""

import dagster as dg
import polars as pl

from assets.graph.automation import when_updated
from assets.graph.building import Graph
from assets.graph.partitions import days_of, deps_of
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.drift.tables import MODEL_WATCH
from intelligence.risk.tables import FEATURE_RISK
from resources.lake.door import Lake
from resources.services.decisions import READS, DecisionService
from resources.services.explanations import ExplanationService


def assets(graph: Graph) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer decisions for this product."""

    @dg.asset(
        **graph.table_asset(
            FEATURE_DECISIONS, kinds={"polars"}, automation_condition=when_updated(FEATURE_RISK, MODEL_WATCH)
        ),
        deps=deps_of(READS[FEATURE_DECISIONS]),
    )
    def feature_decisions(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        decisions: dg.ResourceParam[DecisionService],
        explanations: dg.ResourceParam[ExplanationService],
    ) -> dg.MaterializeResult:
        """What the policy would do about each feature, from all that was known at the end of the day.

        Candidate actions are scored, rules may only choose a milder one, and each action that was not chosen is listed with the
        reason. A decision does nothing by itself: `actions/action_log` carries out those of the newest day, up to the autonomy
        level in product.yaml. What the guard of the stream decided during the day and touched is kept as it was.
        """
        days = days_of(context)
        found = pl.concat([decisions.decisions_of(day) for day in days.each])
        written = lake.replace(FEATURE_DECISIONS, days, "FROM found", frames={"found": found})
        counts = dict(found.group_by("action").len().sort("action").iter_rows())
        newest = explanations.newest_stories(found.filter(event_date=days.each[-1]))
        stories = {title: dg.MetadataValue.md(story) for title, story in newest.items()}
        kept = decisions.guarded().join(found, on="decision_id", how="semi").height
        return graph.materialized(
            lake, FEATURE_DECISIONS, days, written=written, actions=counts, decided_on_the_stream=kept, **stories
        )

    return [feature_decisions]
