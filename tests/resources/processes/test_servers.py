"""`make up` as a person uses it: all UIs and the pages answer on loopback, Ctrl-C stops everything, a taken port is an error."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from intelligence.core.errors import PlatformError
from resources.config.serving_lock import served_addresses, serving
from resources.config.settings import settings
from resources.processes.servers import serve

ROOT = Path(__file__).resolve().parents[3]


OPTIONS = ("dashboard_port", "api_port", "port", "mlflow_port", "reports_port", "twins_port")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def processes_with(word: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in command and "pytest" not in command:
            found.append(command)
    return found


def restore_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.proof
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for orphans in /proc")
def test_all_uis_answer_stay_on_this_machine_and_ctrl_c_leaves_no_orphan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dashboard_port, api_port, port, mlflow_port, reports_port, twins_port = (free_port() for _ in range(6))
    pages = tmp_path / "evidently_reports"
    pages.mkdir()
    (pages / "index.html").write_text("<!doctype html><title>Drift</title>")
    ports = ["--port", str(port), "--mlflow-port", str(mlflow_port), "--reports-port", str(reports_port)]
    ports += ["--twins-port", str(twins_port), "--dashboard-port", str(dashboard_port), "--api-port", str(api_port)]
    environment = {
        **os.environ,
        "INTELLIGENCE_DATA": str(tmp_path),
        "INTELLIGENCE_MLRUNS": str(tmp_path / "mlruns"),
        "PYTHONPATH": f"{ROOT / 'tests' / 'programs' / 'network_guard'}{os.pathsep}{ROOT}",
        "NETWORK_GUARD_LOG": str(tmp_path / "addresses.log"),
    }
    served = subprocess.Popen(
        [sys.executable, "-m", "intelligence.interfaces.cli.commands", "up", *ports],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=restore_ctrl_c,  # noqa: PLW1509 - a shell's background jobs start with Ctrl-C switched off
    )
    try:
        urls = [
            f"http://127.0.0.1:{dashboard_port}/_stcore/health",
            f"http://127.0.0.1:{api_port}/v1",
            f"http://127.0.0.1:{port}/server_info",
            f"http://127.0.0.1:{mlflow_port}/health",
            f"http://127.0.0.1:{reports_port}/index.html",
            f"http://127.0.0.1:{twins_port}/",
        ]
        deadline = time.monotonic() + 300
        while not all(answers(url) for url in urls) and time.monotonic() < deadline:
            assert served.poll() is None, served.stdout and served.stdout.read()
            time.sleep(0.5)
        assert all(answers(url) for url in urls)
        monkeypatch.setenv("INTELLIGENCE_DATA", str(tmp_path))
        # With other ports, too: what must not be shared is the folder.
        with pytest.raises(
            PlatformError, match=f"by process {served.pid} at http://127.0.0.1:{dashboard_port}.*kill {served.pid}"
        ):
            serve(**{option: free_port() for option in OPTIONS}, say=print, tell=print)
        # Links lead to where the folder is served.
        monkeypatch.delenv("INTELLIGENCE_MLFLOW_UI", raising=False)
        assert settings().mlflow_ui == f"http://127.0.0.1:{mlflow_port}"
        assert settings().reports_ui == f"http://127.0.0.1:{reports_port}"
    finally:
        served.send_signal(signal.SIGINT)
        said, _ = served.communicate(timeout=60)
        assert (tmp_path / "up.lock").exists()
    assert served.returncode == 0, said
    assert all(
        f"http://127.0.0.1:{each}" in said
        for each in (dashboard_port, api_port, port, mlflow_port, reports_port, twins_port)
    )
    time.sleep(1)
    assert processes_with(str(tmp_path)) == []
    assert processes_with(f"dagster {port}") == []
    assert processes_with(str(pages)) == []
    assert not (tmp_path / "addresses.log").exists(), (tmp_path / "addresses.log").read_text()


def test_a_taken_port_is_an_error_that_names_it_and_the_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTELLIGENCE_DATA", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for option, name in (
            ("dashboard_port", "Dashboard"),
            ("api_port", "Read API"),
            ("port", "Dagster UI"),
            ("reports_port", "Evidently pages"),
            ("twins_port", "Local twins"),
        ):
            others = {each: free_port() for each in OPTIONS}
            spelled = "--" + option.replace("_", "-")
            with pytest.raises(PlatformError, match=f"{name}: port {port} is in use.*{spelled}"):
                serve(**{**others, option: port}, say=print, tell=print)


@pytest.mark.parametrize("wanted", [0, -1, 65_536])
def test_what_is_no_port_is_refused(wanted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTELLIGENCE_DATA", str(tmp_path))
    with pytest.raises(PlatformError, match=f"--mlflow-port {wanted} is no port"):
        serve(**{**{each: free_port() for each in OPTIONS}, "mlflow_port": wanted}, say=print, tell=print)


def test_one_port_serves_one_thing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTELLIGENCE_DATA", str(tmp_path))
    one = free_port()
    with pytest.raises(PlatformError, match=f"--twins-port {one} is the port of Dagster UI too"):
        serve(**{**{each: free_port() for each in OPTIONS}, "port": one, "twins_port": one}, say=print, tell=print)


LOCKER = """
import sys, time
from pathlib import Path
from resources.config.serving_lock import serving
with serving(Path(sys.argv[1]), {"dagster": "http://127.0.0.1:3000"}):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_lock_of_a_killed_server_is_gone_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOCKER, str(tmp_path / "new" / "o'brien")]
    holder = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        taken = serving(tmp_path / "new" / "o'brien", {})
        with pytest.raises(PlatformError, match=f"by process {holder.pid} at http://127.0.0.1:3000"), taken:
            pass
        holder.kill()
        holder.wait()
    with serving(tmp_path / "new" / "o'brien", {"dagster": "http://127.0.0.1:4000"}):
        assert served_addresses(tmp_path / "new" / "o'brien") == {"dagster": "http://127.0.0.1:4000"}


@pytest.mark.parametrize("noted", ["", "{", "[]", "null", '{"addresses": 1}', '{"addresses": []}'])
def test_a_note_that_cannot_be_read_names_no_address(noted: str, tmp_path: Path) -> None:
    (tmp_path / "up.json").write_text(noted)
    assert served_addresses(tmp_path) == {}
