"""Metrics: feature-days, user-days, KPIs and health; counts are computed once, here, and nothing is predicted."""

import dagster as dg
import polars as pl

from assets.graph.building import Graph
from assets.graph.partitions import days_of, deps_of, earlier_self, looking_back
from assets.graph.plots import SHOWN_DAYS, health_plot, kpi_plot
from assets.graph.tables import key_of
from intelligence.core.sql import sql
from intelligence.metrics.tables import (
    BEHAVIOUR_SEGMENTS,
    FACT_FEATURE_METRICS,
    FEATURE_HEALTH,
    KPI_DAY,
    PAYER_DAY,
    SEGMENT_DIFFERENCES,
    USER_DAY,
)
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_RELEASES, FACT_EVENTS, FACT_SESSIONS
from resources.lake.door import Lake
from resources.services.annotations import AnnotationService
from resources.services.people import READS, PeopleService


def assets(graph: Graph) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer metrics for this product."""

    @dg.asset(
        **graph.table_asset(FACT_FEATURE_METRICS, kinds={"duckdb"}),
        deps=[key_of(FACT_EVENTS), key_of(DIM_FEATURE_METADATA)],
    )
    def fact_feature_metrics(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        """One row per feature and day: usage, latency, errors, crashes and ratings, each rate with its counts."""
        days = days_of(context)
        written = lake.replace(FACT_FEATURE_METRICS, days, sql("metrics/fact_feature_metrics.sql"))
        return graph.materialized(lake, FACT_FEATURE_METRICS, days, written=written)

    @dg.asset(
        **graph.table_asset(USER_DAY, kinds={"duckdb", "parquet"}), deps=[key_of(FACT_EVENTS), key_of(FACT_SESSIONS)]
    )
    def user_day(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        """One row per user and day with activity: what they did, the errors they met, and their value."""
        days = days_of(context)
        written = lake.replace(USER_DAY, days, sql("metrics/user_day.sql"), graph.parameters())
        return graph.materialized(lake, USER_DAY, days, written=written)

    @dg.asset(
        **graph.table_asset(KPI_DAY, kinds={"duckdb"}),
        deps=[
            dg.AssetDep(key_of(USER_DAY), partition_mapping=looking_back(KPI_DAY.lookback_days or 0)),
            key_of(FACT_SESSIONS),
            # What happened, for the plot.
            key_of(DIM_RELEASES),
            dg.AssetDep(key_of(DAY_QUALITY), partition_mapping=looking_back(SHOWN_DAYS - 1)),
        ],
    )
    def kpi_day(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        annotations: dg.ResourceParam[AnnotationService],
    ) -> dg.MaterializeResult:
        """The product's pulse by day and segment: DAU, WAU, MAU, stickiness, sessions, conversion, rating.

        A window longer than the data is left empty rather than shown too small.
        """
        days = days_of(context)
        written = lake.replace(KPI_DAY, days, sql("metrics/kpi_day.sql"), {"first_day": lake.first_day(days)})
        return graph.materialized(lake, KPI_DAY, days, written=written, plot=kpi_plot(lake, days, annotations))

    @dg.asset(
        **graph.table_asset(FEATURE_HEALTH, kinds={"polars"}),
        deps=[key_of(DIM_RELEASES)],
        ins={
            "metrics": dg.AssetIn(
                key_of(FACT_FEATURE_METRICS), partition_mapping=looking_back(KPI_DAY.lookback_days or 0)
            ),
            "quality": dg.AssetIn(key_of(DAY_QUALITY), partition_mapping=looking_back(KPI_DAY.lookback_days or 0)),
            "kpis": dg.AssetIn(key_of(KPI_DAY), partition_mapping=looking_back(KPI_DAY.lookback_days or 0)),
            "features": dg.AssetIn(key_of(DIM_FEATURE_METADATA), metadata={"by_day": False}),
            "previous": dg.AssetIn(key_of(FEATURE_HEALTH), partition_mapping=earlier_self(1)),
        },
    )
    def health(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        annotations: dg.ResourceParam[AnnotationService],
        metrics: pl.DataFrame,
        quality: pl.DataFrame,
        kpis: pl.DataFrame,
        features: pl.DataFrame,
        previous: pl.DataFrame,
    ) -> dg.MaterializeResult:
        """Which features keep their promises and which do not, how fast they spend their error budget, and why.

        The state has memory: a feature recovers only after calm days in a row, and a day with too few events or with faulty
        telemetry changes nothing.
        """
        from intelligence.metrics.health import feature_health

        days = days_of(context)
        everybody, before = kpis.filter(segment="all"), previous.filter(pl.col("event_date") < days.start)
        assessed = feature_health(metrics, features, quality, everybody, before, days=days, rules=graph.product.health)
        written = lake.replace(FEATURE_HEALTH, days, "FROM judged", frames={"judged": assessed})
        return graph.materialized(
            lake, FEATURE_HEALTH, days, written=written, plot=health_plot(lake, days, annotations)
        )

    return [fact_feature_metrics, user_day, kpi_day, health, *_of_people(graph)]


def _of_people(graph: Graph) -> list[dg.AssetsDefinition]:
    @dg.asset(**graph.table_asset(PAYER_DAY, kinds={"duckdb"}), deps=deps_of(READS[PAYER_DAY]))
    def payer_day(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], people: dg.ResourceParam[PeopleService]
    ) -> dg.MaterializeResult:
        """Who began to pay, paid again, stopped and came back on each day, with the value of it, by week of first use."""
        days = days_of(context)
        written = people.over(lake).payers_written(days)
        return graph.materialized(lake, PAYER_DAY, days, written=written)

    @dg.asset(**graph.table_asset(SEGMENT_DIFFERENCES, kinds={"polars"}), deps=deps_of(READS[SEGMENT_DIFFERENCES]))
    def segment_differences(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], people: dg.ResourceParam[PeopleService]
    ) -> dg.MaterializeResult:
        """Every metric of each declared segment beside that of all other users, as a difference with its interval.

        Nobody was assigned to a segment: a difference is an association, and says nothing about what a segment causes.
        """
        days = days_of(context)
        found = people.over(lake).segment_differences_of(days)
        written = lake.replace(SEGMENT_DIFFERENCES, days, "FROM found", frames={"found": found})
        return graph.materialized(lake, SEGMENT_DIFFERENCES, days, written=written)

    @dg.asset(
        **graph.table_asset(BEHAVIOUR_SEGMENTS, kinds={"polars", "scikitlearn"}),
        deps=deps_of(READS[BEHAVIOUR_SEGMENTS]),
    )
    def behaviour_segments(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], people: dg.ResourceParam[PeopleService]
    ) -> dg.MaterializeResult:
        """Groups of users that the data sets apart by what they do; that there are none is an answer.

        A group counts where a valley in the density separates it from each other one, and where it comes back from halves of
        the users.
        """
        days = days_of(context)
        found = people.over(lake).behaviour_segments_of(days)
        written = lake.replace(BEHAVIOUR_SEGMENTS, days, "FROM found", frames={"found": found})
        return graph.materialized(lake, BEHAVIOUR_SEGMENTS, days, written=written)

    return [payer_day, segment_differences, behaviour_segments]
