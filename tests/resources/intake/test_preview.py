"""What `intelligence check` finds in a source is said in plain words, quickly, and leaves nothing behind."""

import gzip
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from intelligence.catalog.product import Simulate
from resources.intake.preview import ROWS_LOOKED_AT, previewed_sources

HEADER = "event_time,user_id,feature,event_type,latency_ms"
ROW = "2026-05-04T10:00:00,u1,search,use"


def previewed(bench: Any) -> Any:
    (found,) = previewed_sources(bench.product)
    return found


def test_a_good_source_is_good(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\n{ROW},1\n{ROW},2\n")
    bench.deliver("b.csv.gz", f"{HEADER}\n{ROW},3\n")
    before = bench.snapshot()
    found = previewed(bench)
    assert (found.is_wrong, found.rejections) == (False, ())
    assert found.found.startswith("2 file(s); of 3 rows looked at in ")
    assert found.found.endswith("b.csv.gz, 3 are events")
    assert (bench.snapshot(), bench.counts()) == (before, [])


def test_rows_that_would_be_rejected_are_told_with_an_example(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\n{ROW},1\n{ROW},slow\n{ROW},-3\n{ROW},late\n")
    found = previewed(bench)
    assert not found.is_wrong
    assert found.rejections[0][:2] == ("latency_ms is not a DOUBLE", 2)
    assert ("latency_ms is outside 0 to 6.048e+08", 1, "-3") in found.rejections


def test_columns_that_nothing_is_made_from_are_known_and_asked_about_where_a_name_is_near(bench: Any) -> None:
    header = "event_time,user_id,feature,event_type,took,errorCount,Rating,note,sessionid"
    bench.deliver("a.csv", f"{header}\n{ROW},1,0,5,x,s1\n")
    bench.declare(mapping={"latency_ms": "TRY_CAST(took AS DOUBLE)"})
    found = previewed(bench)
    assert found.unmapped == ("errorCount", "note", "sessionid")
    assert found.warnings == (
        "Its column `errorCount` is not mapped; if it is `error_count`, write `error_count: errorCount` in the mapping.",
        "Its column `sessionid` is not mapped; if it is `session_id`, write `session_id: sessionid` in the mapping.",
    )


@pytest.mark.parametrize("rows", [f"{ROW},1\n", ""])
def test_a_required_column_mapped_to_null_is_told(bench: Any, rows: str) -> None:
    bench.deliver("a.csv", f"{HEADER}\n{rows}")
    bench.declare(mapping={"event_type": "NULL"})
    assert "no column gives `event_type`" in previewed(bench).problem


def test_a_source_without_files_says_so(bench: Any) -> None:
    found = previewed(bench)
    assert found.is_wrong
    assert "no file matches" in found.found


def test_a_glob_beside_others_that_matches_no_file_is_a_warning(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\n{ROW},1\n")
    bench.declare(files=[f"{bench.folder}/*.csv", f"{bench.folder}/*.parquet"])
    found = previewed(bench)
    assert (found.is_wrong, found.warnings) == (False, (f"No file matches {bench.folder}/*.parquet.",))


@pytest.mark.parametrize("days_ahead", [-3, 0, 400])
def test_a_simulation_that_reaches_into_the_future_is_a_warning(bench: Any, days_ahead: int) -> None:
    today = datetime.now(UTC).date()
    bench.declare(files=(), simulate=Simulate(days=5, first_day=today + timedelta(days=days_ahead)))
    found = previewed(bench)
    assert not found.is_wrong
    assert f"Write `first_day: {today - timedelta(days=5)}` or earlier" in found.warnings[0]
    bench.declare(files=(), simulate=Simulate(days=5, first_day=today - timedelta(days=5)))
    assert previewed(bench).warnings == ()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", HEADER.replace("user_id", "usr") + f"\n{ROW},1\n", "`user_id`"),
        ("a.csv", "", "empty"),
        ("a.jsonl", "<html>", "not a JSON object"),
        ("a.parquet", "PAR1", "cannot be read"),
        ("a.dat", "x", "suffix"),
    ],
)
def test_a_broken_source_is_reported_with_culprit_and_next_step(
    bench: Any, name: str, content: str, problem: str
) -> None:
    bench.deliver(name, content)
    found = previewed(bench)
    assert found.is_wrong
    assert problem in found.problem
    assert f"{bench.folder}/{name}" in found.problem


def test_a_gzip_that_was_cut_off_is_told(bench: Any) -> None:
    whole = gzip.compress("\n".join([HEADER, *(f"{ROW},{number}" for number in range(5_000))]).encode())
    bench.folder.mkdir()
    (bench.folder / "a.csv.gz").write_bytes(whole[:-100])
    assert "end" in previewed(bench).problem


READERS = {
    "csv": (pl.DataFrame.write_csv, pl.read_csv),
    "csv.gz": (
        lambda frame, path: path.write_bytes(gzip.compress(frame.write_csv().encode(), 1)),
        lambda path: gzip.decompress(path.read_bytes()),
    ),
    "jsonl": (pl.DataFrame.write_ndjson, pl.read_ndjson),
    "parquet": (lambda frame, path: frame.write_parquet(path, row_group_size=12_000), pl.read_parquet),
}


@pytest.mark.parametrize("suffix", READERS)
def test_only_the_first_rows_of_a_big_file_are_looked_at(bench: Any, suffix: str) -> None:
    """What follows the first rows could not be read without being reported."""
    frame = pl.select(
        event_time=pl.lit("2026-05-04T10:00:00"), user_id=pl.format("u{}", pl.int_range(30_000)), feature=pl.lit("search"),
        event_type=pl.lit("use"), properties=pl.lit('{"note":\n"two lines"}'),
    )  # fmt: skip
    bench.folder.mkdir()
    path = bench.folder / f"a.{suffix}"
    write, read = READERS[suffix]
    write(frame, path)
    content = bytearray(path.read_bytes())
    broken, middle = b"<,,,,,,,,>\n" * 200, len(content) * 3 // 5
    content[middle : middle + len(broken)] = broken
    path.write_bytes(content)
    with pytest.raises((zlib.error, EOFError, OSError, pl.exceptions.PolarsError)):
        read(path)
    found = previewed(bench)
    assert (found.is_wrong, found.rejections) == (False, ())
    rows_looked_at = int(found.found.split("; of ")[1].split(" rows")[0].replace(",", ""))
    assert ROWS_LOOKED_AT // 2 <= rows_looked_at <= ROWS_LOOKED_AT + 1
