"""The door to the lake: whole transactions, many processes, honest errors."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

import resources.lake.door
from intelligence.catalog.layers import TABLES, VIEWS
from intelligence.catalog.product import product_from
from intelligence.core.errors import LakeError
from intelligence.core.tables import Days, schema_contradictions
from intelligence.metrics.tables import KPI_DAY, USER_DAY
from intelligence.warehouse.tables import DIM_RELEASES, FACT_SESSIONS
from resources.lake.builds import build_rules
from resources.lake.door import Lake, is_conflict

ROOT = Path(__file__).resolve().parents[3]
WRITER = ROOT / "tests" / "programs" / "write_days.py"
WORKERS, TRANSACTIONS, ROWS_A_DAY = 4, 12, 50
ONE_DAY = Days(date(2026, 1, 1), date(2026, 1, 2))
ROWS = """
SELECT DATE '2026-01-01' AS event_date, 'all' AS segment, $dau AS dau, 0 AS events, 0 AS sessions, 0 AS crashed_users,
       0 AS converted_users, 0 AS ratings, 0 AS value
"""


def start_writers(lake: Lake) -> list[subprocess.Popen]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return [
        subprocess.Popen(
            [sys.executable, str(WRITER), lake.catalog, lake.store, str(worker), str(TRANSACTIONS)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for worker in range(WORKERS)
    ]


@pytest.fixture
def postgres_lake(postgres: str, tmp_path: Path) -> Iterator[Lake]:
    lake = Lake(catalog=f"postgres:{postgres}", store=f"{tmp_path}/files")
    yield lake
    lake.close()


@pytest.mark.proof
@pytest.mark.parametrize("fixture", ["own_lake", "postgres_lake"])
def test_four_writers_at_once_lose_nothing_and_a_reader_is_never_locked_out(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    own_lake = request.getfixturevalue(fixture)
    own_lake.snapshot_id()
    writers = start_writers(own_lake)
    seen = []
    while any(writer.poll() is None for writer in writers):
        seen.append(own_lake.inspected(KPI_DAY, (), ONE_DAY).row_count)
    errors = [writer.communicate()[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * WORKERS, errors
    by_day = own_lake.frame("SELECT event_date, count(*) AS rows FROM metrics.kpi_day GROUP BY ALL")
    assert by_day.height == WORKERS * TRANSACTIONS + 1
    assert set(by_day["rows"]) == {ROWS_A_DAY}
    assert len(seen) > 1
    assert all(rows % ROWS_A_DAY == 0 for rows in seen), "a reader saw half a transaction"


def test_replacing_a_day_leaves_the_other_days_alone(own_lake: Lake) -> None:
    own_lake.replace(KPI_DAY, ONE_DAY, ROWS, {"dau": 1})
    other = Days(date(2026, 1, 2), date(2026, 1, 3))
    own_lake.replace(KPI_DAY, other, ROWS.replace("2026-01-01", "2026-01-02"), {"dau": 2})
    own_lake.replace(KPI_DAY, ONE_DAY, ROWS, {"dau": 3})
    assert own_lake.frame("SELECT event_date, dau FROM metrics.kpi_day ORDER BY ALL").rows() == [
        (date(2026, 1, 1), 3),
        (date(2026, 1, 2), 2),
    ]


def test_a_table_without_days_that_holds_the_rows_already_is_left_as_it_is(own_lake: Lake) -> None:
    def wrote(version: str) -> bool:
        files = f"FROM ducklake_list_files('lake', '{DIM_RELEASES.name}', schema => '{DIM_RELEASES.layer}')"
        before = own_lake.frame(files)
        query = f"SELECT '{version}.' || i AS app_version, 'web' AS platform FROM range(50) AS numbers (i)"
        assert own_lake.replace(DIM_RELEASES, ONE_DAY, query) == 50
        return not own_lake.frame(files).equals(before)

    assert wrote("1")
    assert not wrote("1")
    assert wrote("2")
    assert wrote("1")
    assert own_lake.frame(f"SELECT count(*) FROM {DIM_RELEASES.path} WHERE app_version LIKE '1.%'").item() == 50


def test_a_write_that_fails_leaves_what_was_there(own_lake: Lake) -> None:
    own_lake.replace(KPI_DAY, ONE_DAY, ROWS, {"dau": 1})
    with pytest.raises(duckdb.Error, match="no_such_table"):
        own_lake.replace(KPI_DAY, ONE_DAY, "FROM no_such_table")
    assert own_lake.frame("SELECT dau FROM metrics.kpi_day").item() == 1


def test_a_conflict_is_met_by_doing_the_whole_transaction_again(own_lake: Lake) -> None:
    tries = []

    def work(connection: duckdb.DuckDBPyConnection) -> str:
        tries.append(1)
        connection.execute("INSERT INTO bookkeeping.day_builds VALUES ('t', DATE '2026-01-01', 'x')")
        if len(tries) < 3:
            raise duckdb.TransactionException("Failed to commit DuckLake transaction: conflict")
        return "done"

    assert own_lake.commit(work) == "done"
    assert len(tries) == 3
    assert own_lake.frame("SELECT count(*) FROM bookkeeping.day_builds").item() == 1


def test_a_conflict_at_the_very_beginning_is_tried_again_too(own_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, begun = resources.lake.door._begin, []

    def once_in_the_way(connection: duckdb.DuckDBPyConnection) -> None:
        begin(connection)
        begun.append(1)
        if len(begun) == 1:
            raise duckdb.IOException("database is locked")

    own_lake.snapshot_id()
    monkeypatch.setattr(resources.lake.door, "_begin", once_in_the_way)
    assert own_lake.commit(
        lambda connection: connection.execute("SELECT count(*) FROM metrics.kpi_day").fetchone()
    ) == (0,)
    assert len(begun) == 2


def test_a_connection_that_an_asset_asks_for_begins_in_the_lake(own_lake: Lake) -> None:
    own_lake.replace(KPI_DAY, ONE_DAY, ROWS, {"dau": 3})
    with own_lake.get_connection() as connection:
        assert connection.execute("SELECT dau FROM metrics.kpi_day").fetchall() == [(3,)]


def test_only_a_conflict_is_tried_again() -> None:
    assert is_conflict(duckdb.TransactionException("Failed to commit DuckLake transaction"))
    assert is_conflict(duckdb.IOException("database is locked"))
    assert not is_conflict(duckdb.BinderException("conflicting column"[11:]))
    assert not is_conflict(ValueError("database is locked"))


def test_a_snapshot_can_be_read_again_after_later_writes(own_lake: Lake) -> None:
    own_lake.replace(KPI_DAY, ONE_DAY, ROWS, {"dau": 1})
    known_then = own_lake.snapshot_id()
    own_lake.replace(KPI_DAY, ONE_DAY, ROWS, {"dau": 2})
    assert own_lake.snapshot_id() > known_then
    assert own_lake.frame(f"SELECT dau FROM metrics.kpi_day AT (VERSION => {known_then})").item() == 1
    assert own_lake.frame("SELECT dau FROM metrics.kpi_day").item() == 2


def test_every_table_has_the_columns_of_its_definition(own_lake: Lake) -> None:
    assert {
        table.path: schema_contradictions(table, own_lake.inspected(table, (), ONE_DAY).columns) for table in TABLES
    } == {table.path: () for table in TABLES}


def test_a_new_table_tells_of_no_day_that_it_does_not_hold(own_lake: Lake) -> None:
    own_lake.replace(KPI_DAY, ONE_DAY, ROWS, {"dau": 3})
    asked = "SELECT min(event_date), max(event_date), min(dau), max(dau) FROM metrics.kpi_day"
    assert own_lake.frame(asked).rows() == [(ONE_DAY.start, ONE_DAY.start, 3, 3)]


def test_a_lake_of_an_older_version_gains_the_new_column(own_lake: Lake) -> None:
    own_lake.replace(KPI_DAY, ONE_DAY, ROWS, {"dau": 1})
    own_lake.commit(lambda connection: connection.execute("ALTER TABLE metrics.kpi_day DROP COLUMN mean_rating"))
    own_lake.close()
    assert own_lake.frame("SELECT dau, mean_rating FROM metrics.kpi_day").rows() == [(1, None)]


def test_a_table_of_an_older_version_becomes_the_view_that_it_is_now(own_lake: Lake) -> None:
    own_lake.snapshot_id()

    def made_older(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("DROP VIEW warehouse.fact_events")
        connection.execute("DROP TABLE warehouse.fact_visit_events")
        connection.execute(
            "CREATE TABLE warehouse.fact_events AS SELECT 'e1' AS event_id, DATE '2026-01-01' AS event_date"
        )

    own_lake.commit(made_older)
    own_lake.close()
    assert own_lake.frame("FROM warehouse.fact_events").height == 0
    own_lake.commit(
        lambda connection: connection.execute(
            "INSERT INTO telemetry.raw_events BY NAME SELECT 'e2' AS event_id, 's' AS session_id, false AS is_duplicate"
        )
    )
    assert own_lake.frame("SELECT event_id FROM warehouse.fact_events").rows() == [("e2",)]


def test_a_view_that_is_defined_anew_is_made_anew(own_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    written = (
        "INSERT INTO telemetry.raw_events BY NAME SELECT 'e' AS event_id, 's' AS session_id, false AS is_duplicate"
    )
    own_lake.commit(lambda connection: connection.execute(written))
    assert own_lake.frame("SELECT segment FROM warehouse.fact_events").rows() == [("unknown",)]
    own_lake.close()
    changed = VIEWS["warehouse.fact_events"].replace("'unknown'", "'not told'")
    monkeypatch.setitem(VIEWS, "warehouse.fact_events", changed)
    assert own_lake.frame("SELECT segment FROM warehouse.fact_events").rows() == [("not told",)]


def test_what_arrives_while_a_run_builds_makes_its_days_stale(own_lake: Lake) -> None:
    def arrived(batch: str) -> None:
        own_lake.commit(
            lambda connection: connection.execute(
                "INSERT INTO telemetry.batches BY NAME SELECT $batch AS batch_id, [DATE '2026-01-01'] AS days",
                {"batch": batch},
            )
        )

    arrived("first")
    of_a_run = own_lake.of_a_run()
    of_a_run.replace(FACT_SESSIONS, ONE_DAY, "FROM warehouse.fact_sessions WHERE event_date >= $start")
    arrived("second")
    of_a_run.replace(USER_DAY, ONE_DAY, "FROM metrics.user_day WHERE event_date >= $start")
    stale = own_lake.stale(before=ONE_DAY.end)
    assert {FACT_SESSIONS.path, USER_DAY.path} <= set(stale)
    the_next = own_lake.of_a_run()
    the_next.replace(USER_DAY, ONE_DAY, "FROM metrics.user_day WHERE event_date >= $start")
    stale = own_lake.stale(before=ONE_DAY.end)
    assert FACT_SESSIONS.path in stale
    assert USER_DAY.path not in stale


def test_a_column_of_another_type_is_an_error_that_names_it(own_lake: Lake) -> None:
    own_lake.snapshot_id()
    own_lake.commit(lambda connection: connection.execute("ALTER TABLE metrics.kpi_day DROP COLUMN wau"))
    own_lake.commit(lambda connection: connection.execute("ALTER TABLE metrics.kpi_day ADD COLUMN wau VARCHAR"))
    own_lake.close()
    with pytest.raises(LakeError, match="wau is VARCHAR, not BIGINT"):
        own_lake.snapshot_id()


def test_a_catalogue_that_cannot_be_opened_says_what_to_check(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").write_text("this is no database, and it is long enough to be seen as none")
    lake = Lake(catalog=f"sqlite:{tmp_path}/catalog.sqlite", store=f"{tmp_path}/files")
    with pytest.raises(LakeError, match="INTELLIGENCE_LAKE_CATALOG"):
        lake.snapshot_id()


def deliver_two_days(lake: Lake) -> None:
    lake.commit(
        lambda connection: connection.execute(
            "INSERT INTO telemetry.batches (batch_id, source, source_file, bytes, columns, rows_in, accepted, duplicates, rejected,"
            " days, ingested_at) SELECT 'b', 's', 'f', 1, '{}', 10, 10, 0, 0,"
            " [DATE '2026-01-01', DATE '2026-01-02'], TIMESTAMP '2026-02-01'"
        )
    )


def test_a_query_without_days_is_written_once_however_long_the_range(
    own_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_two_days(own_lake)
    monkeypatch.setattr("resources.lake.replacement.ROWS_AT_ONCE", 1)
    assert own_lake.replace(KPI_DAY, Days(date(2026, 1, 1), date(2026, 1, 4)), ROWS, {"dau": 1}) == 1
    assert own_lake.inspected(KPI_DAY, (), ONE_DAY).row_count == 1


def test_a_day_is_as_its_last_build_left_it_also_when_that_was_by_older_definitions(own_lake: Lake) -> None:
    deliver_two_days(own_lake)
    both, tomorrow = Days(date(2026, 1, 1), date(2026, 1, 3)), date(2026, 1, 3)
    plain = "name: Demo\nsources: [{name: app, files: x}]\n"
    older, newer = (
        replace(own_lake, rules=build_rules(product_from(f"{plain}conversion_events: [{kind}]")))
        for kind in ("buy", "rent")
    )
    for lake, other in ((older, newer), (newer, older), (older, newer)):
        lake.replace(KPI_DAY, both, ROWS, {"dau": 1})
        assert KPI_DAY.path not in lake.stale(before=tomorrow)
        assert other.stale(before=tomorrow)[KPI_DAY.path] == [both]
