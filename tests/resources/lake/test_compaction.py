"""Small files are merged into larger ones, and every snapshot says what it said before."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import duckdb
import polars as pl
import pytest

from intelligence.catalog.product import product_from
from intelligence.core.errors import LakeError
from intelligence.core.tables import Days
from intelligence.metrics.tables import FACT_FEATURE_METRICS
from resources.lake import compaction
from resources.lake.builds import LAST_BUILDS, build_rules
from resources.lake.door import Lake

FIRST = date(2026, 1, 1)
ROWS = (
    "SELECT CAST($start AS DATE) + CAST(i // $a_day AS INTEGER) AS event_date, 'feature ' || i % $a_day AS feature,"
    " $number AS usage_count FROM range($a_day * ($end - $start)) AS numbers (i)"
)


@pytest.fixture(autouse=True)
def merge_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MOST_SMALL_FILES", 4)
    monkeypatch.setattr(compaction, "KEPT_HOURS", 0)


def write(lake: Lake, day: int, number: int, *, days: int = 1, a_day: int = 20) -> None:
    start = FIRST + timedelta(days=day)
    range_ = Days(start, start + timedelta(days=days))
    lake.replace(FACT_FEATURE_METRICS, range_, ROWS, {"number": number, "a_day": a_day})


def files(lake: Lake) -> int:
    return lake.frame("FROM ducklake_list_files('lake', 'fact_feature_metrics', schema => 'metrics')").height


def history(lake: Lake, snapshots: list[int], where: str = "") -> Mapping[int, pl.DataFrame]:
    """Return what the table's columns that were written said in each snapshot, with the snapshot that wrote each row."""
    columns = "event_date, feature, usage_count, snapshot_id"
    return {
        snapshot: lake.frame(
            f"SELECT {columns} FROM {FACT_FEATURE_METRICS.path} AT (VERSION => {snapshot}) {where} ORDER BY ALL"
        )
        for snapshot in snapshots
    }


@pytest.mark.proof
@pytest.mark.parametrize(("a_day", "stretch"), [(20, 1), (4, 5)], ids=["days in files", "days in the catalogue"])
def test_days_written_one_by_one_and_again_read_the_same_in_every_snapshot_after_merging(
    own_lake: Lake, a_day: int, stretch: int
) -> None:
    snapshots, merged = [], 0
    writes = [(0, 10), (10, 1), (11, 1), (12, 1), (3, 1), (13, 1), (11, 1), (2, 4), (14, 1), (15, 1), (16, 1), (4, 9)]
    for number, (day, days) in enumerate(writes):
        write(own_lake, day * stretch, number, days=days * stretch, a_day=a_day)
        snapshots.append(own_lake.snapshot_id())
        write(own_lake, 8 * stretch + 1, number, a_day=a_day)
        snapshots.append(own_lake.snapshot_id())
        if number % 3 == 2:
            before = history(own_lake, snapshots)
            merged += own_lake.merged_files()
            after = history(own_lake, snapshots)
            assert all(after[snapshot].equals(frame) for snapshot, frame in before.items())
    assert merged > 0
    assert own_lake.frame(f"SELECT max(usage_count) FROM {FACT_FEATURE_METRICS.path}").item() == len(writes) - 1


def test_many_small_files_become_few_and_those_merged_before_are_deleted(own_lake: Lake) -> None:
    for day in range(6):
        write(own_lake, day, day)
    assert files(own_lake) == 6
    assert own_lake.merged_files() == 6
    assert files(own_lake) == 1
    folder = duckdb.sql(f"SELECT count(*) FROM glob('{own_lake.store}/metrics/fact_feature_metrics/*')")
    assert folder.fetchone() == (7,), "a statement that began earlier may still read them"
    assert own_lake.merged_files() == 0
    assert duckdb.sql(f"SELECT count(*) FROM glob('{own_lake.store}/metrics/fact_feature_metrics/*')").fetchone() == (
        1,
    )


def test_statistics_of_former_files_are_forgotten_and_their_snapshots_read_the_same(own_lake: Lake) -> None:
    def files_with_statistics() -> int:
        known = "SELECT count(DISTINCT data_file_id) FROM __ducklake_metadata_lake.ducklake_file_column_stats"
        return int(own_lake.frame(known).item())

    snapshots = []
    for number in range(7):
        write(own_lake, 0, number)
        write(own_lake, number + 1, number)
        snapshots.append(own_lake.snapshot_id())
    known, present = files_with_statistics(), files(own_lake)
    where = f"WHERE event_date = DATE '{FIRST}' AND feature >= 'feature 15'"
    before = history(own_lake, snapshots), history(own_lake, snapshots, where)
    assert own_lake.merged_files() == present == 8
    assert files_with_statistics() == known - 6 - 7
    after = history(own_lake, snapshots), history(own_lake, snapshots, where)
    for then, now in zip(before, after, strict=True):
        assert [now[snapshot].rows() for snapshot in snapshots] == [then[snapshot].rows() for snapshot in snapshots]
    assert [frame["usage_count"].unique().to_list() for frame in after[1].values()] == [[n] for n in range(7)]


def test_what_days_were_built_from_is_merged_too_and_the_last_build_counts(own_lake: Lake) -> None:
    def recorded() -> int:
        return own_lake.frame("FROM ducklake_list_files('lake', 'day_builds', schema => 'bookkeeping')").height

    own_lake.commit(
        lambda connection: connection.execute(
            "INSERT INTO telemetry.batches (batch_id, source, source_file, bytes, columns, rows_in, accepted, duplicates, rejected,"
            " days, ingested_at) SELECT 'b', 's', 'f', 1, '{}', 10, 10, 0, 0,"
            " [CAST($first + CAST(i AS INTEGER) AS DATE) FOR i IN range(12)], TIMESTAMP '2026-02-01'",
            {"first": FIRST},
        )
    )
    ruled = replace(own_lake, rules=build_rules(product_from("name: Demo\nsources: [{name: app, files: x}]\n")))
    assert ruled.version_of(FACT_FEATURE_METRICS) != own_lake.version_of(FACT_FEATURE_METRICS)
    for number in range(8):
        write((own_lake, ruled)[number % 2], 0, number, days=12)
    before, files_before = own_lake.frame(f"{LAST_BUILDS} ORDER BY ALL"), recorded()
    assert own_lake.merged_files() > 0
    assert files_before == 8
    assert recorded() == 1
    assert own_lake.frame(f"{LAST_BUILDS} ORDER BY ALL").equals(before)


def test_files_with_rebuilt_days_are_not_tried_again_and_again(own_lake: Lake) -> None:
    for number in range(6):
        write(own_lake, 2 * number, number, days=2)
        write(own_lake, 2 * number, number)
    assert own_lake.merged_files() == 6, "the rebuilt days"
    snapshot, files_then = own_lake.snapshot_id(), files(own_lake)
    assert own_lake.merged_files() == 0
    assert (own_lake.snapshot_id(), files(own_lake)) == (snapshot, files_then)


def test_large_files_are_left_alone(own_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "SMALL_BYTES", 10)
    for day in range(6):
        write(own_lake, day, day)
    assert own_lake.merged_files() == 0
    assert files(own_lake) == 6


def test_where_merging_fails_nothing_has_changed_and_the_lake_works_on(
    own_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(6):
        write(own_lake, day, day)
    monkeypatch.setattr(compaction, "SMALL_BYTES", "no number")
    with pytest.raises(LakeError, match="its maintenance failed"):
        own_lake.merged_files()
    assert files(own_lake) == 6
    write(own_lake, 6, 6)
    assert files(own_lake) == 7
