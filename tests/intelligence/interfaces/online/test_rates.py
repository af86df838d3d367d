"""Who comes through a proxy may send so much a second, each key for itself; the machine's own programs have no limit."""

import asyncio
import warnings
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.requests import Request

from intelligence.catalog.product import product_from
from intelligence.interfaces.api.keys import KEY, with_keys
from intelligence.interfaces.online.app import app_of
from intelligence.interfaces.online.rates import RateLimits, TooMany
from resources.online.asked import AskedDecisions
from resources.online.store import OnlineStore
from resources.processes.front.guard import Guard
from resources.services.online_answers import OnlineAnswers
from tests.resources.online.streamed import PRODUCT

with warnings.catch_warnings():
    # Starlette 1 warns that its test client will take httpx2 in the place of httpx.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

HOST, EVENT = "risk.example.com", {"user_id": "ada"}
LIST = [{"user_id": f"u{place}"} for place in range(1_000)]


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    product = product_from(PRODUCT.replace("online:", "online:\n  requests_per_second: 5"))
    answers = OnlineAnswers(product, OnlineStore(tmp_path / "online.db"), AskedDecisions(tmp_path / "asked.db"))
    app = with_keys(app_of(answers), [SecretStr("one"), SecretStr("two")])
    return TestClient(Guard(app, allowed_hosts=[HOST]), base_url="http://127.0.0.1")


def headers(key: str) -> dict[str, str]:
    return {"host": HOST, "authorization": f"Bearer {key}"}


def test_a_long_list_is_taken_and_paid_off_before_anything_else_of_the_same_key(client: TestClient) -> None:
    assert client.post("/v1/decide", json=LIST, headers=headers("one")).status_code == 200
    refused = client.post("/v1/decide", json=EVENT, headers=headers("one"))
    assert refused.status_code == 429
    assert 190 <= int(refused.headers["retry-after"]) <= 200
    assert refused.json() == {
        "error": "rate",
        "problem": "this caller sends more than 5 a second.",
        "hint": "Send fewer, or let the owner raise `online.requests_per_second` in product.yaml.",
    }
    assert client.post("/v1/decide", json=EVENT, headers=headers("two")).status_code == 200


@pytest.mark.parametrize("path", ["/v1/decisions/1", "/v1/entities/1", "/v1/features/1", "/v1/guard"])
def test_questions_count_as_well(client: TestClient, path: str) -> None:
    codes = [client.get(path, headers=headers("one")).status_code for _ in range(20)]
    assert codes[0] != 429
    assert codes[-1] == 429


def test_requests_that_are_refused_for_their_body_count_as_well(client: TestClient) -> None:
    sent = [client.post("/v1/decide", content=b"{", headers=headers("one")).status_code for _ in range(20)]
    assert (sent[0], sent[-1]) == (422, 429)


def test_a_program_on_the_machine_itself_has_no_limit(client: TestClient) -> None:
    codes = {client.post("/v1/decide", json=LIST).status_code for _ in range(3)}
    assert codes == {200}


def test_whether_the_process_lives_can_always_be_asked(client: TestClient) -> None:
    client.post("/v1/decide", json=LIST, headers=headers("one"))
    for path in ("/healthz", "/readyz", "/metrics"):
        assert client.get(path, headers=headers("one")).status_code == 200


def test_a_bucket_fills_with_time_and_holds_a_second_at_most() -> None:
    clock, place = [0.0], 0
    limits = RateLimits(10, clock=lambda: clock[0])
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", HOST.encode())], KEY: place}
    request = Request(scope)

    def taken() -> int:
        number = 0
        while True:
            try:
                asyncio.run(limits.take(request))
            except TooMany:
                return number
            number += 1

    assert taken() == 10
    clock[0] = 0.5
    assert taken() == 5
    clock[0] = 100
    assert taken() == 10


def test_without_keys_all_that_come_through_a_proxy_share_one_limit(tmp_path: Path) -> None:
    product = product_from(PRODUCT.replace("online:", "online:\n  requests_per_second: 5"))
    answers = OnlineAnswers(product, OnlineStore(tmp_path / "online.db"), AskedDecisions(tmp_path / "asked.db"))
    client = TestClient(Guard(app_of(answers), allowed_hosts=[HOST]), base_url="http://127.0.0.1")
    codes = [
        client.post("/v1/decide", json=EVENT, headers=headers(f"made-up-{place}")).status_code for place in range(20)
    ]
    assert (codes[0], codes[-1]) == (200, 429)
