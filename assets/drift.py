"""Drift: whether the last week still resembles the training data of the champions, and the pages that show it."""

import dagster as dg

from assets.graph.automation import when_updated
from assets.graph.building import Graph
from assets.graph.partitions import days_of, deps_of
from assets.graph.plots import watch_plot
from intelligence.core.tables import ALWAYS, Table
from intelligence.drift.tables import BASELINE_STATS, DRIFT_PAGES, FEATURE_DRIFT, MODEL_WATCH, USER_DRIFT
from intelligence.risk.tables import FEATURE_RISK, USER_CHURN
from resources.lake.door import Lake
from resources.reports.drift import DriftReports
from resources.services.drift import READS, DriftService
from resources.services.drift_pages import DriftPageService


def assets(graph: Graph) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer drift for this product."""

    def compared(
        context: dg.AssetExecutionContext, lake: Lake, drift: DriftService, table: Table
    ) -> dg.MaterializeResult:
        found = drift.over(lake).compared(table, days_of(context), say=context.log.info)
        note = {"note": found.note} if found.note else {}
        return graph.materialized(lake, table, found.days, written=found.written, **note)

    @dg.asset(
        **graph.table_asset(
            BASELINE_STATS, kinds={"polars"}, daily=False, automation_condition=when_updated(FEATURE_RISK, USER_CHURN)
        ),
        deps=deps_of(READS[BASELINE_STATS], daily=False),
    )
    def baseline_stats(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], drift: dg.ResourceParam[DriftService]
    ) -> dg.MaterializeResult:
        """What each champion was trained on, and how far a week of it deviates by chance: the limits of every later verdict.

        Made once for each champion, from its own training window, by resampling weeks and units.
        """
        drift.over(lake).make_baselines(say=context.log.info)
        return graph.materialized(lake, BASELINE_STATS, ALWAYS)

    @dg.asset(
        **graph.table_asset(FEATURE_DRIFT, kinds={"polars"}, automation_condition=when_updated(FEATURE_RISK)),
        deps=deps_of(READS[FEATURE_DRIFT]),
    )
    def feature_drift(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], drift: dg.ResourceParam[DriftService]
    ) -> dg.MaterializeResult:
        """How far the last seven days of features lie from the champion's training, predictor by predictor.

        A predictor beyond its limit has moved further than chance explains; on sound days that happens in one week of a
        hundred, or as often as product.yaml says.
        """
        return compared(context, lake, drift, FEATURE_DRIFT)

    @dg.asset(
        **graph.table_asset(USER_DRIFT, kinds={"polars"}, automation_condition=when_updated(USER_CHURN)),
        deps=deps_of(READS[USER_DRIFT]),
    )
    def user_drift(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], drift: dg.ResourceParam[DriftService]
    ) -> dg.MaterializeResult:
        """How far the users of the last seven days lie from the churn model's training, predictor by predictor."""
        return compared(context, lake, drift, USER_DRIFT)

    @dg.asset(
        **graph.table_asset(
            MODEL_WATCH, kinds={"polars"}, automation_condition=when_updated(FEATURE_DRIFT, USER_DRIFT)
        ),
        deps=deps_of(READS[MODEL_WATCH]),
    )
    def model_watch(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], drift: dg.ResourceParam[DriftService]
    ) -> dg.MaterializeResult:
        """The verdict on each champion: steady, moved, or suspended because the telemetry itself is at fault.

        Each verdict comes with the performance that the champion expects on days whose outcome is not known yet, and the
        measured performance on days whose outcome is. The sensor `retrain_on_drift` decides what to do about it.
        """
        found = drift.over(lake).watched(days_of(context))
        picture = watch_plot(lake, found.days)
        return graph.materialized(lake, MODEL_WATCH, found.days, written=found.written, performance=picture)

    @dg.asset(
        **graph.table_asset(
            DRIFT_PAGES, kinds={"evidently"}, daily=False, automation_condition=when_updated(MODEL_WATCH)
        ),
        deps=deps_of(READS[DRIFT_PAGES], daily=False),
    )
    def drift_pages(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        page_service: dg.ResourceParam[DriftPageService],
        drift_reports: dg.ResourceParam[DriftReports],
    ) -> dg.MaterializeResult:
        """Evidently's pages of the newest day, of each week and of each alarm, with the limits of our verdict.

        The index lists them. Alarms and weeks are kept as long as product.yaml says; the page of the newest day is replaced.
        """
        newest = page_service.written(say=context.log.info).sort("event_date", "model").tail(2)
        links = {
            f"page of {row['model']}": dg.MetadataValue.url(drift_reports.url(row["drift_page"]))
            for row in newest.iter_rows(named=True)
        }
        index = dg.MetadataValue.url(drift_reports.url("index.html"))
        return graph.materialized(
            lake, DRIFT_PAGES, ALWAYS, index=index, folder=dg.MetadataValue.path(drift_reports.root), **links
        )

    return [baseline_stats, feature_drift, user_drift, model_watch, drift_pages]
