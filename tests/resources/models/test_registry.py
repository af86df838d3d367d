"""The registry as scoring uses it: what is registered is what is loaded, bit for bit, or a clear refusal."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from intelligence.core.errors import ModelError
from intelligence.risk.model import RiskModel
from resources.config.settings import ROOT, settings
from resources.models.mlflow_store import client_of
from resources.models.registry import Registry
from resources.models.versions import Candidate
from tests.networks import drawn_network
from tests.programs.models import (
    LOGGED,
    PREDICTORS,
    free_port,
    linear_model,
    model_folder,
    promote,
    registered,
    registry_in,
)

GAPPY = {"p95_latency_ms": [0.3, None, 12.5, -4.0] * 50, "error_rate": [0.01, 0.4, None, 7.0] * 50}


def rows() -> pl.DataFrame:
    return pl.DataFrame(GAPPY).select("error_rate", "p95_latency_ms")


def pyfunc_scores(registry: Registry) -> np.ndarray:
    from mlflow import pyfunc

    client_of(registry.uri)
    return np.asarray(pyfunc.load_model("models:/feature_risk@champion").predict(rows().to_pandas()))


@pytest.mark.parametrize("kind", ["trees", "linear", "network"])
def test_scores_are_the_same_bits_from_the_training_from_mlflow_and_from_the_champion(
    registry: Registry, trees: RiskModel, kind: str
) -> None:
    model = {"trees": trees, "linear": linear_model(), "network": drawn_network(PREDICTORS)}[kind]
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
    requirements = (model_folder(registry) / "requirements.txt").read_text().split()
    assert [line.split("==")[0].removesuffix("-cpu") for line in requirements] == [
        "mlflow",
        "numpy",
        "pandas",
        "xgboost",
    ]
    assert all(version(line.split("==")[0]) == line.split("==")[1] for line in requirements)


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
    assert (run.data.params["trained_through"], run.data.params["lake_snapshot"]) == ("2026-06-30", "12")
    own = {key for key in run.data.tags if not key.startswith("mlflow.")}
    assert own == {"dagster.run_id", "content"}, "checksums belong to the version"
    assert run.data.tags["mlflow.note.content"] == LOGGED.summary
    experiment = client.get_experiment_by_name("feature_risk")
    assert LOGGED.question in experiment.tags["mlflow.note.content"]
    assert run.data.metrics["pr_auc"] == 0.41
    assert [each.value for each in client.get_metric_history(made.run_id, "fold_pr_auc")] == [0.4, 0.42]
    inputs = {each.dataset.name: json.loads(each.dataset.source) for each in run.inputs.dataset_inputs}
    assert inputs["metrics.feature_health"] == {"table": "metrics.feature_health", "snapshot": 12}
    assert {each.path for each in client.list_artifacts(made.run_id)} == {"plots", "card.md", "report.json"}
    signature = json.loads(
        re.search(r"inputs: '(.*?)'\n  outputs", _mlmodel(registry), re.DOTALL)[1].replace("\n    ", " ")
    )
    assert [(column["name"], column["type"]) for column in signature] == [(name, "double") for name in PREDICTORS]


def test_the_candidates_of_a_training_are_finished_children_of_its_run_with_their_measures(registry: Registry) -> None:
    candidates = (
        Candidate("xgboost", "Boosted trees: chosen.", {"pr_auc": 0.41, "brier": 0.02}),
        Candidate("persistence", "A floor.", {"pr_auc": 0.2}),
        Candidate("unmeasured", "Nothing came true.", {}),
    )
    logged = replace(LOGGED, candidates=candidates)
    made = registry.registered("feature_risk", linear_model(), logged=logged, tags={})
    registry.registered("feature_risk", linear_model(), logged=logged, tags={})
    client = client_of(registry.uri)
    experiment = client.get_experiment_by_name("feature_risk").experiment_id
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{made.run_id}'")
    found = {run.info.run_name: (run.data.tags["mlflow.note.content"], run.data.metrics) for run in children}
    assert found == {each.name: (each.description, each.metrics) for each in candidates}
    assert {run.info.status for run in children} == {"FINISHED"}
    assert len(client.search_runs([experiment])) == 1 + len(candidates), "the very same model is not logged twice"
    assert [row.metrics["pr_auc"] for row in registry.versions("feature_risk")] == [0.41]


def test_an_experiment_of_a_former_version_gets_its_description_and_keeps_a_persons_own(registry: Registry) -> None:
    client = client_of(registry.uri)
    made = client.create_experiment("feature_risk")
    registered(registry)
    assert LOGGED.question in client.get_experiment(made).tags["mlflow.note.content"]
    client.set_experiment_tag(made, "mlflow.note.content", "Ours.")
    registered(registry, weight=0.8)
    assert client.get_experiment(made).tags["mlflow.note.content"] == "Ours."


def _mlmodel(registry: Registry) -> str:
    return (model_folder(registry) / "MLmodel").read_text()


def test_the_very_same_model_is_one_version(registry: Registry) -> None:
    first = registry.registered("feature_risk", linear_model(), logged=LOGGED, tags={})
    again = registry.registered("feature_risk", linear_model(), logged=LOGGED, tags={"dagster.run_id": "later"})
    assert (again.version, again.run_id, again.is_new) == (first.version, first.run_id, False)
    assert registered(registry, weight=0.8) == "2"
    assert [row.version for row in registry.versions("feature_risk")] == ["2", "1"]


def test_a_run_that_a_killed_registration_left_does_not_run_for_ever(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(registry.uri)
    with monkeypatch.context() as patch:
        patch.setattr(type(client), "set_terminated", lambda *_: None)  # a killed process ends no run
        patch.setattr(type(client), "create_logged_model", lambda *_, **__: sys.exit(9))
        with pytest.raises(SystemExit):
            registered(registry)
    assert registered(registry) == "1"
    runs = client.search_runs([client.get_experiment_by_name("feature_risk").experiment_id])
    assert sorted(run.info.status for run in runs) == ["FINISHED", "KILLED"]


@pytest.mark.parametrize("harm", ["other bytes", "gone"])
def test_training_the_very_same_model_again_mends_its_damaged_files(
    registry: Registry, trees: RiskModel, harm: str
) -> None:
    promote(registry, registered(registry, model=trees))
    booster = model_folder(registry) / "artifacts" / "booster.ubj"
    if harm == "gone":
        shutil.rmtree(model_folder(registry))
    else:
        booster.write_bytes(booster.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="or train again"):
        registry.champion("feature_risk")
    assert registered(registry, model=trees) == "1"
    champion = registry.champion("feature_risk")
    assert champion
    assert champion.model.files() == trees.files()
    assert pyfunc_scores(registry).tobytes() == trees.probabilities(rows()).tobytes()


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


def test_a_product_with_data_of_its_own_has_models_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INTELLIGENCE_DATA", "INTELLIGENCE_MLRUNS", "INTELLIGENCE_MLFLOW_URI", "INTELLIGENCE_STATE"):
        monkeypatch.delenv(name, raising=False)
    usual = Registry.of(settings())
    assert (usual.root, usual.state) == (f"{ROOT}/mlruns", f"sqlite:///{ROOT}/data/state.db")
    monkeypatch.setenv("INTELLIGENCE_DATA", "data/small")
    own = Registry.of(settings())
    assert (own.root, own.state) == (f"{ROOT}/data/small/mlruns", f"sqlite:///{ROOT}/data/small/state.db")
    monkeypatch.setenv("INTELLIGENCE_MLFLOW_URI", "http://127.0.0.1:5001")
    served = Registry.of(settings())
    assert (served.uri, served.ui) == ("http://127.0.0.1:5001", "http://127.0.0.1:5001")


def test_the_registry_is_imported_without_what_it_needs_to_work() -> None:
    heavy = "mlflow", "sqlalchemy", "numpy", "pandas", "sklearn", "xgboost"
    program = f"import sys, resources.models.registry; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_tag_for_a_version_that_does_not_exist_is_refused(registry: Registry) -> None:
    with pytest.raises(ModelError, match=r"version 1: there is no such version. Train first"):
        registry.tagged("feature_risk", "1", {"verdict": "promote"})


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


@pytest.mark.proof
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
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert [out.strip() for out, _ in outputs[2:]] == ["1", "1"], "both registered the same model"
    assert [row.version for row in registry_in(tmp_path).versions("feature_risk")] == ["1"]
    assert not (tmp_path / "mlflow.db").exists()


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


@pytest.mark.proof
def test_a_server_over_the_same_store_shows_and_gives_the_same(
    registry: Registry, server: str, trees: RiskModel
) -> None:
    remote = replace(registry, tracking_uri=server)
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
