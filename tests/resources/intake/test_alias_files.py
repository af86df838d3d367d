"""Files of pairs say who is who: taken in like events, in whatever order and cut they come, whoever is killed meanwhile."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from intelligence.catalog.layers import DAILY_TABLES
from intelligence.catalog.product import AliasSource, product_from
from intelligence.catalog.summary import missing
from intelligence.core.errors import ProductFileError, SourceFileError
from intelligence.core.tables import Days
from intelligence.telemetry.aliases import persons
from resources.intake.aliases import write_pairs
from resources.intake.delivery import deliveries
from resources.intake.preview import previewed_product, previewed_sources
from resources.intake.product_file import product_at
from resources.intake.redrive import redriven
from resources.lake.door import Lake
from resources.lake.inspection import ROWS_OF_EVENTS
from tests.resources.conftest import NOW, Workbench
from tests.resources.intake.people import People, Visit
from tests.resources.intake.test_aliases import LATE, ZEROS
from tests.resources.intake.test_identity import FIRST

ROOT = Path(__file__).resolve().parents[3]
EVENTS = "event_id,event_time,feature,event_type,user_id\n"
USERS = "event_id, user_id"
PAIRS = "SELECT alias, user_id, rows_in_file FROM telemetry.aliases ORDER BY ALL"


@pytest.fixture
def two(bench: Workbench) -> Workbench:
    """A workbench with a source of events and one of pairs, whose files a wide glob of the events matches too."""
    return with_aliases(bench)


def with_aliases(bench: Workbench, **aliases: Any) -> Workbench:
    declared = AliasSource(**{"files": [f"{bench.folder}/who/**/*"], **aliases})
    bench.product = bench.product.model_copy(update={"aliases": (declared,)})
    return bench


def line(number: int, day: int, user: str) -> str:
    return f"{number},{FIRST + timedelta(days=day)}T10:00,search,use,{user}\n"


# Of a pair with this alias and this user: the pair that is kept, or why it is refused.
ONE_PAIR = {
    "plain": ("d1", "u1", ("d1", "u1")),
    "blanks at the ends": (" d2 ", "\u00a0u2", ("d2", "u2")),
    "signs that cannot be seen": ("d\u200b3", "u3\ufeff", ("d3", "u3")),
    "numbers of a data frame": ("4.0", "5.0", ("4", "5")),
    "an apostrophe": ("d'6", "o'hara", ("d'6", "o'hara")),
    "an address": ("d7", "ada+x@example.org", ("d7", "ada+x@example.org")),
    "decomposed letters": ("d8", "zoe\u0308", ("d8", "zo\u00eb")),
    "an id with itself": ("same", "same", ("same", "same")),
    "no alias": ("", "u9", "alias is missing"),
    "no user": ("d10", "", "user_id is missing"),
    "nothing": ("", " ", "alias is missing"),
    "an alias for all who are not tracked": (ZEROS, "u11", "alias is a placeholder and names nothing"),
    "the alias zero": ("0", "u12", "alias is a placeholder and names nothing"),
    "a word for no alias": ("undefined", "u13", "alias is a placeholder and names nothing"),
    "a word for nobody": ("d14", "null", "user_id is a placeholder and names nothing"),
    "the user zero": ("d15", "0", "user_id is a placeholder and names nothing"),
    "markup": ("<b>", "u16", "alias has characters that a name may not have"),
    "an id too long": ("d17", "u" * 257, "user_id is longer than 256 characters"),
    "a rounded alias": ("1.23457E+15", "u18", "alias is a rounded number that has lost digits"),
    "an object": ("d19", '{"id": 1}', "user_id is a JSON object or list"),
}


@pytest.mark.parametrize("format_", ["csv", "jsonl", "parquet"])
def test_a_pair_is_judged_by_the_rules_of_names(shared: Workbench, format_: str) -> None:
    rows = [{"case": case, "device": alias, "account": user} for case, (alias, user, _) in ONE_PAIR.items()]
    if format_ == "csv":
        content: Any = pl.DataFrame(rows).write_csv()
    elif format_ == "jsonl":
        content = "\n".join(json.dumps({name: value for name, value in row.items() if value}) for row in rows)
    else:
        content = pl.DataFrame(rows)
    with_aliases(shared, name=format_, mapping={"alias": "device", "user_id": "account"})
    shared.deliver(f"who/{format_}/a.{format_}", content)
    assert [refused for refused in shared.ingest().refused if format_ in refused[0]] == []
    kept = "SELECT alias, user_id FROM telemetry.aliases WHERE source = $source ORDER BY ALL"
    assert shared.lake.frame(kept, {"source": format_}).rows() == sorted(
        wanted for _, _, wanted in ONE_PAIR.values() if isinstance(wanted, tuple)
    )
    refused = "SELECT payload, reason, feature FROM telemetry.rejected_events WHERE source = $source"
    told = {
        json.loads(payload)["case"]: why for payload, why, _ in shared.lake.frame(refused, {"source": format_}).rows()
    }
    assert told == {case: wanted for case, (_, _, wanted) in ONE_PAIR.items() if isinstance(wanted, str)}


class WithPairs(People):
    """The same, with files of pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.connection.execute("CREATE TEMP TABLE judged (alias TEXT, user_id TEXT, broken INT, file_key INT)")

    def take_pairs(self, files: Sequence[Sequence[tuple[str, str]]]) -> None:
        """Do what an intake does with pairs that are read and validated."""
        self._begin(len(files))
        self.connection.execute("DELETE FROM judged")
        for key, pairs in enumerate(files):
            for alias, user in pairs:
                self.connection.execute("INSERT INTO judged VALUES ($1, $2, NULL, $3)", [alias, user, key])
        write_pairs(self.connection, {"source": "who", "ingested_at": NOW})
        self._end("who")


def histories() -> list[tuple[list[Visit], list[tuple[str, str]]]]:
    """Return rows of people who are anonymous at times, and pairs on them: shared, chained, in circles, said twice."""
    random, found = Random(27), []
    for _ in range(12):
        rows = []
        for number in range(random.randrange(3, 14)):
            device, user = random.choice(["d1", "d2", "d3", None]), random.choice(["ada", "ben", "d2", None])
            if device or user:
                rows.append(
                    Visit("web", f"e{number}", random.randrange(6), number, user or device or "", anonymous=device)
                )
        ids = ["d1", "d2", "d3", "d4", "ada", "ben", "cleo"]
        pairs = [(random.choice(ids), random.choice(ids)) for _ in range(random.randrange(1, 5))]
        found.append((rows, pairs))
    return found


@pytest.mark.proof
def test_any_order_and_any_cut_of_the_same_rows_and_pairs_gives_the_same_users() -> None:
    memory, random = WithPairs(), Random(7)
    for rows, pairs in histories():
        said = persons([*((row.anonymous, row.user) for row in rows if row.anonymous), *pairs])
        wanted = sorted((row.id, row.at, said.user_of.get(row.user, row.user)) for row in rows)
        for _ in range(2):
            memory.empty()
            # Some rows and pairs are delivered twice.
            whole: list[Any] = [*rows, *pairs]
            order = random.sample(whole, len(whole)) + random.sample(whole, len(whole) // 2)
            cuts = sorted({0, len(order), *(random.randrange(len(order) + 1) for _ in range(4))})
            for first, last in pairwise(cuts):
                part = order[first:last]
                memory.take("web", [[each for each in part if isinstance(each, Visit)]], scope=["web"])
                memory.take_pairs(
                    [[each for each in half if isinstance(each, tuple)] for half in (part[::2], part[1::2])]
                )
            memory.assert_sound()
            assert memory.events() == wanted


@pytest.mark.parametrize("case", LATE, ids=str)
def test_late_pairs_let_exactly_the_days_be_stale_that_they_touch(case: str) -> None:
    delivered, changed = LATE[case]
    memory = WithPairs()
    *earlier, (_, alias, user) = delivered
    for number, (day, device, known) in enumerate(earlier):
        memory.take("web", [[Visit("web", f"e{number}", day, 10, known or device, anonymous=device)]], scope=["web"])
    memory.take_pairs([[(alias, user)] * 2 if user else []])
    memory.assert_sound()
    newest = memory.rows(
        "SELECT days, changed_days FROM telemetry.batches ORDER BY CAST(batch_id[7:] AS INT) DESC LIMIT 1"
    )
    assert newest[0][0] == []
    assert [(day - FIRST).days for day in newest[0][1] or ()] == changed


def test_late_pairs_let_what_was_built_be_stale_on_the_days_that_they_touch(two: Workbench) -> None:
    two.deliver("a.csv", EVENTS + "".join(line(day, day, "d" if day in (1, 3) else "ben") for day in range(5)))
    two.ingest()
    daily = next(table for table in DAILY_TABLES if not table.is_view and table.day and not table.lookback_days)
    two.lake.replace(daily, Days(FIRST, FIRST + timedelta(days=5)), f"FROM {daily.path} WHERE $start < $end")
    before = date(2026, 7, 1)
    assert daily.path not in two.lake.stale(before=before)
    two.deliver("who/pairs.csv", "alias,user_id\nd,ada\nnobody,cleo\n")
    two.ingest()
    assert two.lake.stale(before=before)[daily.path] == [
        Days(FIRST + timedelta(days=day), FIRST + timedelta(days=day + 1)) for day in (1, 3)
    ]


def test_pairs_are_counted_like_rows_and_are_no_events(two: Workbench) -> None:
    two.deliver("a.csv", EVENTS + line(1, 0, "d") + line(2, 1, "ada"))
    two.deliver("who/1.csv", "alias,user_id,note\nd,ada,x\nd,ada,y\n,ben,z\nbroken\n")
    report = two.ingest()
    assert two.counts() == [(2, 2, 0, 0), (4, 1, 1, 2)]
    assert [batch.source for batch in report.batches] == ["aliases", "app"]
    assert report.days == (FIRST, FIRST + timedelta(days=1))
    assert two.events(USERS) == [("1", "ada"), ("2", "ada")]
    assert two.rows(PAIRS) == [("d", "ada", 2)]
    assert two.rows(ROWS_OF_EVENTS) == [(2,)]
    assert [reason for _, reason in two.rejected()] == ["alias is missing", "unreadable line: missing columns"]


def test_a_second_intake_and_the_same_pairs_again_change_nothing(two: Workbench) -> None:
    two.deliver("a.csv", EVENTS + line(1, 0, "d"))
    two.deliver("who/1.csv", "alias,user_id\nd,ada\n")
    two.ingest()
    before = two.snapshot()
    assert two.ingest().batches == []
    assert two.snapshot() == before
    two.deliver("who/2.csv", "user_id,alias\nada,d\nada,d\n")
    two.ingest()
    assert two.events(USERS) == [("1", "ada")]
    assert two.rows("SELECT changed_days FROM telemetry.batches") == [(None,)] * 3


def test_pairs_taken_from_quarantine_say_who_is_who(two: Workbench) -> None:
    two.deliver("a.csv", EVENTS + line(1, 2, "d") + line(2, 4, "e"))
    two.deliver("who/1.csv", "alias,user_id,account\nd,,ada\ne,ben,ben\n")
    two.ingest()
    assert two.events(USERS) == [("1", "d"), ("2", "ben")]
    with_aliases(two, mapping={"user_id": "account"})
    report = redriven(two.lake, two.product, source="aliases", now=NOW)
    assert (report.taken, report.accepted, report.still_rejected) == (1, 1, 0)
    two.assert_conserved()
    assert two.events(USERS) == [("1", "ada"), ("2", "ben")]
    newest = "SELECT of_aliases, changed_days FROM telemetry.batches WHERE starts_with(batch_id, 'redrive-')"
    assert two.rows(newest) == [(True, [FIRST + timedelta(days=2)])]
    with pytest.raises(SourceFileError, match="It has aliases, app"):
        redriven(two.lake, two.product, source="who", now=NOW)


def test_a_file_of_pairs_that_cannot_be_one_is_refused_and_the_others_go_on(two: Workbench) -> None:
    two.deliver("a.csv", EVENTS + line(1, 0, "d"))
    two.deliver("who/1.csv", "device,account\nd,ada\n")
    two.deliver("who/2.csv", "alias;user_id\nd;ada\n")
    two.deliver("who/3.csv.gz", "alias,user_id\nd,ada\n")
    two.deliver("who/4.csv.part", "alias,user_id\nd,ben\n")
    report = two.ingest()
    assert {Path(name).name for name, _ in report.refused} == {"1.csv", "2.csv"}
    assert "no column gives `alias`, `user_id`; it has `device`, `account`" in str(report.refused[0][1])
    assert "delimiter" in report.refused[1][1].hint
    assert [Path(name).name for name, _ in report.left] == ["4.csv.part"]
    assert two.events(USERS) == [("1", "ada")]


def test_folders_name_the_tenant_of_an_alias(two: Workbench) -> None:
    with_aliases(two, mapping={"alias": "tenant || ':' || device", "user_id": "account"})
    two.deliver("a.csv", EVENTS + line(1, 0, "north:d") + line(2, 0, "south:d"))
    for tenant in ("north", "south"):
        two.deliver(f"who/tenant={tenant}/a.csv", "device,account\nd,ada\n")
    two.ingest()
    assert two.rows(PAIRS) == [("north:d", "ada", 1), ("south:d", "ada", 1)]
    assert two.events(USERS) == [("1", "ada"), ("2", "ada")]


def test_pairs_stay_when_the_product_names_their_source_no_more(two: Workbench) -> None:
    two.deliver("a.csv", EVENTS + line(1, 0, "d"))
    pairs = two.deliver("who/1.csv", "alias,user_id\nd,ada\n")
    two.ingest()
    two.product = two.product.model_copy(update={"aliases": ()})
    pairs.unlink()
    two.deliver("b.csv", EVENTS + line(2, 1, "d"))
    two.ingest()
    assert two.events(USERS) == [("1", "ada"), ("2", "ada")]


INGEST = """
import sys
from pathlib import Path
from resources.intake.delivery import deliveries
from resources.intake.ingest import ingested
from resources.lake.door import Lake
from resources.intake.product_file import product_at
from tests.resources.conftest import NOW

folder = Path(sys.argv[1])
lake = Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files")
product = product_at(folder / "product.yaml")
ingested(lake, product, deliveries(product, folder), now=NOW)
"""
PRODUCT = """
name: Shop
sources: [{name: app, files: "in/*.csv"}]
aliases: {files: "who/*.csv"}
"""


def state(lake: Lake) -> list[Any]:
    return [
        lake.frame("SELECT event_id, user_id, delivered_user_id FROM telemetry.raw_events ORDER BY ALL").rows(),
        lake.frame(PAIRS).rows(),
        lake.frame(
            "SELECT source, rows_in, accepted, duplicates, rejected, days, changed_days FROM telemetry.batches ORDER BY ALL"
        ).rows(),
        lake.frame("SELECT source, reason FROM telemetry.rejected_events ORDER BY ALL").rows(),
    ]


@pytest.mark.proof
@pytest.mark.parametrize("point", ["ingest.events_written", "ingest.ledger_written", "ingest.committed"])
def test_an_intake_of_pairs_that_is_killed_is_done_whole_or_not_at_all(
    own_lake: Lake, tmp_path: Path, point: str
) -> None:
    (tmp_path / "product.yaml").write_text(PRODUCT)
    bench = Workbench(tmp_path, own_lake, product_at(tmp_path / "product.yaml"))
    bench.deliver("in/a.csv", EVENTS + line(1, 0, "d") + line(2, 3, "d") + line(3, 4, "ben"))
    bench.ingest()
    before = state(own_lake)
    bench.deliver("who/a.csv", "alias,user_id\nd,ada\nd,ada\n,ben\n")
    done = subprocess.run(
        [sys.executable, "-c", INGEST, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "INTELLIGENCE_KILL_AT": point},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    wanted = [
        [("1", "ada", "d"), ("2", "ada", "d"), ("3", "ben", None)],
        [("d", "ada", 2)],
        [("aliases", 3, 1, 1, 1, [], [FIRST, FIRST + timedelta(days=3)]),
         ("app", 3, 3, 0, 0, [FIRST, FIRST + timedelta(days=3), FIRST + timedelta(days=4)], None)],
        [("aliases", "alias is missing")],
    ]  # fmt: skip
    assert state(own_lake) == (wanted if point == "ingest.committed" else before)
    bench.ingest()
    assert state(own_lake) == wanted
    snapshot = bench.snapshot()
    assert bench.ingest().batches == []
    assert bench.snapshot() == snapshot


WRONG = {
    "aliases: {mapping: {alias: device}}": "`aliases.0.files` is missing",
    "aliases: {files: []}": "`aliases.0.files`",
    "aliases: {files: a.csv, mapping: {alia: device}}": "maps to `alia`, which is no contract column (did you mean `alias`?)",
    "aliases: {files: a.csv, mapping: {event_time: t}}": "maps to `event_time`, which is no contract column",
    "aliases: {files: a.csv, timezone: UTC}": "`aliases.0.timezone` is not a setting",
    "aliases: {file: a.csv}": "did you mean `files`?",
    "aliases: {files: a.csv, name: app}": "names the source app more than once",
    "aliases: [{files: a.csv}, {files: b.csv}]": "names the source aliases more than once",
    "aliases: {files: a.csv, delimiter: ';;'}": "`aliases.0.delimiter`",
    "aliases: {files: a.csv, name: Who is who}": "`aliases.0.name`",
    "aliases: a.csv": "`aliases`",
    "alias: {files: a.csv}": "did you mean `aliases`?",
}


@pytest.mark.parametrize("text", WRONG, ids=str)
def test_a_mistake_in_the_section_is_told(text: str) -> None:
    with pytest.raises(ProductFileError) as told:
        product_from(f"name: Shop\nsources: [{{name: app, files: in/*.csv}}]\n{text}\n")
    assert WRONG[text] in str(told.value)


def test_globs_of_pairs_begin_beside_the_product_and_their_files_are_no_events(tmp_path: Path) -> None:
    (tmp_path / "product.yaml").write_text(PRODUCT.replace("in/*.csv", "**/*.csv"))
    for name in ("a.csv", "who/b.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x\n1\n")
    found = deliveries(product_at(tmp_path / "product.yaml"), tmp_path)
    assert [(file.source, file.path.name) for file in found] == [("aliases", "b.csv"), ("app", "a.csv")]


# What a file of pairs holds and how it is mapped, and what `check` says of it.
LOOKED_AT = {
    "good": ("alias,user_id\nd,ada\n", {}, "of 1 rows looked at in"),
    "mapped": ("device,account\nd,ada\n", {"alias": "device", "user_id": "account"}, "1 are pairs"),
    "filled": ("device,user_id\nd,ada\n", {"alias": "device"}, "MappedField(field='alias', source='device', by_name=False)"),
    "a column too many": ("alias,user_id,note\nd,ada,x\n", {}, "note"),
    "a column is missing": ("alias,account\nd,ada\n", {}, "no column gives `user_id`; it has `alias`, `account`"),
    "a mapped one is missing": ("device,user_id\nd,ada\n", {"alias": "devise"}, "Did you mean `device`?"),
    "all are rejected": ("alias,user_id\nd,\ne,null\n", {}, "None of these rows is a pair; mend the mapping"),
    "some are rejected": ("alias,user_id\nd,\ne,ada\n", {}, "user_id is missing"),
    "a shared device": ("alias,user_id\ntv,ada\ntv,ben\nd,ada\nf,ben\n", {}, "1 alias is of several users, for example tv"),
    "changed places": ("user_id,alias\nd,ada\ne,ada\nf,ben\ng,ben\n", {}, "the columns of `alias` and `user_id` have changed places"),
    "a circle": ("alias,user_id\na,b\nb,a\n", {}, "2 aliases are in a circle, for example a"),
    "another delimiter": ("alias;user_id\nd;ada\n", {}, "delimiter"),
}  # fmt: skip


@pytest.mark.parametrize("case", LOOKED_AT, ids=str)
def test_check_says_what_a_file_of_pairs_is(two: Workbench, case: str) -> None:
    content, mapping, says = LOOKED_AT[case]
    with_aliases(two, mapping=mapping)
    two.deliver("who/a.csv", content)
    events, pairs = previewed_sources(two.product)
    assert (events.name, pairs.name) == ("app", "aliases")
    assert events.found.startswith("none but files of another source matches")
    assert says in str(pairs)
    assert all(pairs.found_in.next_steps[reason] for reason, _, _ in pairs.rejections)
    assert previewed_product(two.product, [pairs], two.lake).warnings == []


def test_pairs_that_never_came_or_were_all_refused_are_missing(two: Workbench) -> None:
    two.deliver("a.csv", EVENTS + line(1, 0, "d"))
    two.ingest()
    assert "Nothing has come from the source aliases." in [gap.says for gap in missing(two.lake.frame, two.product)]
    two.deliver("who/a.csv", "alias,user_id\nd,\n")
    two.ingest()
    assert "None of the 1 rows of the source aliases was accepted." in [
        gap.says for gap in missing(two.lake.frame, two.product)
    ]
