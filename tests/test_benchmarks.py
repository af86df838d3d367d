"""Benchmarks run with what they measure as it is now; on so little they say nothing of their demands."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SMALL = {
    "answers": ("--answers", "2000"),
    "causality": ("--products", "2", "--users", "2000", "--features", "3"),
    "experiments": ("--runs", "4"),
    "forecasts": ("--products", "1", "--searched", "1"),
    "guard": ("--hours", "1", "--seeds", "1"),
    "neural_network": ("--units", "20"),
    "online": (
        "--events",
        "30000",
        "--entities",
        "100",
        "--questions",
        "20",
        "--rate",
        "50",
        "--naive",
        "5",
        "--passing",
        "20000",
    ),
    "outbox": ("--actions", "20"),
    "policy": ("--seeds", "2", "--users", "2000", "--ppo-seeds", "1"),
    "rollouts": ("--seeds", "1", "--users", "4000"),
    "signals": ("--seeds", "1", "--planted", "1"),
    "usage": ("--events", "20000", "--days", "30", "--features", "5"),
}
MET, NOT_MET = 0, 1


@pytest.mark.proof
@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_measures_to_its_end(name: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", *SMALL[name]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (MET, NOT_MET), done.stderr
    # Python ends with 1 after an exception, too.
    assert "Traceback" not in done.stderr, done.stderr
    assert any(word.strip("%,.").replace(".", "").isdigit() for word in (done.stdout + done.stderr).split()), (
        "it prints no figure"
    )
