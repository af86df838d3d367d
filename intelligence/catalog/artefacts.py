"""The files that scripts of other pipelines read, made from the rows of the lake: metrics, importance, baselines, drift, a report.

Each is there also where a model abstains, and says so. docs/export.md describes their schemas.
"""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from intelligence.catalog.summary import Summary
from intelligence.drift.tables import BASELINE_STATS, FEATURE_DRIFT, USER_DRIFT
from intelligence.metrics.tables import FACT_FEATURE_METRICS
from intelligence.risk.tables import FEATURE_RISK, FEATURE_VERDICT, USER_CHURN, USER_VERDICT

# The tables of each model: verdicts, scores and drift.
MODELS: Final = {
    "feature_risk": (FEATURE_VERDICT, FEATURE_RISK, FEATURE_DRIFT),
    "user_churn": (USER_VERDICT, USER_CHURN, USER_DRIFT),
}
QUERIES: Final[Mapping[str, str]] = {
    "baseline": f"FROM {BASELINE_STATS.path} ORDER BY model, importance DESC NULLS LAST, predictor",
    "feature_metrics": f"FROM {FACT_FEATURE_METRICS.path} ORDER BY event_date, feature",
    **{
        f"{model} {part}": query
        for model, (verdict, scores, drift) in MODELS.items()
        for part, query in (
            ("verdict", f"FROM {verdict.path} ORDER BY as_of DESC, lake_snapshot DESC LIMIT 1"),
            ("scored", f"SELECT max(event_date) AS last_day, count(*) AS rows, max(model_version) AS version FROM {scores.path}"
             f" WHERE event_date = (SELECT max(event_date) FROM {scores.path})"),
            ("drift", f"FROM {drift.path} WHERE (event_date, model_version) = (SELECT max((event_date, model_version)) FROM {drift.path})"
             " ORDER BY is_moved DESC, predictor"),
        )
    },
}  # fmt: skip
_QUALITY: Final = ("pr_auc", "champion_pr_auc", "calibration_error", "precision_at_capacity", "rows", "onsets")
_BASELINE: Final = ("mean", "sd", "p05", "p50", "p95", "missing_rate", "importance", "limit")
_DRIFT: Final = ("distance", "limit", "is_moved", "mean_baseline", "mean_now", "percent_change", "fault")
IMPORTANCE: Final = ("model", "model_version", "predictor", "importance")


def metrics(read: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    """Return `metrics.json`: how each model was judged last, and whether a version of it scores.

    Args:
        read: The frames of QUERIES.
    """
    return {"models": {model: _judged(read[f"{model} verdict"], read[f"{model} scored"]) for model in MODELS}}


def _judged(verdict: pl.DataFrame, scored: pl.DataFrame) -> dict[str, Any]:
    version = scored["version"].item()
    found: dict[str, Any] = {
        "abstains": version is None,
        "scoring_version": version,
        "scored_day": scored["last_day"].item(),
        "scored_rows": scored["rows"].item(),
    }
    if verdict.is_empty():
        return {**found, "decision": None, "reason": "No model was trained yet."}
    row = verdict.row(0, named=True)
    return {
        **found,
        "decision": row["decision"],
        "reason": row["reason"],
        "as_of": row["as_of"],
        "challenger": row["challenger"],
        "kind": row["kind"],
        **{name: row[name] for name in _QUALITY},
        "advantage": {"value": row["advantage"], "low": row["advantage_low"], "high": row["advantage_high"]},
    }


def feature_importance(read: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return `feature_importance.csv`: what moves the score of each champion; without one it has its head only."""
    return read["baseline"].filter(role="predictor").select(IMPORTANCE)


def baseline_stats(read: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    """Return `baseline_stats.json`: what each champion was trained on; `models` is empty where none was."""
    found: dict[str, Any] = {}
    for row in read["baseline"].iter_rows(named=True):
        model = found.setdefault(
            row["model"],
            {
                "version": row["model_version"],
                "first_day": row["first_day"],
                "last_day": row["last_day"],
                "columns": {},
            },
        )
        model["columns"][row["predictor"]] = {"role": row["role"], **{name: row[name] for name in _BASELINE}}
    return {"models": found, "note": None if found else "No champion was trained: there is nothing to compare with."}


def data_drift(read: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    """Return `data_drift.json`: how far the newest week lies from the training of each champion."""
    models = {}
    for model in MODELS:
        rows = read[f"{model} drift"]
        if rows.is_empty():
            models[model] = {"judged": False, "reason": "No champion scores, so that nothing is compared."}
            continue
        judged = rows.filter(pl.col("distance").is_not_null())
        models[model] = {
            "judged": True,
            "day": rows["event_date"][0],
            "version": rows["model_version"][0],
            "moved": rows.filter("is_moved")["predictor"].to_list(),
            "share_moved": judged["is_moved"].mean() if judged.height else None,
            "columns": {row["predictor"]: {name: row[name] for name in _DRIFT} for row in rows.iter_rows(named=True)},
        }
    return {"models": models}


def run_report(found: Summary) -> dict[str, Any]:
    """Return `run_report.json`: what was taken in, what is in doubt, what is in trouble, and what was decided.

    Args:
        found: The summary of the lake.
    """
    made = found.decisions
    decided = made.shown["action"].value_counts(sort=True).rows() if made else []
    return {
        "last_day": found.last_day,
        "telemetry": found.totals.row(0, named=True),
        "days_in_doubt": found.faults.select("event_date", "verdict").to_dicts(),
        "rows_in_quarantine": found.waiting.to_dicts(),
        "features_in_trouble": found.trouble.to_dicts(),
        "evidence": dict(found.evidence),
        "decisions": {"day": made.day, "monitored": made.monitored, "others": dict(decided)} if made else None,
        "missing": [{"kind": gap.kind, "name": gap.name, "says": gap.says} for gap in found.gaps],
        "brief": found.brief.record() if found.brief else None,
    }
