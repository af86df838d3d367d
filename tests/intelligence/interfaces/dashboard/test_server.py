"""The server of the dashboard: what browsers are told, what Streamlit is, and who asks through a reverse proxy."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as Asked
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from streamlit import config
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from intelligence.core.csv_text import without_formulas
from intelligence.core.errors import PlatformError
from intelligence.interfaces.dashboard.server import POLICY, SETTINGS, proxy, with_policy
from intelligence.interfaces.dashboard.text import shown_rows
from resources.config.settings import ROOT
from resources.processes.front.people import LONGEST_NAME, as_request, person_of, with_people
from resources.processes.front.serving import server_of
from tests.intelligence.interfaces.dashboard.lakes import product_in

HOST = "insights.example.com"
HEADER = "X-Forwarded-User"
PASSWORDS = {"lovelace": "Ada Lovelace", "mark": "<b>Ada</b>", "none": "", "long": "a" * (LONGEST_NAME + 1)}


def test_every_setting_is_one_that_streamlit_knows() -> None:
    assert set(SETTINGS) <= set(config.get_config_options())
    assert SETTINGS["browser.gatherUsageStats"] is False
    assert SETTINGS["server.address"] == "127.0.0.1"


def test_every_answer_carries_the_policy_and_keeps_its_own_headers() -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(with_policy(app)({"type": "http"}, None, send))  # type: ignore[arg-type]
    assert sent[0]["headers"] == [(b"x-own", b"1"), (b"content-security-policy", POLICY.encode())]
    assert sent[1]["body"] == b"ok"
    sources = {word for rule in POLICY.split(";") for word in rule.split()[1:]}
    assert not any(word.startswith(("http", "*", "ws")) for word in sources), "nothing is loaded from elsewhere"


def test_a_download_holds_no_formula_and_no_control_character() -> None:
    import polars as pl

    rows = pl.DataFrame({"feature": ["=HYPERLINK(1)", "@a", "quiz", "a\x1b[2J", None], "users": [1, -2, 3, 4, 5]})
    lines = without_formulas(shown_rows(rows)).write_csv().splitlines()
    assert lines == ["feature,users", "'=HYPERLINK(1),1", "'@a,-2", "quiz,3", "a\\x1b[2J,4", ",5"]


@contextmanager
def serving(server: uvicorn.Server) -> Iterator[str]:
    """Run a server in a thread, and yield its address."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join(timeout=20)


def reverse_proxy(upstream: str, *, adds_only: bool = False, keeps_host: bool = True) -> Starlette:
    """Return a reverse proxy that lets in who knows a password, and names the person in a header.

    `adds_only` is the mistake of a proxy that does not take the header of the client away first.
    """

    async def passed(asked: Asked) -> Response:
        name = PASSWORDS.get(asked.headers.get("x-password", ""))
        if name is None:
            return Response(status_code=401)
        sent = [
            (key, value)
            for key, value in asked.headers.raw
            if key != b"x-password" and (adds_only or key != HEADER.lower().encode()) and (keeps_host or key != b"host")
        ]
        named = [*sent, (HEADER.encode(), name.encode()), (b"x-forwarded-for", b"10.0.0.7")]
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{upstream}{asked.url.path}", headers=named)
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    return Starlette(routes=[Route("/{path:path}", passed)])


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the owner name the proxy and its header."""
    monkeypatch.setenv("INTELLIGENCE_ALLOWED_HOSTS", HOST)
    monkeypatch.setenv("INTELLIGENCE_PROXY_USER_HEADER", HEADER)


@contextmanager
def behind_a_proxy(**how: bool) -> Iterator[tuple[str, str]]:
    """Yield the addresses of a proxy and of the server behind it, which answers with the name of who asks."""
    front = proxy()

    async def said(asked: Asked) -> Response:
        return JSONResponse(
            person_of(as_request([(k.decode(), v.decode("latin-1")) for k, v in asked.headers.raw]), front)
        )

    app = with_people(Starlette(routes=[Route("/{path:path}", said)]), front)
    with serving(server_of(app)) as upstream:  # noqa: SIM117 - the proxy needs the address of the server
        with serving(uvicorn.Server(uvicorn.Config(reverse_proxy(upstream, **how), log_level="warning"))) as address:
            yield address, upstream


def test_a_person_whom_the_proxy_lets_in_is_named_and_a_client_cannot_name_itself(named: None) -> None:
    with behind_a_proxy() as (address, _):
        assert httpx.get(address, headers={"Host": HOST}).status_code == 401
        known = {"Host": HOST, "X-Password": "lovelace"}
        assert httpx.get(address, headers=known).json() == "Ada Lovelace"
        assert httpx.get(address, headers={**known, HEADER: "root"}).json() == "Ada Lovelace"
        marked = httpx.get(address, headers={"Host": HOST, "X-Password": "mark"})
        assert marked.json() == "<b>Ada</b>", "a name is text, and pages show it as such"


@pytest.mark.parametrize("password", ["none", "long"])
def test_a_request_in_which_nobody_is_named_reliably_is_refused(named: None, password: str) -> None:
    with behind_a_proxy() as (address, _):
        answer = httpx.get(address, headers={"Host": HOST, "X-Password": password})
        assert answer.status_code == 403
        assert answer.text.startswith("The request does not say reliably who asks.")


def test_a_proxy_that_only_adds_its_header_or_hides_the_host_names_nobody(named: None) -> None:
    known = {"Host": HOST, "X-Password": "lovelace"}
    with behind_a_proxy(adds_only=True) as (address, _):
        assert httpx.get(address, headers=known).json() == "Ada Lovelace"
        assert httpx.get(address, headers={**known, HEADER: "root"}).status_code == 403
    with behind_a_proxy(keeps_host=False) as (address, _):
        assert httpx.get(address, headers=known).status_code == 403


def test_past_the_proxy_nobody_is_named_and_what_looks_like_it_is_refused(named: None) -> None:
    with behind_a_proxy() as (_, upstream):
        assert httpx.get(upstream).json() is None
        for foreign in ({HEADER: "root"}, {"X-Forwarded-For": "10.0.0.7"}, {"Host": HOST}):
            assert httpx.get(upstream, headers=foreign).status_code == 403, foreign


def test_the_header_is_not_believed_unless_the_owner_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTELLIGENCE_ALLOWED_HOSTS", HOST)
    monkeypatch.delenv("INTELLIGENCE_PROXY_USER_HEADER", raising=False)
    with behind_a_proxy() as (address, upstream):
        answer = httpx.get(address, headers={"Host": HOST, "X-Password": "lovelace"})
        assert (answer.status_code, answer.json()) == (200, None)
        assert httpx.get(upstream, headers={HEADER: "root"}).json() is None


@pytest.mark.parametrize("name", ["", " ", "a\x1b[31m", "a\x00", "\u202eroot", "a" * (LONGEST_NAME + 1)])
def test_a_name_that_is_none_names_nobody(named: None, name: str) -> None:
    front = proxy()
    sent = name.encode().decode("latin-1")
    assert person_of(as_request([("Host", HOST), (HEADER, sent)]), front) is None
    umlaut = "J\u00f6rg".encode().decode("latin-1")
    assert person_of(as_request([("Host", HOST), (HEADER, umlaut)]), front) == "J\u00f6rg"


@pytest.mark.parametrize(
    ("given", "culprit"),
    [
        ({"USER_HEADER": "X-Forwarded-User"}, "INTELLIGENCE_PROXY_USER_HEADER: no host of the proxy is named"),
        ({"USER_HEADER": "X User"}, "is no header for the name of a person"),
        ({"USER_HEADER": "Cookie"}, "is no header for the name of a person"),
        ({"MAY_DECIDE": "yes"}, "INTELLIGENCE_PROXY_MAY_DECIDE: nothing says who asks"),
        ({"MAY_DECIDE": "perhaps"}, "INTELLIGENCE_PROXY_MAY_DECIDE: it is 'perhaps'"),
    ],
)
def test_settings_that_would_name_nobody_are_refused(
    given: dict[str, str], culprit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("INTELLIGENCE_ALLOWED_HOSTS", "INTELLIGENCE_PROXY_USER_HEADER", "INTELLIGENCE_PROXY_MAY_DECIDE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(f"INTELLIGENCE_PROXY_{name}", value)
    with pytest.raises(PlatformError, match=culprit):
        proxy()


def opened_by(raw: socket.socket, headers: dict[str, str]) -> bytes:
    """Return what a server answers to a request for a WebSocket with these headers."""
    asked = {
        **headers,
        **{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in asked.items())
    raw.sendall(f"GET /_stcore/stream HTTP/1.1\r\n{lines}\r\n".encode())
    raw.settimeout(20)
    return raw.recv(4_096)


@pytest.mark.proof
def test_the_dashboard_itself_asks_who_it_is_also_where_a_socket_is_opened(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "INTELLIGENCE_PRODUCT": str(product_in(tmp_path)),
        "INTELLIGENCE_DATA": str(tmp_path / "data"),
        "INTELLIGENCE_ALLOWED_HOSTS": HOST,
        "INTELLIGENCE_PROXY_USER_HEADER": HEADER,
    }
    program = [sys.executable, "-m", "intelligence.interfaces.dashboard.server", str(port)]
    started = subprocess.Popen(program, env=environment, cwd=ROOT)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/_stcore/health", timeout=10).status_code == 200
                break
            except httpx.HTTPError:
                time.sleep(0.3)
        through = {"Host": HOST, HEADER: "ada"}
        assert httpx.get(f"http://127.0.0.1:{port}/", headers=through).status_code == 200
        assert httpx.get(f"http://127.0.0.1:{port}/", headers={"Host": HOST}).status_code == 403
        stream = f"ws://127.0.0.1:{port}/_stcore/stream"
        with pytest.raises(InvalidStatus, match="403"), connect(stream, additional_headers={"Via": "1.1 proxy"}):
            pytest.fail("a socket was opened for nobody")
        with connect(stream) as own:
            assert own.protocol.state.name == "OPEN"
        with socket.create_connection(("127.0.0.1", port)) as raw:
            named = {"Host": HOST, "Origin": f"https://{HOST}", HEADER: "ada"}
            assert opened_by(raw, named).startswith(b"HTTP/1.1 101")
        with socket.create_connection(("127.0.0.1", port)) as raw:
            assert opened_by(raw, {"Host": HOST, "Origin": f"https://{HOST}"}).startswith(b"HTTP/1.1 403")
    finally:
        started.terminate()
        started.wait(30)
