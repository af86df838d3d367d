"""Risk: what was known of each feature, models that are trained and evaluated on it, and the champion's present scores."""

import dagster as dg
import polars as pl

from assets.graph.building import Graph
from assets.graph.model_pages import evaluated, registry_check, scored, trained, verdict_check
from assets.graph.partitions import days_of, deps_of, looking_back
from assets.graph.tables import key_of
from intelligence.metrics.tables import FACT_FEATURE_METRICS, FEATURE_HEALTH
from intelligence.risk.tables import (
    FEATURE_PANEL,
    FEATURE_RISK,
    FEATURE_TRAINING,
    FEATURE_VERDICT,
    USER_CHURN,
    USER_TRAINING,
    USER_VERDICT,
)
from intelligence.telemetry.local_time import local_times
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_RELEASES
from resources.lake.door import Lake
from resources.services.models import READS, ModelService

# As many days as intelligence/risk/feature_panel.py reads, which would import numpy into the code location.
PANEL_LOOKBACK_DAYS = 34


def assets(graph: Graph) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer risk for this product."""

    @dg.asset(
        **graph.table_asset(FEATURE_PANEL, kinds={"polars"}),
        ins={
            "metrics": dg.AssetIn(key_of(FACT_FEATURE_METRICS), partition_mapping=looking_back(PANEL_LOOKBACK_DAYS)),
            "features": dg.AssetIn(key_of(DIM_FEATURE_METADATA), metadata={"by_day": False}),
            "health": dg.AssetIn(key_of(FEATURE_HEALTH), partition_mapping=looking_back(PANEL_LOOKBACK_DAYS)),
            "quality": dg.AssetIn(key_of(DAY_QUALITY), partition_mapping=looking_back(PANEL_LOOKBACK_DAYS)),
            "releases": dg.AssetIn(key_of(DIM_RELEASES), metadata={"by_day": False}),
        },
    )
    def panel(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        metrics: pl.DataFrame,
        features: pl.DataFrame,
        health: pl.DataFrame,
        quality: pl.DataFrame,
        releases: pl.DataFrame,
    ) -> dg.MaterializeResult:
        """What was known of each feature at the end of each day: errors, latency, ratings, usage, their trends, age, releases.

        Nothing from after the day enters its row, so that a model sees in production what it saw in training.
        """
        from intelligence.risk.feature_panel import feature_panel

        days = days_of(context)
        rows = feature_panel(
            metrics, features, health, quality, local_times(releases, graph.product.timezone), days=days
        )
        written = lake.replace(FEATURE_PANEL, days, "FROM panel", frames={"panel": rows})
        return graph.materialized(lake, FEATURE_PANEL, days, written=written)

    @dg.asset(
        **graph.table_asset(FEATURE_TRAINING, kinds={"xgboost", "scikitlearn", "mlflow"}, daily=False),
        deps=deps_of(READS[FEATURE_TRAINING], daily=False),
    )
    def feature_training(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], models: dg.ResourceParam[ModelService]
    ) -> dg.MaterializeResult:
        """Trains boosted trees, a random forest and a logistic regression to predict degradation, and registers one.

        All are evaluated on days that they had not seen, next to persistence and a smoothed error rate as floors. The one with
        the best probabilities becomes a new version in the MLflow registry, with its model card, plots and every number.
        """
        return trained(graph, context, lake, models, FEATURE_TRAINING)

    @dg.asset(
        **graph.table_asset(
            FEATURE_VERDICT, kinds={"mlflow"}, daily=False, more_checks=[verdict_check(FEATURE_VERDICT)]
        ),
        deps=deps_of(READS[FEATURE_VERDICT], daily=False),
    )
    def feature_verdict(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], models: dg.ResourceParam[ModelService]
    ) -> dg.MaterializeResult:
        """Whether the newest version may become champion: compared with the champion on rows that neither had seen.

        A first model must beat the floors. With `promotion: manual` in product.yaml a person promotes it in MLflow.
        """
        return evaluated(graph, context, lake, models, FEATURE_VERDICT)

    @dg.asset(
        **graph.table_asset(FEATURE_RISK, kinds={"mlflow", "polars"}, more_checks=[registry_check(FEATURE_RISK)]),
        deps=deps_of(READS[FEATURE_RISK]),
    )
    def feature_risk(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], models: dg.ResourceParam[ModelService]
    ) -> dg.MaterializeResult:
        """How probable it is that each feature degrades within the horizon, whom it would hit, and the three main reasons.

        Scored with the version that has the alias `champion` in MLflow, resolved once per run. Automation scores the
        newest day only: what a later model says of an earlier day is hindsight.
        """
        return scored(graph, context, lake, models, FEATURE_RISK)

    @dg.asset(
        **graph.table_asset(USER_TRAINING, kinds={"xgboost", "scikitlearn", "mlflow"}, daily=False),
        deps=deps_of(READS[USER_TRAINING], daily=False),
    )
    def user_training(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], models: dg.ResourceParam[ModelService]
    ) -> dg.MaterializeResult:
        """Trains the same three candidate models to predict which active users will not come back, and registers the best."""
        return trained(graph, context, lake, models, USER_TRAINING)

    @dg.asset(
        **graph.table_asset(USER_VERDICT, kinds={"mlflow"}, daily=False, more_checks=[verdict_check(USER_VERDICT)]),
        deps=deps_of(READS[USER_VERDICT], daily=False),
    )
    def user_verdict(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], models: dg.ResourceParam[ModelService]
    ) -> dg.MaterializeResult:
        """Whether the newest churn model may become champion, by the same gate as the feature model."""
        return evaluated(graph, context, lake, models, USER_VERDICT)

    @dg.asset(
        **graph.table_asset(USER_CHURN, kinds={"mlflow", "polars"}, more_checks=[registry_check(USER_CHURN)]),
        deps=deps_of(READS[USER_CHURN]),
    )
    def user_churn(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], models: dg.ResourceParam[ModelService]
    ) -> dg.MaterializeResult:
        """How probable it is that each user who was active lately stays away, and the three main reasons."""
        return scored(graph, context, lake, models, USER_CHURN)

    return [panel, feature_training, feature_verdict, feature_risk, user_training, user_verdict, user_churn]
