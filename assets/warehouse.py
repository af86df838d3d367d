"""Warehouse: the star schema; events get their keys and sessions here, and nothing is averaged."""

import dagster as dg

from assets.graph.building import Graph
from assets.graph.partitions import days_of
from assets.graph.tables import key_of
from intelligence.core.sql import sql
from intelligence.telemetry.tables import EVENTS, RAW_ANSWERS
from intelligence.warehouse.features import declared_features, default_feature
from intelligence.warehouse.tables import (
    DIM_FEATURE_METADATA,
    DIM_RELEASES,
    DIM_USERS,
    FACT_ANSWERS,
    FACT_EVENTS,
    FACT_SESSIONS,
    FACT_VISIT_EVENTS,
)
from resources.lake.door import Lake


def assets(graph: Graph) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer warehouse for this product."""

    @dg.asset(**graph.table_asset(DIM_USERS, kinds={"duckdb"}), deps=[key_of(EVENTS)])
    def dim_users(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        """One row per user: when first and last seen, and the attributes of the latest event.

        Each day folds its events into the users known so far; folding a day twice changes nothing. Users whom `bots` in
        product.yaml names are marked.
        """
        days = days_of(context)
        written = lake.replace(DIM_USERS, days, sql("warehouse/dim_users.sql"), graph.parameters())
        return graph.materialized(lake, DIM_USERS, days, written=written)

    @dg.asset(**graph.table_asset(DIM_FEATURE_METADATA, kinds={"duckdb"}), deps=[key_of(EVENTS)])
    def dim_feature_metadata(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        """One row per product feature: owner, lifecycle, tier, flag and promises (SLOs) from product.yaml.

        A feature first seen in the data appears by itself, with the defaults.
        """
        days = days_of(context)
        frames = {
            "declared": declared_features(graph.product.features),
            "defaults": default_feature(graph.product.feature_defaults),
        }
        written = lake.replace(DIM_FEATURE_METADATA, days, sql("warehouse/dim_feature_metadata.sql"), frames=frames)
        return graph.materialized(lake, DIM_FEATURE_METADATA, days, written=written)

    @dg.asset(**graph.table_asset(DIM_RELEASES, kinds={"duckdb"}), deps=[key_of(EVENTS)])
    def dim_releases(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        """One row per release and platform, with the first and last event that came from it."""
        days = days_of(context)
        written = lake.replace(DIM_RELEASES, days, sql("warehouse/dim_releases.sql"))
        return graph.materialized(lake, DIM_RELEASES, days, written=written)

    @dg.asset(**graph.table_asset(FACT_VISIT_EVENTS, kinds={"duckdb", "parquet"}), deps=[key_of(EVENTS)])
    def fact_visit_events(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        """The events whose source gives no session id, put into visits: a visit ends after 30 minutes of silence.

        It is empty for a product whose events all have one.
        """
        days = days_of(context)
        written = lake.replace(FACT_VISIT_EVENTS, days, sql("warehouse/fact_visit_events.sql"), graph.parameters())
        return graph.materialized(lake, FACT_VISIT_EVENTS, days, written=written)

    @dg.asset(
        **graph.table_asset(FACT_EVENTS, kinds={"duckdb", "view"}),
        deps=[key_of(table) for table in (EVENTS, FACT_VISIT_EVENTS, DIM_USERS, DIM_FEATURE_METADATA, DIM_RELEASES)],
    )
    def fact_events(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        """One row per event, each within a session: a view over `events` and, where they have no session, `fact_visit_events`.

        Nothing is copied; materializing a day checks it. Events of bots are left out; they stay in `events`.
        """
        days = days_of(context)
        return graph.materialized(lake, FACT_EVENTS, days, written=lake.counted(FACT_EVENTS, days))

    @dg.asset(**graph.table_asset(FACT_SESSIONS, kinds={"duckdb", "parquet"}), deps=[key_of(FACT_EVENTS)])
    def fact_sessions(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        """One row per visit of a user on a day: length, depth, crashes, conversion."""
        days = days_of(context)
        written = lake.replace(FACT_SESSIONS, days, sql("warehouse/fact_sessions.sql"), graph.parameters())
        return graph.materialized(lake, FACT_SESSIONS, days, written=written)

    @dg.asset(
        **graph.table_asset(FACT_ANSWERS, kinds={"duckdb", "parquet"}), deps=[key_of(RAW_ANSWERS), key_of(DIM_USERS)]
    )
    def fact_answers(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        """One row per answer of a language model, with its ratings and the scores that need no judge; its texts stay where they are.

        A score is NULL where the answer gives no evidence for it. Answers of bots are left out.
        """
        days = days_of(context)
        written = lake.replace(
            FACT_ANSWERS, days, sql("warehouse/fact_answers.sql"), graph.product.answers.parameters()
        )
        return graph.materialized(lake, FACT_ANSWERS, days, written=written)

    return [dim_users, dim_feature_metadata, dim_releases, fact_visit_events, fact_events, fact_sessions, fact_answers]
