"""Decisions: what the policy would do for every feature and day, how far by itself, why, and why not more."""

import dagster as dg
import polars as pl

from assets.graph.automation import when_updated
from assets.graph.building import Graph
from assets.graph.model_pages import evaluated, trained, verdict_check
from assets.graph.partitions import days_of, deps_of
from intelligence.decisions.tables import ENTITY_DECISIONS, ENTITY_TRAINING, ENTITY_VERDICT, FEATURE_DECISIONS
from intelligence.drift.tables import MODEL_WATCH
from intelligence.risk.tables import FEATURE_RISK
from intelligence.telemetry.tables import BATCHES
from resources.lake.door import Lake
from resources.services.decisions import READS, DecisionService
from resources.services.entity_decisions import READS as LANDED
from resources.services.entity_decisions import EntityDecisionService
from resources.services.explanations import ExplanationService
from resources.services.models import READS as MODEL_READS
from resources.services.models import ModelService


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

    @dg.asset(
        **graph.table_asset(
            ENTITY_DECISIONS, kinds={"sqlite"}, daily=False, automation_condition=when_updated(BATCHES)
        ),
        deps=deps_of(LANDED[ENTITY_DECISIONS], daily=False),
    )
    def entity_decisions(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        entity_decisions: dg.ResourceParam[EntityDecisionService],
    ) -> dg.MaterializeResult:
        """What was decided on users as their events came, on the stream or asked for over HTTP; empty without a stream.

        Decisions are appended as they were made, each once, with what was known of the entity at that moment.
        """
        landed = entity_decisions.over(lake).landed()
        context.log.info(landed.said)
        return graph.materialized(lake, ENTITY_DECISIONS, landed.days, written=landed.rows, landed=landed.said)

    @dg.asset(
        **graph.table_asset(ENTITY_TRAINING, kinds={"xgboost", "scikitlearn", "mlflow"}, daily=False),
        deps=deps_of(MODEL_READS[ENTITY_TRAINING], daily=False),
    )
    def entity_training(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], models: dg.ResourceParam[ModelService]
    ) -> dg.MaterializeResult:
        """Trains the candidate models to predict which entities will do harm, from decisions of the stream and reported outcomes.

        The Isolation Forest and the number of events are the floors. Without reported outcomes there is nothing to learn.
        """
        return trained(graph, context, lake, models, ENTITY_TRAINING)

    @dg.asset(
        **graph.table_asset(ENTITY_VERDICT, kinds={"mlflow"}, daily=False, more_checks=[verdict_check(ENTITY_VERDICT)]),
        deps=deps_of(MODEL_READS[ENTITY_VERDICT], daily=False),
    )
    def entity_verdict(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], models: dg.ResourceParam[ModelService]
    ) -> dg.MaterializeResult:
        """Whether the newest model of entities may become champion, by the same gate; the stream follows the champion."""
        return evaluated(graph, context, lake, models, ENTITY_VERDICT)

    return [feature_decisions, entity_decisions, entity_training, entity_verdict]
