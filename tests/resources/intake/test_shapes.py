"""Files are read in the forms that exports have, by their content; others are refused with a hint on what to deliver instead."""

import gzip
import json
from datetime import datetime
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from resources.intake.preview import previewed_sources
from tests.resources.intake.delivered_rows import HEADER, ROW

ROWS = [dict(zip(HEADER.split(","), [f"e{number}", *ROW.split(",")], strict=True)) for number in range(3)]
CSV = "\n".join([HEADER, *(",".join(row.values()) for row in ROWS)]) + "\n"
TSV = CSV.replace(",", "\t")
LINES = "\n".join(map(json.dumps, ROWS))
ARRAY, PRETTY = json.dumps(ROWS), json.dumps(ROWS, indent=2)
OBJECTS = "\n".join(json.dumps(row, indent=1) for row in ROWS)


def _packed(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packed:
        packed.write(data)
    return bytes(sink.getvalue())


SHAPES: dict[str, bytes] = {
    "lines.json": LINES.encode(),
    "array.json": ARRAY.encode(),
    "pretty.json": PRETTY.encode(),
    "objects.json": OBJECTS.encode(),
    "bom.json": b"\xef\xbb\xbf" + ARRAY.encode(),
    "lines.json.gz": gzip.compress(LINES.encode()),
    "array.json.gz": gzip.compress(ARRAY.encode()),
    "array.jsonl": f"{ARRAY}\n".encode(),
    "plain.csv.gz": f"{CSV}\n".encode(),
    "packed.csv": gzip.compress(CSV.encode()),
    "plain.json.gz": f"{LINES}\n".encode(),
    "a.tsv": TSV.encode(),
    "a.txt": CSV.encode(),
    "a.tsv.gz": gzip.compress(TSV.encode()),
    "a.csv.zst": _packed(CSV.encode()),
    "array.json.zst": _packed(ARRAY.encode()),
    "utf16.csv": CSV.encode("utf-16"),
    "utf16be.csv": b"\xfe\xff" + CSV.encode("utf-16-be"),
    "utf16.jsonl": LINES.encode("utf-16"),
    "utf16.csv.gz": gzip.compress(CSV.encode("utf-16")),
    "bom.csv": b"\xef\xbb\xbf" + CSV.encode(),
}


@pytest.mark.proof
def test_every_shape_of_the_same_rows_gives_the_same_rows(bench: Any) -> None:
    bench.folder.mkdir()
    for name, content in SHAPES.items():
        (bench.folder / name).write_bytes(content)
    assert bench.ingest().refused == []
    found = bench.rows("SELECT parse_filename(source_file), list(event_id ORDER BY source_row), list(source_row ORDER BY source_row)"
                       " FROM telemetry.raw_events GROUP BY ALL")  # fmt: skip
    assert {name: (ids, rows) for name, ids, rows in found} == dict.fromkeys(SHAPES, (["e0", "e1", "e2"], [1, 2, 3]))
    sizes = dict(bench.rows("SELECT parse_filename(source_file), bytes FROM telemetry.batches"))
    assert sizes == {name: len(content) for name, content in SHAPES.items()}


def test_a_look_at_a_shape_is_a_look_at_what_is_read(bench: Any) -> None:
    bench.folder.mkdir()
    for name in ("a.json", "b.csv.zst"):
        (bench.folder / name).write_bytes(PRETTY.encode() if name == "a.json" else _packed(CSV.encode()))
    (found,) = previewed_sources(bench.product)
    assert (found.problem, found.warnings) == (None, ())
    assert "of 6 rows" in found.found


def test_what_folders_say_is_mapped_like_a_column(bench: Any) -> None:
    bench.declare(mapping={"event_time": "day || 'T' || clock", "region": "lower(Zone)", "app_version": "version"})
    row = {"clock": "10:15:00", "user_id": "u", "feature": "search", "event_type": "use"}
    text = ",".join(row) + "\n" + ",".join(row.values()) + "\n"
    bench.deliver("day=2026-05-04/zone=EU/version=1/platform=ios/a.csv", text)
    bench.deliver("day=2026-05-05/zone=US%2FCA/version=2/platform=web/a.csv", text)
    bench.deliver("day=2026-05-06/zone=EU/version=3/b.jsonl", json.dumps(row) + '\n{"clock": "never"}')
    bench.deliver("day=2026-05-07/zone=EU/version=__HIVE_DEFAULT_PARTITION__/c.parquet", pl.DataFrame(row))
    assert bench.ingest().refused == []
    assert bench.rows("SELECT event_time, region, app_version, platform FROM telemetry.events ORDER BY 1") == [
        (datetime(2026, 5, 4, 10, 15), "eu", "1", "ios"),
        (datetime(2026, 5, 5, 10, 15), "us/ca", "2", "web"),
        (datetime(2026, 5, 6, 10, 15), "eu", "3", None),
        (datetime(2026, 5, 7, 10, 15), "eu", None, None),
    ]
    bench.declare(mapping={"event_time": "day", "user_id": "'u'", "feature": "'s'", "event_type": "'t'"})
    assert bench.redrive().accepted == 1
    assert bench.rows("SELECT event_time FROM telemetry.events WHERE feature = 's'") == [(datetime(2026, 5, 6),)]


def test_a_column_of_the_file_goes_before_its_folder(bench: Any) -> None:
    row = {**ROWS[0], "Platform": "web"}
    bench.deliver("platform=ios/a.csv", ",".join(row) + "\n" + ",".join(row.values()) + "\n")
    bench.deliver("platform=ios/b.csv", CSV.replace("e0", "f0"))
    assert bench.ingest().refused == []
    assert bench.rows("SELECT event_id, platform FROM telemetry.events WHERE event_id IN ('e0', 'f0') ORDER BY 1") == [
        ("e0", "web"),
        ("f0", "ios"),
    ]


def test_columns_may_stand_in_any_order_and_case_with_others_between(bench: Any) -> None:
    bench.declare(mapping={"session_id": "VISIT"})
    bench.deliver("a.csv", f"{HEADER},Latency_MS\ne1,{ROW},120\n")
    bench.deliver("b.csv", f"extra,LATENCY_MS,visit,{HEADER}\nx,130,s1,e2,{ROW}\n".replace("user_id", "User_Id"))
    bench.deliver("c.jsonl", json.dumps({**ROWS[0], "event_id": "e3", "Latency_Ms": 140}))
    bench.deliver("d.parquet", pl.DataFrame({**ROWS[0], "event_id": "e4", "latency_MS": 150, "Visit": "s2"}))
    report = bench.ingest()
    assert [name.rsplit("/", 1)[-1] for name, _ in report.refused] == ["a.csv"]
    assert bench.events("event_id, latency_ms, session_id") == [
        ("e2", 130.0, "s1"), ("e3", 140.0, None), ("e4", 150.0, "s2"),
    ]  # fmt: skip
