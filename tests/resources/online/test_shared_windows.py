"""Windows in a real Redis: the same numbers as in memory and as in SQL, whatever is killed, flushed, paused or frozen."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import redis

from intelligence.catalog.product import product_from
from intelligence.core.errors import StoreError
from intelligence.online.windows import HOUR_MS, MINUTE_MS
from resources.config.faults import PUBLISHING_FAULT_POINTS
from resources.config.settings import ROOT
from resources.online import followed, publishing, shared
from resources.online.asked import AskedDecisions
from resources.online.followed import RedisWindows, StoreWindows
from resources.online.processor import Processor
from resources.online.publishing import Publisher
from resources.online.shared import Changes, SharedWindows, Superseded
from resources.online.store import OnlineStore
from resources.services.online_answers import OnlineAnswers, Question
from tests.lakes import lake_in
from tests.resources.online.streamed import NOW_MS, PRODUCT, Online, said
from tests.servers import HOST, Server, redis_started

PROGRAM = ROOT / "tests" / "programs" / "publish_windows.py"
AT_MS = NOW_MS + 9 * MINUTE_MS - 1
WINDOWS = (1, 5, 60, 1440)


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with redis_started() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    """A Redis without content, which the test may kill."""
    client_of(running).flushall()
    return running


def url_of(server: Server) -> str:
    return f"redis://{HOST}:{server.port}/0"


def client_of(server: Server) -> redis.Redis:
    return redis.Redis.from_url(url_of(server))


def online_in(folder: Path, text: str = PRODUCT) -> Online:
    folder.mkdir(exist_ok=True)
    product, lake, store = product_from(text), lake_in(folder / "lake"), OnlineStore(folder / "online.db")
    return Online(folder, product, lake, store, Processor(product, lake, store))


def events(first: int, number: int) -> list[dict]:
    """Events of 17 users and three features over nine minutes."""
    return [
        said(
            place * 1.5, event_id=f"e{place}", user_id=f"u{place % 17}", feature=f"f{place % 3}", platform="ios",
            app_version=f"{place % 2}.0", error_count=int(place % 5 == 0), value=place % 7, latency_ms=place % 90 + 1,
        )
        for place in range(first, first + number)
    ]  # fmt: skip


def publisher_of(online: Online, url: str, told: Callable[[str], None] = lambda _: None) -> Publisher:
    writes = SharedWindows(url, online.product.name, patience_s=1)
    return Publisher(writes, online.processor, online.store, told=told)


def published(publisher: Publisher) -> None:
    publisher.finish()
    assert publisher._whole == publisher._seen, "Redis has not taken everything"


def read_by(online: Online, server: Server, *, patience_s: float = 1) -> RedisWindows:
    return RedisWindows(
        online.product.online, SharedWindows(url_of(server), online.product.name, patience_s=patience_s)
    )


def figures(windows: RedisWindows | StoreWindows, names: Sequence[str]) -> tuple:
    """All figures of entities and features, as a reader sees them."""
    seen = windows.of_entities(names)
    assert seen.windows is not None, seen.why_none
    found = {}
    for feature in ("f0", "f1", "f2", "search"):
        held = windows.of_feature(feature)
        for series in sorted(each for each in held.series if each[0] == feature):
            found[series] = [held.figures(series, at_ms=AT_MS, minutes=minutes) for minutes in WINDOWS]
    entities = {name: seen.windows.figures(name, at_ms=AT_MS) for name in names}
    return entities, found, seen.batch, windows.sizes().entities, windows.sizes().newest_minute


def both_agree(online: Online, server: Server) -> tuple:
    names = [f"u{place}" for place in range(18)]
    store = OnlineStore(online.folder / "online.db")
    of_redis = figures(read_by(online, server), names)
    assert of_redis == figures(StoreWindows(online.product.online, store), names)
    return of_redis


def test_both_give_the_numbers_of_the_sql_over_the_same_events(server: Server, tmp_path: Path) -> None:
    online = online_in(tmp_path)
    publisher = publisher_of(online, url_of(server))
    for first in range(0, 360, 30):
        online.process(*events(first, 30))
        publisher()
    published(publisher)
    entities, features, *_ = both_agree(online, server)
    online.land()
    for label, start_ms in (("1m", AT_MS), ("5m", AT_MS - 4 * MINUTE_MS), ("1h", AT_MS - 59 * MINUTE_MS)):
        rows = online.lake.frame(
            "SELECT user_id, count(*)::DOUBLE, sum((error_count > 0)::INT)::DOUBLE, sum(value)::DOUBLE"
            " FROM telemetry.events WHERE epoch_ms(event_time) >= $start AND epoch_ms(event_time) < $end GROUP BY ALL",
            {"start": start_ms // MINUTE_MS * MINUTE_MS, "end": AT_MS // MINUTE_MS * MINUTE_MS + MINUTE_MS},
        )
        by_sql = {row[0]: row[1:] for row in rows.iter_rows()}
        for name in (f"u{place}" for place in range(17)):
            own = entities[name]
            found = tuple(own[f"{counter}_{label}"] for counter in ("events", "errors", "value"))
            assert found == by_sql.get(name, (0, 0, 0)), (name, label)
    rows = online.lake.frame(
        "SELECT feature, platform, app_version, count(*), sum((error_count > 0)::INT), sum(value)::DOUBLE"
        " FROM telemetry.events GROUP BY ALL"
    )
    assert {row[:3]: row[3:] for row in rows.iter_rows()} == {
        series: (each[3].events, each[3].errors, each[3].value) for series, each in features.items()
    }
    assert len(features) == 6
    assert HOUR_MS > AT_MS - NOW_MS


def test_many_questions_are_one_round_trip(server: Server, tmp_path: Path) -> None:
    online = online_in(tmp_path)
    online.process(*events(0, 100))
    published(publisher_of(online, url_of(server)))
    answers = OnlineAnswers(
        online.product, OnlineStore(tmp_path / "none.db"), AskedDecisions(tmp_path / "asked.db"),
        windows=read_by(online, server),
    )  # fmt: skip
    answers.decided([Question("u1")], now_ms=AT_MS)
    commands = client_of(server)
    before = commands.info("stats")["total_commands_processed"], calls(commands, "eval")
    found = answers.decided([Question(f"u{place}") for place in range(500)], now_ms=AT_MS)
    after = commands.info("stats")["total_commands_processed"], calls(commands, "eval")
    assert after[1] - before[1] == 1
    assert [each["windows"]["events_1h"] for each in found[:18]] == [7.0] * 15 + [6.0] * 2 + [1.0]
    assert {each["batch"] for each in found} == {1}


def calls(client: redis.Redis, command: str) -> int:
    return int(client.info("commandstats")[f"cmdstat_{command}"]["calls"])


def test_what_is_flushed_is_written_again_and_meanwhile_rules_alone_decide(server: Server, tmp_path: Path) -> None:
    online, told = online_in(tmp_path), list[str]()
    publisher = publisher_of(online, url_of(server), told.append)
    online.process(*events(0, 100))
    published(publisher)
    client_of(server).flushall()
    answers = OnlineAnswers(
        online.product, OnlineStore(tmp_path / "none.db"), AskedDecisions(tmp_path / "asked.db"),
        windows=read_by(online, server),
    )  # fmt: skip
    blocked, other = answers.decided([Question("thief"), Question("u1")], now_ms=AT_MS)
    assert (blocked["answer"], other["windows"], other["is_fallback"]) == ("block", None, True)
    assert "has not written them whole yet" in other["why_no_windows"]
    assert "the fallback holds" in other["reason"]
    with pytest.raises(StoreError, match="has not written them whole yet"):
        answers.entity("u1", now_ms=AT_MS)
    online.process(*events(100, 50))
    published(publisher)
    both_agree(online, server)
    assert told == []
    (again,) = answers.decided([Question("u1")], now_ms=AT_MS)
    assert again["windows"]["events_1h"] == 10


def test_a_redis_that_is_killed_stops_nothing_and_is_said_once(server: Server, tmp_path: Path) -> None:
    online, told = online_in(tmp_path), list[str]()
    publisher = publisher_of(online, url_of(server), told.append)
    online.process(*events(0, 50))
    published(publisher)
    server.kill()
    until, first = time.monotonic() + 2.5, 50
    while time.monotonic() < until:
        began = time.monotonic()
        online.process(*events(first, 5))
        publisher()
        assert time.monotonic() - began < 0.5
        first += 5
    assert len(told) == 1
    assert "The stream goes on" in told[0]
    reader = read_by(online, server)
    assert "cannot be used" in reader.of_entities(["u1"]).why_none
    server.start()
    publisher._not_before = float("-inf")
    published(publisher)
    both_agree(online, server)
    assert "has all windows again" in told[1]


def test_a_redis_that_hangs_delays_neither_the_stream_nor_decisions(server: Server, tmp_path: Path) -> None:
    online = online_in(tmp_path)
    publisher = publisher_of(online, url_of(server))
    online.process(*events(0, 50))
    published(publisher)
    answers = OnlineAnswers(
        online.product, OnlineStore(tmp_path / "none.db"), AskedDecisions(tmp_path / "asked.db"),
        windows=read_by(online, server, patience_s=followed.REDIS_WITHIN_S),
    )  # fmt: skip
    server.freeze()
    try:
        began = time.monotonic()
        for place in range(20):
            (found,) = answers.decided([Question("u1", id=f"q{place}")], now_ms=AT_MS)
            assert found["is_fallback"]
            assert "does not answer in time" in found["why_no_windows"]
            online.process(*events(50 + place, 1))
            publisher()
        assert time.monotonic() - began < 20 * followed.REDIS_WITHIN_S
    finally:
        server.thaw()
    time.sleep(followed.REDIS_RESTS_S)
    published(publisher)
    (found,) = answers.decided([Question("u1", id="after")], now_ms=AT_MS)
    assert found["windows"] is not None
    both_agree(online, server)


def test_windows_that_are_older_than_allowed_are_not_used(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = online_in(tmp_path)
    online.process(*events(0, 50))
    published(publisher_of(online, url_of(server)))
    monkeypatch.setattr(followed, "OLDEST_S", 0.2)
    reader = read_by(online, server)
    assert reader.of_entities(["u1"]).windows is not None
    time.sleep(0.3)
    assert "has not written them for" in reader.of_entities(["u1"]).why_none
    assert reader.sizes().answers is False
    other = online_in(tmp_path / "other", PRODUCT + "  windows_minutes: [5, 60]\n")
    monkeypatch.setattr(followed, "OLDEST_S", 60)
    assert "other lengths" in read_by(other, server).of_entities(["u1"]).why_none


@pytest.mark.proof
@pytest.mark.parametrize("point", [*PUBLISHING_FAULT_POINTS, "online.committed", "online.written"])
def test_killed_between_commit_and_publication_redis_catches_up(server: Server, tmp_path: Path, point: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(PROGRAM), str(tmp_path), url_of(server)]
    assert subprocess.run([*command, "100"], env=environment, check=False, timeout=120).returncode == 0
    killed = subprocess.run(
        [*command, "300"], env={**environment, "INTELLIGENCE_KILL_AT": point}, check=False, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL
    assert subprocess.run([*command, "300"], env=environment, check=False, timeout=120).returncode == 0
    entities, *_ = both_agree(online_in(tmp_path), server)
    assert sum(each["events_24h"] for each in entities.values() if each) == 300


def test_a_paused_process_cannot_overwrite_what_was_written_since(server: Server, tmp_path: Path) -> None:
    online, told = online_in(tmp_path), list[str]()
    online.process(*events(0, 50))
    paused = publisher_of(online, url_of(server), told.append)
    published(paused)
    # Another process continues the same stream; the paused one has the windows as they were.
    other = Online(
        tmp_path, online.product, online.lake, OnlineStore(tmp_path / "online.db"), online.processor, online.feed
    )
    other.processor = Processor(online.product, online.lake, other.store)
    other.process(*events(50, 50))
    newer = publisher_of(other, url_of(server))
    published(newer)
    truth = both_agree(other, server)
    with pytest.raises(Superseded, match="another process has written since"):
        paused._shared.write(paused._token, 99, 0, Changes({"u1": b"old"}, {}))
    assert both_agree(other, server) == truth
    # It holds the first batch only, as a copy of the store on another machine would.
    paused._store = type(
        "Old", (), {"batches_after": lambda *_: [], "identity": online.store.identity, "newest_minute": lambda _: 0}
    )()
    paused._alive_at = paused._not_before = float("-inf")
    until = time.monotonic() + 10
    while not told:
        paused()
        assert time.monotonic() < until
        time.sleep(0.01)
    assert "another process writes there" in told[0]
    assert both_agree(other, server) == truth
    published(newer)


@pytest.mark.proof
def test_a_process_that_is_really_paused_and_goes_on_is_refused(server: Server, tmp_path: Path) -> None:
    environment, own, copy = {**os.environ, "PYTHONPATH": str(ROOT)}, tmp_path / "own", tmp_path / "copy"
    command = [sys.executable, str(PROGRAM), str(own), url_of(server), "1000000"]
    paused = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert paused.stdout is not None
        paused.stdout.readline()
        paused.stdout.close()
        until = time.monotonic() + 60
        while sum(OnlineStore(own / "online.db").tallies().values()) < 50:
            assert time.monotonic() < until
            time.sleep(0.05)
        paused.send_signal(signal.SIGSTOP)
        shutil.copytree(own, copy)
        other = online_in(copy)
        other.feed.offsets[0] = done = sum(other.store.tallies().values())
        other.process(said(1, event_id="mine", user_id="mine"))
        newer = publisher_of(other, url_of(server))
        published(newer)
        paused.send_signal(signal.SIGCONT)
        until = time.monotonic() + 4
        while time.monotonic() < until:
            newer()
            time.sleep(0.05)
            assert read_by(other, server).of_entities(["mine"]).windows.figures("mine", at_ms=AT_MS)["events_1h"] == 1
        assert paused.poll() is None
        assert sum(OnlineStore(own / "online.db").tallies().values()) > done + 10, "it does not go on"
        published(newer)
        both_agree(other, server)
    finally:
        paused.kill()
        paused.wait()


def test_a_stream_with_another_history_waits_until_the_first_is_silent(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = online_in(tmp_path / "one"), online_in(tmp_path / "two")
    first.process(*events(0, 50))
    published(publisher_of(first, url_of(server)))
    second.process(*events(7, 3))
    waiting = SharedWindows(url_of(server), "Demo", patience_s=1)
    with pytest.raises(Superseded, match="another process writes there"):
        waiting.claimed(second.store.identity, "layout", 1)
    both_agree(first, server)
    monkeypatch.setattr(shared, "LEASE_S", 0.0)
    published(publisher_of(second, url_of(server)))
    entities, *_ = both_agree(second, server)
    assert [name for name, each in entities.items() if each] == ["u7", "u8", "u9"]


def test_who_was_evicted_goes(server: Server, tmp_path: Path) -> None:
    online = online_in(tmp_path, PRODUCT + "  most_entities: 5\n  most_series: 2\n")
    publisher = publisher_of(online, url_of(server))
    for first in range(0, 60, 10):
        online.process(*events(first, 10))
        published(publisher)
    *_, sizes, _ = both_agree(online, server)
    assert sizes == 5


def test_all_windows_are_written_in_parts_and_are_whole_with_the_last_one(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "_AT_ONCE", 4)
    online = online_in(tmp_path)
    online.process(*events(0, 60))
    client_of(server).hset("intelligence:{Demo}:entities", "left over", b"")
    publisher, reader = publisher_of(online, url_of(server)), read_by(online, server)
    before, parts, next_event = calls(client_of(server), "eval"), 0, 60
    while publisher._whole < 0:
        publisher()
        if publisher._token and publisher._left:
            parts += 1
            assert "not written them whole yet" in reader.of_entities(["u1"]).why_none
            online.process(*events(next_event, 1))
            next_event += 1
        time.sleep(0.01)
    assert calls(client_of(server), "eval") > before
    assert parts > 3
    published(publisher)
    both_agree(online, server)


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="INTELLIGENCE_REDIS"):
        SharedWindows("postgres://here", "Demo", patience_s=publishing.PATIENCE_S)
