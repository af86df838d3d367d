"""What became true of a decision is said over HTTP, and found beside the decision."""

import time
import warnings
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from intelligence.interfaces.online.app import MOST_BYTES, app_of
from resources.online.asked import AskedDecisions
from resources.online.store import OnlineStore
from resources.processes.front.guard import Guard
from resources.services.online_answers import OnlineAnswers
from tests.resources.online.streamed import said
from tests.resources.services.test_feedback import online_in

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    online, feedback = online_in(tmp_path)
    online.process(said(0, event_id="4711"))
    answers = OnlineAnswers(
        online.product, OnlineStore(tmp_path / "online.db"), AskedDecisions(tmp_path / "asked.db"), feedback=feedback
    )
    return TestClient(Guard(app_of(answers)), base_url="http://127.0.0.1", raise_server_exceptions=False)


def test_an_outcome_is_taken_shown_beside_its_decision_and_counted(client: TestClient) -> None:
    example = client.get("/v1/openapi.json").json()["paths"]["/v1/outcomes"]["post"]["requestBody"]["content"]
    one, many = example["application/json"]["schema"]["oneOf"]
    assert (many["type"], many["maxItems"]) == ("array", 1000)
    answer = client.post("/v1/outcomes", json=one["examples"][0])
    assert answer.json() == {"decision_id": "4711", "kind": "chargeback", "is_new": True, "decision_is_known": True}
    several = client.post("/v1/outcomes", json=[one["examples"][0], {"decision_id": "x", "kind": "recovered"}]).json()
    assert [(each["is_new"], each["decision_is_known"]) for each in several] == [(False, True), (True, False)]
    decision = client.get("/v1/decisions/4711").json()
    assert [(each["kind"], each["value"]) for each in decision["outcomes"]] == [("chargeback", 25.0)]
    time.sleep(0.06)
    families = {each.name: each for each in text_string_to_metric_families(client.get("/metrics").text)}
    assert {each.labels["kind"]: each.value for each in families["intelligence_outcomes"].samples} == {
        "chargeback": 1,
        "recovered": 1,
    }


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (b"junk", 422, "no outcome"),
        (b"[]", 422, "no outcome"),
        (b'{"decision_id": "1", "kind": "regret"}', 422, "not one of chargeback"),
        (b'{"decision_id": "1", "kind": "abuse", "happened_at": "0001-01-01T00:00:00+23:59"}', 422, "out of range"),
        (b"[" + b" " * MOST_BYTES + b"]", 413, "larger than"),
    ],
)
def test_what_is_no_outcome_is_refused_with_the_reason(
    client: TestClient, body: bytes, status: int, problem: str
) -> None:
    answer = client.post("/v1/outcomes", content=body)
    assert (answer.status_code, problem in answer.json()["problem"]) == (status, True), answer.json()
