"""Exported files hold what the tables hold, are there also without a model, and are replaced as a whole."""

import csv
import json
from pathlib import Path

import polars as pl
import pytest

from intelligence.catalog.layers import TABLES
from intelligence.core.errors import StoreError, UsageError
from intelligence.metrics.tables import FACT_FEATURE_METRICS, KPI_DAY
from resources.platform import Platform
from tests.made_up_rows import filled
from tests.platforms import platform_in

ARTEFACTS = (
    "metrics.json",
    "feature_importance.csv",
    "baseline_stats.json",
    "data_drift.json",
    "run_report.json",
    "feature_metrics.csv",
)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """A platform with some days and no model."""
    made = platform_in(tmp_path_factory.mktemp("export"))
    filled(made.lake, FACT_FEATURE_METRICS, KPI_DAY)
    return made


def test_the_artefacts_are_there_without_a_model_and_say_so(platform: Platform, tmp_path: Path) -> None:
    written = platform.export.artefacts(tmp_path / "new")
    assert {path.name for path in written} == {*ARTEFACTS} == {path.name for path in (tmp_path / "new").iterdir()}
    read = {path.name: json.loads(path.read_text()) for path in written if path.suffix == ".json"}
    assert len({found["snapshot"] for found in read.values()}) == 1
    for model in ("feature_risk", "user_churn"):
        judged = read["metrics.json"]["models"][model]
        assert (judged["abstains"], judged["reason"]) == (True, "No model was trained yet.")
        assert read["data_drift.json"]["models"][model]["judged"] is False
    assert read["baseline_stats.json"]["models"] == {}
    assert "nothing to compare" in read["baseline_stats.json"]["note"]
    assert (tmp_path / "new" / "feature_importance.csv").read_text() == "model,model_version,predictor,importance\n"
    with (tmp_path / "new" / "feature_metrics.csv").open() as file:
        assert len(list(csv.DictReader(file))) == platform.lake.frame(f"FROM {FACT_FEATURE_METRICS.path}").height > 0


def test_tables_are_written_as_they_are(platform: Platform, tmp_path: Path) -> None:
    (path,) = platform.export.tables(tmp_path, ["metrics.kpi_day", "metrics.kpi_day"], "parquet")
    expected = platform.lake.frame("FROM metrics.kpi_day")
    assert pl.read_parquet(path).sort(pl.all()).equals(expected.sort(pl.all()))
    assert len(list(platform.export.tables(tmp_path / "all", ["all"], "csv"))) == len(TABLES)
    (as_csv,) = (path for path in (tmp_path / "all").iterdir() if path.name == "metrics.kpi_day.csv")
    assert as_csv.read_text().splitlines()[0] == ",".join(expected.columns)


def test_what_cannot_be_written_or_is_unknown_is_named(platform: Platform, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"metrics\.nothing"):
        list(platform.export.tables(tmp_path, ["metrics.nothing"], "csv"))
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        platform.export.artefacts(tmp_path / "file")
    with pytest.raises(UsageError, match="it holds no day"):
        platform_in(tmp_path / "empty").export.artefacts(tmp_path)


def test_a_file_that_cannot_be_finished_leaves_the_old_one(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.export.artefacts(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(path: Path, text: str) -> None:
        path.write_text(text[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("resources.services.export._put", full)
    with pytest.raises(StoreError, match="No space left"):
        platform.export.artefacts(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
