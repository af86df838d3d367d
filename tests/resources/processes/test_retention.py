"""Old runs are deleted with all that they wrote, and what is known of assets, days and checks stays as it was."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.processes.retention import forgotten_runs

FIRST = date(2026, 5, 4)
DAY = dg.DailyPartitionsDefinition(FIRST.isoformat(), end_date=(FIRST + timedelta(days=60)).isoformat())
KEY = dg.AssetKey(["metrics", "kept"])
LATER = datetime.now(UTC) + timedelta(days=31)
TABLE = dg.MetadataValue.md("| a |\n" * 500)


@dg.asset(key=KEY, partitions_def=DAY, check_specs=[dg.AssetCheckSpec("holds", asset=KEY)])
def kept(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    if context.run.tags.get("fails"):
        raise ValueError("no")
    return dg.MaterializeResult(
        metadata={"rows": 7, "at_a_glance": TABLE, "days": "one"},
        check_results=[dg.AssetCheckResult(check_name="holds", passed=True)],
    )


JOB = dg.Definitions(
    assets=dg.load_assets_from_current_module(backfill_policy=dg.BackfillPolicy.single_run()),
    executor=dg.in_process_executor,
).resolve_implicit_global_asset_job_def()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    batched = "{module: resources.processes.event_log, class: BatchedSqliteEventLog"
    (tmp_path / "dagster.yaml").write_text(
        f"telemetry: {{enabled: false}}\nevent_log_storage: {batched}, config: {{base_dir: {tmp_path}/runs}}}}\n"
    )
    with dg.DagsterInstance.from_config(str(tmp_path)) as opened:
        yield opened


def ran(instance: dg.DagsterInstance, day: int, **tags: str) -> str:
    key = (FIRST + timedelta(days=day)).isoformat()
    span = {"dagster/asset_partition_range_start": key, "dagster/asset_partition_range_end": key}
    result = JOB.execute_in_process(instance=instance, tags=span | tags, raise_on_error=False)
    return result.run_id


def known(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Return what the UI and automations ask of assets."""
    event = instance.get_latest_materialization_event(KEY)
    check = dg.AssetCheckKey(KEY, "holds")
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check]
    log = instance.event_log_storage
    return {
        "days": instance.get_materialized_partitions(KEY),
        "newest": event and (event.run_id, event.timestamp),
        "check": (newest.status, newest.run_id),
        "by day": {
            day: log.get_latest_storage_id_by_partition(KEY, dg.DagsterEventType.ASSET_MATERIALIZATION)[day]
            for day in instance.get_materialized_partitions(KEY)
        },
    }


def test_old_runs_go_and_what_is_known_of_assets_stays(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    runs = [ran(instance, day) for day in (0, 1, 2, 1)]
    failed = ran(instance, 3, fails="yes")
    before = known(instance)
    assert len(before["days"]) == 3
    assert forgotten_runs(instance, keep_days=30, now=LATER) == 5
    assert known(instance) == before
    assert instance.get_runs_count() == 0
    for run_id in (*runs, failed):
        assert not list((tmp_path / "runs").glob(f"{run_id}*"))
        assert not list((tmp_path / "storage").glob(run_id)), "its output is gone as well"
        assert not instance.all_logs(run_id)
    assert [row for row in events_in(instance) if row != "ASSET_MATERIALIZATION"] == []
    assert len(events_in(instance)) == 3, "one for each day"


def events_in(instance: dg.DagsterInstance) -> list[str]:
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        return [str(kind) for (kind,) in connection.exec_driver_sql("SELECT dagster_event_type FROM event_logs")]


def test_what_stays_of_a_day_is_small(instance: dg.DagsterInstance) -> None:
    ran(instance, 0)
    forgotten_runs(instance, keep_days=30, now=LATER)
    (record,) = instance.fetch_materializations(KEY, limit=10).records
    assert record.asset_materialization
    assert {name: value.value for name, value in record.asset_materialization.metadata.items()} == {
        "rows": 7,
        "days": "one",
    }
    assert record.partition_key == str(FIRST)


def test_young_runs_and_those_under_way_stay(instance: dg.DagsterInstance) -> None:
    old, under_way = ran(instance, 0), ran(instance, 1)
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("UPDATE runs SET status = 'STARTED' WHERE run_id = ?", (under_way,))
    assert forgotten_runs(instance, keep_days=30) == 0
    assert forgotten_runs(instance, keep_days=30, now=LATER) == 1
    assert [run.run_id for run in instance.get_runs()] == [under_way]
    assert not instance.has_run(old)
    assert instance.all_logs(under_way)


def test_a_second_time_finds_nothing_and_life_goes_on(instance: dg.DagsterInstance) -> None:
    ran(instance, 0)
    assert forgotten_runs(instance, keep_days=30, now=LATER) == 1
    assert forgotten_runs(instance, keep_days=30, now=LATER) == 0
    ran(instance, 0)
    ran(instance, 5)
    assert len(known(instance)["days"]) == 2
    assert instance.get_runs_count() == 2


def test_what_was_stopped_half_way_is_finished_the_next_time(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(instance, 0)
    ran(instance, 1)
    before = known(instance)

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(instance.compute_log_manager, "delete_logs", stopped)
        with pytest.raises(KeyboardInterrupt):
            forgotten_runs(instance, keep_days=30, now=LATER)
    assert forgotten_runs(instance, keep_days=30, now=LATER) == 2
    assert known(instance) == before


@pytest.mark.proof
def test_the_state_of_many_days_stays_bounded(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """What a day adds for good is its materialization alone, without what is large."""
    sizes = []
    for day in range(12):
        ran(instance, day)
        forgotten_runs(instance, keep_days=1, now=datetime.now(UTC) + timedelta(days=1, seconds=1))
        with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
            sizes.append(connection.exec_driver_sql("SELECT sum(length(event)) FROM event_logs").scalar())
    assert max(later - earlier for earlier, later in pairwise(sizes)) < 3_000
    assert len(list((tmp_path / "runs").glob("*.db"))) == 1, "the index alone"
