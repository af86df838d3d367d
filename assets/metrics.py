"""Metrics: feature-days, user-days, KPIs, health and usage; counts are computed once, here, and nothing is predicted."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.graph.building import Graph
from assets.graph.partitions import days_of, deps_of, earlier_self, looking_back
from assets.graph.plots import (
    SHOWN_DAYS,
    funnel_plot,
    health_plot,
    kpi_plot,
    lifecycle_plot,
    power_plot,
    triangle_plot,
)
from assets.graph.tables import key_of
from intelligence.core.sql import sql
from intelligence.metrics.tables import (
    ADOPTION_DAY,
    BEHAVIOUR_SEGMENTS,
    COHORT_ACTIVITY,
    FACT_FEATURE_METRICS,
    FEATURE_HEALTH,
    FUNNEL_DAY,
    FUNNEL_ENTRIES,
    FUNNEL_STEPS,
    KPI_DAY,
    LIFECYCLE_DAY,
    PAYER_DAY,
    RETENTION_COHORTS,
    SEGMENT_DIFFERENCES,
    USE_CHANGES,
    USER_DAY,
)
from intelligence.telemetry.tables import DAY_QUALITY
from intelligence.warehouse.tables import (
    DIM_FEATURE_METADATA,
    DIM_RELEASES,
    FACT_ANSWERS,
    FACT_EVENTS,
    FACT_SESSIONS,
)
from resources.lake.door import Lake
from resources.services import people as of_people
from resources.services import usage as of_usage
from resources.services.annotations import AnnotationService
from resources.services.people import PeopleService
from resources.services.usage import UsageService

RETENTION = (USE_CHANGES, COHORT_ACTIVITY)
READS = {**of_people.READS, **of_usage.READS}


def assets(graph: Graph) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer metrics for this product."""

    @dg.asset(
        **graph.table_asset(FACT_FEATURE_METRICS, kinds={"duckdb"}),
        deps=[key_of(FACT_EVENTS), key_of(DIM_FEATURE_METADATA), key_of(FACT_ANSWERS)],
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

    return [fact_feature_metrics, user_day, kpi_day, health, *_usage(graph), *_of_people(graph)]


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


def _usage(graph: Graph) -> list[dg.AssetsDefinition]:
    """Return the assets that say how users take up the product and its features, and who stays."""

    @dg.multi_asset(
        name="retention",
        specs=[
            graph.table_spec(table, kinds={"duckdb"}).replace_attributes(
                deps=[*deps_of(READS[USE_CHANGES]), more], skippable=True
            )
            for table, more in (
                (USE_CHANGES, dg.AssetDep(key_of(USE_CHANGES), partition_mapping=earlier_self(1))),
                (COHORT_ACTIVITY, dg.AssetDep(key_of(USE_CHANGES))),
            )
        ],
        check_specs=[spec for table in RETENTION for spec in graph.check_specs(table)],
        partitions_def=graph.days,
        can_subset=True,
    )
    def retention(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], usage: dg.ResourceParam[UsageService]
    ) -> Iterator[dg.MaterializeResult]:
        """Who began, fell silent and came back, and who of each cohort reached which definition of retention.

        A late event changes the days from its own on, and no earlier one.
        """
        days = days_of(context)
        for table, written in usage.over(lake).written_retention(days).items():
            if key_of(table) in context.selected_asset_keys:
                yield graph.materialized(lake, table, days, written=written)

    @dg.asset(**graph.table_asset(RETENTION_COHORTS, kinds={"duckdb", "view"}), deps=[key_of(COHORT_ACTIVITY)])
    def retention_cohorts(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        """Who of each cohort came back: on day or week N, from it on, or within a bracket, each with its interval.

        A cohort that is too young for a definition has no number there. It is a view over metrics.cohort_activity.
        """
        days = days_of(context)
        written = lake.counted(RETENTION_COHORTS, days)
        return graph.materialized(lake, RETENTION_COHORTS, days, written=written, plot=triangle_plot(lake))

    @dg.asset(
        **graph.table_asset(FUNNEL_ENTRIES, kinds={"duckdb"}),
        deps=[
            *deps_of(READS[FUNNEL_ENTRIES]),
            dg.AssetDep(key_of(FUNNEL_ENTRIES), partition_mapping=earlier_self(1)),
        ],
    )
    def funnel_entries(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], usage: dg.ResourceParam[UsageService]
    ) -> dg.MaterializeResult:
        """Who entered the funnels of product.yaml, and when; nobody enters twice within one window."""
        days = days_of(context)
        written = usage.over(lake).written_entries(days)
        return graph.materialized(lake, FUNNEL_ENTRIES, days, written=written)

    @dg.asset(**graph.table_asset(FUNNEL_STEPS, kinds={"duckdb"}), deps=deps_of(READS[FUNNEL_STEPS]))
    def funnel_steps(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], usage: dg.ResourceParam[UsageService]
    ) -> dg.MaterializeResult:
        """How far the entries of a day got, and how long it took them, written once all their windows are over."""
        days = days_of(context)
        written = usage.over(lake).written_steps(days)
        return graph.materialized(lake, FUNNEL_STEPS, days, written=written)

    @dg.asset(
        **graph.table_asset(FUNNEL_DAY, kinds={"duckdb", "view"}), deps=[key_of(FUNNEL_ENTRIES), key_of(FUNNEL_STEPS)]
    )
    def funnel_day(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        """The funnels by day of entry: conversion, drop-off and times by segment, platform and release.

        A day whose windows are not over says so, and has the number of its entries only. It is a view.
        """
        days = days_of(context)
        written = lake.counted(FUNNEL_DAY, days)
        return graph.materialized(lake, FUNNEL_DAY, days, written=written, plot=funnel_plot(lake, days))

    @dg.asset(
        **graph.table_asset(LIFECYCLE_DAY, kinds={"duckdb"}),
        deps=[
            *deps_of(READS[LIFECYCLE_DAY]),
            dg.AssetDep(key_of(LIFECYCLE_DAY), partition_mapping=earlier_self(1)),
        ],
    )
    def lifecycle_day(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        annotations: dg.ResourceParam[AnnotationService],
    ) -> dg.MaterializeResult:
        """New, returning, resurrected and dormant users of the product, its segments, platforms and features.

        The numbers conserve: today's current users are yesterday's and the new and resurrected, less the dormant.
        """
        days = days_of(context)
        written = lake.replace(LIFECYCLE_DAY, days, sql("metrics/lifecycle_day.sql"))
        return graph.materialized(
            lake, LIFECYCLE_DAY, days, written=written, plot=lifecycle_plot(lake, days, annotations)
        )

    @dg.asset(**graph.table_asset(ADOPTION_DAY, kinds={"duckdb"}), deps=deps_of(READS[ADOPTION_DAY]))
    def adoption_day(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], usage: dg.ResourceParam[UsageService]
    ) -> dg.MaterializeResult:
        """How many features users touch on a day, and on how many of the last 28 days they came."""
        days = days_of(context)
        written = usage.over(lake).written_adoption(days)
        return graph.materialized(lake, ADOPTION_DAY, days, written=written, plot=power_plot(lake, days))

    return [
        retention,
        retention_cohorts,
        funnel_entries,
        funnel_steps,
        funnel_day,
        lifecycle_day,
        adoption_day,
    ]
