"""Demos that several tests read: each runs once in a session, for whichever worker needs it first."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from resources.config.settings import ROOT

GUARD = ROOT / "tests" / "programs" / "network_guard"
# What a demo leaves behind that no reader of its results needs.
LEFT_OUT = ("dagster", "landing", "*.lock", "up.json")


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that was run: its data folder, which nobody may change, and the lines that it printed."""

    data: Path
    printed: frozenset[str]

    def copied(self, to: Path) -> Path:
        """Return a data folder of one's own with the results; the lake's files, which never change, are shared."""
        shutil.copytree(self.data, to, ignore=shutil.ignore_patterns(*LEFT_OUT), copy_function=_copied)
        return to


def demo_of(example: str, folders: pytest.TempPathFactory) -> Demo:
    """Return the demo of an example, run with lines of 110 characters; it looked for no address beyond loopback."""
    # Each worker has a folder of its own in the one of the session.
    own = folders.getbasetemp()
    home = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, data = home / f"demo_{example}", home / f"demo_{example}" / "data"
    with FileLock(home / f"demo_{example}.being_run"):
        if not (folder / "printed.txt").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / "printed.new").write_text(_run(example, data, folder / "addresses.log"))
            (folder / "printed.new").rename(folder / "printed.txt")
    printed = frozenset(line.rstrip() for line in (folder / "printed.txt").read_text().splitlines())
    return Demo(data, printed)


def _run(example: str, data: Path, addresses: Path) -> str:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{GUARD}{os.pathsep}{ROOT}",
        "NETWORK_GUARD_LOG": str(addresses),
        "INTELLIGENCE_DATA": str(data),
        "COLUMNS": "110",
    }
    command = [sys.executable, "-m", "intelligence.interfaces.cli.commands", "--example", example, "demo"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not addresses.exists()
    return done.stdout


def _copied(source: str, to: str) -> None:
    copy: Callable[[str, str], object] = os.link if source.endswith(".parquet") else shutil.copy2
    copy(source, to)
