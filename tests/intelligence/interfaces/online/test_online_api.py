"""The decision API answers as the stream decides, keeps what its document promises, and stays up whatever is sent."""

import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from intelligence.catalog.product import product_from
from intelligence.interfaces.api.keys import with_keys
from intelligence.interfaces.online.app import MOST_BYTES, app_of
from intelligence.interfaces.online.metrics import OnlineMetrics
from resources.online.asked import AskedDecisions
from resources.online.processor import Processor
from resources.online.store import OnlineStore
from resources.processes.front.guard import Guard
from resources.services.online_answers import OnlineAnswers
from tests.lakes import lake_in
from tests.resources.online.streamed import NOW, NOW_MS, PRODUCT, Online, said

with warnings.catch_warnings():
    # Starlette 1 warns that its test client will take httpx2 in the place of httpx.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

DECIDED = (
    "answer",
    "code",
    "per_minute",
    "delay_s",
    "reason",
    "rules",
    "lowered_by",
    "is_fallback",
    "windows",
    "policy",
)


@pytest.fixture
def online(tmp_path: Path) -> Iterator[Online]:
    product, lake, store = product_from(PRODUCT), lake_in(tmp_path / "lake"), OnlineStore(tmp_path / "online.db")
    yield Online(tmp_path, product, lake, store, Processor(product, lake, store))
    lake.close()


def answers_of(online: Online) -> OnlineAnswers:
    """Answers as another process gives them, from the store alone."""
    store = OnlineStore(online.folder / "online.db")
    return OnlineAnswers(online.product, store, AskedDecisions(online.folder / "online_asked.db"))


@pytest.fixture
def client(online: Online) -> TestClient:
    return TestClient(Guard(app_of(answers_of(online))), base_url="http://127.0.0.1", raise_server_exceptions=False)


def asked(event: dict, **more: object) -> dict:
    """The question about an event of the stream, without its id."""
    known = {"user_id": event["user_id"], "event_time": event["event_time"], "value": event.get("value")}
    return {**known, "errors": bool(event.get("error_count")), "crashed": bool(event.get("crashed")), **more}


def test_what_the_api_answers_before_an_event_is_what_the_stream_then_decides(
    online: Online, client: TestClient
) -> None:
    events = [
        said(n * 5, event_id=f"e{n}", user_id=f"u{n % 2}" if n % 9 else "thief", value=n % 5, error_count=n % 2)
        for n in range(60)
    ]
    for event in events:
        before = client.post("/v1/decide", json=asked(event))
        assert before.status_code == 200, before.text
        online.process(event)
        time.sleep(0.06)
        after = client.get(f"/v1/decisions/{event['event_id']}").json()
        assert {name: before.json()[name] for name in DECIDED} == {name: after[name] for name in DECIDED}
    codes = {each.answer for each in online.store.decisions()}
    assert codes == {0, 1, 2}


def test_late_and_early_events_are_decided_on_without_windows_as_on_the_stream(
    online: Online, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OnlineAnswers, "now_ms", lambda _: NOW_MS)
    online.process(*(said(n / 10, event_id=f"burst{n}") for n in range(30)))
    time.sleep(0.06)
    for seconds, status in ((-600, "counted"), (-601, "late"), (659, "counted"), (661, "early"), (-86_400, "late")):
        for user in ("u1", "thief"):
            event = said(seconds, event_id=f"{user}{seconds}", user_id=user)
            before = client.post("/v1/decide", json=asked(event)).json()
            online.process(event)
            after = online.store.trace(event["event_id"])
            names = (*DECIDED, "status")
            assert {name: before[name] for name in names} == {name: after[name] for name in names}
            assert (before["status"], before["windows"] is None) == (status, status != "counted")
            assert before["answer"] == "block" if user == "thief" else before["is_fallback"] or before["rules"]
            time.sleep(0.06)


def test_the_same_id_gets_the_same_answer_and_the_trace_can_be_read_again(online: Online, client: TestClient) -> None:
    first = client.post("/v1/decide", json={"user_id": "thief", "id": "x/1"}).json()
    assert (first["answer"], first["code"], first["is_enforced"], first["asked"]) == ("block", 2, False, True)
    assert client.post("/v1/decide", json={"user_id": "thief", "id": "x/1", "value": 9}).json() == first
    assert client.get("/v1/decisions/x/1").json() == first
    online.process(said(0, event_id="s1"))
    time.sleep(0.06)
    of_stream = client.get("/v1/decisions/s1").json()
    assert client.post("/v1/decide", json={"user_id": "u1", "id": "s1"}).json() == of_stream


@pytest.mark.parametrize("seen_by", ["stream", "questions"])
def test_nobody_gets_the_answer_to_another_user_by_taking_its_id(
    online: Online, client: TestClient, seen_by: str
) -> None:
    if seen_by == "stream":
        online.process(said(0, event_id="shared", user_id="nice"))
        time.sleep(0.06)
    else:
        assert client.post("/v1/decide", json={"user_id": "nice", "id": "shared"}).json()["answer"] == "allow"
    refused = client.post("/v1/decide", json=[{"user_id": "u1", "id": "new"}, {"user_id": "thief", "id": "shared"}])
    assert refused.status_code == 409
    assert refused.json()["problem"] == "is the id of a decision on another user."
    assert client.get("/v1/decisions/new").status_code == 404
    both = [{"user_id": "nice", "id": "twice"}, {"user_id": "thief", "id": "twice"}]
    assert client.post("/v1/decide", json=both).status_code == 409
    assert client.get("/v1/decisions/twice").status_code == 404


def test_an_address_that_is_not_there_and_a_wrong_method_are_told_as_all_errors_are(client: TestClient) -> None:
    for found, status in ((client.get("/v1/nothing"), 404), (client.delete("/v1/decide"), 405)):
        assert found.status_code == status
        assert set(found.json()) == {"error", "problem", "hint"}
    assert client.delete("/v1/decide").headers["allow"] == "POST"


def test_asking_counts_nothing_and_many_are_answered_in_order(client: TestClient) -> None:
    found = client.post("/v1/decide", json=[{"user_id": name} for name in ("thief", "u1", "thief")] * 10).json()
    assert [each["code"] for each in found] == [2, 0, 2] * 10
    assert {each["windows"]["events_5m"] for each in found} == {1.0}
    assert len({each["id"] for each in found}) == 30
    assert client.get("/v1/entities/u1").status_code == 404


def test_windows_of_entities_and_features_follow_the_stream(online: Online, client: TestClient, monkeypatch) -> None:
    monkeypatch.setattr(OnlineAnswers, "now_ms", lambda _: NOW_MS + 60_000)
    # More than two snapshots of the windows are stored meanwhile, so that those who follow begin anew.
    for start in range(0, 120, 10):
        online.process(
            *(said(0, event_id=f"e{n}", user_id=f"u{n % 4}", error_count=n % 2) for n in range(start, start + 10))
        )
    time.sleep(0.06)
    assert client.get("/v1/entities/u1").json()["windows"]["events_5m"] == 30
    rows = client.get("/v1/features/search").json()["rows"]
    assert {row["window"]: (row["events"], row["errors"]) for row in rows} == {
        "1m": (0, 0), "5m": (120, 60), "1h": (120, 60), "24h": (120, 60)
    }  # fmt: skip
    assert rows[1]["users"] == pytest.approx(4, abs=0.1)
    assert rows[1]["harmed_users"] == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (b"", 422, "truncated"),
        (b"{}", 422, "user_id"),
        (b'{"user_id": 3}', 422, "Expected `str`"),
        (b'{"user_id": ""}', 422, "length >= 1"),
        (b'{"user_id": "u", "value": 1e400}', 422, "out of range"),
        (b'{"user_id": "u", "colour": 1}', 422, "colour"),
        (b'{"user_id": "u", "event_time": "noon"}', 422, "RFC3339"),
        (b'{"user_id": "u", "event_time": "9999-12-31T23:59:59-14:00"}', 422, "events are from 2000-01-01"),
        (b'[{"user_id": "u"}, {"user_id": "u", "event_time": "0001-01-01T00:00:00+14:00"}]', 422, "events are from"),
        (b"[]", 422, "length >= 1"),
        (b"[" * 100_000, 422, "no event"),
        (b"\xff", 422, "no event"),
        (b'[{"user_id": "u"}' + b',{"user_id": "u"}' * 1_000 + b"]", 422, "length <= 1000"),
        (b" " * (MOST_BYTES + 1), 413, "larger than 1,000,000 bytes"),
    ],
)
def test_what_is_no_event_is_refused_with_what_is_wrong(
    client: TestClient, body: bytes, status: int, problem: str
) -> None:
    answer = client.post("/v1/decide", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "problem", "hint"}
    assert problem in answer.json()["problem"]


@pytest.mark.parametrize("path", ["/v1/entities/nobody", "/v1/features/nothing", "/v1/decisions/none"])
def test_what_is_not_known_is_404_with_the_next_step(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "intelligence online run" in answer.json()["hint"]


def test_pages_of_other_sites_are_refused_as_by_every_server(client: TestClient) -> None:
    for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
        assert client.post("/v1/decide", json={"user_id": "u"}, headers=headers).status_code == 403


def test_metrics_can_be_read_by_prometheus_and_name_nobody(online: Online, client: TestClient) -> None:
    online.process(*(said(n, event_id=f"e{n}", user_id=f"somebody{n}") for n in range(300)), b"junk")
    client.post("/v1/decide", json=[{"user_id": "thief"}, {"user_id": "u"}])
    time.sleep(0.06)
    answer = client.get("/metrics")
    families = {each.name: each for each in text_string_to_metric_families(answer.text)}
    messages = {each.labels["status"]: each.value for each in families["intelligence_stream_messages"].samples}
    assert messages == {"counted": 300, "rejected": 1}
    answers = {
        each.labels["answer"]: each.value
        for each in families["intelligence_asked_decisions"].samples
        if each.name.endswith("_total")
    }
    assert answers == {"allow": 1, "throttle": 0, "block": 1}
    assert families["intelligence_stream_entities"].samples[0].value == 300
    assert sum(len(each.samples) for each in families.values()) < 100
    assert "somebody" not in answer.text


def test_decisions_of_the_stream_are_counted_once_by_what_decided(online: Online, client: TestClient) -> None:
    online.process(*(said(n, event_id=f"e{n}", user_id=f"u{n}" if n % 3 else "thief") for n in range(30)))
    online.process(said(1, event_id="e1"), *(said(n, event_id=f"b{n}", user_id="fast") for n in range(22)))
    online.restarted()
    families = {each.name: each for each in text_string_to_metric_families(client.get("/metrics").text)}
    found = {
        (each.labels["answer"], each.labels["kind"], each.labels["rule"]): each.value
        for each in families["intelligence_stream_decisions"].samples
        if each.name.endswith("_total")
    }
    assert {key: number for key, number in found.items() if number} == {
        ("block", "rule", "banned"): 10, ("throttle", "rule", "burst"): 2, ("allow", "fallback", ""): 40
    }  # fmt: skip
    assert ("throttle", "lot", "") in found, "a series that is born at 1 never increases"
    versions = {each.labels["model"]: each.value for each in families["intelligence_model_version"].samples}
    assert versions == {"entity_risk": 0, "entity_policy": 0}


def test_many_rules_make_no_more_than_a_hundred_sets_of_labels(online: Online, tmp_path: Path) -> None:
    rules = "".join(f"    - {{name: r{n}, answer: block, entities: [e{n}]}}\n" for n in range(60))
    product = product_from(PRODUCT + rules)
    processor = Processor(product, online.lake, online.store)
    events = [said(n, event_id=f"m{n}", user_id=f"e{n}") for n in range(60)]
    processor.process(online.feed.messages(*events), now=NOW)
    answers = OnlineAnswers(
        product, OnlineStore(online.folder / "online.db"), AskedDecisions(online.folder / "online_asked.db")
    )
    families = {each.name: each for each in text_string_to_metric_families(OnlineMetrics(answers).text().decode())}
    assert sum(len(each.samples) for each in families.values()) < 100
    named = {
        each.labels["rule"]: each.value
        for each in families["intelligence_stream_decisions"].samples
        if each.labels["kind"] == "rule"
    }
    assert named["other"] == 60 - (len(named) - 3)


def test_it_says_whether_it_is_alive_and_how_long_the_stream_is_silent(online: Online, client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready", "entities": 0, "silent_s": None}
    online.process(said(0))
    time.sleep(0.06)
    ready = client.get("/readyz").json()
    assert ready["entities"] == 1
    assert ready["silent_s"] == pytest.approx(time.time() - NOW_MS / 1000, abs=120)


def test_the_document_describes_every_address_and_shows_an_example(client: TestClient) -> None:
    document = client.get("/v1/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/decide", "/v1/decisions/{id}", "/v1/entities/{id}", "/v1/features/{name}", "/v1/guard", "/healthz", "/readyz", "/metrics"
    }  # fmt: skip
    one, many = document["paths"]["/v1/decide"]["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert client.post("/v1/decide", json=one["examples"][0]).status_code == 200
    assert (many["type"], many["maxItems"]) == ("array", 1000)
    assert all(each.get("summary") for path in document["paths"].values() for each in path.values())


def test_a_question_through_a_proxy_needs_a_key_where_there_are_some(online: Online) -> None:
    key = "k1-0123456789abcdefghij"
    app = Guard(with_keys(app_of(answers_of(online)), (SecretStr(key),)))
    through = TestClient(app, base_url="http://127.0.0.1", headers={"X-Forwarded-For": "192.0.2.7"})
    question = {"user_id": "u1"}
    assert through.post("/v1/decide", json=question).status_code == 401
    assert through.post("/v1/decide", json=question, headers={"Authorization": f"Bearer {key}x"}).status_code == 401
    assert through.post("/v1/decide", json=question, headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert TestClient(app, base_url="http://127.0.0.1").post("/v1/decide", json=question).status_code == 200


@pytest.mark.proof
def test_the_api_keeps_the_promises_of_its_document(online: Online) -> None:
    app = app_of(answers_of(online))
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", app)

    for operation in schema.get_all_operations():
        check = operation.ok()

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=check.as_strategy())
        def promised(case: schemathesis.Case) -> None:
            answer = case.call()
            assert answer.status_code < 500, (case, answer.content)
            if answer.status_code >= 400:
                assert json.loads(answer.content)

        promised()
