"""Delivered events count once each, however often and in whatever cut they are delivered."""

import json
import subprocess
import sys
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intelligence.catalog.product import Product, Source
from resources.intake.delivery import deliveries
from resources.intake.ingest import ingested
from tests.lakes import lake_in
from tests.resources.intake.delivered_rows import HEADER, NOW, PROGRAM, ROW


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


@pytest.mark.proof
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(rounds=deliveries_of_distinct_events(), formats=st.lists(st.sampled_from(["csv", "jsonl"]), min_size=12))
def test_any_split_and_any_order_of_delivery_give_the_same_events(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[list[int]]], formats: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("lake")
    lake = lake_in(folder)
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


@pytest.mark.proof
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
