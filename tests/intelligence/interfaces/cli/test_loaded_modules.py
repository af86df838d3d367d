"""Commands that only read load neither Dagster nor a library for models: it would take longer than the command itself."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from resources.intake.delivery import deliveries
from resources.intake.ingest import ingested
from resources.intake.product_file import product_at
from resources.lake.door import Lake
from resources.processes.run_databases import RUNS

ROOT = Path(__file__).resolve().parents[4]
NOT_NEEDED = {"dagster", "mlflow", "pandas", "sklearn", "xgboost", "evidently", "matplotlib", "scipy", "sqlalchemy"}
PROGRAM = """
import sys
from intelligence.interfaces.cli import commands
try:
    commands.main()
finally:
    # What is None there was hidden, not loaded.
    loaded = sorted({name.partition(".")[0] for name, module in sys.modules.items() if module is not None})
    print("loaded:", *loaded, file=sys.stderr)
"""
NOW = datetime(2026, 5, 6, 12)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with a product of one file, which was written some time ago."""
    (tmp_path / "product.yaml").write_text(f"name: Tiny\nsources: [{{name: app, files: '{tmp_path}/in/*.csv'}}]\n")
    delivered(tmp_path, "a", "2026-05-04 10:00:00,u1,quiz,use")
    return tmp_path


def delivered(home: Path, name: str, *rows: str) -> None:
    file = home / "in" / f"{name}.csv"
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(["event_time,user_id,feature,event_type", *rows, ""]))
    os.utime(file, (1_780_000_000, 1_780_000_000))


def run(home: Path, *arguments: str) -> tuple[str, set[str]]:
    """Return what a command prints, and the packages that its process has loaded at the end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INTELLIGENCE_")}
    options = ["--product", str(home / "product.yaml"), "--data", str(home / "data")]
    command = [sys.executable, "-c", PROGRAM, *options, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 0, done.stdout + done.stderr
    assert last.startswith("loaded: "), done.stderr
    return done.stdout, set(last.removeprefix("loaded: ").split())


@pytest.mark.parametrize("arguments", [("--help",), ("status",), ("status", "--json"), ("check",), ("signals", "list")])
def test_a_command_that_reads_loads_no_more_than_it_needs(home: Path, arguments: tuple[str, ...]) -> None:
    product = product_at(home / "product.yaml")
    lake = Lake(catalog=f"sqlite:{home}/data/lake/catalog.sqlite", store=f"{home}/data/lake/files")
    ingested(lake, product, deliveries(product, home / "landing"), now=NOW)
    lake.close()
    said, loaded = run(home, *arguments)
    assert said
    assert loaded & NOT_NEEDED == set()
    assert arguments == ("--help",) or "duckdb" in loaded


@pytest.mark.proof
def test_an_ingest_loads_dagster_where_there_is_something_to_do(home: Path) -> None:
    said, loaded = run(home, "ingest")
    assert "1 accepted" in said
    assert "dagster" in loaded
    said, loaded = run(home, "ingest")
    assert said.startswith("Nothing has changed")
    assert loaded & NOT_NEEDED == set()
    delivered(home, "b", "2026-05-05 10:00:00,u2,quiz,use")
    said, loaded = run(home, "ingest")
    assert "Taken in: 1 delivery, 1 rows: 1 accepted" in said
    assert "dagster" in loaded
    (home / "data" / "dagster" / "storage" / RUNS).unlink()
    said, loaded = run(home, "ingest")
    assert said.startswith("Nothing has changed")
    assert "dagster" in loaded, "nobody knows whether a run was left unfinished"


def test_what_reads_the_lake_without_pandas_leaves_it_usable_for_others() -> None:
    program = """
import datetime, sys
from resources.lake.door import Lake
from resources.lake.without_pandas import without_pandas
lake = Lake(catalog=f"sqlite:{sys.argv[1]}/catalog.sqlite", store=f"{sys.argv[1]}/files")
query, values = "SELECT $day AS day, $text AS text", {"day": datetime.date(2026, 1, 1), "text": "a"}
with without_pandas():
    hidden = lake.frame(query, values)
assert "pandas" not in sys.modules
frame = hidden.to_pandas()
import duckdb, pandas
assert isinstance(frame, pandas.DataFrame)
assert duckdb.sql("SELECT text FROM frame").fetchall() == [("a",)]
assert hidden.rows() == [(datetime.date(2026, 1, 1), "a")]
assert duckdb.execute("SELECT $x IS NULL", {"x": pandas.NaT}).fetchall() == [(True,)]
with without_pandas():
    assert sys.modules["pandas"] is pandas
assert lake.frame(query, values).equals(hidden)
"""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", program, folder]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
