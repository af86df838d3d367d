"""The registry as scoring uses it: what is registered is what is loaded, bit for bit, or a clear refusal."""

import hashlib
import json
import os
import re
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from intelligence.errors import ModelError
from intelligence.risk.model import Platt, RiskModel
from resources.mlflow_store import client_of
from resources.registry import Registry
from resources.settings import ROOT, settings
from tests.programs.models import LOGGED, linear_model, registered, registry_in

PREDICTORS = ("p95_latency_ms", "error_rate")
GAPPY = {"p95_latency_ms": [0.3, None, 12.5, -4.0] * 50, "error_rate": [0.01, 0.4, None, 7.0] * 50}


@pytest.fixture(scope="module")
def trees() -> RiskModel:
    import xgboost

    random = np.random.default_rng(7)
    values = random.normal(size=(300, 2))
    labels = (values[:, 0] + random.normal(size=300) > 0).astype(float)
    matrix = xgboost.DMatrix(values, labels, feature_names=list(PREDICTORS))
    booster = xgboost.train({"max_depth": 3, "objective": "binary:logistic", "nthread": 1}, matrix, 20)
    return RiskModel("xgboost", PREDICTORS, Platt(0.9, 0.1), booster=bytes(booster.save_raw("ubj")))


def rows() -> pl.DataFrame:
    return pl.DataFrame(GAPPY).select("error_rate", "p95_latency_ms")


def promote(registry: Registry, number: str) -> None:
    registry.promoted("feature_risk", number, actor="test", cause="test", reason="test")


def model_folder(registry: Registry) -> Path:
    (folder,) = Path(registry.root).glob("artifacts/feature_risk/models/*/artifacts")
    return folder


def pyfunc_scores(registry: Registry) -> np.ndarray:
    from mlflow import pyfunc

    client_of(registry.uri)
    return np.asarray(pyfunc.load_model("models:/feature_risk@champion").predict(rows().to_pandas()))


@pytest.mark.parametrize("kind", ["trees", "linear"])
def test_scores_are_the_same_bits_from_the_training_from_mlflow_and_from_the_champion(
    registry: Registry, trees: RiskModel, kind: str
) -> None:
    model = trees if kind == "trees" else linear_model()
    promote(registry, registered(registry, model=model))
    expected = model.probabilities(rows())
    champion = registry.champion("feature_risk")
    assert champion
    assert len(set(expected)) > 1
    assert champion.model.probabilities(rows()).tobytes() == expected.tobytes()
    assert pyfunc_scores(registry).tobytes() == expected.tobytes()


def test_no_artifact_is_a_pickle_and_the_requirements_are_exact(registry: Registry, trees: RiskModel) -> None:
    registered(registry, model=trees)
    files = {path for path in Path(registry.root, "artifacts").rglob("*") if path.is_file()}
    assert {path.name for path in files} >= {
        "booster.ubj",
        "model.json",
        "risk_pyfunc.py",
        "MLmodel",
        "calibration.png",
    }
    assert [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib", ".bin")] == []
    assert [path for path in files if path.read_bytes()[:1] == b"\x80"] == [], "the first byte of a pickle"
    wanted = (model_folder(registry) / "requirements.txt").read_text().split()
    assert [line.split("==")[0].removesuffix("-cpu") for line in wanted] == ["mlflow", "numpy", "pandas", "xgboost"]
    assert all(version(line.split("==")[0]) == line.split("==")[1] for line in wanted)


def test_a_version_says_what_it_is_and_where_it_comes_from(registry: Registry) -> None:
    made = registry.registered("feature_risk", linear_model(), logged=LOGGED, tags={"dagster.run_id": "r1"})
    client = client_of(registry.uri)
    found = client.get_model_version("feature_risk", made.version)
    content = linear_model().files()["model.json"]
    assert found.description == LOGGED.summary
    assert found.tags["sha256.model.json"] == hashlib.sha256(content).hexdigest()
    assert (found.tags["dagster.run_id"], found.tags["lake_snapshot"]) == ("r1", "12")
    assert (found.tags["trained_through"], found.tags["kind"]) == ("2026-06-30", "logistic_regression")
    about = client.get_registered_model("feature_risk").description
    assert LOGGED.question in about
    assert "alias `champion`" in about
    run = client.get_run(made.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["horizon_days"] == "7"
    assert run.data.metrics["pr_auc"] == 0.41
    assert [each.value for each in client.get_metric_history(made.run_id, "fold_pr_auc")] == [0.4, 0.42]
    inputs = {each.dataset.name: json.loads(each.dataset.source) for each in run.inputs.dataset_inputs}
    assert inputs["metrics.feature_health"] == {"table": "metrics.feature_health", "snapshot": 12}
    assert {each.path for each in client.list_artifacts(made.run_id)} == {"plots", "card.md", "report.json"}
    signature = json.loads(
        re.search(r"inputs: '(.*?)'\n  outputs", _mlmodel(registry), re.DOTALL)[1].replace("\n    ", " ")
    )
    assert [(column["name"], column["type"]) for column in signature] == [(name, "double") for name in PREDICTORS]


def _mlmodel(registry: Registry) -> str:
    return (model_folder(registry) / "MLmodel").read_text()


def test_the_same_model_from_the_same_snapshot_is_one_version(registry: Registry) -> None:
    first = registry.registered("feature_risk", linear_model(), logged=LOGGED, tags={})
    again = registry.registered("feature_risk", linear_model(), logged=LOGGED, tags={"dagster.run_id": "later"})
    assert (again.version, again.run_id, again.is_new) == (first.version, first.run_id, False)
    assert registered(registry, weight=0.8) == "2"
    assert [row.version for row in registry.versions("feature_risk")] == ["2", "1"]


def test_the_table_of_versions_has_what_a_person_compares(registry: Registry) -> None:
    registered(registry)
    promote(registry, "1")
    registry.tagged("feature_risk", "1", {"verdict": "promote"})
    (row,) = registry.versions("feature_risk")
    assert (row.version, row.aliases, row.verdict) == ("1", ("champion",), "promote")
    assert (row.kind, row.trained_through, row.metrics["brier"]) == ("logistic_regression", "2026-06-30", 0.02)
    assert row.created_at.tzinfo
    assert registry.aliases("feature_risk") == {"champion": "1"}


def test_links_lead_into_the_ui_that_is_set(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTELLIGENCE_MLFLOW_UI", "https://models.example/")
    made = Registry.of(settings()).links("feature_risk", "3", "1", "abc")
    assert made == (
        "https://models.example/#/models/feature_risk/versions/3",
        "https://models.example/#/experiments/1/runs/abc",
    )
    assert registry.links("m", "1", "2", "r")[0] == "http://127.0.0.1:5000/#/models/m/versions/1"


def test_nothing_registered_is_no_champion_and_makes_no_store(tmp_path: Path) -> None:
    empty = registry_in(tmp_path)
    assert empty.champion("feature_risk") is None
    assert (empty.aliases("feature_risk"), empty.versions("feature_risk")) == ({}, [])
    assert not Path(empty.root).exists()


def test_without_the_alias_there_is_no_champion_even_if_there_was_one(registry: Registry) -> None:
    registered(registry)
    assert registry.champion("feature_risk") is None
    promote(registry, "1")
    assert registry.champion("feature_risk")
    client_of(registry.uri).delete_registered_model_alias("feature_risk", "champion")
    assert registry.champion("feature_risk") is None
    Path(registry.root, "mlflow.db").write_text("unreadable, and long enough to be seen as no database at all")
    with pytest.raises(ModelError, match="no copy of a champion"):
        registry.champion("feature_risk")


def test_a_champion_is_fetched_once(registry: Registry) -> None:
    promote(registry, registered(registry))
    first = registry.champion("feature_risk")
    shutil.rmtree(model_folder(registry))
    again = registry.champion("feature_risk")
    assert first == again
    assert again
    assert (again.version, again.trained_through, again.snapshot, again.note) == ("1", "2026-06-30", 12, None)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    with sqlite3.connect(database) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        yield
    other.close()


def test_while_mlflow_is_silent_the_last_champion_scores_and_says_so(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(registry, registered(registry))
    expected = registry.champion("feature_risk")
    database = Path(registry.root, "mlflow.db")
    moved = database.rename(database.with_name("elsewhere.db"))
    gone = registry.champion("feature_risk")
    assert gone
    assert expected
    assert (gone.version, gone.model, gone.tags) == (expected.version, expected.model, expected.tags)
    assert re.search(
        r"MLflow cannot be reached. Scored with version 1, .* \d{4}-\d\d-\d\d \d\d:\d\d UTC", gone.note or ""
    )
    monkeypatch.setattr("resources.mlflow_store.PATIENCE_S", 0.1)
    for leftover in database.parent.glob("mlflow.db-*"):
        leftover.unlink()
    shutil.copy(moved, database)
    with locked(database):
        held = registry.champion("feature_risk")
    assert held
    assert held.note
    database.write_text("unreadable, and long enough to be seen as no database at all")
    broken = registry.champion("feature_risk")
    assert broken
    assert broken.note


def test_a_server_that_is_down_is_told_within_seconds(registry: Registry) -> None:
    promote(registry, registered(registry))
    registry.champion("feature_risk")
    down = Registry(**{**registry.model_dump(), "tracking_uri": f"http://127.0.0.1:{free_port()}"})
    started = time.monotonic()
    champion = down.champion("feature_risk")
    assert champion
    assert champion.note
    assert time.monotonic() - started < 10
    with pytest.raises(
        ModelError, match=r"MLflow: it cannot be reached .* no copy of a champion.*INTELLIGENCE_MLFLOW_URI"
    ):
        down.champion("user_churn")
    with pytest.raises(ModelError, match="cannot be reached"):
        promote(down, "1")
    assert [move.to_version for move in registry.history("feature_risk")] == ["1"]


def test_a_corrupt_artifact_is_refused_and_nothing_else_scores(registry: Registry) -> None:
    promote(registry, registered(registry))
    assert registry.champion("feature_risk")
    shutil.rmtree(registry.cache)
    (model_folder(registry) / "artifacts" / "model.json").write_bytes(b"{}")
    with pytest.raises(ModelError, match=r"version 1: model.json in MLflow's artifacts is not what was registered"):
        registry.champion("feature_risk")
    shutil.rmtree(model_folder(registry))
    with pytest.raises(ModelError, match="version 1"):
        registry.champion("feature_risk")
    assert [path.name for path in Path(registry.cache, "feature_risk").iterdir() if path.name != ".lock"] == []


@pytest.mark.parametrize("harm", ["other bytes", "half", "gone", "about"])
def test_a_corrupt_copy_is_fetched_again(registry: Registry, harm: str) -> None:
    promote(registry, registered(registry))
    before = registry.champion("feature_risk")
    copy = Path(registry.cache, "feature_risk", "1")
    content = (copy / "model.json").read_bytes()
    if harm == "gone":
        (copy / "model.json").unlink()
    elif harm == "about":
        (copy / "version.json").write_text("{")
    else:
        (copy / "model.json").write_bytes(content[: len(content) // 2] if harm == "half" else content + b" ")
    assert registry.champion("feature_risk") == before
    assert (copy / "model.json").read_bytes() == content


def test_a_corrupt_copy_without_mlflow_is_refused(registry: Registry) -> None:
    promote(registry, registered(registry))
    registry.champion("feature_risk")
    Path(registry.cache, "feature_risk", "1", "model.json").write_text("{}")
    Path(registry.root, "mlflow.db").unlink()
    with pytest.raises(ModelError, match=r"model.json is damaged or gone, and MLflow cannot be asked"):
        registry.champion("feature_risk")


def test_a_version_that_somebody_else_registered_is_refused(registry: Registry) -> None:
    client = client_of(registry.uri)
    client.create_registered_model("feature_risk")
    client.create_model_version("feature_risk", source="file:///nowhere", await_creation_for=0)
    client.set_registered_model_alias("feature_risk", "champion", "1")
    with pytest.raises(ModelError, match="no sha256 tags"):
        registry.champion("feature_risk")


def test_a_full_disk_leaves_no_half_of_a_copy(registry: Registry, trees: RiskModel) -> None:
    promote(registry, registered(registry, model=trees))
    held = resource.getrlimit(resource.RLIMIT_FSIZE)
    Path(registry.cache, "feature_risk").mkdir(parents=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, held[1]))
    try:
        with pytest.raises(ModelError, match="File too large"):
            registry.champion("feature_risk")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, held)
    assert [path.name for path in Path(registry.cache, "feature_risk").iterdir() if path.name != ".lock"] == []
    assert registry.champion("feature_risk")


def test_what_a_killed_fetch_left_is_swept_away_by_the_next(registry: Registry) -> None:
    promote(registry, registered(registry))
    leftover = Path(registry.cache, "feature_risk", ".unfinished-abc", "whole")
    leftover.mkdir(parents=True)
    registry.champion("feature_risk")
    assert {path.name for path in Path(registry.cache, "feature_risk").iterdir()} == {"1", "champion.json", ".lock"}


def test_a_cache_that_cannot_be_written_is_an_error_that_names_it(registry: Registry) -> None:
    promote(registry, registered(registry))
    Path(registry.cache).write_text("a file where the folder should be")
    with pytest.raises(ModelError, match=f"{registry.cache}/feature_risk: they cannot be written .*INTELLIGENCE_DATA"):
        registry.champion("feature_risk")


def test_a_registration_that_cannot_be_written_leaves_no_version_and_a_failed_run(registry: Registry) -> None:
    Path(registry.root, "artifacts").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match=r"Not a directory|File exists"):
        registered(registry)
    assert registry.versions("feature_risk") == []
    client = client_of(registry.uri)
    (run,) = client.search_runs([client.get_experiment_by_name("feature_risk").experiment_id])
    assert run.info.status == "FAILED"
    Path(registry.root, "artifacts").unlink()
    assert registered(registry) == "1"


def test_four_processes_open_a_fresh_store_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.programs.models", str(tmp_path), *weight],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for weight in ([], [], ["0.3"], ["0.3"])
    ]
    told = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, told
    assert [out.strip() for out, _ in told[2:]] == ["1", "1"], "both registered the same model"
    assert [row.version for row in registry_in(tmp_path).versions("feature_risk")] == ["1"]
    assert not (tmp_path / "mlflow.db").exists()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(registry: Registry) -> Iterator[str]:
    port = free_port()
    served = subprocess.Popen(
        [
            *(f"{Path(sys.executable).parent}/mlflow", "server", "--backend-store-uri", registry.uri),
            *("--artifacts-destination", f"{registry.root}/artifacts", "--host", "127.0.0.1"),
            *("--port", str(port), "--workers", "1"),
        ],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while not _is_healthy(port) and time.monotonic() < deadline:
            assert served.poll() is None
            time.sleep(0.3)
        yield f"http://127.0.0.1:{port}"
    finally:
        served.terminate()
        served.wait(timeout=30)


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_a_server_over_the_same_store_shows_and_gives_the_same(
    registry: Registry, server: str, trees: RiskModel
) -> None:
    remote = Registry(**{**registry.model_dump(), "tracking_uri": server})
    assert remote.champion("feature_risk") is None
    assert registered(remote, model=trees) == "1"
    assert registered(registry) == "2"
    assert registered(remote) == "2"
    promote(remote, "1")
    assert registry.aliases("feature_risk") == remote.aliases("feature_risk") == {"champion": "1"}
    over_http = remote.champion("feature_risk")
    shutil.rmtree(registry.cache)
    assert over_http == registry.champion("feature_risk")
    assert [row.version for row in remote.versions("feature_risk")] == ["2", "1"]
    client_of(server).set_registered_model_alias("feature_risk", "champion", "2")
    noticed = remote.noticed("feature_risk")
    assert noticed
    assert (noticed.actor, noticed.to_version) == ("a person in MLflow", "2")
    client_of(server).delete_registered_model_alias("feature_risk", "champion")
    assert remote.champion("feature_risk") is None
    with pytest.raises(ModelError, match="version 9: there is no such version"):
        promote(remote, "9")
