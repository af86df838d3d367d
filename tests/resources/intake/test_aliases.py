"""One person is one user from the first event on: whatever says so, in which order and cut ever it comes."""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from intelligence.core.sql import sql
from intelligence.core.tables import Days
from intelligence.telemetry.aliases import persons
from resources.intake.product_file import product_at
from resources.lake.door import Lake
from tests.resources.conftest import Workbench
from tests.resources.intake.people import People, Visit
from tests.resources.intake.test_identity import FIRST

CASE = Path(__file__).parents[2] / "cases" / "27-anonymous-then-known" / "product.yaml"
ZEROS = "00000000-0000-0000-0000-000000000000"


def test_three_people_who_log_in_are_three_users_on_both_days(own_lake: Lake, tmp_path: Path) -> None:
    bench = Workbench(tmp_path, own_lake, product_at(CASE))
    bench.ingest()
    users = "SELECT event_date, list(DISTINCT user_id ORDER BY user_id) FROM telemetry.events GROUP BY ALL ORDER BY 1"
    assert [found for _, found in bench.rows(users)] == [["ada", "ben", "cleo"]] * 2
    assert bench.rows("SELECT alias, user_id FROM telemetry.aliases ORDER BY ALL") == [
        ("anon-31", "ben"), ("anon-7f", "ada"), ("anon-c8", "cleo"),
    ]  # fmt: skip
    before = bench.snapshot()
    bench.ingest()
    assert bench.snapshot() == before


# Of a row with this anonymous id and this user: the user that it becomes, or why it is refused.
ONE_ROW = {
    "anonymous": ("d1", "", "d1"),
    "known": ("", "u2", "u2"),
    "both": ("d3", "u3", "u3"),
    "the same in both": ("d4", "d4", "d4"),
    "a word for nobody": ("d5", "null", "d5"),
    "another word for nobody": ("d6", "undefined", "d6"),
    "the user zero": ("d7", "0", "d7"),
    "the user of zeros": ("d8", ZEROS, "d8"),
    "blanks": ("d9", " \u00a0", "d9"),
    "signs that cannot be seen": ("d\u200b10", "\u200b", "d10"),
    "a number of a data frame": ("11.0", "", "11"),
    "no tracking, but known": (ZEROS, "u12", "u12"),
    "no tracking, unknown": (ZEROS, "", "user_id is missing"),
    "nobody at all": ("", "", "user_id is missing"),
    "a word for nobody alone": ("", "null", "user_id is a placeholder and names nothing"),
    "nobody twice": ("undefined", "null", "user_id is a placeholder and names nothing"),
    "an id too long": ("d" * 257, "", "anonymous_id is longer than 256 characters"),
    "markup": ("<b>", "", "anonymous_id has characters that a name may not have"),
    "a rounded id": ("1.23457E+15", "u19", "anonymous_id is a rounded number that has lost digits"),
}


@pytest.mark.parametrize("format_", ["csv", "jsonl", "parquet"])
def test_a_row_is_of_its_user_or_else_of_its_anonymous_id(shared: Workbench, format_: str) -> None:
    rows = [
        {"event_id": name, "event_time": "2026-05-04T10:00:00", "device": device, "user": user, "feature": "search"}
        for name, (device, user, _) in ONE_ROW.items()
    ]
    if format_ == "csv":
        content: Any = pl.DataFrame(rows).write_csv()
    elif format_ == "jsonl":
        content = "\n".join(json.dumps({name: value for name, value in row.items() if value}) for row in rows)
    else:
        content = pl.DataFrame(rows)
    shared.declare(
        name=format_,
        files=[f"{shared.folder}/*.{format_}"],
        mapping={"anonymous_id": "device", "user_id": "user", "event_type": "'use'"},
    )
    shared.deliver(f"a.{format_}", content)
    assert not shared.ingest().refused
    stored = "SELECT event_id, user_id FROM telemetry.events WHERE source = $source"
    refused = "SELECT payload, reason FROM telemetry.rejected_events WHERE source = $source"
    found = dict(shared.lake.frame(stored, {"source": format_}).rows())
    for payload, reason in shared.lake.frame(refused, {"source": format_}).rows():
        found[json.loads(payload)["event_id"]] = reason
    assert found == {name: what for name, (_, _, what) in ONE_ROW.items()}


def test_where_nobody_ever_logs_in_no_column_of_users_is_needed(bench: Workbench) -> None:
    bench.declare(mapping={"user_id": "coalesce(user, anonymousId)", "event_type": "'use'"})
    bench.deliver("a.jsonl", '{"event_time": "2026-05-04", "feature": "search", "anonymousId": "d"}')
    bench.deliver("b.jsonl", '{"event_time": "2026-05-05", "feature": "search", "user": "u"}')
    bench.ingest()
    bench.declare(name="kiosk")
    bench.deliver("c.csv", "event_time,feature,event_type,anonymous_id\n2026-05-06,search,use,k\n")
    bench.product = bench.product.model_copy(
        update={"sources": (bench.product.sources[0].model_copy(update={"files": (f"{bench.folder}/c.csv",)}),)}
    )
    bench.ingest()
    assert [user for (user,) in bench.events("user_id")] == ["d", "k", "u"]


def folded(memory: People, days: Sequence[int]) -> None:
    """Fold the days into the users known so far, as the asset does."""
    for day in days:
        asked = Days(FIRST + timedelta(days=day), FIRST + timedelta(days=day + 1)).parameters
        memory.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE users AS {sql('warehouse/dim_users.sql')}", {**asked, "bots": []}
        )
        memory.connection.execute("DELETE FROM warehouse.dim_users")
        memory.connection.execute("INSERT INTO warehouse.dim_users BY NAME FROM users")


def stale(memory: People, since: int) -> list[int]:
    """Return the days that batches delivered or changed, of those after the first `since`."""
    days = memory.rows(
        "SELECT DISTINCT unnest(days || coalesce(changed_days, [])) FROM telemetry.batches"
        f" WHERE CAST(batch_id[7:] AS INT) > {since}"
    )
    return sorted((day - FIRST).days for (day,) in days)


def histories() -> Iterator[list[Visit]]:
    """Yield rows of people with several devices, some of them shared, and some users who are called otherwise later."""
    random = Random(14)
    for _ in range(16):
        rows = []
        for number in range(random.randrange(3, 14)):
            device = random.choice(["d1", "d2", "d3", "tv", None])
            user = random.choice(["ada", "ben", "d2", None])
            if device or user:
                who = user or device or ""
                rows.append(Visit("web", f"e{number}", random.randrange(6), number, who, anonymous=device))
        yield rows


@pytest.mark.proof
def test_any_order_and_any_cut_of_the_same_rows_gives_the_same_users_and_dims() -> None:
    memory, random = People(), Random(7)
    for rows in histories():
        said = persons((row.anonymous, row.user) for row in rows if row.anonymous)
        wanted = sorted((row.id, row.at, said.user_of.get(row.user, row.user)) for row in rows)
        for _ in range(2):
            memory.empty()
            memory.connection.execute("DELETE FROM warehouse.dim_users")
            # Some rows are delivered twice; by the second time stored ones may bear another user.
            order = random.sample(rows, len(rows)) + random.sample(rows, len(rows) // 2)
            cuts = sorted({0, len(order), *(random.randrange(len(order) + 1) for _ in range(3))})
            for first, last in pairwise(cuts):
                middle, before = (first + last) // 2, memory.number
                memory.take("web", [order[first:middle], order[middle:last]], scope=["web"])
                folded(memory, stale(memory, before))
            memory.assert_sound()
            assert memory.events() == wanted
            assert memory.counted() == (len(rows), len(rows) // 2, 0)
            kept = memory.rows("FROM warehouse.dim_users ORDER BY ALL")
            memory.connection.execute("DELETE FROM warehouse.dim_users")
            folded(memory, range(6))
            assert memory.rows("FROM warehouse.dim_users ORDER BY ALL") == kept


# Rows that come in turn, as day, anonymous id and user, and the days that the last of them changes.
LATE = {
    "nobody new": ([(0, "d", None), (1, "e", None)], []),
    "a login days later": ([(0, "d", None), (1, "e", None), (3, "d", "ada")], [0]),
    "two days before": ([(0, "d", None), (2, "d", None), (4, "d", "ada")], [0, 2]),
    "a pair that is known": ([(0, "d", None), (1, "d", "ada"), (2, "d", "ada")], []),
    "a login of a device without a past": ([(0, "d", None), (1, "e", "ada")], []),
    "a login that comes first": ([(4, "d", "ada"), (0, "d", None)], []),
    "a second person on the device": ([(0, "d", None), (1, "d", "ada"), (2, "d", "ben")], [0, 1]),
    "a third person": ([(0, "d", None), (1, "d", "ada"), (2, "d", "ben"), (3, "d", "cleo")], []),
    "a second device": ([(0, "d", None), (1, "e", None), (2, "d", "ada"), (3, "e", "ada")], [1]),
    "a user who is an alias": ([(0, "d", None), (1, "d", "mail"), (3, "mail", "ada")], [0, 1]),
    "a circle": ([(0, "d", None), (1, "d", "ada"), (2, "ada", "d")], [0, 1]),
    "an id with itself": ([(0, "d", None), (1, "d", "d")], []),
}


@pytest.mark.parametrize("case", LATE, ids=str)
def test_a_late_alias_lets_exactly_the_days_be_stale_that_it_touches(case: str) -> None:
    delivered, changed = LATE[case]
    memory = People()
    for number, (day, device, user) in enumerate(delivered):
        memory.take("web", [[Visit("web", f"e{number}", day, 10, user or device, anonymous=device)]], scope=["web"])
    memory.assert_sound()
    newest = memory.rows("SELECT changed_days FROM telemetry.batches ORDER BY CAST(batch_id[7:] AS INT) DESC LIMIT 1")
    assert [(day - FIRST).days for day in newest[0][0] or ()] == changed


def test_a_row_delivered_again_is_equal_whoever_its_user_is_by_now(bench: Workbench) -> None:
    header = "event_id,event_time,feature,event_type,anonymous_id,user_id\n"
    bench.deliver("a.csv", f"{header}1,2026-05-04T10:00,search,use,d,\n2,2026-05-04T10:00,search,use,other,\n")
    bench.ingest()
    bench.deliver("b.csv", f"{header}3,2026-05-06T10:00,search,use,d,ada\n")
    bench.ingest()
    bench.deliver("c.csv", f"{header}1,2026-05-04T10:00,search,use,d,\n")
    bench.ingest()
    assert bench.events("event_id, user_id") == [("1", "ada"), ("2", "other"), ("3", "ada")]
    counts = "SELECT duplicates, conflicts, changed_days FROM telemetry.batches ORDER BY source_file"
    assert bench.rows(counts) == [(0, 0, None), (0, 0, [FIRST]), (1, 0, None)]
    told = "SELECT event_id, delivered_user_id FROM telemetry.raw_events ORDER BY ALL"
    assert bench.rows(told) == [("1", "d"), ("1", "d"), ("2", None), ("3", None)]


@pytest.mark.proof
def test_who_is_who_is_taken_back_with_the_file_that_said_it(bench: Workbench) -> None:
    header = "event_id,event_time,feature,event_type,anonymous_id,user_id\n"
    bench.declare(replaces=True)
    bench.deliver("a.csv", f"{header}1,2026-05-04T10:00,search,use,d,\n2,2026-05-06T10:00,search,use,e,\n")
    bench.ingest()
    for user, renamed in (("ada", "ada"), ("ben", "ben"), ("", "d")):
        bench.deliver("b.csv", f"{header}3,2026-05-08T10:00,search,use,d,{user}\n")
        bench.ingest()
        assert bench.events("event_id, user_id") == [("1", renamed), ("2", "e"), ("3", renamed)]
        assert bench.rows("SELECT alias, user_id FROM telemetry.aliases") == ([("d", user)] if user else [])
    bench.deliver("b.csv", f"{header}3,2026-05-08T10:00,search,use,d,ada\n")
    bench.ingest()
    newest = "SELECT changed_days FROM telemetry.batches WHERE withdrawn_at IS NULL ORDER BY source_file"
    assert bench.rows(newest) == [(None,), ([FIRST],)]
    # What the name holds now is there from another file, so that nothing new comes.
    bench.deliver("c.csv", f"{header}3,2026-05-08T10:00,search,use,d,\n")
    bench.ingest()
    bench.deliver("b.csv", f"{header}3,2026-05-08T10:00,search,use,d,\n")
    bench.ingest()
    assert bench.events("event_id, user_id") == [("1", "d"), ("2", "e"), ("3", "d")]
    latest = (
        "SELECT list_contains(withdrawn_days, DATE '2026-05-04') FROM telemetry.batches WHERE withdrawn_at IS NOT NULL"
    )
    assert (True,) in bench.rows(latest)


def test_rows_taken_from_quarantine_say_who_is_who(bench: Workbench) -> None:
    header = "event_id,event_time,feature,event_type,anonymous_id,user_id,latency_ms\n"
    bench.declare()
    bench.deliver("a.csv", f"{header}1,2026-05-04T10:00,search,use,d,,\n2,2026-05-06T10:00,search,use,d,ada,7 ms\n")
    bench.ingest()
    assert bench.events("event_id, user_id") == [("1", "d")]
    bench.declare(mapping={"latency_ms": "replace(latency_ms, ' ms', '')"})
    bench.redrive()
    assert bench.events("event_id, user_id") == [("1", "ada"), ("2", "ada")]
