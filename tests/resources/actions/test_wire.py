"""What leaves the platform is what each service accepts; what bears secrets shows them to nobody."""

import http.client
import json
import logging
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from intelligence.actions.action import Action
from intelligence.actions.settings import Actions
from intelligence.actions.signature import signature
from intelligence.actions.target import Refused, Unknown
from resources.config.settings import ActionSecrets, action_secrets
from resources.messages.connected import connected_targets
from resources.outbox.deliverer import delivered
from resources.processes.front.twins import twins_served
from resources.targets.http import OverHttp
from resources.targets.jira import Jira
from resources.targets.pagerduty import PagerDuty
from resources.targets.slack import Slack
from resources.targets.slack_calls import SlackOverHttp
from resources.targets.webhook import Webhook
from resources.twins.faults import Fault
from resources.twins.recorded import recorded_messages
from resources.twins.wire import TwinKeys
from tests.resources.actions.conftest import KEYS, Desk, action

HOSTILE = (
    "<script>alert('x')</script> <!channel> <https://evil.example|ok> \x1b[31m \u202e */ '); DROP TABLE outbox; --"
)
SERVICES = ("slack", "pagerduty", "jira", "webhook")
SECRET = "xoxb-very-secret-indeed"


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)


def hostile(target: str) -> Action:
    payload = {"component": HOSTILE, "severity": HOSTILE}
    return action(
        HOSTILE, target=target, feature=HOSTILE, episode=HOSTILE, title=HOSTILE, text=HOSTILE, payload=payload
    )


def test_hostile_words_arrive_everywhere_as_inert_text(desk: Desk) -> None:
    desk.approve(*(hostile(target) for target in SERVICES))
    assert len(desk.deliver().ids("confirmed")) == len(SERVICES)
    assert "<" not in str(desk.taken("slack")[0].body["text"])
    (issue,) = desk.taken("jira")
    assert "\x1b" not in json.dumps(issue.body, ensure_ascii=False)
    page = httpx.get(desk.url)
    assert Tags(page.text).seen <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "section", "article", "time", "code", "pre",
    }  # fmt: skip
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert desk.standings() == ["confirmed"] * 4


def test_the_page_shows_threads_and_escapes(desk: Desk) -> None:
    desk.approve(action("d1", title="First"), action("d2", title="Second"))
    desk.deliver()
    page = httpx.get(desk.url).text
    assert page.index("First") < page.index("Second")
    assert "slack · product-intelligence" in page
    assert httpx.get(f"{desk.url}/other").status_code == 404


def test_secrets_are_read_from_the_environment_and_shown_nowhere(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("SLACK_TOKEN", "PAGERDUTY_ROUTING_KEY", "JIRA_TOKEN", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"INTELLIGENCE_{name}", SECRET)
    monkeypatch.setenv("INTELLIGENCE_JIRA_USER", "ann@example.com")
    secrets = action_secrets()
    wanted = Actions(
        targets=SERVICES,
        slack_url=f"{desk.url}/api/",
        pagerduty_url=desk.url,
        jira_url=desk.url,
        webhook_url=f"{desk.url}/webhook",
        rate_per_s=1_000,
    )
    targets = connected_targets(wanted, secrets, outbox=desk.outbox, data=desk.folder)
    desk.approve(*(action(f"d{each}{number}", target=each) for each in SERVICES for number in range(2)))
    for fault in (Fault.BROKEN, Fault.RESET):
        for service in SERVICES:
            desk.misbehaviours.add(service, fault)
    reports = []
    for _ in range(5):
        reports.append(delivered(desk.outbox, targets))
        desk.later(hours=1)
    assert set(desk.standings()) == {"failed", "unconfirmed"}
    shown = [repr(targets), repr(secrets), repr(reports), caplog.text, *capsys.readouterr()]
    shown += [repr(desk.outbox.entries()), *(repr(desk.outbox.history(each.id)) for each in desk.outbox.entries())]
    stored = b"".join(path.read_bytes() for path in desk.folder.glob("*.db*"))
    assert SECRET not in "".join(shown)
    assert SECRET.encode() not in stored


@pytest.mark.parametrize("name", SERVICES)
def test_wrong_credentials_are_refused_in_the_words_of_the_service(desk: Desk, name: str) -> None:
    wrong = SecretStr("wrong")
    targets = {
        "slack": Slack(SlackOverHttp(f"{desk.url}/api/", wrong), "#ops"),
        "pagerduty": PagerDuty(OverHttp("PagerDuty", desk.url), wrong),
        "jira": Jira(OverHttp("Jira", desk.url), "ann", wrong, "OPS", "Task"),
        "webhook": Webhook(OverHttp("the webhook", f"{desk.url}/webhook"), wrong, desk.outbox.clock),
    }
    words = {"slack": "invalid_auth", "pagerduty": "routing_key", "jira": "authenticated", "webhook": "signature"}
    with pytest.raises(Refused, match=words[name]):
        targets[name].sent(action(target=name), None)
    assert desk.taken(name) == []


def posted(desk: Desk, path: str, document: Any, **headers: str) -> httpx.Response:
    return httpx.post(f"{desk.url}{path}", content=json.dumps(document), headers=headers)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"channel": "#ops"}, "no_text"),
        ({"channel": "#ops", "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": "two words", "text": "x"}, "channel_not_found"),
        ({"channel": "#ops", "text": "x", "thread_ts": "1.000001"}, "cannot_reply_to_message"),
        ({"channel": "#ops", "text": "x", "colour": "red"}, "invalid_arguments"),
        ({"channel": "#ops", "text": "x", "metadata": {"event_type": "a"}}, "invalid_metadata_format"),
        (
            {"channel": "#ops", "text": "x", "metadata": {"event_type": "a", "event_payload": {"k": [1]}}},
            "invalid_metadata_schema",
        ),
        ([], "json_not_object"),
    ],
)
def test_the_twin_of_slack_is_as_strict_as_slack(desk: Desk, document: Any, error: str) -> None:
    headers = {"authorization": f"Bearer {KEYS.slack_token}", "content-type": "application/json"}
    assert posted(desk, "/api/chat.postMessage", document, **headers).json() == {"ok": False, "error": error}
    assert desk.taken() == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"dedup_key": "x" * 256}, "'dedup_key'"),
        ({"event_action": "explode"}, "'event_action' is invalid"),
        ({"payload": None}, "'payload' is missing"),
        ({"payload": {"summary": "", "source": "s", "severity": "bad", "x": 1}}, "severity"),
        ({"more": 1}, "'more' is not a known field"),
    ],
)
def test_the_twin_of_pagerduty_is_as_strict_as_pagerduty(desk: Desk, change: dict[str, Any], error: str) -> None:
    good = {
        "routing_key": KEYS.pagerduty_routing_key,
        "event_action": "trigger",
        "dedup_key": "k",
        "payload": {"summary": "s", "source": "s", "severity": "info"},
    }
    assert posted(desk, "/v2/enqueue", good).status_code == 202
    answer = posted(desk, "/v2/enqueue", {**good, **change})
    assert (answer.status_code, answer.json()["status"]) == (400, "invalid event")
    assert error in str(answer.json()["errors"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"summary": "two\nlines"}, "summary"),
        ({"summary": "x" * 256}, "summary"),
        ({"description": "text"}, "description"),
        ({"labels": ["two words"]}, "labels"),
        ({"colour": "red"}, "colour"),
        ({"project": None}, "project"),
        ({"issuetype": None}, "issuetype"),
    ],
)
def test_the_twin_of_jira_is_as_strict_as_jira(desk: Desk, change: dict[str, Any], field: str) -> None:
    import base64

    credentials = base64.b64encode(f"{KEYS.jira_user}:{KEYS.jira_token}".encode()).decode()
    good = {
        "project": {"key": "OPS"},
        "issuetype": {"name": "Task"},
        "summary": "s",
        "labels": ["a"],
        "description": {
            "type": "doc",
            "version": 1,
            "content": [{"type": "paragraph", "content": [{"type": "text", "text": "t"}]}],
        },
    }
    headers = {"authorization": f"Basic {credentials}"}
    assert posted(desk, "/rest/api/3/issue", {"fields": good}, **headers).status_code == 201
    answer = posted(desk, "/rest/api/3/issue", {"fields": {**good, **change}}, **headers)
    assert answer.status_code == 400
    assert field in answer.json()["errors"]


def test_a_webhook_is_refused_if_it_is_stale_changed_or_bears_another_key(desk: Desk) -> None:
    body = json.dumps({"id": "k"}).encode()

    def status(timestamp: str, sent: bytes, key: str) -> int:
        signed = signature(KEYS.webhook_secret, timestamp, body)
        headers = {"webhook-timestamp": timestamp, "webhook-signature": signed, "idempotency-key": key}
        return httpx.post(f"{desk.url}/webhook", content=sent, headers=headers).status_code

    now = str(int(desk.outbox.clock().timestamp()))
    assert status(now, body, "k") == 200
    assert status(now, body + b" ", "k") == 401
    assert status(str(int(now) - 3_600), body, "k") == 401
    assert status(now, body, "other") == 400


def test_a_target_that_hangs_is_waited_for_as_long_as_its_time_out(desk: Desk) -> None:
    with twins_served(desk.twins, hang_s=1.0) as (url, misbehaviours):
        for service in ("slack", "jira"):
            misbehaviours.add(service, Fault.HANG)
        slack = Slack(SlackOverHttp(f"{url}/api/", SecretStr(KEYS.slack_token), timeout_s=0.2), "#ops")
        calls = OverHttp("Jira", url, timeout_s=0.2)
        jira = Jira(calls, KEYS.jira_user, SecretStr(KEYS.jira_token), "OPS", "Task")
        for target in (slack, jira):
            with pytest.raises(Unknown, match="did not answer"):
                target.sent(action(), None)


class Packed(BaseHTTPRequestHandler):
    """Answers as a proxy that has packed what Slack said."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/gzip")
        self.end_headers()
        self.wfile.write(b"\x1f\x8b")

    def log_message(self, *_: Any) -> None: ...


def test_an_answer_of_slack_that_is_no_document_leaves_the_message_in_doubt() -> None:
    with HTTPServer(("127.0.0.1", 0), Packed) as server:
        Thread(target=server.handle_request, daemon=True).start()
        calls = SlackOverHttp(f"http://127.0.0.1:{server.server_port}/api/", SecretStr(KEYS.slack_token))
        with pytest.raises(Unknown, match="something else than a document"):
            calls.answer("chat.postMessage", {"channel": "#ops", "text": "hello"})


def test_nothing_is_served_beyond_loopback_and_what_is_too_large_is_refused(desk: Desk) -> None:
    address = urlsplit(desk.url)
    assert address.hostname == "127.0.0.1"
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    connection.putrequest("POST", "/api/chat.postMessage")
    connection.putheader("content-length", "99999999")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_without_secrets_everything_is_recorded_and_nothing_is_called(desk: Desk) -> None:
    wanted = Actions(targets=SERVICES, slack_url="http://127.0.0.1:9", jira_url="http://127.0.0.1:9")
    targets = connected_targets(wanted, ActionSecrets(), outbox=desk.outbox, data=desk.folder)
    desk.approve(*(action(target=each) for each in SERVICES))
    assert len(delivered(desk.outbox, targets).ids("confirmed")) == 4
    assert {message.service for message in recorded_messages(desk.folder)} == set(SERVICES)
    assert TwinKeys() == KEYS
