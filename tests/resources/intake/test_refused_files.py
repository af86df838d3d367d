"""What a source does not describe is refused with culprit and next step, and the others go on."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from resources.intake.delivery import deliveries
from resources.intake.ingest import ingested
from tests.resources.intake.delivered_rows import HEADER, NOW, ROW, assert_untouched, refusal

REFUSED = [
    ("a.csv", b"", "empty"),
    ("a.csv.gz", b"", "empty"),
    ("a.jsonl", b"", "empty"),
    ("a.csv", b"\n\n", "no column names"),
    ("a.csv", b"\xff\xfee\x00v", "first bytes say"),
    ("a.csv", b'"never closed' + b"x" * 300_000, "no column names"),
    ("a.csv", f"{HEADER},feature\n".encode(), "feature more than once"),
    ("a.csv", f"{HEADER},Feature\n".encode(), "more than once"),
    ("a.csv", f"{HEADER}\ne1,{ROW}\r\ne2,{ROW}\n".encode(), "lines end in different ways"),
    ("a.csv", HEADER.replace("user_id", "uid").encode(), "`user_id`"),
    ("a.jsonl", b"<html>not found</html>\n", "not a JSON object"),
    ("a.jsonl", b"[1, 2]\n", "not a JSON object"),
    ("a.json", b'[{"event_id": 1}, {"event_id": ', "cannot be read"),
    ("a.csv", b"PK\x03\x04sheet", "a workbook"),
    ("a.csv", b"PAR1 and so on PAR1", "against its suffix"),
    ("a.json", b"BZh91AY", "bzip2"),
    ("a.csv.zst", b"\x28\xb5\x2f\xfdbroken", "read to its end"),
    ("a.parquet", b"PAR1 this is no Parquet PAR1", "cannot be read"),
    ("a.xlsx", b"PK", "suffix"),
    ("a.csv", f"{HEADER}\n".encode() + f'e1,{ROW},"open\n'.encode() + f"e2,{ROW}\n".encode() * 1000, "quote"),
    ("a.csv", f"{HEADER}\n".encode() + f"e1,{ROW},1,2\n".encode() * 10, "too many columns"),
]


def test_each_file_that_its_source_does_not_describe_is_refused_and_the_others_go_on(bench: Any) -> None:
    expected = {}
    for number, (content, (name, problem)) in enumerate({each[1]: (each[0], each[2]) for each in REFUSED}.items()):
        expected[str(bench.deliver(f"{number:02}-{name}", content))] = problem
    bench.deliver("00-good.csv", f"{HEADER}\ne1,{ROW}\n")
    line = dict(zip(HEADER.split(","), ["e2", *ROW.split(",")], strict=True))
    bench.deliver("99-good.jsonl", json.dumps(line))
    report = bench.ingest()
    assert {name: expected[name] in error.problem for name, error in report.refused} == dict.fromkeys(expected, True)
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
    ("mapping", "problem"),
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
    shared: Any, mapping: dict[str, str], problem: str
) -> None:
    shared.declare(mapping=mapping)
    path = shared.deliver("a.csv", f"{HEADER},latency_ms\ne1,{ROW},1\n")
    try:
        assert problem in str(refusal(shared.ingest()))
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
