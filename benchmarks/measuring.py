"""Runs a program in a process of its own and measures it: wall time, processor time and peak memory."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEMORY_LIMIT = "4GB"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one process took, from its start to its end, imports included."""

    wall_s: float
    cpu_s: float
    peak_gib: float

    def __str__(self) -> str:
        return f"{self.wall_s:8.2f} s wall  {self.cpu_s:8.2f} s CPU  {self.peak_gib:6.2f} GiB peak"


def measured(module: str, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> Measurement:
    """Return what `python -m module arguments` took in a process of its own; raises RuntimeError where it fails.

    The kernel counts the peak of a process from that of the one that started it: keep the caller small.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(environment or {})})
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{module} ended with {process.returncode}; what it said stands above.")
    return Measurement(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20)


def median(runs: Sequence[Measurement]) -> Measurement:
    """Return the median of each number by itself, and the highest peak."""
    return Measurement(
        statistics.median(run.wall_s for run in runs),
        statistics.median(run.cpu_s for run in runs),
        max(run.peak_gib for run in runs),
    )


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a benchmark, with the options that all of them have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--folder", type=absolute, default=ROOT / "data" / "benchmarks", help="where files are written")
    parser.add_argument("--repeats", type=int, default=3, help="how often each side is measured; medians are compared")
    return parser


def absolute(path: str) -> Path:
    """Return the path from the root."""
    return Path(path).resolve()


@contextmanager
def temporary(prefix: str, folder: Path) -> Iterator[Path]:
    """Yield a new folder inside of `folder`, and remove it after."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{prefix}-", dir=folder, ignore_cleanup_errors=True) as made:
        yield Path(made)


def downloaded(package: str, folder: Path) -> Path:
    """Return the wheel of a package, which pip downloads into the folder.

    Args:
        package: Its name and version, as pip takes them.
        folder: A folder without other wheels.
    """
    command = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--dest",
        str(folder),
        package,
    ]
    subprocess.run([sys.executable, *command], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def demand(is_met: bool, otherwise: str) -> None:
    """End the program with status 1 and the sentence `otherwise` where a demand is not met."""
    if not is_met:
        raise SystemExit(f"Not as demanded: {otherwise}.")


def tell(text: str) -> None:
    """Write a line of progress to stderr, with the time of day."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)
