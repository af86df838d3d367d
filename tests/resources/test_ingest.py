"""Delivered files become events once each, whatever their form, and what a source does not describe is refused clearly."""

import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intelligence.errors import SourceFileError
from intelligence.product import Product, Source
from resources.delivery import deliveries
from resources.ingest import ingested
from resources.lake import Lake

HEADER = "event_id,event_time,user_id,feature,event_type"
ROW = "2026-05-04T10:00:00,u1,search,use"
NOW = datetime(2026, 7, 1, 12)


def refusal(report: Any) -> SourceFileError:
    ((_, error),) = report.refused
    for part in (error.culprit, error.problem, error.hint):
        assert part
        assert "Traceback" not in part
    return error


def assert_untouched(bench: Any) -> None:
    assert bench.counts() == []
    assert bench.rows("SELECT 1 FROM telemetry.raw_events") == []
    assert bench.rejected() == []


# What counts as the same


def test_the_same_file_twice_is_counted_once(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\ne1,{ROW}\ne2,{ROW}\n")
    bench.ingest()
    before = bench.snapshot()
    again = bench.ingest()
    assert (again.batches, again.known) == ([], 1)
    assert bench.snapshot() == before


def test_the_same_bytes_under_another_name_are_counted_once(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\ne1,{ROW}\n")
    bench.deliver("b.csv", f"{HEADER}\ne1,{ROW}\n")
    bench.ingest()
    bench.deliver("c.csv", f"{HEADER}\ne1,{ROW}\n")
    bench.ingest()
    assert bench.counts() == [(1, 1, 0, 0)]


def test_the_same_bytes_twice_in_one_call_are_one_batch(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\ne1,{ROW}\n")
    files = deliveries(bench.product, bench.folder)
    ingested(bench.lake, bench.product, [*files, *files], now=NOW)
    bench.assert_conserved()
    assert bench.counts() == [(1, 1, 0, 0)]


def test_one_event_delivered_in_two_files_is_counted_once(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\ne1,{ROW}\ne2,{ROW}\n")
    bench.deliver("b.csv", f"{HEADER}\ne2,{ROW}\ne3,{ROW}\n")
    bench.ingest()
    bench.deliver("c.jsonl", json.dumps({"event_id": "e3", "event_time": "2026-05-04T10:00:00", "user_id": "u1",
                                         "feature": "search", "event_type": "use"}))  # fmt: skip
    bench.ingest()
    assert bench.events() == [("e1",), ("e2",), ("e3",)]
    assert bench.counts() == [(2, 2, 0, 0), (2, 1, 1, 0), (1, 0, 1, 0)]


def test_equal_rows_without_event_id_are_kept_and_a_redelivered_file_adds_none(bench: Any) -> None:
    header = HEADER.removeprefix("event_id,")
    bench.deliver("a.csv", f"{header}\n{ROW}\n{ROW}\n{ROW}\n")
    bench.ingest()
    assert bench.counts() == [(3, 3, 0, 0)]
    bench.deliver("b.csv", f"{header}\n{ROW}\n{ROW}\n{ROW}\n{ROW}\n2026-05-04T11:00:00,u1,search,use\n")
    bench.ingest()
    assert bench.counts() == [(3, 3, 0, 0), (5, 2, 3, 0)]
    assert len(set(bench.events())) == 5


def test_different_rows_never_share_a_derived_event_id(bench: Any) -> None:
    header = "event_time,user_id,feature,event_type,note,other"
    bench.deliver("a.csv", f"{header}\n{ROW},a\x1fb,\n")
    bench.deliver("b.csv", f"{header}\n{ROW},a,b\n")
    bench.deliver("c.csv", f"{header}\n{ROW},\x1e,b\n")
    bench.deliver("d.csv", f"{header}\n{ROW},,b\n")
    bench.ingest()
    assert len(bench.events()) == 4


def test_a_mix_of_rows_with_and_without_event_id_keeps_them_all(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\n,{ROW}\n,{ROW}\ne1,{ROW}\ne1,{ROW}\n")
    bench.ingest()
    assert bench.counts() == [(4, 3, 1, 0)]


@st.composite
def deliveries_of_distinct_events(draw: st.DrawFn) -> list[list[list[int]]]:
    """Return rounds of files of event numbers: each event somewhere, some of them repeatedly, in any order."""
    events = draw(st.lists(st.integers(0, 11), min_size=1, max_size=12))
    files = draw(st.lists(st.lists(st.sampled_from(events), min_size=1, max_size=8), min_size=1, max_size=4))
    cut = draw(st.integers(0, len(files)))
    return [files[:cut], files[cut:], draw(st.permutations(files))]


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(rounds=deliveries_of_distinct_events(), formats=st.lists(st.sampled_from(["csv", "jsonl"]), min_size=12))
def test_any_split_and_any_order_of_delivery_give_the_same_events(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[list[int]]], formats: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("lake")
    lake = Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files")
    product = Product(name="split", sources=(Source(name="app", files=(f"{folder}/in/*",)),))
    (folder / "in").mkdir()
    number = 0
    try:
        for files in rounds:
            for events in files:
                number += 1
                form = formats[number % len(formats)]
                records = [
                    {"event_id": f"e{event}", "event_time": f"2026-05-{event + 1:02d}T10:00:00", "user_id": f"u{event}",
                     "feature": "search", "event_type": "use"}
                    for event in events
                ]  # fmt: skip
                frame = pl.DataFrame(records)
                path = folder / "in" / f"{number}.{form}"
                frame.write_csv(path) if form == "csv" else frame.write_ndjson(path)
            ingested(lake, product, deliveries(product, folder), now=NOW)  # type: ignore[arg-type]
        wanted = {f"e{event}" for files in rounds for events in files for event in events}
        found = lake.frame("SELECT event_id, user_id FROM telemetry.events").rows()
        assert sorted(found) == sorted((event, event.replace("e", "u")) for event in wanted)
        unequal = "SELECT 1 FROM telemetry.batches WHERE rows_in <> accepted + duplicates + rejected"
        assert lake.frame(unequal).is_empty()
    finally:
        lake.close()


PROGRAM = """
import sys
from datetime import datetime
from pathlib import Path
from intelligence.product import Product, Source
from resources.delivery import deliveries
from resources.ingest import ingested
from resources.lake import Lake
folder = sys.argv[1]
product = Product(name="test", sources=(Source(name="app", files=(f"{folder}/in/*",)),))
lake = Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files")
files = deliveries(product, Path(folder))
print("ready", flush=True)
sys.stdin.readline()
ingested(lake, product, files, now=datetime(2026, 7, 1))
"""


def test_two_processes_with_the_same_files_count_each_event_once(bench: Any) -> None:
    for number in range(6):
        header = HEADER if number % 2 else HEADER.removeprefix("event_id,")
        rows = [f"{f'e{number}-{row},' if number % 2 else ''}2026-05-{row % 28 + 1:02d},u{row},f{number},use"
                for row in range(300)]  # fmt: skip
        bench.deliver(f"{number}.csv", "\n".join([header, *rows]))
    command = [sys.executable, "-c", PROGRAM, str(bench.folder.parent)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(command, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        _, errors = worker.communicate(timeout=60)
        assert worker.returncode == 0, errors
    bench.assert_conserved()
    assert bench.counts() == [(300, 300, 0, 0)] * 6
    assert len(set(bench.events())) == 1800


# Forms of files


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
           "it's", "a.b", "select", "__v", "", "{x}", "$latest", "batch_id", "is_duplicate"]  # fmt: skip
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


# Files that cannot be read as their source declares


REFUSED = [
    ("a.csv", b"", "empty"),
    ("a.csv.gz", b"", "empty"),
    ("a.jsonl", b"", "empty"),
    ("a.csv", b"\n\n", "no column names"),
    ("a.csv", b"\xff\xfee\x00v\x00", "no column names"),
    ("a.csv", b'"never closed' + b"x" * 300_000, "no column names"),
    ("a.csv", f"{HEADER},feature\n".encode(), "feature more than once"),
    ("a.csv", f"{HEADER},Feature\n".encode(), "more than once"),
    ("a.csv", f"{HEADER}\ne1,{ROW}\r\ne2,{ROW}\n".encode(), "lines end in different ways"),
    ("a.csv", HEADER.replace("user_id", "uid").encode(), "`user_id`"),
    ("a.jsonl", b"<html>not found</html>\n", "not a JSON object"),
    ("a.jsonl", b'[{"event_id": 1}]\n', "not a JSON object"),
    ("a.parquet", b"PAR1 this is no Parquet PAR1", "cannot be read"),
    ("a.xlsx", b"PK", "suffix"),
    ("a.csv", f"{HEADER}\n".encode() + f'e1,{ROW},"open\n'.encode() + f"e2,{ROW}\n".encode() * 1000, "quote"),
    ("a.csv", f"{HEADER}\n".encode() + f"e1,{ROW},1,2\n".encode() * 10, "too many columns"),
]


def test_each_file_that_its_source_does_not_describe_is_refused_and_the_others_go_on(bench: Any) -> None:
    told = {}
    for number, (content, (name, problem)) in enumerate({each[1]: (each[0], each[2]) for each in REFUSED}.items()):
        told[str(bench.deliver(f"{number:02}-{name}", content))] = problem
    bench.deliver("00-good.csv", f"{HEADER}\ne1,{ROW}\n")
    line = dict(zip(HEADER.split(","), ["e2", *ROW.split(",")], strict=True))
    bench.deliver("99-good.jsonl", json.dumps(line))
    report = bench.ingest()
    assert {name: told[name] in error.problem for name, error in report.refused} == dict.fromkeys(told, True)
    for name, error in report.refused:
        assert error.culprit == name
        assert error.hint
    assert bench.events() == [("e1",), ("e2",)]
    assert bench.counts() == [(1, 1, 0, 0)] * 2


@pytest.mark.parametrize("place", range(len(REFUSED)))
def test_a_refused_file_alone_writes_nothing(shared: Any, place: int) -> None:
    name, content, problem = REFUSED[place]
    path = shared.deliver(name, content)
    try:
        assert problem in refusal(shared.ingest()).problem
        assert_untouched(shared)
    finally:
        path.unlink()


@pytest.mark.parametrize("cut", [0.5, 0.99])
@pytest.mark.parametrize("suffix", ["csv.gz", "jsonl.gz"])
def test_a_gzip_that_was_cut_off_is_refused_whole(bench: Any, suffix: str, cut: float) -> None:
    line = json.dumps(dict(zip(HEADER.split(","), ["e1", *ROW.split(",")], strict=True)))
    rows = f"{HEADER}\n" + f"e1,{ROW}\n" * 5_000 if suffix == "csv.gz" else f"{line}\n" * 5_000
    whole = gzip.compress(rows.encode())
    (bench.folder).mkdir()
    (bench.folder / f"a.{suffix}").write_bytes(whole[: int(len(whole) * cut)])
    assert "end" in refusal(bench.ingest()).problem
    assert_untouched(bench)


def test_a_damaged_gzip_is_refused(bench: Any) -> None:
    whole = bytearray(gzip.compress(f"{HEADER}\ne1,{ROW}\n".encode()))
    whole[-6] ^= 0xFF
    bench.folder.mkdir()
    (bench.folder / "a.csv.gz").write_bytes(whole)
    refusal(bench.ingest())
    assert_untouched(bench)


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ({"user_id": "usr"}, "`usr`"),
        ({"user_id": "no such column"}, "no such column"),
        ({"latency_ms": "nowhere * 2"}, "nowhere"),
        ({"latency_ms": "CAST(feature AS DOUBLE)"}, "expression"),
        ({"event_time": "strptime(feature, '%Y')"}, "expression"),
        ({"latency_ms": "latency_ms +"}, "`latency_ms`"),
        ({"latency_ms": "latency_ms * 60000"}, "TRY_CAST"),
        ({"event_time": "17"}, "`event_time`"),
        ({"latency_ms": "[1, 2]"}, "`latency_ms`"),
    ],
)
def test_a_mapping_that_does_not_fit_stops_the_file_before_anything_is_written(
    shared: Any, mapping: dict[str, str], told: str
) -> None:
    shared.declare(mapping=mapping)
    path = shared.deliver("a.csv", f"{HEADER},latency_ms\ne1,{ROW},1\n")
    try:
        assert told in str(refusal(shared.ingest()))
        assert_untouched(shared)
    finally:
        path.unlink()
        shared.declare()


def test_the_nearest_column_is_offered(bench: Any) -> None:
    bench.declare(mapping={"user_id": "usr_id"})
    bench.deliver("a.csv", f"{HEADER}\ne1,{ROW}\n")
    assert "`user_id`" in refusal(bench.ingest()).hint


def test_a_column_none_of_whose_values_has_its_type_stops_the_file(bench: Any) -> None:
    bench.declare(mapping={"latency_ms": "feature"})
    bench.deliver("a.csv", f"{HEADER}\n" + "".join(f"e{row},{ROW}\n" for row in range(10)))
    bench.deliver(
        "b.parquet", pl.DataFrame({"event_time": [5], "user_id": ["u"], "feature": ["f"], "event_type": ["x"]})
    )
    report = bench.ingest()
    assert ["`latency_ms`" in error.problem or "`event_time`" in error.problem for _, error in report.refused] == [
        True
    ] * 2
    assert "to_timestamp" in report.refused[1][1].hint
    assert_untouched(bench)


def test_what_matches_the_glob_and_is_no_file_is_passed_over(bench: Any) -> None:
    (bench.folder / "folder.csv").mkdir(parents=True)
    (bench.folder / "gone.csv").symlink_to(bench.folder / "nowhere.csv")
    bench.deliver("a.csv", f"{HEADER}\ne1,{ROW}\n")
    assert bench.ingest().refused == []
    assert bench.events() == [("e1",)]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_file_that_vanishes_before_it_is_read_is_refused(bench: Any, name: str) -> None:
    frame = pl.DataFrame(
        {name: [value] for name, value in zip(HEADER.split(","), ["e1", *ROW.split(",")], strict=True)}
    )
    gone = bench.deliver("gone-" + name, frame if name.endswith("parquet") else f"{HEADER}\ne1,{ROW}\n")
    bench.deliver("stays.csv", f"{HEADER}\ne2,{ROW}\n")
    files = deliveries(bench.product, bench.folder)
    gone.unlink()
    report = ingested(bench.lake, bench.product, files, now=NOW)
    assert "No such file" in refusal(report).problem
    assert bench.events() == [("e2",)]


def test_a_file_that_cannot_be_opened_is_refused_and_the_others_go_on(bench: Any, monkeypatch: Any) -> None:
    locked = bench.deliver("locked.csv", f"{HEADER}\ne1,{ROW}\n")
    bench.deliver("open.csv", f"{HEADER}\ne2,{ROW}\n")
    if os.geteuid() == 0:  # no permission stops root
        opened = Path.open

        def refused(path: Path, *args: Any, **rest: Any) -> Any:
            if path == locked:
                raise PermissionError(13, "Permission denied", str(path))
            return opened(path, *args, **rest)

        monkeypatch.setattr(Path, "open", refused)
    else:
        locked.chmod(0)
    assert "Permission denied" in refusal(bench.ingest()).problem
    assert bench.events() == [("e2",)]


def test_a_file_whose_name_is_no_text_is_refused_and_the_others_go_on(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\ne1,{ROW}\n")
    with open(os.fsencode(bench.folder) + b"/\xff.csv", "wb") as file:
        file.write(f"{HEADER}\ne2,{ROW}\n".encode())
    assert "\\xff.csv" in refusal(bench.ingest()).culprit
    assert bench.events() == [("e1",)]
