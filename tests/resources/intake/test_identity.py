"""One id, one event: in whatever order and split rows arrive, the same rows count, and the reason is recorded for the others."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intelligence.catalog.layers import DAILY_TABLES, TABLES, VIEWS
from intelligence.catalog.product import Product, Source, product_from
from intelligence.core.errors import ProductFileError
from intelligence.core.tables import Days
from intelligence.telemetry.contract import CONTRACT_COLUMNS
from intelligence.telemetry.tables import BATCHES, EVENTS, RAW_EVENTS
from resources.intake.delivery import deliveries
from resources.intake.identity import settle, write_events
from resources.intake.ingest import ingested
from resources.intake.redrive import redriven
from resources.lake.builds import DAY_BUILDS
from tests.lakes import lake_in
from tests.resources.conftest import Workbench, workbench
from tests.resources.intake.delivered_rows import HEADER, NOW, ROW

FIRST = date(2026, 5, 4)


@dataclass(frozen=True, order=True)
class Row:
    """A row of a source; one that is `broken` is rejected until the mapping is mended."""

    source: str
    id: str
    day: int
    hour: int
    user: str
    broken: bool = False

    @property
    def at(self) -> datetime:
        return datetime(2026, 5, 4, self.hour) + timedelta(days=self.day)

    @property
    def line(self) -> str:
        latency = "17 ms" if self.broken else "17"
        return json.dumps({"event_id": self.id, "event_time": f"{self.at}", "user_id": self.user, "feature": "search",
                           "event_type": "use", "latency_ms": latency})  # fmt: skip


def days_in_a_row(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield the rows of one id in groups whose days follow each other."""
    group: list[Row] = []
    for row in sorted(rows, key=lambda row: row.at):
        if group and row.day - group[-1].day > 1:
            yield group
            group = []
        group.append(row)
    yield group


def expected(rows: Sequence[Row], *, shared: bool) -> tuple[list[tuple[str, datetime]], int, int]:
    """Return what the rule of decision 2 says, worked out id by id: the events, and how many rows repeat or contradict one."""
    events, duplicates, conflicts = [], 0, 0
    for key in {(None if shared else row.source, row.id) for row in rows}:
        same = [row for row in rows if (None if shared else row.source, row.id) == key]
        for group in days_in_a_row(same):
            first = min(row.at for row in group)
            users = {row.user for row in group if row.at == first}
            alike = [sum((row.at, row.user) == (first, user) for row in group) for user in users]
            events.append((key[1], first))
            duplicates += len(group) - 1
            # Which of several contents at the first moment counts is for a digest to say.
            conflicts += (len(group) - alike[0]) if len(users) == 1 else len(group)
    return sorted(events), duplicates, conflicts


class InMemory:
    """The tables of a lake in plain DuckDB, where an intake takes milliseconds."""

    def __init__(self) -> None:
        self.connection = duckdb.connect(config={"threads": 1})
        for layer in dict.fromkeys(table.layer for table in (*TABLES, DAY_BUILDS)):
            self.connection.execute(f"CREATE SCHEMA {layer}")
        for table in (*TABLES, DAY_BUILDS):
            if not table.is_view:
                columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
                self.connection.execute(f"CREATE TABLE {table.path} ({columns})")
        self.connection.execute(f"CREATE VIEW telemetry.events AS {VIEWS['telemetry.events']}")
        fields = ", ".join(
            f"{column.name} {column.type}" for column in EVENTS.columns if column.name in CONTRACT_COLUMNS
        )
        self.connection.execute(
            f"CREATE TEMP TABLE identified ({fields}, event_date DATE, file_key INT, source_row BIGINT, content_id TEXT)"
        )
        self.connection.execute(
            "CREATE TEMP TABLE deliveries (file_key INT, batch_id TEXT, source_file TEXT, delivery_number INT)"
        )
        self.number = 0

    def take(self, source: str, files: Sequence[Sequence[Row]], *, scope: Sequence[str]) -> None:
        """Do what an intake does with rows that are read and validated: files of one source in one transaction."""
        self.connection.execute("DELETE FROM identified")
        self.connection.execute("DELETE FROM deliveries")
        for key, rows in enumerate(files):
            self.number += 1
            self.connection.execute("INSERT INTO deliveries VALUES ($1, $2, $2, $1)", [key, f"batch {self.number}"])
            values = ", ".join(f"('{row.id}', TIMESTAMP '{row.at}', '{row.user}', {n})" for n, row in enumerate(rows))
            if values:
                self.connection.execute(
                    "INSERT INTO identified BY NAME SELECT *, event_time::DATE AS event_date, 'search' AS feature,"
                    f" 'use' AS event_type, {key} AS file_key"
                    f" FROM (VALUES {values}) AS rows (event_id, event_time, user_id, source_row)"
                )
        write_events(self.connection, {"source": source, "ingested_at": NOW}, scope)
        self.connection.execute(
            "INSERT INTO telemetry.batches BY NAME SELECT batch_id, $source AS source, source_file, coalesce(accepted, 0) AS accepted,"
            " coalesce(duplicates, 0) AS duplicates, coalesce(conflicts, 0) AS conflicts, coalesce(days, []) AS days, 0 AS rejected,"
            " coalesce(accepted, 0) + coalesce(duplicates, 0) AS rows_in FROM deliveries LEFT JOIN stored USING (batch_id)",
            {"source": source},
        )
        settle(self.connection)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def events(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT event_id, event_time, user_id FROM telemetry.events ORDER BY ALL")

    def counted(self) -> tuple[Any, ...]:
        return self.rows("SELECT sum(accepted)::INT, sum(duplicates)::INT, sum(conflicts)::INT FROM telemetry.batches")[
            0
        ]

    def empty(self) -> None:
        for table in ("raw_events", "batches"):
            self.connection.execute(f"DELETE FROM telemetry.{table}")

    def assert_sound(self) -> None:
        for claim in (claim for claim in (*BATCHES.claims, *EVENTS.claims[:1]) if claim.blocking):
            asked = Days(FIRST, FIRST + timedelta(days=40)).parameters if "$start" in claim.contradictions else {}
            assert self.connection.execute(claim.contradictions, asked).fetchall() == [], claim.name
        assert self.rows(UNLIKE_THE_LEDGER) == []


UNLIKE_THE_LEDGER = """
SELECT batch_id, days, held, conflicts, contradicting FROM telemetry.batches LEFT JOIN (
    SELECT batch_id, list(DISTINCT event_date ORDER BY event_date) FILTER (NOT is_duplicate) AS held,
           count(*) FILTER (is_conflict) AS contradicting
    FROM telemetry.raw_events GROUP BY batch_id
) USING (batch_id) WHERE days <> coalesce(held, []) OR conflicts <> coalesce(contradicting, 0)"""


class Two:
    """A lake that is fed by two sources."""

    def __init__(self, folder: Path, *, shared: bool) -> None:
        self.folder = folder
        self.lake = lake_in(folder)
        web = Source(name="web", files=(f"{folder}/in/web/*",))
        backend = Source(name="backend", files=(f"{folder}/in/backend/*",), ids_with="web" if shared else None)
        self.product = Product(name="two", sources=(web, backend))
        self.number = 0

    def deliver(self, files: Sequence[Sequence[Row]]) -> None:
        for rows in files:
            for source in ("web", "backend"):
                lines = [row.line for row in rows if row.source == source]
                if lines:
                    self.number += 1
                    path = self.folder / "in" / source / f"{self.number}.jsonl"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    # Files are known by their bytes, so that each has a line of its own that is no row.
                    path.write_text("\n".join([*lines, " " * self.number]))
        ingested(self.lake, self.product, deliveries(self.product, self.folder), now=NOW)

    def mend(self) -> None:
        mending = {"mapping": {"latency_ms": "replace(latency_ms, ' ms', '')"}}
        sources = tuple(source.model_copy(update=mending) for source in self.product.sources)
        self.product = self.product.model_copy(update={"sources": sources})
        redriven(self.lake, self.product, source=None, now=NOW)

    def events(self) -> list[tuple[Any, ...]]:
        columns = "event_id, event_time, user_id, latency_ms"
        return self.lake.frame(f"SELECT {columns} FROM telemetry.events ORDER BY ALL").rows()

    def counted(self) -> tuple[Any, ...]:
        totals = "sum(accepted)::INT, sum(duplicates)::INT, sum(conflicts)::INT"
        return self.lake.frame(f"SELECT {totals} FROM telemetry.batches").row(0)


@pytest.fixture(scope="module")
def memory() -> InMemory:
    return InMemory()


A_ROW = st.builds(
    Row,
    source=st.sampled_from(["web", "backend"]),
    id=st.sampled_from(["1", "2"]),
    day=st.integers(0, 5),
    hour=st.sampled_from([0, 23]),
    user=st.sampled_from(["u", "v"]),
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Row], list[list[list[list[Row]]]]]:
    """Return rows, and two ways to deliver them: rounds of files."""
    rows = draw(st.lists(A_ROW, min_size=2, max_size=12))
    ways = []
    for _ in range(2):
        left, rounds = draw(st.permutations(rows)), []
        while left:
            size = draw(st.integers(1, len(left)))
            part, left = left[:size], left[size:]
            cut = draw(st.integers(0, len(part)))
            rounds.append([part[:cut], part[cut:]])
        ways.append(rounds)
    return rows, ways


@pytest.mark.parametrize("shared", [False, True], ids=["ids of each source", "shared ids"])
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(history=histories())
def test_any_cut_and_any_order_of_the_same_rows_give_the_same_tables(
    memory: InMemory, shared: bool, history: tuple[list[Row], list[list[list[list[Row]]]]]
) -> None:
    rows, ways = history
    found = []
    for rounds in ways:
        memory.empty()
        for files in rounds:
            for source in ("web", "backend"):
                own = [[row for row in file if row.source == source] for file in files]
                if any(own):
                    memory.take(source, own, scope=("web", "backend") if shared else (source,))
        memory.assert_sound()
        found.append((memory.events(), memory.counted()))
    assert found[0] == found[1]
    events, duplicates, conflicts = expected(rows, shared=shared)
    assert sorted((id_, at) for id_, at, _ in found[0][0]) == events
    assert found[0][1][:2] == (len(events), duplicates)
    assert found[0][1][2] <= conflicts


CHAINS = {
    "three days in a row are one event": ([0, 1, 2], [0]),
    "a day between is two events": ([0, 2], [0, 2]),
    "a day that comes late joins two events": ([0, 2, 1], [0]),
    "backwards": ([2, 1, 0], [0]),
    "two chains": ([0, 1, 3, 4], [0, 3]),
    "two chains joined at last": ([0, 1, 3, 4, 2], [0]),
    "from the middle": ([1, 0, 2], [0]),
    "far apart": ([0, 5, 9], [0, 5, 9]),
    "a long chain, the ends first": ([0, 6, 3, 1, 5, 2, 4], [0]),
    "twice on one day": ([0, 0], [0]),
    "twice on the later day": ([1, 1, 0], [0]),
    "the earlier day last, next to a gap": ([3, 5, 2], [2, 5]),
}


@pytest.mark.parametrize("chain", CHAINS, ids=str)
def test_an_id_on_days_in_a_row_is_one_event_of_the_first_of_them(memory: InMemory, chain: str) -> None:
    delivered, kept = CHAINS[chain]
    memory.empty()
    for number, day in enumerate(delivered):
        memory.take("web", [[Row("web", "e", day, 10, f"u{number}")]], scope=["web"])
        memory.assert_sound()
    assert [at.date() for _, at, _ in memory.events()] == [FIRST + timedelta(days=day) for day in kept]
    assert memory.counted() == (len(kept), len(delivered) - len(kept), len(delivered) - len(kept))


def test_a_repeated_delivery_that_is_equal_changes_no_stored_row(bench: Any) -> None:
    bench.deliver("a.csv", f"{HEADER}\ne1,{ROW}\ne2,{ROW}\n")
    bench.ingest()
    kept = bench.rows("SELECT source_file, source_row FROM telemetry.events ORDER BY ALL")
    bench.deliver("0.csv", f"{HEADER}\ne2,{ROW}\ne1,{ROW}\ne1,{ROW}\n")
    report = bench.ingest()
    assert [(batch.accepted, batch.duplicates, batch.conflicts, batch.days) for batch in report.batches] == [
        (0, 3, 0, ())
    ]
    assert bench.rows("SELECT source_file, source_row FROM telemetry.events ORDER BY ALL") == kept
    assert bench.rows("SELECT changed_days FROM telemetry.batches WHERE changed_days IS NOT NULL") == []


OTHER_CONTENT = {
    "user": "2026-05-04T10:00:00,u2,search,use,,", "feature": "2026-05-04T10:00:00,u1,pay,use,,",
    "type": "2026-05-04T10:00:00,u1,search,view,,", "time": "2026-05-04T10:00:01,u1,search,use,,",
    "earlier-time": "2026-05-04T09:00:00,u1,search,use,,", "next-day": "2026-05-05T10:00:00,u1,search,use,,",
    "day-before": "2026-05-03T10:00:00,u1,search,use,,", "a-value-more": "2026-05-04T10:00:00,u1,search,use,7,",
    "platform": "2026-05-04T10:00:00,u1,search,use,,web", "all": "2026-05-04T23:00:00,u9,pay,view,1,ios",
}  # fmt: skip


def test_the_same_id_with_other_content_is_a_conflict_kept_told_and_found_again(bench: Any) -> None:
    header = f"{HEADER},latency_ms,platform"
    bench.deliver("a.csv", "\n".join([header, *(f"{id_},{ROW},," for id_ in OTHER_CONTENT), f"e,{ROW},,\n"]))
    bench.ingest()
    bench.deliver("b.csv", "\n".join([header, *(f"{id_},{row}" for id_, row in OTHER_CONTENT.items()), f"e,{ROW},,\n"]))
    bench.ingest()
    assert len(bench.events()) == 11
    assert bench.rows("SELECT sum(duplicates)::INT, sum(conflicts)::INT FROM telemetry.batches") == [(11, 10)]
    (claim,) = RAW_EVENTS.claims
    found = bench.lake.frame(
        claim.contradictions, Days(FIRST - timedelta(days=1), FIRST + timedelta(days=3)).parameters
    )
    assert {(row["event_id"], row["rows"]) for row in found.to_dicts()} == {(id_, 1) for id_ in OTHER_CONTENT}
    assert (claim.severity, claim.blocking) == ("WARN", False)


def test_ids_of_two_sources_are_two_events_each(tmp_path: Path) -> None:
    apart = Two(tmp_path, shared=False)
    same = [Row("web", id_, 0, 8, "w") for id_ in "12"], [Row("backend", id_, 0, 16, "b") for id_ in "12"]
    apart.deliver(same)
    assert [(id_, user) for id_, _, user, _ in apart.events()] == [("1", "w"), ("1", "b"), ("2", "w"), ("2", "b")]
    assert apart.counted() == (4, 0, 0)
    apart.lake.close()


def test_equal_bytes_of_two_sources_are_the_rows_of_both(tmp_path: Path) -> None:
    apart = Two(tmp_path, shared=False)
    for source in ("web", "backend"):
        path = tmp_path / "in" / source / "a.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text(Row("web", "1", 0, 8, "w").line)
    for _ in range(2):
        apart.deliver([])
        assert apart.counted() == (2, 0, 0)
        assert len(apart.lake.frame("SELECT DISTINCT batch_id FROM telemetry.raw_events")) == 2
    apart.lake.close()


def test_days_whose_events_change_are_stale_and_no_others(tmp_path: Path) -> None:
    one = Two(tmp_path, shared=False)
    table = next(table for table in DAILY_TABLES if table.path == "telemetry.events")
    one.deliver(
        [
            [Row("web", "1", day, 10, "u") for day in (1, 3)],
            [Row("web", f"of day {day}", day, 9, "u") for day in range(7)],
        ]
    )
    one.lake.counted(table, Days(FIRST, FIRST + timedelta(days=9)))
    assert one.lake.stale(before=date(2026, 6, 1)).get(table.path) is None
    # The second of May joins what stood on the first and the third: an event of the third day is none any more.
    one.deliver([[Row("web", "1", 2, 10, "u")]])
    day = FIRST + timedelta(days=3)
    assert one.lake.stale(before=date(2026, 6, 1))[table.path] == [Days(day, day + timedelta(days=1))]
    one.lake.counted(table, Days(FIRST, FIRST + timedelta(days=9)))
    one.deliver([[Row("web", "1", 2, 10, "u"), Row("web", "1", 1, 10, "u")]])
    assert one.lake.stale(before=date(2026, 6, 1)).get(table.path) is None
    one.lake.close()


def test_which_sources_share_ids_is_said_in_the_product_file() -> None:
    def product(*links: str) -> Product:
        sources = ", ".join(
            f"{{name: {link.split('>')[0]}, files: x, ids_with: {link.split('>')[1] or 'null'}}}" for link in links
        )
        return product_from(f"name: P\nsources: [{sources}]")

    chain = product("a>", "b>a", "c>b", "d>")
    assert [chain.sources_of_one_id(name) for name in "abcd"] == [*[("a", "b", "c")] * 3, ("d",)]
    assert product("a>b", "b>a").sources_of_one_id("a") == ("a", "b")
    for wrong in ("a", "webb"):
        with pytest.raises(ProductFileError, match="which is no other source"):
            product(f"a>{wrong}", "web>")


@pytest.fixture(scope="module")
def contentless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    yield from workbench(tmp_path_factory.mktemp("contentless"))


@pytest.mark.proof
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    files=st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=5), min_size=1, max_size=4),
    data=st.data(),
)
def test_of_equal_rows_without_id_as_many_count_as_one_file_holds(contentless: Any, files: Any, data: Any) -> None:
    """The order of files does not matter, nor what is delivered together; a file that is cut holds fewer equal rows."""
    most = sorted(letter for letter in "abc" for _ in range(max(file.count(letter) for file in files)))
    for order in (files, data.draw(st.permutations(files))):
        contentless.lake.commit(lambda c: [c.execute(f"DELETE FROM telemetry.{t}") for t in ("raw_events", "batches")])
        for path in contentless.folder.glob("*"):
            path.unlink()
        for number, file in enumerate(order):
            lines = [f"2026-05-04T10:00:00,{letter},search,use" for letter in file]
            contentless.deliver(f"{number}.csv", "\n".join([HEADER.removeprefix("event_id,"), *lines, ""]))
            if data.draw(st.booleans()) or number == len(order) - 1:
                contentless.ingest()
        assert contentless.rows("SELECT user_id FROM telemetry.events ORDER BY ALL") == [(each,) for each in most]
        assert contentless.rows("SELECT 1 FROM telemetry.raw_events WHERE is_conflict") == []
