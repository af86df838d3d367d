"""Files of every form are read as they are meant."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest

from tests.resources.intake.delivered_rows import HEADER, PROGRAM, ROW, assert_untouched


def test_a_foreign_schema_is_served_by_its_mapping_alone(bench: Any) -> None:
    bench.declare(mapping={
        "event_time": "timestamp", "feature": "feature_name", "event_type": "'use'", "duration_s": "session_duration",
        "crashed": "crash_flag", "rating": "feedback_score",
    })  # fmt: skip
    bench.deliver(
        "foreign.csv",
        "user_id,feature_name,session_duration,latency_ms,crash_flag,error_count,feedback_score,timestamp\n"
        "u1,search,31.5,120,0,1,4,2026-05-04\nu1,search,31.5,120,0,1,4,2026-05-04\nu2,export,,,1,,,2026-05-05\n",
    )
    bench.ingest()
    columns = "user_id, feature, event_type, duration_s, latency_ms, crashed, error_count, rating, event_time"
    first = ("u1", "search", "use", 31.5, 120.0, False, 1, 4.0, datetime(2026, 5, 4))
    assert bench.events(columns) == [
        first,
        first,
        ("u2", "export", "use", None, None, True, None, None, datetime(2026, 5, 5)),
    ]
    assert len(set(bench.events())) == 3


def test_csv_is_read_under_any_spelling_of_its_suffix(bench: Any) -> None:
    for name in ("a.csv", "b.csv.gz", "C.CSV", "d.CSV.GZ"):
        bench.deliver(name, f"{HEADER}\n{name[0]},{ROW}\n")
    assert bench.ingest().refused == []
    assert bench.events() == [("C",), ("a",), ("b",), ("d",)]


def test_packed_and_plain_files_stand_side_by_side(bench: Any) -> None:
    for number, suffix in enumerate(["csv", "csv.gz", "csv"]):
        bench.deliver(f"{number}.{suffix}", f"{HEADER}\ne{number},{ROW}\n")
    for number, suffix in enumerate(["jsonl", "jsonl.gz", "ndjson"], start=3):
        line = dict(zip(HEADER.split(","), [f"e{number}", *ROW.split(",")], strict=True))
        bench.deliver(f"{number}.{suffix}", json.dumps(line))
    assert bench.ingest().refused == []
    assert bench.events() == [(f"e{number}",) for number in range(6)]


HABITS = {
    "BOM": (f"\ufeff{HEADER}\n1,{ROW}\n", 1),
    "CRLF": (f"{HEADER}\r\n2,{ROW}\r\n3,{ROW}\r\n", 2),
    "CR": (f"{HEADER}\r4,{ROW}\r5,{ROW}\r", 2),
    "no newline at the end": (f"{HEADER}\n6,{ROW}", 1),
    "blank lines": (f"{HEADER}\n\n\n7,{ROW}\n\n8,{ROW}\n", 2),
    "quoted header": (f'"event_id","event_time","user_id","feature","event_type"\n"9",{ROW}\n', 1),
    "header only": (f"{HEADER}\n", 0),
    "bare header": (HEADER, 0),
}


@pytest.mark.parametrize("together", [True, False])
def test_csv_of_any_habit_is_read(bench: Any, together: bool) -> None:
    for name, (content, rows) in sorted(HABITS.items()):
        bench.deliver(f"{name}.csv", content)
        if not together:
            assert bench.ingest().batches[0].accepted == rows
    assert bench.ingest().refused == []
    assert bench.counts() == [(rows, rows, 0, 0) for _, (_, rows) in sorted(HABITS.items())]
    assert bench.events() == [(str(number),) for number in range(1, 10)]


def test_quoted_newlines_delimiters_and_quotes_belong_to_the_value(bench: Any) -> None:
    bench.declare(mapping={"properties": "json_object('note', note)"})
    bench.deliver("a.csv", f'{HEADER},note\ne1,{ROW},"two\nlines, and ""quotes"""\ne2,{ROW},plain\n')
    bench.ingest()
    notes = [json.loads(properties)["note"] for (properties,) in bench.events("properties")]
    assert sorted(notes) == ["plain", 'two\nlines, and "quotes"']


def test_another_delimiter_and_null_values_are_the_sources_choice(bench: Any) -> None:
    bench.declare(delimiter=";", null_values=["", "NA", "-"])
    bench.deliver("a.csv", f"{HEADER};latency_ms;rating\n".replace(",", ";") + f"e1;{ROW};NA;-\n".replace(",", ";"))
    bench.ingest()
    assert bench.events("event_id, latency_ms, rating") == [("e1", None, None)]


def test_columns_may_bear_any_name(bench: Any) -> None:
    odd = ["broken", "event_date", "raw", "typed", "file_key", "source_row", "content_id", "odd_names", "a b", 'q"x',
           "it's", "a.b", "select", "__v", "", "{x}", "$latest", "batch_id", "is_duplicate",
           "file_index"]  # fmt: skip
    bench.declare(mapping={"platform": "a b", "region": 'q"x', "segment": "it's", "variant": "a.b", "app_version": "raw",
                           "experiment": "__v", "session_id": "broken"})  # fmt: skip
    quoted = ",".join('"' + name.replace('"', '""') + '"' for name in odd)
    values = ",".join(f"v{number}" for number in range(len(odd)))
    bench.deliver("a.csv", f"{HEADER},{quoted}\ne1,{ROW},{values}\n,2026-05-04T10:00:00,,search,use,{values}\n")
    assert bench.ingest().refused == []
    columns = "platform, region, segment, variant, app_version, experiment, session_id"
    assert bench.events(columns) == [("v8", "v9", "v10", "v11", "v2", "v13", "v0")]
    ((payload,),) = bench.rejected("payload")
    assert json.loads(payload)['q"x'] == "v9"
    assert json.loads(payload)["column_20"] == "v14"


def test_a_column_that_the_platform_uses_itself_is_refused(bench: Any) -> None:
    names = ["__row", "__FILE", "__payload"]
    for name in names:
        bench.deliver(f"{name}.csv", f"{HEADER},{name}\ne1,{ROW},x\n")
    problems = [error.problem for _, error in bench.ingest().refused]
    assert [name.lower() in problem for name, problem in zip(sorted(names), problems, strict=True)] == [True] * 3
    assert_untouched(bench)


def test_jsonl_lines_may_differ_in_their_keys(bench: Any) -> None:
    bench.declare(
        mapping={"latency_ms": "TRY_CAST(seconds AS DOUBLE) * 1000", "rating": "stars", "properties": "extra"}
    )
    line = dict(zip(HEADER.split(","), ["e1", *ROW.split(",")], strict=True))
    lines = [
        line,
        {**line, "event_id": "e2", "seconds": 1.5, "extra": {"deep": [1, {"x": "y"}]}},
        {"stars": 5, **line, "event_id": "e3", "a.b": 1, 'q"k': 2, "it's": 3, "": 4, "\x00": 5, "__row": 6, "a\nb": 7},
        {**line, "event_id": "e4", "Feature": "shadow"},
    ]
    text = "\n".join(json.dumps(each) for each in lines)
    bench.deliver("a.jsonl", text.replace('{"event_id": "e2"', ' \t{"event_id": "e2"') + "\n\n  \n")
    assert bench.ingest().refused == []
    assert bench.events("event_id, feature, latency_ms, rating, properties") == [
        ("e1", "search", None, None, None),
        ("e2", "search", 1500.0, None, '{"deep":[1,{"x":"y"}]}'),
        ("e3", "search", None, 5.0, None),
        ("e4", "search", None, None, None),
    ]
    assert bench.counts() == [(4, 4, 0, 0)]


def test_a_jsonl_file_is_judged_the_same_alone_and_in_company(bench: Any) -> None:
    bench.declare(mapping={"rating": "stars"})
    line = dict(zip(HEADER.split(","), ["e1", *ROW.split(",")], strict=True))
    bench.deliver("a.jsonl", json.dumps(line))
    assert bench.ingest().refused == []
    bench.deliver("b.jsonl", json.dumps({**line, "event_id": "e2"}))
    bench.deliver("c.jsonl", json.dumps({**line, "event_id": "e3", "stars": 3}))
    bench.deliver("d.jsonl", "this is\nno telemetry\n")
    report = bench.ingest()
    assert [name.rsplit("/", 1)[-1] for name, _ in report.refused] == ["d.jsonl"]
    assert bench.events("event_id, rating") == [("e1", None), ("e2", None), ("e3", 3.0)]


def test_parquet_keeps_its_types(bench: Any) -> None:
    bench.declare(mapping={"latency_ms": "delay * 60000", "properties": "nested"})
    berlin = timezone(timedelta(hours=2))
    frame = pl.DataFrame(
        {
            "event_time": [datetime(2026, 5, 4, 1, 30, tzinfo=berlin).astimezone(UTC)] * 2,
            "user_id": [17, 18],
            "feature": ["search", "export"],
            "event_type": ["use", "use"],
            "delay": [0.5, None],
            "nested": [{"a": [1, 2]}, {"a": []}],
        },
        schema_overrides={"event_time": pl.Datetime("us", "UTC")},
    )
    bench.deliver("a.parquet", frame)
    assert bench.ingest().refused == []
    assert bench.events("user_id, event_time, latency_ms, properties") == [
        ("17", datetime(2026, 5, 3, 23, 30), 30000.0, '{"a":[1,2]}'),
        ("18", datetime(2026, 5, 3, 23, 30), None, '{"a":[]}'),
    ]


def test_parquet_files_of_different_types_are_each_read_as_they_are(bench: Any) -> None:
    base = {"event_time": [date(2026, 5, 4)], "user_id": ["u"], "feature": ["search"], "event_type": ["use"]}
    bench.deliver("a.parquet", pl.DataFrame({**base, "latency_ms": [1]}))
    bench.deliver("b.parquet", pl.DataFrame({**base, "latency_ms": [1.75]}))
    bench.deliver("c.parquet", pl.DataFrame({**base, "latency_ms": ["2.25"]}))
    assert bench.ingest().refused == []
    assert bench.events("latency_ms") == [(1.0,), (1.75,), (2.25,)]


def test_a_file_may_bear_any_name(bench: Any) -> None:
    bench.deliver("x1.csv", f"{HEADER}\nother1,{ROW}\n")
    bench.deliver("aXbY.csv", f"{HEADER}\nother2,{ROW}\n")
    names = ["x[1].csv", "a*b?.csv", "day=2026-05-04/x.csv", 'it\'s "odd"; é☃.csv', "{a,b}.csv"]
    for number, name in enumerate(names):
        bench.deliver(name, f"{HEADER},latency_ms\nmine{number},{ROW},{number}\nbad{number},{ROW},slow\n")
    assert bench.ingest().refused == []
    mine = [(f"mine{number}", float(number)) for number in range(len(names))]
    assert bench.events("event_id, latency_ms") == [*mine, ("other1", None), ("other2", None)]
    for (columns,) in bench.rows("SELECT columns FROM telemetry.batches WHERE rows_in = 2"):
        assert list(json.loads(columns)) == [*HEADER.split(","), "latency_ms"]


def test_times_are_moved_to_utc(bench: Any) -> None:
    times = [
        ("2026-05-04T10:00:00Z", datetime(2026, 5, 4, 10)),
        ("2026-05-04T10:00:00+05:30", datetime(2026, 5, 4, 4, 30)),
        ("2026-05-04 10:00:00.250-0700", datetime(2026, 5, 4, 17, 0, 0, 250_000)),
        ("2026-05-04 00:30:00+02", datetime(2026, 5, 3, 22, 30)),
        ("2026-05-04 10:00:00", datetime(2026, 5, 4, 10)),
        ("2026-05-04", datetime(2026, 5, 4)),
    ]
    rows = [f"{number},{text},u1,search,use" for number, (text, _) in enumerate(times)]
    bench.deliver("a.csv", "\n".join([HEADER, *rows]))
    lines = [dict(zip(HEADER.split(","), f"j{row}".split(","), strict=True)) for row in rows]
    bench.deliver("b.jsonl", "\n".join(json.dumps(line) for line in lines))
    bench.ingest()
    utc = {f"{form}{number}": time for form in ("", "j") for number, (_, time) in enumerate(times)}
    assert dict(bench.events("event_id, event_time")) == utc


@pytest.mark.proof
def test_times_do_not_depend_on_the_zone_of_the_machine(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\ne1,2026-05-04T10:00:00+02:00,u,s,use\ne2,2026-05-04,u,s,use\n")
    bench.deliver("b.parquet", pl.DataFrame({"event_id": ["e3"], "event_time": [datetime(2026, 5, 4, 8, tzinfo=UTC)],
                                             "user_id": ["u"], "feature": ["s"], "event_type": ["use"]}))  # fmt: skip
    command = [sys.executable, "-c", PROGRAM, str(bench.folder.parent)]
    subprocess.run(
        command, input="go\n", text=True, check=True, env={**os.environ, "TZ": "America/New_York"}, timeout=60
    )
    assert bench.events("event_id, event_time") == [
        ("e1", datetime(2026, 5, 4, 8)),
        ("e2", datetime(2026, 5, 4)),
        ("e3", datetime(2026, 5, 4, 8)),
    ]
