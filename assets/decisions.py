"""Decisions: for every feature and day what the policy would do, how far alone, why, and why not more."""

from datetime import timedelta

import dagster as dg
import polars as pl

from assets.deciding import decisions_of
from assets.explaining import told_stories
from assets.house import days_of, key_of, looking_back, materialized, table_asset, when_updated
from assets.watching import each_of
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.drift.tables import MODEL_WATCH
from intelligence.metrics.tables import FACT_FEATURE_METRICS, FEATURE_HEALTH
from intelligence.risk.tables import FEATURE_RISK
from intelligence.telemetry.tables import DAY_QUALITY
from resources.announcer import Announcer
from resources.lake import Lake
from resources.registry import Registry


@dg.asset(
    **table_asset(FEATURE_DECISIONS, kinds={"polars"}, automation_condition=when_updated(FEATURE_RISK, MODEL_WATCH)),
    deps=[
        key_of(FEATURE_HEALTH),
        key_of(FEATURE_RISK),
        key_of(MODEL_WATCH),
        dg.AssetDep(key_of(FACT_FEATURE_METRICS), partition_mapping=looking_back(6)),
        dg.AssetDep(key_of(DAY_QUALITY), partition_mapping=looking_back(6)),
    ],
)
def feature_decisions(
    context: dg.AssetExecutionContext, lake: Lake, registry: Registry, announcer: Announcer
) -> dg.MaterializeResult:
    """What the policy would do about each feature, from all that was known at the end of the day.

    Candidates are scored, rules may only lower, and what was not done is told with its reason. A decision does nothing by
    itself: `actions/action_log` carries out those of the newest day, as far as the ladder in product.yaml lets it.
    """
    days = days_of(context)
    found = pl.concat([decisions_of(lake, registry, announcer, day) for day in each_of(days)])
    written = lake.replace(FEATURE_DECISIONS, days, "FROM found", frames={"found": found})
    counts = dict(found.group_by("action").len().sort("action").iter_rows())
    stories = told_stories(lake, announcer, found.filter(event_date=days.end - timedelta(days=1)))
    return materialized(lake, FEATURE_DECISIONS, days, written=written, actions=counts, **stories)
