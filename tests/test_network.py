"""Nothing leaves the machine: no library looks up or connects to any address beyond loopback.

The whole demo is watched where its output is compared with the README.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GUARD = ROOT / "tests" / "programs" / "network_guard"


def guarded(tmp_path: Path, *command: str) -> subprocess.CompletedProcess:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}",
        "NETWORK_GUARD_LOG": str(tmp_path / "addresses.log"),
        "INTELLIGENCE_PRODUCT": str(tmp_path / "product.yaml"),
        "INTELLIGENCE_DATA": str(tmp_path / "data"),
    }
    return subprocess.run(
        [sys.executable, *command], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_guard_sees_an_outward_look_up(tmp_path: Path) -> None:
    guarded(tmp_path, "-c", "import socket\ntry: socket.getaddrinfo('example.invalid', 80)\nexcept OSError: pass")
    assert "example.invalid" in (tmp_path / "addresses.log").read_text()


@pytest.mark.proof
def test_commands_that_only_look_open_no_outward_connection(tmp_path: Path) -> None:
    (tmp_path / "product.yaml").write_text(
        "name: Tiny\nsources: [{name: app, simulate: {features: 5, days: 3, events_per_day: 500}}]\n"
    )
    for command in ("check", "status", "redrive"):
        done = guarded(tmp_path, "-m", "intelligence.interfaces.cli.commands", command)
        assert done.returncode == 0, done.stderr
    assert not (tmp_path / "addresses.log").exists()
