"""`intelligence online run` reads the topics of product.yaml, and `why` says what was decided."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Producer

from resources.config.serving_lock import REHEARSAL, serving
from tests.resources.online.streamed import NOW_MS, said
from tests.servers import redis_started

PRODUCT = """
name: Demo
sources: [{name: app, topics: events}]
online: {rules: [{name: burst, answer: throttle, counter: events, minutes: 1, above: 3, per_minute: 12}]}
"""


@pytest.fixture
def brokers() -> Iterator[str]:
    owner = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "ignored", "log_level": 0})
    yield ",".join(f"{each.host}:{each.port}" for each in owner.list_topics(timeout=10).brokers.values())
    del owner


def command(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    (folder / "product.yaml").write_text(environment.pop("product", PRODUCT))
    known = {
        "INTELLIGENCE_PRODUCT": str(folder / "product.yaml"),
        "INTELLIGENCE_DATA": str(folder / "data"),
        "COLUMNS": "200",
    }
    return subprocess.run(
        [sys.executable, "-m", "intelligence.interfaces.cli.commands", "online", *words],
        env={**os.environ, **known, **environment}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_topics_are_read_and_a_decision_is_explained(brokers: str, tmp_path: Path) -> None:
    producer = Producer({"bootstrap.servers": brokers})
    for second in range(5):
        producer.produce("events", json.dumps(said(second, event_id=f"e{second}")), key="u1", timestamp=NOW_MS)
    producer.flush(30)
    done = command(tmp_path, "run", "--until-idle", INTELLIGENCE_KAFKA=brokers)
    assert done.returncode == 0, done.stderr
    assert "allow 3, throttle 2, block 0" in done.stdout
    assert "Files for the lake were written: 1." in done.stdout
    why = command(tmp_path, "why", "e4").stdout
    assert "u1: throttle, because events_1m is 5, above 3 (burst)." in why
    assert "12 events a minute, one every 5 s" in why
    assert json.loads(command(tmp_path, "why", "e4", "--json").stdout)["windows"]["events_1m"] == 5


def test_without_decisions_by_a_score_nothing_is_learned_and_it_says_why(tmp_path: Path) -> None:
    done = command(tmp_path, "learn")
    assert done.returncode == 0, done.stderr
    assert "The present policy stays: no decision was made by a score at the level auto" in done.stdout
    found = json.loads(command(tmp_path, "learn", "--json").stdout)
    assert (found["deploy"], found["decisions"], found["version"], found["leaves"]) == (False, 0, None, [])


@contextmanager
def served(folder: Path, *words: str) -> Iterator[str]:
    """Serve decisions in another process, and yield its address."""
    (folder / "product.yaml").write_text(PRODUCT)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    known = {"INTELLIGENCE_PRODUCT": str(folder / "product.yaml"), "INTELLIGENCE_DATA": str(folder / "data")}
    command = [sys.executable, "-m", "intelligence.interfaces.cli.commands", "online", "serve", "--port", str(port)]
    server = subprocess.Popen([*command, *words], env={**os.environ, **known}, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and server.poll() is None:
            with suppress(httpx.ConnectError):
                httpx.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.proof
def test_decisions_are_served_on_loopback(tmp_path: Path) -> None:
    with served(tmp_path) as address:
        answer = httpx.post(f"{address}/v1/decide", json={"user_id": "u1"})
        assert (answer.status_code, answer.json()["answer"]) == (200, "allow")
        event = {"user_id": "u1", "id": "mine", "event_time": "2020-01-01T00:00:00Z"}
        httpx.post(f"{address}/v1/decide", json=event).raise_for_status()
        why = command(tmp_path, "why", "mine")
        assert "u1: allow, because no model scores entities: the fallback holds (asked for over HTTP)." in why.stdout
        found = json.loads(command(tmp_path, "why", "mine", "--json").stdout)
        assert (found["asked"], found["source"], found["status"]) == (True, None, "counted")
        assert command(tmp_path, "why", "other").returncode == 1
        assert httpx.get(f"{address}/healthz", headers={"host": "evil.example"}).status_code == 403


@pytest.mark.proof
def test_another_machine_decides_with_the_windows_in_redis(brokers: str, tmp_path: Path) -> None:
    producer = Producer({"bootstrap.servers": brokers})
    for second in range(5):
        producer.produce("events", json.dumps(said(second, event_id=f"r{second}")), key="u1", timestamp=NOW_MS)
    producer.flush(30)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    with redis_started() as redis:
        url = f"redis://127.0.0.1:{redis.port}/0"
        with served(there, "--redis", url) as address:
            event = {"user_id": "u1", "event_time": said(6)["event_time"]}
            before = httpx.post(f"{address}/v1/decide", json=event).json()
            assert "has not written them whole yet" in before["why_no_windows"]
            done = command(here, "run", "--until-idle", INTELLIGENCE_KAFKA=brokers, INTELLIGENCE_REDIS=url)
            assert done.returncode == 0, done.stderr
            after = httpx.post(f"{address}/v1/decide", json=event).json()
            assert (after["answer"], after["windows"]["events_1m"], after["why_no_windows"]) == ("throttle", 6, None)
            assert "intelligence_windows_answer 1.0" in httpx.get(f"{address}/metrics").text
            redis.kill()
            alone = httpx.post(f"{address}/v1/decide", json=event).json()
            assert (alone["windows"], alone["is_fallback"]) == (None, True)
            assert httpx.get(f"{address}/readyz").json() == {"status": "ready", "entities": None, "silent_s": None}


@pytest.mark.parametrize(
    ("words", "environment", "said_in_error"),
    [
        (("run",), {"INTELLIGENCE_KAFKA": ""}, "Set INTELLIGENCE_KAFKA or give --brokers"),
        (("run",), {"product": "name: D\nsources: [{name: a, simulate: {}}]"}, "none of its sources reads topics"),
        (("why", "nothing"), {}, "no decision on an event with this id is kept"),
    ],
)
def test_what_is_missing_is_said_with_the_next_step(tmp_path: Path, words, environment, said_in_error: str) -> None:
    done = command(tmp_path, *words, **environment)
    assert done.returncode == 1
    assert said_in_error in done.stderr


@pytest.mark.proof
def test_a_rehearsal_counts_the_same_on_the_stream_and_in_the_lake(tmp_path: Path) -> None:
    simulated = "name: D\nsources: [{name: app, simulate: {features: 8, events_per_day: 1000, days: 10, seed: 3}}]"
    done = command(tmp_path, "rehearse", "--speed", "40000", "--port", "0", product=simulated)
    assert done.returncode == 0, done.stderr
    stream = re.search(
        r"On the stream: ([\d,]+) messages \(counted ([\d,]+), duplicate (\d+), rejected (\d+)\)", done.stdout
    )
    lake = re.search(r"In the lake: ([\d,]+) rows \(accepted ([\d,]+), duplicates (\d+), rejected (\d+)\)", done.stdout)
    assert stream, done.stdout
    assert lake, done.stdout
    assert stream.groups() == lake.groups()
    answered = re.findall(r"allow ([\d,]+), throttle ([\d,]+), block (\d+)", done.stdout)
    # The greedy user sends 300 events a minute for two minutes and keeps 100 of each without a throttle.
    assert sum(int(throttled.replace(",", "")) for _, throttled, _ in answered) == 400
    # The release comes at eight; its feature is rolled back within two minutes of the stream, and nothing else.
    bad = re.search(r"At 08:00 half of a class gets the release 9\.1\.0, on which (\w+) fails", done.stdout)
    assert bad, done.stdout
    decided = re.findall(
        r"2026-05-04 (\d\d:\d\d) (\w+) (\w+) for 9\.1\.0 on ios at the level auto: flags confirmed", done.stdout
    )
    ((at, action, feature),) = decided
    assert (at <= "08:02", action, feature) == (True, "rollback", bad[1])
    assert "confirmed and read back" in done.stdout
    assert f"The night keeps the decision of the guard on {feature}" in done.stdout
    assert "For other features it asks for nothing." in done.stdout
    id_ = re.search(r"online why (\S+)`", done.stdout)
    assert id_
    known = {"INTELLIGENCE_DATA": str(tmp_path / "data" / "rehearsal")}
    assert (
        "throttle, because events_1m is 300, above 100 (too_fast)" in command(tmp_path, "why", id_[1], **known).stdout
    )


def test_a_product_without_a_simulator_has_nothing_to_rehearse(tmp_path: Path) -> None:
    assert "nothing to rehearse" in command(tmp_path, "rehearse", "--port", "0").stderr


def test_what_another_rehearsal_uses_is_not_emptied_and_the_other_is_named(tmp_path: Path) -> None:
    kept = tmp_path / "data" / "rehearsal" / "online.db"
    kept.parent.mkdir(parents=True)
    kept.write_text("in use")
    with serving(tmp_path / "data", {"stream": "http://127.0.0.1:8503"}, what=REHEARSAL):
        done = command(tmp_path, "rehearse", "--port", "0", COLUMNS="1000")
    assert done.returncode == 1
    assert f"by process {os.getpid()} at http://127.0.0.1:8503" in done.stderr
    assert "data/rehearsal: " in done.stderr
    with serving(tmp_path / "data", {}), socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} is in use" in command(tmp_path, "rehearse", "--port", str(port)).stderr
    assert "--port 70000 is no port" in command(tmp_path, "rehearse", "--port", "70000").stderr
    assert kept.read_text() == "in use"
