"""Drift: whether the last week still looks like what the champions were trained on, and the pages that show it."""

import dagster as dg

from assets.house import ALWAYS, PRODUCT, days_of, key_of, looking_back, materialized, table_asset, when_updated
from assets.pages import made_pages
from assets.plots import markdown_picture
from assets.watching import (
    REACH_DAYS,
    beside_other_champions,
    drifted,
    make_baselines,
    watch_frame,
    watch_rows,
    without_verdict,
)
from intelligence.drift.tables import BASELINE_STATS, DRIFT_PAGES, FEATURE_DRIFT, MODEL_WATCH, USER_DRIFT
from intelligence.metrics.tables import FEATURE_HEALTH, USER_DAY
from intelligence.risk.tables import FEATURE_PANEL, FEATURE_RISK, USER_CHURN
from intelligence.telemetry.tables import DAY_QUALITY
from resources.drift_reports import DriftReports
from resources.lake import Lake
from resources.registry import Registry


@dg.asset(
    **table_asset(
        BASELINE_STATS, kinds={"polars"}, daily=False, automation_condition=when_updated(FEATURE_RISK, USER_CHURN)
    ),
    deps=[key_of(FEATURE_RISK), key_of(USER_CHURN)],
)
def baseline_stats(context: dg.AssetExecutionContext, lake: Lake, registry: Registry) -> dg.MaterializeResult:
    """What each champion was trained on, and how far a week of it strays by chance: the limits of every later verdict.

    Made once for each champion, from its own training window, by drawing weeks and units anew.
    """
    make_baselines(lake, registry, say=context.log.info)
    return materialized(lake, BASELINE_STATS, ALWAYS)


@dg.asset(
    **table_asset(FEATURE_DRIFT, kinds={"polars"}, automation_condition=when_updated(FEATURE_RISK)),
    deps=[
        key_of(BASELINE_STATS),
        key_of(FEATURE_RISK),
        dg.AssetDep(key_of(FEATURE_PANEL), partition_mapping=looking_back(REACH_DAYS)),
        dg.AssetDep(key_of(FEATURE_HEALTH), partition_mapping=looking_back(REACH_DAYS)),
    ],
)
def feature_drift(context: dg.AssetExecutionContext, lake: Lake, registry: Registry) -> dg.MaterializeResult:
    """How far the last seven days of features lie from the champion's training, predictor by predictor.

    What lies beyond its limit has moved further than chance goes; on sound days that happens in one week of a hundred,
    or as often as product.yaml says.
    """
    return drifted(context, lake, registry, FEATURE_DRIFT)


@dg.asset(
    **table_asset(USER_DRIFT, kinds={"polars"}, automation_condition=when_updated(USER_CHURN)),
    deps=[
        key_of(BASELINE_STATS),
        key_of(USER_CHURN),
        dg.AssetDep(key_of(USER_DAY), partition_mapping=looking_back(REACH_DAYS + 27)),
    ],
)
def user_drift(context: dg.AssetExecutionContext, lake: Lake, registry: Registry) -> dg.MaterializeResult:
    """How far the users of the last seven days lie from the churn model's training, predictor by predictor."""
    return drifted(context, lake, registry, USER_DRIFT)


@dg.asset(
    **table_asset(MODEL_WATCH, kinds={"polars"}, automation_condition=when_updated(FEATURE_DRIFT, USER_DRIFT)),
    deps=[
        key_of(FEATURE_DRIFT),
        key_of(USER_DRIFT),
        dg.AssetDep(key_of(DAY_QUALITY), partition_mapping=looking_back(6)),
    ],
)
def model_watch(context: dg.AssetExecutionContext, lake: Lake, registry: Registry) -> dg.MaterializeResult:
    """The verdict on each champion: steady, moved, or suspended because the telemetry itself is at fault.

    Beside it what the champion expects of itself on days whose outcome nobody knows yet, and what came true of the days
    that are known. What has to be done about it, `retrain_on_drift` decides.
    """
    from intelligence.drift.pictures import watch_picture

    days = without_verdict(lake, days_of(context))
    rows = beside_other_champions(lake, MODEL_WATCH, watch_frame(watch_rows(lake, registry, days)))
    written = lake.replace(MODEL_WATCH, days, "FROM rows", frames={"rows": rows})
    query = f"FROM {MODEL_WATCH.path} WHERE event_date >= $end - INTERVAL 90 DAY AND event_date < $end"
    picture = watch_picture(lake.frame(query, {"end": days.end}))
    return materialized(lake, MODEL_WATCH, days, written=written, performance=markdown_picture("watch", picture))


@dg.asset(
    **table_asset(DRIFT_PAGES, kinds={"evidently"}, daily=False, automation_condition=when_updated(MODEL_WATCH)),
    deps=[key_of(MODEL_WATCH)],
)
def drift_pages(
    context: dg.AssetExecutionContext, lake: Lake, registry: Registry, drift_reports: DriftReports
) -> dg.MaterializeResult:
    """Evidently's pages of the newest day, of each week and of each alarm, with the limits of our verdict.

    The index lists them; alarms and weeks are kept as long as product.yaml says, the newest gives way to the next.
    """
    kept = made_pages(lake, registry, drift_reports, product=PRODUCT.name, say=context.log.info)
    lake.replace(DRIFT_PAGES, ALWAYS, "FROM kept", frames={"kept": kept})
    drift_reports.prune(kept.select("drift_page", "quality_page", "report").unpivot()["value"].drop_nulls().to_list())
    newest = kept.sort("event_date", "model").tail(2)
    links = {
        f"page of {row['model']}": dg.MetadataValue.url(drift_reports.url(row["drift_page"]))
        for row in newest.iter_rows(named=True)
    }
    index = dg.MetadataValue.url(drift_reports.url("index.html"))
    return materialized(
        lake, DRIFT_PAGES, ALWAYS, index=index, folder=dg.MetadataValue.path(drift_reports.root), **links
    )
