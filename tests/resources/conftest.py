"""A workbench: a real lake, a folder of deliveries and a product that names it, all under tmp_path."""

import gzip
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from intelligence.catalog.product import Product, Source
from intelligence.risk.model import RiskModel
from intelligence.telemetry.tables import BATCHES, RAW_EVENTS
from resources.intake.delivery import deliveries
from resources.intake.ingest import IngestReport, ingested
from resources.intake.redrive import RedriveReport, redriven
from resources.lake.door import Lake
from resources.models.mlflow_store import make_store
from resources.models.registry import Registry
from tests.lakes import lake_in
from tests.programs.models import registry_in, trees_model
from tests.servers import state_url as url_of_state

NOW = datetime(2026, 7, 1, 12)


@dataclass
class Workbench:
    folder: Path
    lake: Lake
    product: Product

    def declare(self, **source: Any) -> None:
        """Give the product one source, which takes every file of the folder."""
        declared = Source(**{"name": "app", "files": [f"{self.folder}/**/*"], **source})
        self.product = self.product.model_copy(update={"sources": (declared,)})

    def deliver(self, name: str, content: str | bytes | pl.DataFrame, *, settled: bool = True) -> Path:
        """Write the file as if it had been a while ago, or just now."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path)
        else:
            data = content.encode() if isinstance(content, str) else content
            path.write_bytes(gzip.compress(data) if name.lower().endswith(".gz") else data)
        if settled:
            os.utime(path, (time.time() - 90,) * 2)
        return path

    def ingest(self) -> IngestReport:
        report = ingested(self.lake, self.product, deliveries(self.product, self.folder), now=NOW)
        self.assert_conserved()
        return report

    def redrive(self) -> RedriveReport:
        report = redriven(self.lake, self.product, source=None, now=NOW)
        self.assert_conserved()
        return report

    def assert_conserved(self) -> None:
        for claim in (claim for claim in BATCHES.claims if claim.name == "events_are_conserved"):
            assert self.lake.frame(claim.contradictions).is_empty()
        positions = "SELECT batch_id, source_file, source_row FROM {} GROUP BY ALL HAVING count(*) > 1"
        assert self.lake.frame(positions.format(RAW_EVENTS.path)).is_empty()
        assert self.lake.frame(positions.format("telemetry.rejected_events")).is_empty()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.lake.frame(query).rows()

    def events(self, columns: str = "event_id") -> list[tuple[Any, ...]]:
        return self.rows(f"SELECT {columns} FROM telemetry.events ORDER BY ALL")

    def rejected(self, columns: str = "source_row, reason") -> list[tuple[Any, ...]]:
        return self.rows(f"SELECT {columns} FROM telemetry.rejected_events ORDER BY source_row")

    def counts(self) -> list[tuple[int, int, int, int]]:
        """Return rows in, accepted, duplicates and rejected of each batch, in the order of file names."""
        return self.rows("SELECT rows_in, accepted, duplicates, rejected FROM telemetry.batches ORDER BY source_file")

    def snapshot(self) -> int:
        return self.lake.snapshot_id()


def workbench(folder: Path) -> Iterator[Workbench]:
    lake = lake_in(folder)
    product = Product(name="test", sources=(Source(name="app", files=(f"{folder}/in/**/*",)),))
    yield Workbench(folder / "in", lake, product)
    lake.close()


@pytest.fixture
def own_lake(tmp_path: Path) -> Iterator[Lake]:
    lake = lake_in(tmp_path)
    yield lake
    lake.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    yield from workbench(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A workbench for tests that leave nothing in the lake."""
    yield from workbench(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="session")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh MLflow database: making one takes seconds, copying it none."""
    root = tmp_path_factory.mktemp("mlruns")
    make_store(root)
    return root / "mlflow.db"


@pytest.fixture
def registry(tmp_path: Path, made_store: Path) -> Registry:
    (tmp_path / "mlruns").mkdir()
    shutil.copy(made_store, tmp_path / "mlruns" / "mlflow.db")
    return registry_in(tmp_path)


@pytest.fixture(scope="session")
def trees() -> RiskModel:
    return trees_model()


@pytest.fixture(params=["sqlite", "postgres"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store of state that is not made yet: SQLite, and PostgreSQL where it is installed."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/folder/state.db"
    return url_of_state(request.getfixturevalue("postgres"))
