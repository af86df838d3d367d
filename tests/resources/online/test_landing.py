"""Decisions of the stream come into the lake, each once, with what was known; also those that were asked for."""

import sqlite3
from pathlib import Path

import pytest

from intelligence.decisions.tables import ENTITY_DECISIONS
from resources.online.asked import Asked, AskedDecisions
from resources.online.processor import Processor
from resources.online.store import OnlineStore
from resources.services.entity_decisions import EntityDecisionService
from resources.services.online_answers import OnlineAnswers, Question
from tests.resources.online.streamed import NOW, NOW_MS, Online, said

UNNUMBERED = """
CREATE TABLE decisions (
    source TEXT, id TEXT, entity TEXT, at_ms INTEGER, answer INTEGER, trace BLOB, PRIMARY KEY (source, id)
) WITHOUT ROWID;
CREATE INDEX decisions_by_time ON decisions (at_ms);
INSERT INTO decisions VALUES ('app', 'b', 'u1', 2, 0, '{}'), ('app', 'a', 'u1', 3, 1, '{}'), ('app', 'c', 'u2', 1, 2, '{}');
"""


@pytest.fixture
def service(online: Online) -> EntityDecisionService:
    return EntityDecisionService(online.lake, online.folder)


def held(online: Online, columns: str = "event_id, answer") -> list[tuple]:
    return online.lake.frame(f"SELECT {columns} FROM {ENTITY_DECISIONS.path} ORDER BY is_asked, number").rows()


def test_each_decision_comes_once_with_what_was_known(online: Online, service: EntityDecisionService) -> None:
    assert not service.is_behind() or not held(online)
    online.process(*(said(n, event_id=f"e{n}", value=n) for n in range(22)), said(30, event_id="é'\"", user_id="thief"))
    assert service.is_behind()
    landed = service.landed()
    assert (landed.rows, landed.missed, str(landed.days.start)) == (23, 0, "2026-05-04")
    assert not service.is_behind()
    answers = ["allow"] * 20 + ["throttle"] * 2 + ["block"]
    assert held(online) == list(zip([*(f"e{n}" for n in range(22)), "é'\""], answers, strict=True))
    columns = "entity, feature, value, reason, rules, per_minute, is_fallback, level, windows::JSON ->> 'events_5m'"
    assert held(online, columns)[20:] == [
        ("u1", "search", 20.0, "events_5m is 21, above 20 (burst)", ["burst"], 10.0, False, "shadow", "21.0"),
        ("u1", "search", 21.0, "events_5m is 22, above 20 (burst)", ["burst"], 10.0, False, "shadow", "22.0"),
        ("thief", "search", None, "it is on the list banned", ["banned"], None, False, "shadow", "1.0"),
    ]
    assert service.landed().rows == 0
    online.process(said(40, event_id="new"))
    assert service.landed().rows == 1
    assert len(held(online)) == 24


def test_what_was_asked_for_comes_too(online: Online, service: EntityDecisionService) -> None:
    asked = AskedDecisions(online.folder / "online_asked.db")
    answers = OnlineAnswers(online.product, OnlineStore(online.folder / "online.db"), asked)
    answers.decided([Question("thief", id="mine"), Question("u1", at_ms=NOW_MS)], now_ms=NOW_MS)
    answers.decided([Question("thief", id="mine")], now_ms=NOW_MS)
    assert service.landed().rows == 2
    assert held(online, "event_id, answer, is_asked, source")[0] == ("mine", "block", True, None)
    assert service.landed().rows == 0


def test_what_was_forgotten_before_is_told(online: Online, service: EntityDecisionService) -> None:
    online.process(said(0, event_id="a"))
    service.landed()
    online.process(said(1, event_id="b"), said(2, event_id="c"))
    online.store.forget_decisions(before_ms=NOW_MS + 1_500, made_before_ms=NOW_MS + 1)
    landed = service.landed()
    assert (landed.rows, landed.missed) == (1, 1)
    assert "1 had been forgotten before" in landed.said


def test_a_new_store_of_the_same_product_begins_anew(online: Online, service: EntityDecisionService) -> None:
    online.process(said(0, event_id="a"))
    service.landed()
    online.store.close()
    for file in online.folder.glob("online.db*"):
        file.unlink()
    store = OnlineStore(online.folder / "online.db")
    Processor(online.product, online.lake, store).process(online.feed.messages(said(1, event_id="b")), now=NOW)
    assert service.is_behind()
    assert service.landed().rows == 1
    assert [row[0] for row in held(online)] == ["a", "b"]


def test_a_store_of_an_earlier_version_is_numbered(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    with sqlite3.connect(path) as old:
        old.executescript(UNNUMBERED)
    old.close()
    for _ in range(2):
        store = OnlineStore(path)
        assert [(each.id, each.answer) for each in store.decisions()] == [("a", 1), ("b", 0), ("c", 2)]
        assert store._rows("SELECT number, id FROM decisions ORDER BY number") == [(1, "c"), (2, "b"), (3, "a")]
        store.close()


def test_decisions_at_times_that_no_event_can_have_stop_nothing_and_are_told(
    online: Online, service: EntityDecisionService
) -> None:
    asked = AskedDecisions(online.folder / "online_asked.db")
    for place, at_ms in enumerate((253_402_214_400_000, -62_135_596_800_000, NOW_MS, 253_402_214_400_000)):
        asked.write([Asked(f"a{place}", "u1", at_ms, 0, b"{}")], made_ms=NOW_MS)
    landed = service.landed()
    assert (landed.rows, landed.missed, landed.outside, str(landed.days.start)) == (1, 0, 3, "2026-05-04")
    assert "3 on events at times that no event can have" in landed.said
    assert not service.is_behind()


def test_a_late_event_that_comes_again_and_again_is_decided_on_once(
    online: Online, service: EntityDecisionService
) -> None:
    answers = OnlineAnswers(
        online.product,
        OnlineStore(online.folder / "online.db"),
        AskedDecisions(online.folder / "online_asked.db"),
    )
    late = said(-30 * 86_400, event_id="offline")
    online.process(said(0, event_id="now"))
    for hour in range(3):
        online.process(late)
        online.processor.store_windows()
        answers._forgot_at = 0.0
        question = Question("u1", id="asked", at_ms=NOW_MS - 30 * 86_400_000)
        answers.decided([question], now_ms=NOW_MS + hour * 3_600_000)
        service.landed()
    assert sorted(row[0] for row in held(online)) == ["asked", "now", "offline"]
    assert online.statuses() == {"counted": 1, "late": 1, "duplicate": 2}


def test_stores_that_did_not_say_when_a_decision_was_made_are_taken_over(online: Online) -> None:
    AskedDecisions(online.folder / "online_asked.db").write([Asked("a", "u1", 1, 0, b"{}")], made_ms=1)
    for name, table in (("online.db", "decisions"), ("online_asked.db", "answers")):
        with sqlite3.connect(online.folder / name) as old:
            old.execute(f"ALTER TABLE {table} DROP COLUMN made_ms")
        old.close()
    online.restarted().process(said(0, event_id="a"))
    asked = AskedDecisions(online.folder / "online_asked.db")
    asked.write([Asked("b", "u1", 1, 0, b"{}")], made_ms=NOW_MS)
    asked.forget(before_ms=NOW_MS)
    assert (asked.decision("a"), asked.decision("b") is None) == (None, False)
