"""A corrected file takes the place of the former one: what that said is taken back, as if it had never been said."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intelligence.catalog.layers import DAILY_TABLES, DELIVERED
from intelligence.catalog.product import Product, Source, product_from
from intelligence.core.tables import Days, standard_claims
from intelligence.telemetry.contract import CONTRACT_COLUMNS
from intelligence.telemetry.replacing import names_moved
from intelligence.telemetry.tables import WITHDRAWN_ROWS
from resources.config.faults import WITHDRAWAL_FAULT_POINTS
from resources.intake import settling
from resources.intake.arrivals import arrivals
from resources.intake.delivery import deliveries
from resources.intake.ingest import IngestReport, ingested
from resources.intake.preview import previewed_product
from resources.lake.door import Lake
from tests.resources.conftest import Workbench
from tests.resources.intake.delivered_rows import HEADER, NOW

ROOT = Path(__file__).resolve().parents[3]
FIRST = date(2026, 5, 4)
EVENTS = next(table for table in DAILY_TABLES if table.path == "telemetry.events")
# A file: rows of (id, day, user); a user of "" is rejected, an id of "" is derived from the row.
File = Sequence[tuple[str, int, str]]
Round = Mapping[str, File]


def text(rows: File) -> str:
    lines = [f"{id_},{FIRST + timedelta(days=day)}T10:00:00,{user},search,use" for id_, day, user in rows]
    return "\n".join([HEADER, *lines, ""])


class InMemory(Lake):
    """A lake whose tables lie in plain DuckDB, where an intake takes a tenth of the time; it knows no snapshots."""

    def exists(self) -> bool:
        return True

    def snapshot_id(self) -> int:
        return hash(str([self.frame(f"FROM {table.path} ORDER BY ALL").rows() for table in DELIVERED]))

    def _attach(self, root: duckdb.DuckDBPyConnection, *, remote: bool) -> None:
        assert not remote
        root.execute("ATTACH ':memory:' AS lake")


class Bench:
    """A workbench whose source replaces, unless it is configured otherwise."""

    def __init__(self, bench: Workbench, **source: Any) -> None:
        self.bench, self.lake = bench, bench.lake
        self.declare(**source)

    def declare(self, **source: Any) -> None:
        self.bench.declare(**{"replaces": True, **source})

    def take(self, files: Round) -> IngestReport:
        """Write the files and take them in."""
        for name, rows in files.items():
            self.bench.deliver(name, text(rows))
        return self.take_what_lies()

    def take_what_lies(self) -> IngestReport:
        product, folder = self.bench.product, self.bench.folder
        return ingested(self.lake, product, deliveries(product, folder), now=NOW)

    def told(self) -> tuple[Any, ...]:
        """Return what the lake says now, once it is seen to be sound and that a second run changes nothing."""
        before = self.bench.snapshot()
        self.bench.ingest()
        assert self.bench.snapshot() == before, "a second run changed something"
        assert self.unsound() == []
        return self.counts()

    def unsound(self) -> list[str]:
        claims = standard_claims(WITHDRAWN_ROWS)
        everything = Days(FIRST - timedelta(days=9), FIRST + timedelta(days=99)).parameters
        broken = [
            claim.name
            for claim in claims
            if not self.lake.frame(
                claim.contradictions, everything if "$start" in claim.contradictions else {}
            ).is_empty()
        ]
        return [*broken, *map(str, self.lake.frame(UNLIKE_THE_LEDGER).rows())]

    def forget(self) -> None:
        tables = ("raw_events", "rejected_events", "batches", "withdrawn_rows")
        self.lake.commit(lambda c: [c.execute(f"DELETE FROM telemetry.{table}") for table in tables])
        for path in self.bench.folder.rglob("*.*"):
            path.unlink()

    def counts(self) -> tuple[Any, ...]:
        """Return what the lake says now: events, quarantine and totals, without where and when they came from."""
        totals = "SELECT sum(accepted)::INT, sum(duplicates)::INT, sum(conflicts)::INT, sum(rejected)::INT FROM telemetry.batches"
        columns = ", ".join(name for name in CONTRACT_COLUMNS)
        return (
            self.bench.rows(f"SELECT {columns} FROM telemetry.events ORDER BY ALL"),
            self.bench.rows("SELECT column_name, reason, value, payload, redriven_in IS NULL FROM telemetry.rejected_events ORDER BY ALL"),
            self.bench.rows(f"{totals} WHERE withdrawn_at IS NULL"),
        )  # fmt: skip

    def users(self) -> list[tuple[Any, ...]]:
        return self.bench.events("event_id, user_id")


UNLIKE_THE_LEDGER = """
SELECT batch_id, days, held, conflicts, contradicting FROM telemetry.batches LEFT JOIN (
    SELECT batch_id, list(DISTINCT event_date ORDER BY event_date) FILTER (NOT is_duplicate) AS held,
           count(*) FILTER (is_conflict) AS contradicting
    FROM telemetry.raw_events GROUP BY batch_id
) USING (batch_id) WHERE days <> coalesce(held, []) OR conflicts <> coalesce(contradicting, 0)"""


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("replacing")
    lake = InMemory(catalog=f"sqlite:{folder}/none.sqlite", store=f"{folder}/files")
    yield Bench(Workbench(folder / "in", lake, Product(name="test", sources=(Source(name="app", files=("none",)),))))
    lake.close()


@pytest.fixture
def fresh(lasting: Bench) -> Bench:
    lasting.forget()
    lasting.declare()
    return lasting


A, B, C = [("1", 0, "u"), ("2", 1, "u")], [("1", 0, "v"), ("3", 2, "u")], [("1", 1, "w"), ("", 4, "u")]
ROUNDS: dict[str, list[Round]] = {
    "a correction": [{"a.csv": A}, {"a.csv": B}],
    "there and back": [{"a.csv": A}, {"a.csv": B}, {"a.csv": A}],
    "no row any more": [{"a.csv": A}, {"a.csv": []}],
    "more rows of the same": [{"a.csv": A}, {"a.csv": [*A, *B]}],
    "rows of equal content": [{"a.csv": [("", 0, "u")] * 3}, {"a.csv": [("", 0, "u")] * 2}],
    "rows that a former one displaced come back": [{"a.csv": A}, {"b.csv": C}, {"a.csv": [("9", 9, "u")]}],
    "rows of the day before": [{"a.csv": [("1", 0, "u")]}, {"b.csv": [("1", 1, "v")]}, {"a.csv": [("1", 3, "u")]}],
    "a chain loses its middle": [
        {"a.csv": [("1", 0, "u"), ("1", 2, "u"), ("1", 4, "u")]}, {"b.csv": [("1", 1, "v"), ("1", 3, "v")]}, {"b.csv": []}
    ],
    "rejected rows are mended": [{"a.csv": [("1", 0, ""), ("2", 0, "u")]}, {"a.csv": [("1", 0, "u"), ("2", 0, "u")]}],
    "rejected rows come": [{"a.csv": A}, {"a.csv": [("1", 0, ""), ("4", 0, "")]}],
    "one content under two names, one corrected": [{"a.csv": A, "b.csv": A}, {"a.csv": B}],
    "one content under two names, both corrected": [{"a.csv": A, "b.csv": A}, {"a.csv": B, "b.csv": C}],
    "one content under two names, one after the other": [{"a.csv": A}, {"b.csv": A}, {"a.csv": B}, {"b.csv": C}],
    "names that change places": [{"a.csv": A, "b.csv": B}, {"a.csv": B, "b.csv": A}],
    "names that go round": [{"a.csv": A, "b.csv": B}, {"a.csv": B, "b.csv": C}],
    "a name takes what another one says": [{"a.csv": A, "b.csv": B}, {"a.csv": B}],
    "names that meet and part": [{"a.csv": A, "b.csv": B}, {"a.csv": B}, {"b.csv": A}, {"a.csv": C}],
    "folders of the same name of file": [{"x/a.csv": A, "y/a.csv": B}, {"y/a.csv": C}],
    "many at once": [{"a.csv": A, "b.csv": B, "c.csv": C}, {"a.csv": B[:1], "b.csv": C[:1], "c.csv": A[:1]}],
}  # fmt: skip


@pytest.mark.parametrize("rounds", ROUNDS.values(), ids=ROUNDS.keys())
def test_the_end_is_that_of_a_lake_that_saw_the_last_versions_only(fresh: Bench, rounds: list[Round]) -> None:
    for files in rounds:
        fresh.take(files)
    found = fresh.told()
    fresh.forget()
    fresh.take({name: rows for files in rounds for name, rows in files.items()})
    assert found == fresh.counts()


A_ROW = st.tuples(st.sampled_from(["1", "2", ""]), st.integers(0, 4), st.sampled_from(["u", "v", ""]))
A_ROUND = st.dictionaries(st.sampled_from(["a.csv", "b.csv", "c.csv"]), st.lists(A_ROW, max_size=4), max_size=3)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(rounds=st.lists(A_ROUND, min_size=2, max_size=4))
def test_any_order_and_cut_of_corrections_ends_where_the_last_versions_do(lasting: Bench, rounds: list[Round]) -> None:
    lasting.declare()
    lasting.forget()
    for files in rounds:
        lasting.take(files)
    found = lasting.told()
    lasting.forget()
    lasting.take({name: rows for files in rounds for name, rows in files.items()})
    assert found == lasting.counts()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(steps=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("XYZ")), max_size=12))
def test_the_ledger_of_names_is_what_each_name_said_last(steps: list[tuple[str, str]]) -> None:
    held: dict[str, tuple[str, ...]] = {}
    for number, (name, content) in enumerate(steps):
        batch = next((batch for batch in held if batch[0] == content), f"{content}{number}")
        moved = names_moved(list(held.items()), {name: batch})
        held |= moved.names
        assert {gone for gone, _, _ in moved.withdrawn} == {each for each, names in held.items() if not names}
        assert {by for _, _, by in moved.withdrawn} <= set(held)
        held = {each: names for each, names in held.items() if names}
    last = dict(steps)
    assert {name: batch[0] for batch, names in held.items() for name in names} == last
    assert sorted(batch[0] for batch in held) == sorted(set(last.values()))


def test_the_former_is_kept_for_tracing_and_the_ledger_says_what_replaced_it_and_when(fresh: Bench) -> None:
    fresh.take({"a.csv": [("1", 0, "u"), ("2", 3, ""), ("1", 0, "u")]})
    report = fresh.take({"a.csv": B})
    (said,) = report.replaced.said
    assert said.endswith(
        "a.csv came with other content: 3 rows of the former were taken back, with events of 2026-05-04."
    )
    assert report.changes == [said]
    former, new = fresh.lake.frame("FROM telemetry.batches ORDER BY rowid").rows(named=True)
    assert (former["withdrawn"], former["withdrawn_by"], former["withdrawn_days"]) == (3, new["batch_id"], [FIRST])
    assert former["withdrawn_at"] == new["ingested_at"]
    assert (former["rows_in"], former["accepted"], former["duplicates"], former["rejected"]) == (3, 0, 0, 0)
    assert (new["withdrawn"], new["withdrawn_at"]) == (None, None)
    archived = fresh.bench.rows(
        "SELECT source_row, event_id, user_id, is_duplicate, is_rejected, reason, payload IS NOT NULL, withdrawn_by = batch_id"
        " FROM telemetry.withdrawn_rows ORDER BY source_row"
    )
    assert archived == [
        (1, "1", "u", False, False, None, False, False),
        (2, None, None, None, True, "user_id is missing", True, False),
        (3, "1", "u", True, False, None, False, False),
    ]


@pytest.mark.proof
def test_exactly_the_days_of_the_former_of_the_new_and_of_what_came_back_are_stale(bench: Workbench) -> None:
    fresh = Bench(bench)

    def stale() -> list[date]:
        ranges = fresh.lake.stale(before=date(2026, 7, 1)).get(EVENTS.path, [])
        days = [day.start + timedelta(days=n) for day in ranges for n in range((day.end - day.start).days)]
        fresh.lake.counted(EVENTS, Days(FIRST, FIRST + timedelta(days=30)))
        return [(day - FIRST).days for day in days]

    others = [(f"of {day}", day, "u") for day in range(12)]
    fresh.take({"b.csv": [*others, ("x", 6, "late")]})
    fresh.take({"a.csv": [("p", 2, "u"), ("x", 5, "u"), ("of 9", 9, "u")]})
    stale()
    fresh.take({"a.csv": [("p", 2, "v"), ("q", 8, "u"), ("of 10", 10, "u")]})
    assert stale() == [2, 5, 6, 8]
    fresh.take({"a.csv": [("p", 2, "w")]})
    assert stale() == [2, 8]
    # Rows that repeat those of others change no day, taken in or back; content that the lake had once changes its days again.
    fresh.take({"c.csv": others[:3]})
    fresh.take({"c.csv": others[4:5]})
    assert stale() == []
    fresh.take({"a.csv": [("p", 2, "u"), ("x", 5, "u"), ("of 9", 9, "u")]})
    assert stale() == [2, 5, 6]
    fresh.take({"a.csv": others[:1]})
    assert stale() == [2, 5, 6]


def test_days_are_stale_where_no_new_content_comes(bench: Workbench) -> None:
    """A name takes what another one says: nothing is taken in, and yet days lose events, or get others back."""
    fresh = Bench(bench)
    others = [(f"of {day}", day, "u") for day in range(8)]
    fresh.take({"b.csv": others, "a.csv": [("x", 2, "u")], "c.csv": [("x", 3, "v"), ("y", 3, "v")]})
    for _ in range(2):
        fresh.lake.counted(EVENTS, Days(FIRST, FIRST + timedelta(days=30)))
        fresh.take({"a.csv": others})
        day = FIRST + timedelta(days=2)
        assert fresh.lake.stale(before=date(2026, 7, 1))[EVENTS.path] == [Days(day, day + timedelta(days=2))]
        fresh.lake.counted(EVENTS, Days(FIRST, FIRST + timedelta(days=30)))
        fresh.take({"a.csv": [("x", 2, "u")]})
        assert fresh.lake.stale(before=date(2026, 7, 1))[EVENTS.path] == [Days(day, day + timedelta(days=2))]


def test_what_a_day_was_folded_into_is_forgotten_and_a_first_day_that_goes_leaves_the_tables(bench: Workbench) -> None:
    fresh = Bench(bench)
    fresh.take({"a.csv": [("1", 0, "u")], "b.csv": [("2", 3, "u")]})
    day = {"day": FIRST}
    fresh.lake.counted(EVENTS, Days(FIRST, FIRST + timedelta(days=9)))
    fresh.lake.commit(lambda c: c.execute("INSERT INTO warehouse.dim_users (user_id) VALUES ('u')"))
    fresh.lake.commit(
        lambda c: c.execute("INSERT INTO metrics.kpi_day (event_date, segment) VALUES ($day, 'all')", day)
    )
    fresh.take({"a.csv": [("1", 4, "u")]})
    assert fresh.bench.rows("FROM warehouse.dim_users") == []
    assert fresh.bench.rows("FROM metrics.kpi_day") == []
    assert fresh.lake.span() == Days(FIRST + timedelta(days=3), FIRST + timedelta(days=5))


def test_a_broken_correction_takes_nothing_back(fresh: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.take({"a.csv": A})
    for broken in ("", "no,header,of\nours,1,2\n", HEADER.replace("user_id", "somebody") + "\n1,2026-05-04,u,s,use\n"):
        fresh.bench.deliver("a.csv", broken)
        report = fresh.take_what_lies()
        assert len(report.refused) == 1
        assert report.replaced.said == []
        assert fresh.users() == [("1", "u"), ("2", "u")]
    monkeypatch.setattr(settling, "SETTLED_S", 60)
    fresh.bench.deliver("a.csv", text(B), settled=False)
    assert fresh.take_what_lies().left
    assert fresh.users() == [("1", "u"), ("2", "u")]


def test_a_file_that_is_gone_stays_and_so_does_its_former_name(fresh: Bench) -> None:
    fresh.take({"a.csv": A})
    (fresh.bench.folder / "a.csv").unlink()
    fresh.take_what_lies()
    assert fresh.users() == [("1", "u"), ("2", "u")]
    fresh.take({"a.csv": B})
    assert fresh.users() == [("1", "v"), ("3", "u")]


def test_rows_accepted_from_quarantine_go_with_their_file(fresh: Bench) -> None:
    fresh.take({"a.csv": [("1", 0, ""), ("2", 0, "u")]})
    fresh.declare(mapping={"user_id": "coalesce(user_id, 'somebody')"})
    assert fresh.bench.redrive().accepted == 1
    assert fresh.users() == [("1", "somebody"), ("2", "u")]
    fresh.take({"a.csv": [("3", 0, "u")]})
    assert fresh.users() == [("3", "u")]
    assert fresh.bench.rows("FROM telemetry.rejected_events") == []
    fresh.take({"a.csv": [("1", 0, ""), ("2", 0, "u")]})
    assert fresh.users() == [("1", "somebody"), ("2", "u")]
    # What comes back is read by the mapping of now, and its quarantine is a new one.
    fresh.declare()
    fresh.take({"a.csv": []})
    fresh.take({"a.csv": [("1", 0, ""), ("2", 0, "u")]})
    assert fresh.users() == [("2", "u")]
    fresh.declare(mapping={"user_id": "coalesce(user_id, 'anybody')"})
    assert fresh.bench.redrive().accepted == 1
    assert fresh.users() == [("1", "anybody"), ("2", "u")]


def test_without_the_setting_both_count_and_it_is_said_and_with_it_the_former_goes(fresh: Bench) -> None:
    fresh.declare(replaces=False)

    def looked_at() -> list[str]:
        return previewed_product(fresh.bench.product, [], fresh.lake).warnings

    assert fresh.take({"a.csv": A}).changes == []
    assert looked_at() == []
    fresh.bench.deliver("a.csv", text(B))
    (said,) = looked_at()
    assert "a.csv has other content than was taken in; `ingest` counts it beside the former." in said
    report = fresh.take_what_lies()
    (said,) = report.changes
    assert "a.csv came with other content than before, and what it said first counts beside it." in said
    assert "write `replaces: true` in the source" in said
    assert looked_at() == [said]
    assert len(fresh.users()) == 3
    assert fresh.take_what_lies().changes == []
    fresh.declare()
    assert len(arrivals(fresh.lake, fresh.bench.product, fresh.bench.folder).names) == 1
    assert len(fresh.take_what_lies().replaced.withdrawn) == 1
    assert fresh.users() == [("1", "v"), ("3", "u")]
    assert looked_at() == []
    assert arrivals(fresh.lake, fresh.bench.product, fresh.bench.folder).names == []
    fresh.bench.deliver("a.csv", text(A))
    (said,) = looked_at()
    assert said.endswith("a.csv has other content than was taken in; `ingest` takes the former back.")


def test_with_the_setting_the_content_that_lies_there_counts_whichever_came_last(fresh: Bench) -> None:
    fresh.declare(replaces=False)
    for rows in (A, B, A):
        fresh.take({"a.csv": rows})
    fresh.take({"gone.csv": [("8", 8, "u")]})
    fresh.take({"gone.csv": [("9", 9, "u")]})
    (fresh.bench.folder / "gone.csv").unlink()
    fresh.declare()
    fresh.take_what_lies()
    # Of a file that is gone, the content that came last.
    assert fresh.users() == [("1", "u"), ("2", "u"), ("9", "u")]


def test_a_lake_of_the_former_version_replaces_too(bench: Workbench) -> None:
    former = Bench(bench, replaces=False)
    former.take({"a.csv": A, "b.csv": C})
    for column in ("names", "withdrawn", "withdrawn_at", "withdrawn_by", "withdrawn_days"):
        bench.lake.commit(lambda c, column=column: c.execute(f"ALTER TABLE telemetry.batches DROP COLUMN {column}"))
    bench.lake.commit(lambda c: c.execute("DROP TABLE telemetry.withdrawn_rows"))
    bench.lake.close()
    former.declare()
    former.take({"a.csv": B})
    assert former.users()[0] == ("1", "v")
    assert [row for row in former.users() if row[1] == "w"] == []


def test_each_source_has_names_of_its_own_and_shared_ids_are_decided_anew(fresh: Bench) -> None:
    folder = fresh.bench.folder
    web, gateway = (
        Source(name=name, files=(f"{folder}/{name}/*",), replaces=name == "web", ids_with=link)
        for name, link in (("web", None), ("gateway", "web"))
    )
    fresh.bench.product = fresh.bench.product.model_copy(update={"sources": (web, gateway)})
    fresh.take({"web/a.csv": A, "gateway/a.csv": [("1", 0, "z"), ("5", 5, "z")]})
    assert len([user for id_, user in fresh.users() if id_ == "1"]) == 1
    fresh.take({"web/a.csv": [("7", 7, "u")]})
    assert fresh.users() == [("1", "z"), ("5", "z"), ("7", "u")]
    report = fresh.take({"gateway/a.csv": [("6", 6, "z")]})
    assert report.replaced.withdrawn == ()
    assert list(report.replaced.known) == ["gateway"]
    assert fresh.users() == [("1", "z"), ("5", "z"), ("6", "z"), ("7", "u")]
    # Bytes of the one source that are taken back, while the other one has them, come back under a number of their own.
    fresh.take({"gateway/b.csv": [("7", 7, "u")]})
    fresh.take({"web/a.csv": []})
    fresh.take({"web/a.csv": [("7", 7, "u")]})
    assert len(fresh.bench.rows("SELECT DISTINCT batch_id FROM telemetry.raw_events WHERE event_id = '7'")) == 2


def test_folders_whose_values_are_columns_replace_apart_from_each_other(fresh: Bench) -> None:
    fresh.declare(mapping={"event_time": "day || 'T' || clock"})
    header = HEADER.replace("event_time", "clock")
    for day in (4, 5):
        fresh.bench.deliver(f"day=2026-05-0{day}/a.csv", f"{header}\n1,10:00:00,u,search,use\n")
    fresh.take_what_lies()
    fresh.bench.deliver("day=2026-05-05/a.csv", f"{header}\n2,10:00:00,u,search,use\n")
    fresh.take_what_lies()
    assert fresh.bench.events("event_id, event_date") == [("1", FIRST), ("2", FIRST + timedelta(days=1))]


FORMS = {
    "jsonl": lambda rows: "".join(json.dumps(row) + "\n" for row in rows),
    "csv.gz": lambda rows: pl.DataFrame(rows).write_csv(),
    "parquet": pl.DataFrame,
}


@pytest.mark.parametrize("form", FORMS)
def test_files_of_any_form_replace(fresh: Bench, form: str) -> None:
    row = {
        "event_id": "1",
        "event_time": "2026-05-04T10:00:00",
        "user_id": "u",
        "feature": "search",
        "event_type": "use",
    }
    for user in "uvu":
        fresh.bench.deliver(f"a.{form}", FORMS[form]([{**row, "user_id": user}]))
        fresh.take_what_lies()
        assert fresh.users() == [("1", user)]


def test_a_day_set_aside_by_the_former_is_forgotten(fresh: Bench) -> None:
    usual = [(f"{day}-{n}", day, f"u{n}") for day in range(9) for n in range(9)]
    fresh.take({"usual.csv": usual, "a.csv": [("old", -9_000, "u")]})
    assert len(fresh.lake.set_aside()) == 1
    fresh.take({"a.csv": [("new", 3, "u")]})
    assert fresh.lake.set_aside() == []


def test_the_setting_is_off_by_default() -> None:
    assert not product_from("name: P\nsources: [{name: web, files: x}]").sources[0].replaces
    assert product_from("name: P\nsources: [{name: web, files: x, replaces: true}]").sources[0].replaces


TAKE = """
import sys
from datetime import datetime
from pathlib import Path
from intelligence.catalog.product import Product, Source
from resources.intake.delivery import deliveries
from resources.intake.ingest import ingested
from resources.lake.door import Lake
folder = sys.argv[1]
product = Product(name="test", sources=(Source(name="app", files=(f"{folder}/in/**/*",), replaces=True),))
lake = Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files")
ingested(lake, product, deliveries(product, Path(folder)), now=datetime(2026, 7, 1, 12))
"""
POINTS = (*WITHDRAWAL_FAULT_POINTS, "ingest.ledger_written", "ingest.committed")


@pytest.mark.proof
def test_a_kill_at_any_point_leaves_the_former_whole_or_the_new_one(bench: Workbench) -> None:
    own = Bench(bench)
    own.take({"a.csv": A, "b.csv": C})
    former = own.counts()
    bench.deliver("a.csv", text(B))
    for point in POINTS:
        bench.lake.close()
        environment = {**os.environ, "INTELLIGENCE_KILL_AT": point, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", TAKE, str(bench.folder.parent)], env=environment, capture_output=True, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        if point != "ingest.committed":
            assert own.counts() == former, point
            assert bench.rows("FROM telemetry.withdrawn_rows") == []
    own.take_what_lies()
    found = own.told()
    own.forget()
    own.take({"a.csv": B, "b.csv": C})
    assert own.told() == found
