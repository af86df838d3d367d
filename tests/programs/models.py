"""Small models for the tests of the registry; as a program it opens a store, and registers one if a weight is given."""

import socket
import sys
from pathlib import Path

import numpy as np

from intelligence.risk.model import Linear, Platt, RiskModel
from resources.models.mlflow_store import make_store
from resources.models.registry import Registry
from resources.models.versions import LoggedTraining

PREDICTORS = ("p95_latency_ms", "error_rate")


def registry_in(folder: Path) -> Registry:
    return Registry(root=f"{folder}/mlruns", cache=f"{folder}/models", state=f"sqlite:///{folder}/state.db")


def linear_model(weight: float = 0.7) -> RiskModel:
    linear = Linear((0.1, 0.2), (0.0, 0.5), (1.0, 2.0), (weight, -0.3), 0.05)
    return RiskModel("logistic_regression", PREDICTORS, Platt(1.1, -0.2), linear)


LOGGED = LoggedTraining(
    question="Which healthy features will be degraded within 7 days?",
    summary="Trained on 90 days of 120 features.",
    snapshot=12,
    trained_through="2026-06-30",
    tables=("metrics.fact_feature_metrics", "metrics.feature_health"),
    params={"horizon_days": 7, "kind": "logistic_regression"},
    metrics={"pr_auc": 0.41, "brier": 0.02},
    steps={"fold_pr_auc": [0.4, 0.42]},
    files={"plots/calibration.png": b"\x89PNG", "card.md": b"# Card", "report.json": b"{}"},
)
RUN_TAGS = {"dagster.run_id": "r1", "dagster.asset_key": "risk/feature_risk_model", "dagster.partition": "2026-06-30"}


def registered(registry: Registry, weight: float = 0.7, model: RiskModel | None = None) -> str:
    """Return the version of a linear model with this weight, or of the given model, named feature_risk."""
    made = registry.registered("feature_risk", model or linear_model(weight), logged=LOGGED, tags=RUN_TAGS)
    return made.version


def trees_model() -> RiskModel:
    import xgboost

    random = np.random.default_rng(7)
    values = random.normal(size=(300, 2))
    labels = (values[:, 0] + random.normal(size=300) > 0).astype(float)
    matrix = xgboost.DMatrix(values, labels, feature_names=list(PREDICTORS))
    booster = xgboost.train({"max_depth": 3, "objective": "binary:logistic", "nthread": 1}, matrix, 20)
    return RiskModel("xgboost", PREDICTORS, Platt(0.9, 0.1), booster=bytes(booster.save_raw("ubj")))


def promote(registry: Registry, number: str) -> None:
    registry.promoted("feature_risk", number, actor="test", cause="test", reason="test")


def model_folder(registry: Registry) -> Path:
    (folder,) = Path(registry.root).glob("artifacts/feature_risk/models/*/artifacts")
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    registry = registry_in(Path(sys.argv[1]))
    if len(sys.argv) > 2:
        print(registered(registry, weight=float(sys.argv[2])))
    else:
        make_store(Path(registry.root))
        print(len(registry.versions("feature_risk")))
