"""Whatever a chat server does, there is a reply in full or one error that says what happened and shows nothing."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr
from sqlalchemy import select

from resources.language.chat_server import ChatServer, Message, NoReply, Reply
from resources.language.reply_book import BudgetSpent, ReplyBook
from resources.language.shaped import shaped_reply
from resources.state.store import State, state_at
from resources.state.tables import CHAT_CALLS
from tests.resources.language.stub import Misbehaviour, Stub, completion, sent

KEY = "sk-very-secret-indeed"
TEXT = "the private words of a user"
ASKED: list[Message] = [{"role": "user", "content": TEXT}]


def answers(status: int, body: bytes, **headers: str) -> Misbehaviour:
    return lambda handler: sent(handler, status, body, **headers)


def events(*pieces: object, done: bool = True) -> bytes:
    lines = [f"data: {json.dumps(piece)}" for piece in pieces] + (["data: [DONE]"] if done else [])
    return "\n\n".join([*lines, ""]).encode()


def piece(text: str, finish: str | None = None) -> dict[str, object]:
    return {"model": "stub-1", "choices": [{"delta": {"content": text}, "finish_reason": finish}]}


def breaks_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "5000")
    handler.end_headers()
    handler.wfile.write(completion("half")[:40])
    handler.wfile.flush()
    handler.connection.close()


def server(stub: Stub, **settings: object) -> ChatServer:
    return ChatServer(stub.url, "small", SecretStr(KEY), **settings)  # type: ignore[arg-type]


def test_a_reply_is_returned_with_its_tokens_and_the_key_is_sent(stub: Stub) -> None:
    assert server(stub).reply(ASKED, most_tokens=20) == Reply("Yes.", "stub-1", 11, 3)
    (asked,) = stub.asked
    assert (asked["path"], asked["model"], asked["max_tokens"], asked["messages"]) == (
        "/v1/chat/completions", "small", 20, ASKED,
    )  # fmt: skip
    assert stub.keys == [f"Bearer {KEY}"]


def test_a_server_without_a_key_is_sent_none(stub: Stub) -> None:
    ChatServer(stub.url, "small").reply(ASKED)
    assert stub.keys == [None]


@pytest.mark.parametrize(
    ("does", "words", "may_repeat"),
    [
        (answers(429, b"{}", retry_after="7"), "answered 429", True),
        (answers(500, b"oops"), "answered 500", True),
        (answers(503, json.dumps({"error": {"code": "overloaded"}}).encode()), r"answered 503 \(overloaded\)", True),
        (answers(401, json.dumps({"error": {"code": TEXT, "message": TEXT}}).encode()), "answered 401$", False),
        (answers(400, b"[]"), "answered 400", False),
        (answers(307, b"", location="http://127.0.0.1:9/"), "answered 307", False),
        (answers(200, b'{"choices": [{"mess'), "no JSON", True),
        (answers(200, b"[" * 100_000), "no JSON", True),
        (answers(200, b'{"choices": []}'), "no message", False),
        (answers(200, b"[]"), "no message", False),
        (answers(200, b'{"choices": [{"message": null}]}'), "no message", False),
        (answers(200, completion(None, finish="tool_calls", tool_calls=[{"id": "1"}])), "asked for a tool", False),
        (answers(200, completion("", finish="stop")), "empty", False),
        (answers(200, completion("The answer is", finish="length")), "cut off", False),
        (answers(200, completion(None, refusal="I cannot.")), "refused", False),
        (answers(200, completion("", finish="content_filter")), "refused", False),
        (answers(200, completion("x" * 3_000_000)), "larger than 1,000,000 bytes", False),
        (answers(200, events(piece("Ye"), done=False), content_type="text/event-stream"), "broke off", True),
        (answers(200, events("Ye"), content_type="text/event-stream"), "no message", False),
        (answers(200, b"data: {half", content_type="text/event-stream"), "no JSON", True),
        (breaks_off, "broke off", True),
    ],
)  # fmt: skip
def test_each_failure_says_what_happened_and_shows_no_text(
    stub: Stub, does: Misbehaviour, words: str, may_repeat: bool
) -> None:
    stub.next = [does]
    with pytest.raises(NoReply, match=words) as raised:
        server(stub).reply(ASKED)
    assert raised.value.may_repeat is may_repeat
    assert TEXT not in str(raised.value)
    assert KEY not in f"{raised.value}{server(stub)!r}"


def test_a_server_that_sends_pieces_unasked_is_understood(stub: Stub) -> None:
    stub.next = [answers(200, events(piece("Ye"), piece("s.", "stop")), content_type="text/event-stream")]
    assert server(stub).reply(ASKED).text == "Yes."


def test_a_content_in_parts_is_read_as_one_text(stub: Stub) -> None:
    stub.next = [answers(200, completion([{"type": "text", "text": "Ye"}, {"type": "text", "text": "s."}]))]  # type: ignore[arg-type]
    assert server(stub).reply(ASKED).text == "Yes."


def test_a_silent_server_and_one_that_trickles_are_waited_for_as_long_as_the_time_out(stub: Stub) -> None:
    def silent(handler: BaseHTTPRequestHandler) -> None:
        stub.stopped.wait(5)

    def trickles(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not stub.stopped.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    for does, words in ((silent, "within 0.2 s"), (trickles, "longer than 0.2 s")):
        stub.next = [does]
        with pytest.raises(NoReply, match=words) as raised:
            server(stub, timeout_s=0.2).reply(ASKED)
        assert raised.value.may_repeat


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "no address", "ftp://127.0.0.1/", "http://[", "http://\x00"])
def test_an_address_where_nothing_is_gives_the_same_error(url: str) -> None:
    with pytest.raises(NoReply):
        ChatServer(url, "small", timeout_s=1).reply(ASKED)


class Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    verdict: Literal["good", "bad"]


@pytest.mark.parametrize(
    "text", ['{"verdict": "good"}', '```json\n{"verdict": "good"}\n```', '<think>{bad}</think>{"verdict": "good"}']
)
def test_a_shaped_reply_is_found_between_marks_and_thoughts(stub: Stub, text: str) -> None:
    stub.says = lambda _: text
    assert shaped_reply(server(stub).reply, ASKED, Verdict).verdict == "good"
    assert len(stub.asked) == 1


def test_a_wrong_shape_is_asked_for_once_more_and_then_given_up(stub: Stub) -> None:
    stub.next = [answers(200, completion('{"verdict": "so so"}'))]
    stub.says = lambda _: '{"verdict": "bad"}'
    assert shaped_reply(server(stub).reply, ASKED, Verdict).verdict == "bad"
    assert "verdict: literal_error" in stub.asked[1]["messages"][-1]["content"]
    stub.says = lambda _: TEXT
    with pytest.raises(NoReply, match="neither of two") as raised:
        shaped_reply(server(stub).reply, ASKED, Verdict)
    assert len(stub.asked) == 4
    assert TEXT not in str(raised.value)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return state_at(f"sqlite:///{tmp_path / 'state.db'}")


def book(stub: Stub, state: State, *, calls: int = 10, day: int = 1, purpose: str = "judge") -> ReplyBook:
    clock: Callable[[], datetime] = lambda: datetime(2026, 7, day, 12, tzinfo=UTC)  # noqa: E731
    waits: list[float] = []
    return ReplyBook(server(stub), state, clock, purpose, calls, sleep=waits.append)


def test_what_was_asked_before_is_not_asked_again_and_is_kept_as_a_digest(stub: Stub, state: State) -> None:
    first = book(stub, state).reply(ASKED)
    assert book(stub, state, calls=1, day=9).reply(ASKED) == first
    assert len(stub.asked) == 1
    with state.reading() as connection:
        (row,) = connection.execute(select(CHAT_CALLS)).mappings()
    assert (row["day"], row["outcome"], row["reply"], row["tokens_in"]) == (date(2026, 7, 1), "replied", "Yes.", 11)
    assert TEXT not in str(dict(row))


def test_the_budget_counts_failed_calls_and_begins_anew_each_day(stub: Stub, state: State) -> None:
    stub.next = [answers(500, b""), answers(500, b"")]
    kept = book(stub, state, calls=2)
    with pytest.raises(NoReply, match="500"):
        kept.reply(ASKED)
    with pytest.raises(BudgetSpent, match="2 calls a day"):
        kept.reply(ASKED)
    assert len(stub.asked) == 2
    assert book(stub, state, calls=2, purpose="rewriter").reply(ASKED).text == "Yes."
    assert book(stub, state, calls=2, day=2).calls_today() == 0


def test_a_busy_server_is_asked_again_unless_it_wants_to_rest_for_long(stub: Stub, state: State) -> None:
    stub.next = [answers(429, b"", retry_after="2")]
    assert book(stub, state).reply(ASKED).text == "Yes."
    stub.next = [answers(429, b"", retry_after="3600")]
    with pytest.raises(NoReply, match="429"):
        book(stub, state).reply([{"role": "user", "content": "another"}])
    assert len(stub.asked) == 3
