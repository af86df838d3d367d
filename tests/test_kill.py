"""Killed half-way and started again: the lake ends as if nothing had happened, row for row."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from intelligence.answers import tables as of_answers
from intelligence.catalog.layers import ACT, ENTITY_MODEL, SCORED, TABLES, TRAINED, WATCH
from intelligence.causality.tables import DEGRADATIONS, ESTIMATOR_RECORD
from intelligence.decisions.tables import ENTITY_DECISIONS
from intelligence.forecasts.tables import ACCURACY
from intelligence.metrics.tables import FUNNEL_DAY, FUNNEL_ENTRIES, FUNNEL_STEPS
from intelligence.signals.tables import ANOMALIES, EPISODES
from intelligence.telemetry.tables import ALIASES, RAW_ANSWERS, REJECTED_EVENTS, WITHDRAWN_ROWS
from intelligence.warehouse.tables import FACT_ANSWERS, FACT_VISIT_EVENTS
from resources.config.faults import FAULT_POINTS
from resources.lake.builds import LAST_BUILDS
from resources.lake.door import Lake

pytestmark = pytest.mark.proof

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "tests" / "programs" / "bring_up_to_date.py"
PRODUCT = """
name: Tiny
sources:
  - name: simulator
    simulate: {features: 6, days: 15, events_per_day: 1000, seed: 3, first_day: 2026-05-04}
"""
# When a row was taken in, and how many transactions the lake had seen, which a killed run adds to.
MOMENTS = ("ingested_at", "lake_snapshot")
# Fifteen days are too few to train a model, which the verdicts say, for an experiment to know an answer, and for signals.
MAY_BE_EMPTY = (
    REJECTED_EVENTS,
    WITHDRAWN_ROWS,
    ALIASES,
    RAW_ANSWERS,
    FACT_ANSWERS,
    *of_answers.TABLES,
    FACT_VISIT_EVENTS,
    *SCORED,
    *(training for training, _ in TRAINED.values()),
    *WATCH,
    *ACT,
    ENTITY_DECISIONS,
    *ENTITY_MODEL,
    DEGRADATIONS,
    ESTIMATOR_RECORD,
    ACCURACY,
    ANOMALIES,
    EPISODES,
    FUNNEL_DAY,
    FUNNEL_ENTRIES,
    FUNNEL_STEPS,
)


def run(folder: Path, *, kill_at: str | None = None) -> subprocess.CompletedProcess:
    (folder / "product.yaml").write_text(PRODUCT)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "INTELLIGENCE_PRODUCT": str(folder / "product.yaml"),
        "INTELLIGENCE_DATA": str(folder / "data"),
    }
    environment.pop("INTELLIGENCE_KILL_AT", None)
    if kill_at:
        environment["INTELLIGENCE_KILL_AT"] = kill_at
    return subprocess.run([sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, pl.DataFrame]:
    """Return every table's rows in a fixed order, without the moment at which a row was taken in."""
    data = folder / "data"
    lake = Lake(catalog=f"sqlite:{data}/lake/catalog.sqlite", store=f"{data}/lake/files")
    try:
        tables = {table.path: lake.frame(f"FROM {table.path}") for table in TABLES}
        tables["bookkeeping.day_builds"] = lake.frame(LAST_BUILDS)
    finally:
        lake.close()
    without_time = {path: frame.drop(MOMENTS, strict=False) for path, frame in tables.items()}
    # The files lie in folders of their own, so their names differ.
    named_alike = {
        path: frame.with_columns(pl.col("source_file").str.extract(r"([^/]+)$"))
        if "source_file" in frame.columns
        else frame
        for path, frame in without_time.items()
    }
    return {path: frame.sort(_order(frame)) for path, frame in named_alike.items()}


def _order(frame: pl.DataFrame) -> list[str]:
    return [name for name, dtype in frame.schema.items() if not isinstance(dtype, pl.List)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def undisturbed(finished: Path) -> dict[str, pl.DataFrame]:
    return contents(finished)


def assert_same(found: dict[str, pl.DataFrame], expected: dict[str, pl.DataFrame]) -> None:
    for path, frame in expected.items():
        may_be_empty = path in {table.path for table in MAY_BE_EMPTY}
        assert frame.height > 0 or may_be_empty, f"{path} is empty: nothing would be compared"
        assert found[path].equals(frame), f"{path} differs"


# One point in the middle of the graph stands for each table write; the others are the intake's.
POINTS = [point if not point.startswith("table.") else f"{point}:warehouse.fact_sessions" for point in FAULT_POINTS]
ALONE = ("ingest.ledger_written", "ingest.committed", "table.rows_written:warehouse.fact_sessions")


def killed(folder: Path, point: str) -> None:
    """Start a run in the folder that dies at the point."""
    done = run(folder, kill_at=point)
    assert done.returncode == -signal.SIGKILL, f"{point} was never reached: {done.stderr}"


@pytest.mark.parametrize("point", ALONE)
def test_a_killed_run_is_taken_up_by_the_next(point: str, tmp_path: Path, undisturbed: dict[str, pl.DataFrame]) -> None:
    assert point in POINTS
    killed(tmp_path, point)
    again = run(tmp_path)
    assert again.returncode == 0, again.stderr
    assert_same(contents(tmp_path), undisturbed)


def test_runs_that_are_killed_at_one_point_after_another_lose_nothing(
    tmp_path: Path, undisturbed: dict[str, pl.DataFrame]
) -> None:
    """Each run takes up what the one before left, and dies one point further on; the last may end."""
    for point in POINTS:
        killed(tmp_path, point)
    again = run(tmp_path)
    assert again.returncode == 0, again.stderr
    assert_same(contents(tmp_path), undisturbed)


def test_a_second_run_changes_nothing(finished: Path, undisturbed: dict[str, pl.DataFrame]) -> None:
    second = run(finished)
    assert second.stdout.strip() == "runs: 1", "only the look for new files should have run"
    assert_same(contents(finished), undisturbed)


def test_two_runs_at_once_count_each_event_once(tmp_path: Path, undisturbed: dict[str, pl.DataFrame]) -> None:
    (tmp_path / "product.yaml").write_text(PRODUCT)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "INTELLIGENCE_PRODUCT": str(tmp_path / "product.yaml"),
        "INTELLIGENCE_DATA": str(tmp_path / "data"),
    }
    both = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM)], env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    errors = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert_same(contents(tmp_path), undisturbed)
