"""Events stored together read back as if each had been stored by itself, with Dagster's own storage as the witness."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType as Kind
from dagster import EventLogEntry
from dagster._core.events import StepMaterializationData

from resources.processes.event_log import BatchedSqliteEventLog

FIRST, DAYS = date(2026, 5, 4), 11
DAY = dg.DailyPartitionsDefinition(FIRST.isoformat(), end_date=(FIRST + timedelta(days=60)).isoformat())
PARTITIONS = [(FIRST + timedelta(days=n)).isoformat() for n in range(DAYS)]
KEY = dg.AssetKey(["metrics", "small"])
STOCK = "{module: dagster._core.storage.event_log, class: SqliteEventLogStorage"
BATCHED = "{module: resources.processes.event_log, class: BatchedSqliteEventLog"


@dg.asset(
    key=KEY,
    partitions_def=DAY,
    check_specs=[dg.AssetCheckSpec("is_small", asset=KEY)],
)
def small(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        metadata={"rows": len(context.partition_keys)},
        tags={"kind": "small", "number": "3"},
        check_results=[dg.AssetCheckResult(check_name="is_small", passed=False, severity=dg.AssetCheckSeverity.WARN)],
    )


ASSETS = dg.load_assets_from_current_module(backfill_policy=dg.BackfillPolicy.single_run())
DEFS = dg.Definitions(assets=ASSETS, executor=dg.in_process_executor)


@contextmanager
def instance_with(storage: str, folder: Path) -> Iterator[dg.DagsterInstance]:
    folder.mkdir()
    (folder / "dagster.yaml").write_text(
        f"telemetry: {{enabled: false}}\nevent_log_storage: {storage}, config: {{base_dir: {folder}/runs}}}}\n"
    )
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with instance_with(STOCK, tmp_path / "stock") as instance:
        yield instance


@pytest.fixture
def batched(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with instance_with(BATCHED, tmp_path / "batched") as instance:
        assert isinstance(instance.event_log_storage, BatchedSqliteEventLog)
        yield instance


def materialized(instance: dg.DagsterInstance) -> str:
    """Return the id of a run over all PARTITIONS."""
    result = DEFS.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[KEY],
        tags={
            "dagster/asset_partition_range_start": PARTITIONS[0],
            "dagster/asset_partition_range_end": PARTITIONS[-1],
        },
    )
    assert result.success
    return result.run_id


def kinds(entries: Sequence[EventLogEntry]) -> Counter[Kind | None]:
    return Counter(entry.dagster_event_type for entry in entries)


def known_of_asset(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Return what the UI shows of the asset, without what differs from run to run."""
    (record,) = instance.get_asset_records([KEY])
    materializations = instance.fetch_materializations(KEY, limit=1_000, ascending=True).records
    log = instance.event_log_storage
    planned = log.get_event_records(dg.EventRecordsFilter(Kind.ASSET_MATERIALIZATION_PLANNED, KEY), ascending=True)
    checks = log.get_event_records(dg.EventRecordsFilter(Kind.ASSET_CHECK_EVALUATION))
    return {
        "materialized": [record.partition_key for record in materializations],
        "ids rise": [record.storage_id for record in materializations]
        == sorted({record.storage_id for record in materializations}),
        "tags": [
            record.asset_materialization.tags["kind"] for record in materializations if record.asset_materialization
        ],
        "metadata": [
            record.asset_materialization.metadata for record in materializations if record.asset_materialization
        ],
        "planned": [
            event.dagster_event.asset_materialization_planned_data.partition
            for record in planned
            if (event := record.event_log_entry).dagster_event
        ],
        "partitions": instance.get_materialized_partitions(KEY),
        "latest": record.asset_entry.last_materialization.dagster_event.partition,
        "tags of the asset": instance.get_event_tags_for_asset(KEY, filter_tags={"number": "3"}) != [],
        "tags of each": len(instance.get_event_tags_for_asset(KEY)),
        "checks": len(checks),
    }


def test_a_run_over_a_range_is_known_as_with_the_stock_storage(
    stock: dg.DagsterInstance,
    batched: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    sizes = []
    store = BatchedSqliteEventLog._store_together

    def counted(self: BatchedSqliteEventLog, run_id: str, events: Sequence[EventLogEntry]) -> None:
        sizes.append(len(events))
        store(self, run_id, events)

    monkeypatch.setattr(BatchedSqliteEventLog, "_store_together", counted)
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE", raising=False)
    plain = materialized(stock)
    assert not sizes
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "5")
    together = materialized(batched)
    assert sizes.count(5) >= 2 * (DAYS // 5), "planned and materialized events were not stored in batches"
    assert "storing event batch" not in capfd.readouterr().err, "a batch failed and was stored one by one"
    known = known_of_asset(batched)
    assert known == known_of_asset(stock)
    assert known["materialized"] == known["planned"] == PARTITIONS
    assert known["partitions"] == set(PARTITIONS)
    assert known["ids rise"]
    assert kinds(batched.all_logs(together)) == kinds(stock.all_logs(plain))
    assert kinds(batched.all_logs(together))[Kind.ASSET_MATERIALIZATION] == DAYS


def test_any_events_stored_as_one_batch_read_back_the_same(
    stock: dg.DagsterInstance, batched: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE", raising=False)
    run_id = materialized(stock)
    events = stock.all_logs(run_id)
    batched.add_run(dg.DagsterRun(job_name="everything", run_id=run_id))
    batched.event_log_storage.store_event_batch(events)
    assert batched.all_logs(run_id) == events
    assert known_of_asset(batched) == known_of_asset(stock)
    (of_batch,), (of_each,) = batched.get_asset_records([KEY]), stock.get_asset_records([KEY])
    assert of_batch.asset_entry.last_materialization == of_each.asset_entry.last_materialization
    assert of_batch.asset_entry.last_run_id == run_id


def test_a_batch_of_two_runs_goes_to_each_runs_own_log(batched: dg.DagsterInstance) -> None:
    events = [
        EventLogEntry(
            error_info=None,
            level="debug",
            user_message="",
            run_id=run_id,
            timestamp=float(number),
            dagster_event=dg.DagsterEvent(
                event_type_value=Kind.ASSET_MATERIALIZATION.value,
                job_name="everything",
                event_specific_data=StepMaterializationData(dg.AssetMaterialization(KEY, partition=str(number))),
            ),
        )
        for number, run_id in enumerate(["first", "second", "first", "second", "second"])
    ]
    batched.event_log_storage.store_event_batch(events)
    assert [event.timestamp for event in batched.all_logs("first")] == [0, 2]
    assert [event.timestamp for event in batched.all_logs("second")] == [1, 3, 4]
    assert batched.get_materialized_partitions(KEY) == {"0", "1", "2", "3", "4"}


def test_an_empty_batch_stores_nothing(batched: dg.DagsterInstance) -> None:
    batched.event_log_storage.store_event_batch([])
    assert not batched.get_asset_keys()
