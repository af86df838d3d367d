"""Files that somebody still writes are left, wherever they are looked at, and taken whole when they are whole."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from resources.intake import ingest, settling
from resources.intake.arrivals import arrivals, let_settle
from resources.intake.delivery import deliveries
from resources.intake.ingest import ingested
from tests.resources.intake.delivered_rows import HEADER, NOW, ROW

TEXT = f"{HEADER}\ne1,{ROW}\ne2,{ROW}"


@pytest.fixture(autouse=True)
def settling_takes_a_minute(monkeypatch: pytest.MonkeyPatch, settled_at_once: None) -> None:
    monkeypatch.setattr(settling, "SETTLED_S", 60.0)


def aged(path: Path, seconds: float) -> Path:
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def test_a_half_written_file_is_left_by_the_sensor_and_by_every_intake_and_taken_when_it_is_whole(bench: Any) -> None:
    aged(bench.deliver("done.csv", f"{HEADER}\ne0,{ROW}\n"), 90)
    growing = bench.deliver("growing.csv", f"{HEADER}\ne5,2026-05-04T10:00:00,user-1", settled=False)
    waiting = arrivals(bench.lake, bench.product, bench.folder)
    report = bench.ingest()
    assert (
        [Path(name).name for name in waiting.names]
        == ["done.csv"]
        == [Path(b.source_file).name for b in report.batches]
    )
    assert [(Path(name).name, why) for name, why in report.left] == [("growing.csv", "it is still being written")]
    growing.write_text(f"{HEADER}\ne5,2026-05-04T10:00:00,user-1005,search,use\ne6,{ROW}")
    aged(growing, 90)
    assert bench.ingest().left == []
    # The last line has no end, but nobody writes any more.
    assert bench.events("event_id, user_id") == [("e0", "u1"), ("e5", "user-1005"), ("e6", "u1")]


UNFINISHED = ("a.csv.tmp", "a.csv.part", "a.csv.crdownload", "a.csv~", "a.csv.filepart", "a.csv.partial", ".a.csv.Xy12",
              "a.csv.TMP", "#a.csv#", "a.csv.swp", "a.csv.gz.inprogress", "~$a.csv", "a.download")  # fmt: skip


def test_a_name_of_an_unfinished_file_is_left_and_its_own_name_is_taken(bench: Any) -> None:
    bench.declare(files=[f"{bench.folder}/*", f"{bench.folder}/.*"])
    for number, name in enumerate(UNFINISHED):
        aged(bench.deliver(name, f"{HEADER}\ne{number},{ROW}\n"), 90)
    report = bench.ingest()
    assert (report.batches, report.refused, {Path(name).name for name, _ in report.left}) == ([], [], set(UNFINISHED))
    (bench.folder / "a.csv.part").rename(bench.folder / "a.csv")
    assert [Path(batch.source_file).name for batch in bench.ingest().batches] == ["a.csv"]


def test_a_time_in_the_future_is_judged_by_when_the_file_came_to_its_place(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    aged(bench.deliver("a.csv", TEXT), -3_600)
    assert [why for _, why in bench.ingest().left] == ["it is still being written"]
    monkeypatch.setattr(settling, "SETTLED_S", 0.0)
    assert len(bench.ingest().batches) == 1


def longer(path: Path) -> None:
    path.write_text(f"{TEXT}\ne3,{ROW}\n")


def shorter(path: Path) -> None:
    path.write_text(f"{HEADER}\ne1,{ROW}")


def another(path: Path) -> None:
    other = path.with_name(".other")
    other.write_text(TEXT.replace("u1", "u2"))
    other.replace(path)


def linked_elsewhere(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    elsewhere.write_text(TEXT.replace("e1", "e7"))
    path.unlink()
    path.symlink_to(elsewhere)


def as_long_at_the_same_time(path: Path) -> None:
    state = path.stat()
    path.write_text(TEXT.replace("u1", "u2"))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


CHANGES = (longer, shorter, another, linked_elsewhere, as_long_at_the_same_time)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_of_a_file_that_changes_while_it_is_read_nothing_is_written(
    bench: Any, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    path = aged(bench.deliver("a.csv", TEXT), 90)
    aged(bench.deliver("b.csv", f"{HEADER}\ne9,{ROW}\n"), 90)
    validate_files = ingest.validate_files

    def validate_and_be_written_to(*arguments: Any, **named: Any) -> Any:
        columns = validate_files(*arguments, **named)
        monkeypatch.setattr(ingest, "validate_files", validate_files)
        change(path)
        return columns

    monkeypatch.setattr(ingest, "validate_files", validate_and_be_written_to)
    report = ingested(bench.lake, bench.product, deliveries(bench.product, bench.folder), now=NOW)
    assert ([Path(name).name for name, _ in report.left], report.refused) == (["a.csv"], [])
    assert bench.events() == [("e9",)]


def test_a_file_that_vanishes_is_refused_and_the_others_are_read(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = aged(bench.deliver("a.csv", TEXT), 90)
    aged(bench.deliver("b.csv", f"{HEADER}\ne9,{ROW}\n"), 90)
    found = deliveries(bench.product, bench.folder)
    path.unlink()
    report = ingested(bench.lake, bench.product, found, now=NOW)
    ((name, error),) = report.refused
    assert (Path(name).name, report.left) == ("a.csv", [])
    assert "Deliver the file again; nothing of it was written." in str(error)
    assert bench.events() == [("e9",)]


def test_a_person_waits_once_for_what_was_written_just_now(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "SETTLED_S", 0.4)
    said: list[str] = []
    bench.deliver("a.csv", TEXT, settled=False)
    bench.deliver("b.csv.part", TEXT)
    let_settle(bench.product, say=said.append)
    assert [line.split("/")[-1] for line in said] == [
        "a.csv was written just now; waiting until nobody writes any more."
    ]
    assert len(bench.ingest().batches) == 1
    let_settle(bench.product, say=said.append)
    assert len(said) == 1
