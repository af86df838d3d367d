"""Each refusal against the servers as `up` starts them: what a web page of another site can make a browser send."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from resources.config.process_identity import this_machine
from resources.config.settings import ROOT
from resources.models.mlflow_store import make_store, store_uri
from resources.processes.group import Processes

STOP = quote('mutation {stopSensor(id: "x") {__typename}}')
SERVERS = ("dashboard", "api", "dagster", "mlflow", "reports", "twins")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """Yield the ports of all servers, started as `up` starts them, over a code location that loads at once."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "pages").mkdir()
    (folder / "secret.html").write_text("outside")
    (folder / "pages" / "drift.html").write_text("<!doctype html><title>Drift</title>")
    (folder / "pages" / "out.html").symlink_to(folder / "secret.html")
    (folder / "pages" / "up").symlink_to(folder)
    (folder / "pages" / ".hidden").write_text("hidden")
    (folder / "workspace.yaml").write_text("load_from:\n  - python_file: location.py\n")
    (folder / "location.py").write_text("import dagster as dg\ndefs = dg.Definitions()\n")
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    make_store(folder / "mlruns")
    found = {name: free_port() for name in SERVERS}
    arguments = {
        "dashboard": [],
        "api": [],
        "dagster": [],
        "mlflow": [store_uri(folder / "mlruns"), str(folder / "artifacts")],
        "reports": [str(folder / "pages")],
        "twins": [str(folder)],
    }
    environment = {**os.environ, "DAGSTER_HOME": str(folder), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    said: list[str] = []
    processes = Processes(lambda name, line: said.append(f"{name}: {line}"), environment, folder)
    for name, first in arguments.items():
        program = [sys.executable, "-m", "resources.processes.programs", name, *first, str(found[name])]
        processes.start(name, program)
    try:
        deadline = time.monotonic() + 180
        while not all(map(answers, found.values())):
            assert time.monotonic() < deadline, said
            time.sleep(0.2)
        yield found
    finally:
        processes.end()


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=30).status_code == 200
    except httpx.HTTPError:
        return False


def raw(port: int, request: str) -> bytes:
    """Return what the server answers to bytes that no client library would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request.replace("PORT", str(port)).encode("latin-1"))
        answer = b""
        while part := connection.recv(65_536):
            answer += part
            if b"\r\n\r\n" in answer and (b"refused" in answer or len(answer) > 5_000):
                break
        return answer


FOREIGN = {
    "a foreign host": "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    "a host that begins like our own": "GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\nConnection: close\r\n\r\n",
    "a host with a user": "GET / HTTP/1.1\r\nHost: evil.example@127.0.0.1:PORT\r\nConnection: close\r\n\r\n",
    "no host": "GET / HTTP/1.0\r\n\r\n",
    "a whole address": "GET http://127.0.0.1:PORT/ HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nConnection: close\r\n\r\n",
    "a forwarded host": (
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n"
    ),
    "a foreign origin": "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n",
    "no origin's origin": "POST / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: null\r\nContent-Length: 0\r\n\r\n",
    "a neighbour's origin": "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: http://127.0.0.1:1\r\nConnection: close\r\n\r\n",
    "a picture": (
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"
        "Sec-Fetch-Dest: image\r\nConnection: close\r\n\r\n"
    ),
    "a form": (
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
        "Connection: close\r\n\r\n{}"
    ),
    "a mutation by GET": f"GET /graphql?query={STOP} HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nConnection: close\r\n\r\n",
    "a way upwards": "GET /a/%2e%2e/%2e%2e/secret.html HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("request_text", FOREIGN.values(), ids=FOREIGN.keys())
def test_each_server_refuses_and_says_so(ports: dict[str, int], server: str, request_text: str) -> None:
    answer = raw(ports[server], request_text)
    assert answer.split()[1] == b"403", answer
    assert b"refused" in answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("server", SERVERS)
def test_two_hosts_are_refused(ports: dict[str, int], server: str) -> None:
    answer = raw(
        ports[server], "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    )
    assert answer.split()[1] in (b"400", b"403")


@pytest.mark.parametrize("server", SERVERS)
def test_no_page_can_be_framed_by_another_site(ports: dict[str, int], server: str) -> None:
    headers = httpx.get(f"http://127.0.0.1:{ports[server]}/", timeout=30).headers
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_the_servers_listen_on_loopback_alone(ports: dict[str, int]) -> None:
    own = socket.gethostbyname(socket.gethostname())
    if own.startswith("127."):
        pytest.skip("this machine has no other address")
    for port in ports.values():
        with pytest.raises(OSError, match=r"refused|timed out"), socket.create_connection((own, port), timeout=2):
            pass


def test_dagsters_page_goes_on_working(ports: dict[str, int]) -> None:
    base = f"http://127.0.0.1:{ports['dagster']}"
    page = {"origin": base, "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
    asked = httpx.post(f"{base}/graphql", json={"query": "{version}"}, headers=page, timeout=60)
    assert asked.json()["data"]["version"]
    assert httpx.get(f"{base}/graphql", params={"query": "{version}"}, timeout=60).json()["data"]["version"]
    done = httpx.post(f"{base}/graphql", json={"query": "mutation {setNuxSeen}"}, headers=page, timeout=60)
    assert done.status_code == 200, done.text


@pytest.mark.parametrize(("origin", "status"), [("own", 101), (None, 101), ("http://evil.example", 403), ("null", 403)])
def test_a_socket_is_opened_for_dagsters_page_alone(ports: dict[str, int], origin: str | None, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", ports["dagster"], timeout=30)
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "graphql-ws",
    }
    if origin:
        headers["Origin"] = f"http://127.0.0.1:{ports['dagster']}" if origin == "own" else origin
    connection.request("GET", "/graphql", headers=headers)
    assert connection.getresponse().status == status
    connection.close()


def test_mlflows_page_and_programs_go_on_working(ports: dict[str, int]) -> None:
    base = f"http://127.0.0.1:{ports['mlflow']}"
    search = f"{base}/ajax-api/2.0/mlflow/experiments/search"
    page = {"origin": base, "sec-fetch-site": "same-origin"}
    found = httpx.post(search, json={"max_results": 5}, headers=page, timeout=60)
    assert [each["name"] for each in found.json()["experiments"]] == ["Default"]
    made = httpx.post(f"{base}/api/2.0/mlflow/experiments/create", json={"name": "of a program"}, timeout=60)
    assert made.status_code == 200, made.text
    as_form = {"content-type": "text/plain", "origin": "http://evil.example"}
    assert httpx.post(search, content="{}", headers=as_form, timeout=60).status_code == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/drift.html", 200),
        ("/out.html", 404),
        ("/up/", 404),
        ("/up/secret.html", 404),
        ("/.hidden", 404),
        ("//etc/passwd", 404),
        ("/%2fetc/passwd", 404),
        ("/drift.html/..%2f..%2fsecret.html", 403),
        ("/nothing.html", 404),
    ],
)
def test_the_pages_server_shows_the_pages_folder_alone(ports: dict[str, int], path: str, status: int) -> None:
    answer = raw(ports["reports"], f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nConnection: close\r\n\r\n")
    assert answer.split()[1] == str(status).encode(), answer
    assert b"outside" not in answer
    if path == "/":
        assert b"drift.html" in answer
        assert not [name for name in (b"out.html", b"up/", b"hidden") if name in answer]


def test_the_twins_take_a_message_of_a_program_and_none_of_a_page(ports: dict[str, int]) -> None:
    url = f"http://127.0.0.1:{ports['twins']}/v2/enqueue"
    event = {
        "routing_key": "0123456789abcdef0123456789abcdef",
        "event_action": "trigger",
        "dedup_key": "d",
        "payload": {"summary": "burning", "source": "here", "severity": "error"},
    }
    assert httpx.post(url, json=event, timeout=30).status_code == 202
    foreign = {"origin": "http://evil.example"}
    assert httpx.post(url, json={**event, "dedup_key": "e"}, headers=foreign, timeout=30).status_code == 403
    plain = {"content-type": "text/plain"}
    assert httpx.post(url, content=b"{}", headers=plain, timeout=30).status_code == 403
    assert httpx.get(f"http://127.0.0.1:{ports['twins']}/", timeout=30).text.count("burning") == 1


@pytest.mark.proof
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_nothing_that_was_started_outlives_the_one_who_started_it(number: signal.Signals, tmp_path: Path) -> None:
    """What `up` starts has children of its own, and so has the program here; none hears a signal to `up`."""
    program = f"""
import signal, subprocess, sys, time
from pathlib import Path
from resources.processes.group import Processes
child = '''
import subprocess, sys, time
from resources.processes.programs import end_with_parent
end_with_parent()
grandchild = subprocess.Popen(["sleep", "600"])
print(grandchild.pid, flush=True)
time.sleep(600)
'''
told = Path({str(tmp_path / "grandchild")!r})
processes = Processes(lambda name, line: told.write_text(line), {{"PYTHONPATH": {str(ROOT)!r}}}, Path.cwd())
for each in (signal.SIGINT, signal.SIGTERM):
    signal.signal(each, processes.stop)
processes.start("child", [sys.executable, "-c", child])
sys.exit(processes.wait())
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    up = subprocess.Popen([sys.executable, "-c", program], env=environment)
    deadline = time.monotonic() + 60
    while not (tmp_path / "grandchild").exists() or not (tmp_path / "grandchild").read_text():
        assert up.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    grandchild = int((tmp_path / "grandchild").read_text())
    up.send_signal(number)
    assert up.wait(timeout=60) == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    while this_machine().birth(grandchild) is not None:
        assert time.monotonic() < deadline + 60
        time.sleep(0.05)
