"""A language model that rewrites briefs, over HTTP: whatever it does, no brief is lost and none says what no fact says."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from intelligence.briefs.brief import Brief
from intelligence.catalog.product import product_from
from intelligence.core.errors import ProductFileError
from intelligence.core.facts import said
from resources.language.chat_server import ChatServer
from resources.services.rewriting import RewritingService
from tests.intelligence.interfaces.dashboard.lakes import filled, lake_at
from tests.platforms import platform_in
from tests.resources.language.stub import Stub, chat_stub, completion, sent

NOW = datetime(2026, 8, 2, 6, tzinfo=UTC)
PRODUCT = "name: Shop\nsources: [{name: app, simulate: {}}]\n"


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Brief:
    folder = filled(tmp_path_factory.mktemp("rewritten"), days=40, features=["quiz", "chat"])
    lake = lake_at(folder)
    found = platform_in(folder / "data", product_file=folder / "product.yaml", lake=lake).briefs.composed().of("day")
    lake.close()
    return found


@pytest.fixture
def stub() -> Iterator[Stub]:
    with chat_stub() as running:
        yield running


def service_of(stub: Stub, **settings: Any) -> RewritingService:
    return RewritingService(product_from(PRODUCT), "sqlite://", lambda: NOW, ChatServer(stub.url, "stub-1", **settings))


def budgeted(stub: Stub, folder: Path, calls: int, now: datetime) -> RewritingService:
    section = f"{{rewriter_url: '{stub.url}', rewriter_model: stub-1, rewriter_calls_per_day: {calls}}}"
    return RewritingService(product_from(f"{PRODUCT}briefs: {section}\n"), f"sqlite:///{folder}/state.db", lambda: now)


def given(asked: Mapping[str, Any]) -> list[str]:
    said: list[str] = json.loads(asked["messages"][1]["content"])["sentences"]
    return said


def test_a_sound_rewriting_is_kept(brief: Brief, stub: Stub) -> None:
    stub.says = lambda asked: json.dumps({"sentences": [f"Note: {each}" for each in given(asked)]})
    found = service_of(stub).rewritten(brief)
    assert found.refused == {}
    assert found.sentences == tuple(f"Note: {each}" for each in brief.sentences)
    assert stub.asked[0]["messages"][0]["role"] == "system"


def test_one_false_sentence_is_replaced_and_the_others_are_kept(brief: Brief, stub: Stub) -> None:
    def says(asked: Mapping[str, Any]) -> str:
        told = [f"Note: {each}" for each in given(asked)]
        return json.dumps({"sentences": [*told[:-1], f"{told[-1]} About 77 users left because of a bug."]})

    stub.says = says
    found = service_of(stub).rewritten(brief)
    own = [str(each) for each in brief.sentences]
    assert list(found.refused) == [len(own) - 1]
    assert found.sentences == (*(f"Note: {each}" for each in own[:-1]), own[-1])


def failing(status: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: sent(handler, status, b'{"error": {"code": "no"}}', **headers)


def broken_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "text/event-stream")
    handler.end_headers()
    handler.wfile.write(b'data: {"choices": [{"delta": {"content": "{\\"sent"}}]}\n\n')
    handler.close_connection = True


def slow(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "1000000")
    handler.end_headers()
    import time

    time.sleep(0.7)


@pytest.mark.parametrize(
    "misbehaviour",
    [
        failing(429, retry_after="9"),
        failing(500),
        slow,
        broken_off,
        lambda handler: sent(handler, 200, b"{broken"),
        lambda handler: sent(handler, 200, completion("x" * 3_000_000)),
        lambda handler: sent(handler, 200, completion(None, refusal="I cannot do that.")),
        lambda handler: sent(handler, 200, completion(None, finish="tool_calls", tool_calls=[{"id": "1"}])),
        lambda handler: sent(handler, 200, completion("I am sorry.")),
        lambda handler: sent(handler, 200, completion('{"sentences": [1, 2]}')),
    ],
)
def test_no_brief_is_lost_whatever_the_server_does(
    brief: Brief, stub: Stub, misbehaviour: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    stub.next = [misbehaviour, misbehaviour]
    found = service_of(stub, timeout_s=0.4).rewritten(brief)
    assert found.sentences == tuple(map(str, brief.sentences))
    assert len(found.refused) == len(found.sentences)
    assert all(found.refused.values())


def test_without_an_address_nothing_is_sent(brief: Brief, tmp_path: Path) -> None:
    off = RewritingService(product_from(PRODUCT), f"sqlite:///{tmp_path}/state.db", lambda: NOW)
    assert not off.is_on
    found = off.rewritten(brief)
    assert found.sentences == tuple(map(str, brief.sentences))
    assert set(found.refused.values()) == {"product.yaml names no rewriter_url"}
    assert not list(tmp_path.iterdir())


def test_beyond_the_budget_of_a_day_the_rules_own_words_stand_and_say_so(
    brief: Brief, stub: Stub, tmp_path: Path
) -> None:
    stub.says = lambda asked: json.dumps({"sentences": [f"Note: {each}" for each in given(asked)]})
    another = replace(brief, title=said("Another title"))
    first = budgeted(stub, tmp_path, 1, NOW).rewritten(brief)
    assert first.refused == {}
    spent = budgeted(stub, tmp_path, 1, NOW).rewritten(another)
    assert spent.sentences == tuple(map(str, another.sentences))
    assert set(spent.refused.values()) == {"the budget of 1 calls a day is spent"}
    assert budgeted(stub, tmp_path, 1, NOW).rewritten(brief).refused == {}, "what was asked before costs no call"
    assert len(stub.asked) == 1
    assert budgeted(stub, tmp_path, 1, NOW + timedelta(days=1)).rewritten(another).refused == {}


def test_an_address_needs_a_model() -> None:
    named = product_from(f"{PRODUCT}briefs: {{rewriter_url: 'http://127.0.0.1:9/v1', rewriter_model: small}}\n")
    assert RewritingService(named, "sqlite://", lambda: NOW).is_on
    with pytest.raises(ProductFileError, match="rewriter_model"):
        product_from(f"{PRODUCT}briefs: {{rewriter_url: 'http://127.0.0.1:9/v1'}}\n")
