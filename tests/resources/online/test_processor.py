"""Every message is counted once, decided on once and lands in the lake once, whatever it holds and whenever the process ends."""

import json
import random
from datetime import timedelta

import msgspec
import polars as pl
import pytest

from intelligence.catalog.product import product_from
from intelligence.core.errors import StoreError
from resources.online.processor import Message, Processor
from resources.online.store import Offset, OnlineStore
from tests.resources.online.streamed import NOW, NOW_MS, Online, contents, said

HOSTILE = (
    None, b"", b"null", b"[]", b"3", b"{", b'{"a":', b"\xff\xfe\x00", b"\x00" * 50, b'{"event_time": 1e999}', b"{}",
    b'{"__file": 1, "__row": 2}', b'{"' + b"k" * 70_000 + b'": 1}', b"[" * 5_000, b'{"user_id": "\\ud800"}',
    json.dumps(said(1, user_id="'; DROP TABLE decisions; --")).encode(),
    json.dumps(said(2, user_id="u\n1", feature="a\tb")).encode(),
    json.dumps(said(3, properties={"deep": {"er": [1, {"x": None}]}})).encode(),
    json.dumps(said(4, event_time="tomorrow")).encode(),
    json.dumps(said(5, event_time="2031-01-01T00:00:00Z")).encode(),
    json.dumps(said(6, latency_ms=-1)).encode(),
    json.dumps(said(7, value="a lot", error_count=[])).encode(),
    json.dumps(said(8, feature=...)).encode(),
    json.dumps(said(9), indent=2).encode(),
    json.dumps(said(10, extra="x" * 100_000)).encode(),
)  # fmt: skip


def trace(online: Online, id_: str) -> dict:
    found = online.store.decision(id_)
    assert found is not None
    return msgspec.json.decode(found.trace)


def test_an_event_is_decided_on_with_its_windows_and_the_trace_says_why(online: Online) -> None:
    decided = online.process(*(said(second, event_id=f"e{second}") for second in range(22)))
    assert [each.decision.code for each in decided] == [0] * 20 + [1] * 2
    why = trace(online, "e20")
    assert (why["answer"], why["per_minute"], why["delay_s"], why["rules"]) == ("throttle", 10, 6, ["burst"])
    assert why["windows"]["events_5m"] == 21
    assert why["message"] == {"topic": "events", "partition": 0, "offset": 20}
    assert trace(online, "e19")["reason"] == "no model scores entities: the fallback holds"


def test_hostile_messages_are_quarantined_with_their_reason_and_stop_nothing(online: Online) -> None:
    decided = online.process(*HOSTILE, said(20))
    online.land()
    statuses = online.statuses()
    assert sum(statuses.values()) == len(HOSTILE) + 1 == online.ledger()[0]
    assert decided[-1].event.id == "e20"
    assert (statuses["counted"], statuses["rejected"]) == (online.ledger()[1], online.ledger()[3])
    in_store = sorted(each.reason for each in online.store.dead_letters())
    assert in_store == online.rejected()["reason"].to_list()
    assert online.lake.frame("SELECT count(*) FROM telemetry.events").item() == statuses["counted"]


@pytest.mark.parametrize(
    "payload", [b"junk", b"{}", b'{"user_id":"u"}', b'{"event_time":"x","user_id":"u","feature":"f","event_type":"t"}']
)
def test_a_batch_of_nothing_but_broken_messages_lands_too(online: Online, payload: bytes) -> None:
    assert online.process(*[payload] * 30) == []
    online.land()
    assert online.ledger() == (30, 0, 0, 30)


def test_a_repeated_event_is_decided_and_counted_once_with_and_without_an_id(online: Online) -> None:
    plain, without = said(1), said(2, event_id=...)
    online.process(plain, without, plain)
    online.process(without, plain, said(3))
    assert online.statuses() == {"counted": 3, "duplicate": 3}
    online.land()
    assert online.ledger() == (6, 3, 3, 0)
    figures = online.processor.entities.figures("u1", at_ms=NOW_MS + 3000)
    assert figures is not None
    assert figures["events_1m"] == 3


def test_the_same_batch_of_repeats_in_two_files_is_counted_twice_in_the_ledger(online: Online) -> None:
    online.process(said(1))
    online.land()
    for _ in range(2):
        online.process(said(1))
        online.land()
    assert online.ledger() == (3, 1, 2, 0)


def test_messages_that_were_taken_in_are_passed_over_on_a_replay(online: Online) -> None:
    messages = online.feed.messages(*(said(second) for second in range(10)))
    online.processor.process(messages[:7], now=NOW)
    decided = online.processor.process(messages, now=NOW)
    assert [each.event.id for each in decided] == ["e7", "e8", "e9"]
    assert online.statuses() == {"counted": 10}


def test_late_events_count_within_the_allowed_lateness_and_others_land_without_windows(online: Online) -> None:
    online.process(said(0), said(-9 * 60), said(-12 * 60), said(60))
    assert online.statuses() == {"counted": 3, "late": 1}
    assert trace(online, "e-720")["reason"] == "the window of the rule burst is not known: the fallback holds"
    online.land()
    assert online.ledger() == (4, 4, 0, 0)


def test_a_clock_that_is_two_hours_ahead_makes_no_other_event_late(online: Online) -> None:
    online.process(said(7200), said(1), said(2))
    assert online.statuses() == {"early": 1, "counted": 2}
    assert trace(online, "e7200")["windows"] is None


def test_a_partition_that_runs_ahead_does_not_make_others_late(online: Online) -> None:
    messages = [online.feed.message(said(0, user_id="a"), partition=0)]
    messages += [online.feed.message(said(-3600, user_id="b"), partition=1, at_ms=NOW_MS - 3_600_000)]
    online.processor.process(messages, now=NOW)
    assert online.statuses() == {"counted": 2}


def random_events(seed: int, number: int = 300) -> list[dict | bytes]:
    draw = random.Random(seed)
    found: list[dict | bytes] = []
    for place in range(number):
        kind = draw.random()
        if kind < 0.05:
            found.append(b"junk %d" % place)
        elif kind < 0.1 and place:
            found.append(draw.choice(found))
        else:
            user, late = f"u{draw.randrange(12)}", draw.choice([0, 0, 0, 60, 500, 900])
            facts = {
                "error_count": draw.randrange(2),
                "value": draw.randrange(9),
                "platform": draw.choice(["ios", ...]),
            }
            found.append(said(place * 7 - 2100 - late, event_id=f"e{place}", user_id=user, **facts))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_batches_and_restarts_change_neither_windows_nor_decisions(online: Online, tmp_path, seed: int) -> None:

    messages = online.feed.messages(*random_events(seed))
    store = OnlineStore(tmp_path / "whole.db")
    whole = Online(tmp_path, online.product, online.lake, store, Processor(online.product, online.lake, store))
    whole.processor.process(messages, now=NOW)
    draw, place = random.Random(seed), 0
    while place < len(messages):
        # Some were read and not committed before the process ended: they come again.
        size = draw.randrange(1, 60)
        online.processor.process(messages[max(place - 9, 0) : place + size], now=NOW)
        place += size
        if draw.random() < 0.4:
            online = online.restarted()
    assert contents(online) == contents(whole)
    assert online.statuses() == whole.statuses()
    assert set(online.statuses()) == {"counted", "late", "duplicate", "rejected"}


def test_a_failed_commit_leaves_nothing_behind_and_the_messages_can_be_given_again(online: Online, monkeypatch) -> None:
    messages = online.feed.messages(*(said(second) for second in range(5)))
    online.processor.process(messages[:2], now=NOW)
    before = contents(online)
    with monkeypatch.context() as patched:
        patched.setattr(online.store, "write_offsets", broken)
        with pytest.raises(StoreError):
            online.processor.process(messages[2:], now=NOW)
    assert contents(online) == before
    assert len(online.processor.process(messages[2:], now=NOW)) == 3
    figures = online.processor.entities.figures("u1", at_ms=NOW_MS + 4000)
    assert figures is not None
    assert figures["events_1m"] == 5


def broken(_: object) -> None:
    raise StoreError("store", "the disk is full.", hint="Make room.")


def test_windows_equal_the_sql_over_the_lake(online: Online) -> None:
    """The same figures from the events in the lake, by a window of SQL, at every event that was counted."""
    events = [
        said(second * 11 - 2_000, event_id=f"e{second}", user_id=f"u{second % 3}", value=second % 4)
        for second in range(180)
    ]
    online.process(*events)
    online.land()
    by_sql = online.lake.frame("""
        SELECT now.event_id, count(*)::DOUBLE AS events_5m, sum(was.value) AS value_5m
        FROM telemetry.events AS now JOIN telemetry.events AS was ON was.user_id = now.user_id
            AND was.event_time <= now.event_time
            AND date_trunc('minute', was.event_time) > date_trunc('minute', now.event_time) - INTERVAL 5 MINUTE
        GROUP BY ALL ORDER BY ALL
    """)
    windows = {each.id: msgspec.json.decode(each.trace)["windows"] for each in online.store.decisions()}
    streamed = pl.DataFrame(
        [(id_, found["events_5m"], found["value_5m"]) for id_, found in sorted(windows.items())],
        by_sql.schema,
        orient="row",
    )
    assert streamed.equals(by_sql)


def test_decisions_are_forgotten_after_the_time_that_the_product_states(online: Online) -> None:
    online.process(said(0))
    later = [said(second, event_id=f"later {second}") for second in range(49 * 3600, 49 * 3600 + 30)]
    messages = [online.feed.message(each, at_ms=NOW_MS + 49 * 3_600_000) for each in later]
    online.processor.process(messages, now=NOW.replace(day=6, hour=13))
    assert online.store.decision("e0") is None
    assert len(online.store.decisions()) == 30


def test_repeats_are_looked_up_by_their_key_however_many_decisions_are_kept(online: Online) -> None:
    seen: list[str] = []
    online.store._connection.set_trace_callback(seen.append)
    online.process(said(1))
    online.store._connection.set_trace_callback(None)
    query = next(each for each in seen if "json_each" in each)
    plan = " ".join(row[3] for row in online.store._connection.execute(f"EXPLAIN QUERY PLAN {query}"))
    assert "SEARCH decisions USING COVERING INDEX sqlite_autoindex_decisions_1 (source=? AND id=?)" in plan


def test_several_sources_map_their_own_topics_and_ids(tmp_path, online: Online) -> None:

    product = product_from(
        "name: D\nsources: [{name: app, topics: a}, {name: web, topics: w, mapping: {user_id: uid}}, {name: old, files: '*.csv'}]"
    )
    processor = Processor(product, online.lake, online.store)
    payload, other = json.dumps(said(1)).encode(), json.dumps(said(1, user_id=..., uid="u2")).encode()
    decided = processor.process([Message("a", 0, 0, NOW_MS, payload), Message("w", 0, 0, NOW_MS, other)], now=NOW)
    assert [each.event.entity for each in decided] == ["u1", "u2"]
    assert processor.topics == ("a", "w")


def test_a_stream_of_outcomes_alone_or_with_a_partition_of_broken_messages_stores_and_forgets(online: Online) -> None:
    online.processor.offsets = {("outcomes", 0): Offset(1, -1)}
    online.processor.store_windows()
    online.processor.offsets = {}
    online.processor.process([online.feed.message(b"junk", partition=1)], now=NOW)
    online.process(said(0, event_id="old"))
    hours = online.product.online.remembered_hours + 1
    later = online.feed.message(said(hours * 3_600, event_id="new"), at_ms=NOW_MS + hours * 3_600_000)
    online.processor.process([later], now=NOW + timedelta(hours=hours))
    online.processor.store_windows()
    assert [each.id for each in online.store.decisions()] == ["new"]


@pytest.mark.parametrize(
    "changes",
    [{"windows_minutes": (1, 5, 30)}, {"lateness_minutes": 3}, {"windows_minutes": (1, 5, 60, 2_880)}, {"guard": 30}],
)
def test_windows_of_other_lengths_are_not_continued_but_begin_anew(online: Online, changes: dict) -> None:
    online.process(*(said(n, event_id=f"e{n}") for n in range(10)))
    for _ in range(2):
        online.processor.store_windows()
    settings = online.product.online.model_copy(update={"windows_minutes": (1, 5, 30)})
    if "guard" in changes:
        changes = {"guard": settings.guard.model_copy(update={"long_minutes": changes["guard"]})}
        online.product = online.product.model_copy(update={"online": settings})
        shorter = online.restarted()
        shorter.process(said(12, event_id="f"))
        shorter.processor.store_windows()
        shorter.processor.store_windows()
    assert not online.restarted().processor.begins_anew
    online.product = online.product.model_copy(update={"online": settings.model_copy(update=changes)})
    other = online.restarted()
    assert other.processor.begins_anew
    other.process(*(said(20 + n, event_id=f"f{n}") for n in range(3)))
    figures = other.processor.entities.figures("u1", at_ms=NOW_MS + 30_000)
    assert figures is not None
    assert figures["events_5m"] == 3
    other.processor.store_windows()
    again = other.restarted()
    assert not again.processor.begins_anew
    assert again.processor.entities.figures("u1", at_ms=NOW_MS + 30_000) == figures
    assert len(list(again.processor.features.series)) == 1
