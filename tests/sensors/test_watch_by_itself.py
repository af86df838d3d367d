"""The conditions on the drift assets: a day that was built is looked at once, and not on broken ground."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg

from assets.graph.tables import key_of
from intelligence.catalog.layers import ACT, WATCH
from intelligence.core.tables import Table
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.drift.tables import FEATURE_DRIFT, USER_DRIFT
from intelligence.metrics.tables import FACT_FEATURE_METRICS, FEATURE_HEALTH, USER_DAY
from intelligence.risk.tables import FEATURE_PANEL, FEATURE_RISK, USER_CHURN
from intelligence.telemetry.tables import DAY_QUALITY, EVENTS
from intelligence.warehouse.tables import TABLES as WAREHOUSE
from resources.services.decisions import READS
from tests.sensors.house import FIRST, Deployment

DAY = FIRST + timedelta(days=60)
NOON = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC) + timedelta(days=1)


class Conditions:
    """The daemon's look at the conditions, again and again."""

    def __init__(self, folder: Path, tables: tuple[Table, ...] = WATCH) -> None:
        self.house, self.tables, self.cursor = Deployment(folder / "product"), tables, None
        # What is looked at as well and asks for nothing: it was built before.
        self.built(EVENTS, *WAREHOUSE, FACT_FEATURE_METRICS, FEATURE_PANEL)

    def asked(self, *, later: timedelta = timedelta()) -> set[str]:
        result = dg.evaluate_automation_conditions(
            defs=self.house.defs,
            instance=self.house.instance,
            asset_selection=dg.AssetSelection.assets(*map(key_of, self.tables)),
            cursor=self.cursor,
            evaluation_time=NOON + later,
        )
        self.cursor = result.cursor
        return {table.name for table in self.tables if result.get_num_requested(key_of(table))}

    def built(self, *tables: Table, day: date = DAY) -> None:
        """Report what a run would that built this day of the tables: materializations and passed checks."""
        for table in tables:
            partition = str(day) if table.day else None
            self.house.instance.report_runless_asset_event(dg.AssetMaterialization(key_of(table), partition=partition))
            self.checked(table, passed=True)

    def checked(self, table: Table, *, passed: bool) -> None:
        for key in self.house.defs.resolve_asset_graph().get(key_of(table)).check_keys:
            evaluation = dg.AssetCheckEvaluation(
                asset_key=key.asset_key, check_name=key.name, passed=passed, blocking=True, metadata={}
            )
            self.house.instance.report_runless_asset_event(evaluation)


def test_what_was_built_is_looked_at_once_in_the_order_of_the_graph(tmp_path: Path) -> None:
    conditions = Conditions(tmp_path)
    conditions.asked()
    # Of all the days before, none was ever built: that keeps nothing from being looked at.
    conditions.built(FEATURE_PANEL, FEATURE_HEALTH, USER_DAY, DAY_QUALITY, FEATURE_RISK, USER_CHURN)
    assert "baseline_stats" in conditions.asked()
    assert "baseline_stats" not in conditions.asked()
    conditions.built(WATCH[0])
    assert {"feature_drift", "user_drift"} <= conditions.asked()
    conditions.built(FEATURE_DRIFT, USER_DRIFT)
    assert "model_watch" in conditions.asked()
    conditions.built(WATCH[3])
    assert conditions.asked() == {"drift_pages"}
    conditions.built(WATCH[4])
    assert conditions.asked() == set()
    assert conditions.asked() == set()


def test_a_failed_blocking_check_stops_the_look_until_it_has_passed(tmp_path: Path) -> None:
    conditions = Conditions(tmp_path)
    conditions.asked()
    conditions.built(FEATURE_PANEL, FEATURE_HEALTH, USER_DAY, DAY_QUALITY, FEATURE_RISK, USER_CHURN, WATCH[0])
    conditions.asked()
    conditions.built(FEATURE_DRIFT, USER_DRIFT)
    conditions.asked()
    conditions.built(FEATURE_RISK)
    conditions.checked(FEATURE_PANEL, passed=False)
    assert "feature_drift" not in conditions.asked()
    conditions.checked(FEATURE_PANEL, passed=True)
    assert "feature_drift" in conditions.asked()


def test_a_day_that_is_older_than_a_week_is_hindsight(tmp_path: Path) -> None:
    conditions = Conditions(tmp_path)
    conditions.asked()
    conditions.built(FEATURE_PANEL, FEATURE_HEALTH, USER_DAY, DAY_QUALITY, FEATURE_RISK, USER_CHURN, WATCH[0])
    assert {"feature_drift", "user_drift"} <= conditions.asked()
    conditions.built(FEATURE_PANEL, USER_DAY, FEATURE_RISK, USER_CHURN, day=DAY - timedelta(days=20))
    assert not {"feature_drift", "user_drift"} & conditions.asked()


def test_a_decision_whose_run_failed_is_asked_for_again_within_the_hour_and_not_at_once(tmp_path: Path) -> None:
    conditions = Conditions(tmp_path, ACT)
    conditions.asked()
    reads = [each for each in READS[FEATURE_DECISIONS] if not each.until_yesterday]
    conditions.built(*(each.table for each in reads if each.table.day))
    assert "feature_decisions" in conditions.asked()
    request = dg.RunRequest(asset_selection=[key_of(FEATURE_DECISIONS)], partition_key=str(DAY))
    (conditions.house.folder / "state.db").mkdir()
    assert not conditions.house.carry_out(request).success, "no day was taken in, and the store is none"
    assert conditions.asked() == set()
    assert conditions.asked(later=timedelta(hours=1)) == {"feature_decisions"}
    assert conditions.asked(later=timedelta(hours=1)) == set()
