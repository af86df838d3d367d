"""A decision depends on raw rows: when one of them changes, the ids of the decisions that depend on it change, no others."""

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from intelligence.core.sql import sql
from intelligence.core.tables import Days
from intelligence.decisions.evidence import Sources, evidence
from intelligence.decisions.record import decided
from intelligence.decisions.settings import Decisions
from intelligence.metrics.health import feature_health
from intelligence.metrics.settings import Health
from intelligence.metrics.tables import FACT_FEATURE_METRICS, FEATURE_HEALTH
from intelligence.warehouse.tables import DIM_USERS, FACT_SESSIONS, FACT_VISIT_EVENTS
from tests.intelligence.hand_made_lake import NOON, Warehouse, day, event

DAYS = Days(day(0), day(3))
NEWEST = day(2)


def delivered(*, edited: dict[str, Any]) -> list[Any]:
    rows = [
        event(
            NOON + timedelta(days=number, seconds=place),
            user=f"u{place % 30}",
            feature=feature,
            app_version=f"{1 + place % 2}.0",
            platform="web",
            error_count=int(feature == "quiz" and place % 3 == 0),
            latency_ms=100.0,
        )
        for number in range(3)
        for feature in ("quiz", "chat")
        for place in range(60)
    ]
    return [*rows[:-1], {**rows[-1], **edited}]


def ids(warehouse: Warehouse, **edited: Any) -> dict[str, str]:
    lake = warehouse.lake
    warehouse.put(*delivered(edited=edited))
    warehouse.declare(DAYS)
    warehouse.build(DIM_USERS, FACT_VISIT_EVENTS, FACT_SESSIONS, FACT_FEATURE_METRICS, days=DAYS)
    metrics, features = (
        lake.frame(f"FROM {FACT_FEATURE_METRICS.path}"),
        lake.frame("FROM warehouse.dim_feature_metadata"),
    )
    days = metrics.select("event_date").unique()
    health = feature_health(
        metrics,
        features,
        days.with_columns(verdict=pl.lit("whole")),
        days.with_columns(dau=30),
        lake.frame(f"FROM {FEATURE_HEALTH.path} LIMIT 0"),
        days=DAYS,
        rules=Health(),
    )
    known = Sources(
        health=health,
        features=features,
        metrics=metrics,
        release_days=lake.frame(
            sql("decisions/release_days.sql"), {"start": DAYS.start, "end": DAYS.end, "features": ["quiz", "chat"]}
        ),
        releases=lake.frame("""
            SELECT app_version, platform, min(event_time) AS first_seen_at FROM telemetry.events GROUP BY ALL"""),
    )
    found = decided(evidence(known, day=NEWEST, settings=Decisions()), settings=Decisions())
    return dict(found.select("feature", "decision_id").iter_rows())


@pytest.mark.proof
def test_one_edited_row_changes_the_ids_of_the_decisions_that_it_bears_on(warehouse: Warehouse) -> None:
    before = ids(warehouse)
    assert ids(warehouse) == before, "the same rows again"
    for edited in ({"error_count": 1}, {"latency_ms": 101.0}):
        after = ids(warehouse, **edited)
        assert after["chat"] != before["chat"], edited
        assert after["quiz"] == before["quiz"], edited
