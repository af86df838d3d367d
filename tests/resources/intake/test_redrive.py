"""Rows leave the quarantine when their mapping is mended, once, under the identity that they had in their file."""

import json
import threading
from datetime import datetime
from typing import Any

import polars as pl
import pytest

from intelligence.core.errors import SourceFileError
from resources.intake import redrive

HEADER = "event_time,user_id,feature,event_type,latency_ms"
ROW = "2026-05-04T10:00:00,u1,search,use"
MENDED = {"latency_ms": "replace(latency_ms, ' ms', '')"}


def test_rows_are_taken_again_after_the_mapping_is_mended(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\n{ROW},1\n{ROW},17 ms\n{ROW},17 ms\n{ROW},\nyesterday,u1,search,use,3\nbroken\n")
    bench.ingest()
    assert bench.counts() == [(6, 2, 0, 4)]
    bench.declare(mapping=MENDED)
    report = bench.redrive()
    assert (report.taken, report.accepted, report.duplicates, report.still_rejected) == (3, 2, 0, 1)
    assert bench.events("source_row, latency_ms") == [(1, 1.0), (2, 17.0), (3, 17.0), (4, None)]
    assert len(set(bench.events())) == 4
    assert bench.counts() == [(6, 2, 0, 4), (2, 2, 0, 0)]
    waiting = bench.rows("SELECT source_row FROM telemetry.rejected_events WHERE redriven_in IS NULL ORDER BY ALL")
    assert waiting == [(5,), (6,)]


def test_a_second_redrive_changes_nothing(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\n{ROW},17 ms\n{ROW},wrong\n")
    bench.ingest()
    bench.declare(mapping=MENDED)
    assert bench.redrive().accepted == 1
    before = bench.snapshot()
    assert bench.redrive().accepted == 0
    assert bench.snapshot() == before


def test_a_redrive_that_accepts_nothing_changes_nothing(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\n{ROW},17 ms\nbroken\n")
    bench.ingest()
    before = bench.snapshot()
    report = bench.redrive()
    assert (report.taken, report.accepted, report.still_rejected) == (1, 0, 1)
    assert bench.snapshot() == before


def test_rows_that_still_fail_show_why_they_fail_under_the_mended_mapping(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\n{ROW},17 ms\n{ROW},-3 ms\n{ROW},soon\nbroken\n")
    bench.ingest()
    bench.declare(mapping=MENDED)
    report = bench.redrive()
    assert (report.taken, report.accepted, report.still_rejected) == (3, 1, 2)
    assert bench.rejected("source_row, column_name, reason, value, redriven_in IS NULL") == [
        (1, "latency_ms", "latency_ms is not a DOUBLE", "17 ms", False),
        (2, "latency_ms", "latency_ms is outside 0 to 6.048e+08", "-3", True),
        (3, "latency_ms", "latency_ms is not a DOUBLE", "soon", True),
        (4, None, "unreadable line: missing columns", "broken", True),
    ]


def test_a_new_reason_is_written_even_where_no_row_passes_and_only_once(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\n{ROW},-3 ms\n")
    bench.ingest()
    bench.declare(mapping={**MENDED, "feature": "nullif(feature, 'search')"})
    assert (bench.redrive().taken, bench.rejected("column_name, value")) == (1, [("feature", None)])
    before = bench.snapshot()
    assert bench.redrive().still_rejected == 1
    assert bench.snapshot() == before


def test_an_event_that_came_again_in_the_meantime_is_a_duplicate(bench: Any) -> None:
    bench.deliver("a.csv", f"event_id,{HEADER}\ne1,{ROW},17 ms\ne2,{ROW},17 ms\n")
    bench.ingest()
    bench.deliver("b.csv", f"event_id,{HEADER}\ne1,{ROW},17\n")
    bench.ingest()
    bench.declare(mapping=MENDED)
    report = bench.redrive()
    assert (report.taken, report.accepted, report.duplicates) == (2, 1, 1)
    assert bench.events() == [("e1",), ("e2",)]


def test_a_redriven_file_that_is_delivered_again_adds_no_event(bench: Any) -> None:
    text = f"{HEADER}\n{ROW},17 ms\n{ROW},17 ms\n"
    bench.deliver("a.csv", text)
    bench.ingest()
    bench.declare(mapping=MENDED)
    bench.redrive()
    bench.deliver("b.csv", f"{text}{ROW},18 ms\n")
    bench.ingest()
    assert bench.events("latency_ms") == [(17.0,), (17.0,), (18.0,)]


def test_typed_rows_are_taken_again_with_their_types(bench: Any) -> None:
    bench.deliver("a.parquet", pl.DataFrame({
        "event_time": [datetime(2026, 5, 4, 10)] * 3, "user_id": [1, 2, 3], "feature": ["search", "<b>", "x"],
        "event_type": ["use"] * 3, "delay": [0.25, 0.5, 1e6], "tags": [{"a": [1]}, {"a": [2, 3]}, {"a": None}],
    }))  # fmt: skip
    bench.declare(mapping={"latency_ms": "delay * 60000", "properties": "tags"})
    bench.ingest()
    assert bench.rejected("source_row, column_name") == [(2, "feature"), (3, "latency_ms")]
    bench.declare(mapping={
        "latency_ms": "delay * 600", "properties": "tags", "feature": "replace(replace(feature, '<', ''), '>', '')",
    })  # fmt: skip
    assert bench.redrive().accepted == 2
    assert bench.events("user_id, feature, latency_ms, properties, event_time") == [
        ("1", "search", 15000.0, '{"a":[1]}', datetime(2026, 5, 4, 10)),
        ("2", "b", 300.0, '{"a":[2,3]}', datetime(2026, 5, 4, 10)),
        ("3", "x", 6e8, '{"a":null}', datetime(2026, 5, 4, 10)),
    ]


def test_json_lines_are_taken_again_with_keys_of_any_spelling(bench: Any) -> None:
    line = {"event_time": "2026-05-04T10:00:00", "user_id": "u1", "feature": "f", "event_type": "use"}
    odd = {'q"k': "1", "a.b": "2", "a/b~c": "3", "it's": "4", "*": "5", "back\\slash": "6", "user id": "7"}
    bench.deliver("a.jsonl", json.dumps({**line, "latency_ms": "17 ms", "nested": {"a": [1]}, **odd}))
    bench.ingest()
    bench.declare(mapping={
        **MENDED, "platform": 'q"k', "region": "a.b", "segment": "a/b~c", "experiment": "it's", "variant": "*",
        "app_version": "back\\slash", "session_id": "user id", "properties": "nested", "rating": "stars",
    })  # fmt: skip
    assert bench.redrive().accepted == 1
    columns = "platform, region, segment, experiment, variant, app_version, session_id, properties, rating"
    assert bench.events(columns) == [("1", "2", "3", "4", "5", "6", "7", '{"a":[1]}', None)]


def test_rows_of_two_files_with_one_name_keep_their_places_apart(bench: Any) -> None:
    for user in ("u1", "u2"):
        bench.deliver("a.csv", f"{HEADER}\n2026-05-04,{user},search,use,17 ms\n")
        bench.ingest()
    bench.declare(mapping=MENDED)
    assert bench.redrive().accepted == 2
    assert bench.events("user_id, source_row") == [("u1", 1), ("u2", 1)]


def test_files_that_the_mended_mapping_does_not_fit_do_not_stop_the_others(bench: Any) -> None:
    bench.deliver("old.csv", f"{HEADER.replace('latency_ms', 'took')}\n2026-05-04,,search,use,1\n")
    bench.deliver("new.csv", f"{HEADER}\n{ROW},17 ms\n")
    bench.ingest()
    bench.declare(mapping=MENDED)
    report = bench.redrive()
    assert (report.taken, report.accepted) == (1, 1)
    assert "latency_ms" in report.refused[0].problem


def test_a_mapping_that_fits_no_file_is_told(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\n{ROW},17 ms\n")
    bench.ingest()
    before = bench.snapshot()
    bench.declare(mapping={"latency_ms": "latencyms"})
    with pytest.raises(SourceFileError, match=r"Did you mean `latency_ms`\?"):
        bench.redrive()
    bench.declare(mapping={"latency_ms": "CAST(latency_ms AS DOUBLE)"})
    with pytest.raises(SourceFileError, match="TRY_CAST"):
        bench.redrive()
    assert bench.snapshot() == before


def test_two_redrives_at_once_take_each_row_once(bench: Any) -> None:
    bench.deliver("a.csv", "\n".join([HEADER, *(f"2026-05-04,u{row},search,use,{row} ms" for row in range(50))]))
    bench.deliver("b.csv", f"{HEADER}\n{ROW},1\n")
    bench.declare(mapping={"event_type": "CASE WHEN latency_ms LIKE '%ms' THEN '<>' ELSE event_type END", **MENDED})
    bench.ingest()
    bench.declare(mapping=MENDED)
    reports: list[Any] = []
    threads = [threading.Thread(target=lambda: reports.append(bench.redrive())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report.accepted for report in reports) == 50
    assert sum(report.taken for report in reports) == 50
    assert len(bench.events()) == 51
    bench.assert_conserved()


def test_rows_that_another_redrive_took_meanwhile_are_not_counted(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.deliver("a.csv", f"{HEADER}\n{ROW},17 ms\n{ROW},18 ms\n{ROW},soon\n")
    bench.ingest()
    bench.declare(mapping=MENDED)
    validate, overtaking = redrive.validate, []

    def validate_and_be_overtaken(*arguments: Any, **named: Any) -> None:
        validate(*arguments, **named)
        monkeypatch.setattr(redrive, "validate", validate)
        overtaking.append(bench.redrive())

    monkeypatch.setattr(redrive, "validate", validate_and_be_overtaken)
    overtaken = bench.redrive()
    assert (overtaking[0].taken, overtaking[0].accepted) == (3, 2)
    assert (overtaken.taken, overtaken.accepted, overtaken.still_rejected) == (1, 0, 1)
