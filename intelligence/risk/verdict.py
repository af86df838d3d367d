"""The gate applied to a training: which rows are compared, with which model, and the verdict as a row of a table."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from intelligence.risk.evaluation import Sample
from intelligence.risk.gate import Verdict, verdict, verdict_without_evidence
from intelligence.risk.model import RiskModel
from intelligence.risk.model_specs import ModelSpec
from intelligence.risk.tables import FEATURE_VERDICT
from intelligence.risk.training import what_is_missing


def evaluated_challenger(
    unseen: pl.DataFrame,
    panel: pl.DataFrame,
    spec: ModelSpec,
    *,
    champion: RiskModel | None = None,
    champion_trained_through: date | None = None,
) -> Verdict:
    """Return whether the challenger may become champion, decided on its scores of unseen rows.

    With a champion only those rows are compared whose outcome lies entirely after the data that the champion had seen. The
    challenger's scores were given before it had seen them either. A champion that needs predictors which the panel no
    longer has cannot be compared, and is ignored.

    Args:
        unseen: One row per unit and day on which the challenger was evaluated: `event_date`, the unit, `label` and `score`;
            may be empty.
        panel: The predictors and floors of those rows, with the same keys.
        spec: The model spec.
        champion: The present champion; None where there is none.
        champion_trained_through: Last day whose outcome the champion had seen; None where it is unknown.
    """
    task = spec.task
    if unseen.is_empty():
        missing = what_is_missing(panel, task, rules=spec.rules)
        return verdict_without_evidence(missing or "No model was trained yet.")
    unusable = [name for name in champion.predictors if name not in panel.columns] if champion else []
    if unusable:
        champion = None
    keys = [task.time, task.unit]
    rows = unseen.select(*keys, "label", "score").join(panel.drop("label"), on=keys, how="inner", maintain_order="left")
    against = "the floors"
    if champion is not None:
        against = "the champion"
        if champion_trained_through is not None:
            rows = rows.filter(pl.col(task.time) > champion_trained_through + timedelta(days=task.horizon))
    if rows.is_empty():
        return verdict_without_evidence(
            f"No outcome is known yet that {against} had not seen; the horizon is {task.horizon} days.",
            against=against,
        )
    sample = Sample(
        units=rows[task.unit].rank("dense").to_numpy().astype(np.int64) - 1,
        times=rows[task.time].to_physical().cast(pl.Int64).to_numpy(),
        labels=rows["label"].to_numpy().astype(bool),
    )
    floors = {
        name: rows[column].cast(pl.Float64).fill_nan(None).fill_null(-1e300).to_numpy()
        for name, column in task.floors.items()
    }
    found = verdict(
        rows["score"].to_numpy(),
        floors,
        sample,
        champion=champion.probabilities(rows) if champion else None,
        capacity=spec.rules.capacity,
        threshold=spec.rules.threshold,
        draws=spec.rules.draws,
        seed=spec.rules.seed,
    )
    if not unusable:
        return found
    reason = (
        f"The champion looks at {unusable[0]}, which is no longer there, so the floors are the measure. {found.reason}"
    )
    return replace(found, reason=reason)


def verdict_row(
    found: Verdict,
    unseen: pl.DataFrame,
    spec: ModelSpec,
    *,
    champion: int | None,
    as_of: date,
    snapshot: int,
    is_promoted: bool,
) -> pl.DataFrame:
    """Return the verdict as one row with the columns of risk.feature_verdict.

    Args:
        found: The verdict of the gate.
        unseen: Rows of the training table, which name the version, its kind and the snapshot; empty where nothing was trained.
        spec: The model spec.
        champion: Version of the champion that the challenger was compared with; None where there was none.
        as_of: Last day of the telemetry that was trained on.
        snapshot: Snapshot of the lake to record where nothing was trained.
        is_promoted: Whether the alias `champion` was moved to the challenger.
    """
    trained = not unseen.is_empty()
    mine, rival = found.challenger, found.rival

    def value(name: str) -> float | None:
        return mine[name].value if name in mine else None

    row = {
        "as_of": as_of,
        "lake_snapshot": unseen["lake_snapshot"][0] if trained else snapshot,
        "challenger": unseen["model_version"][0] if trained else 0,
        "champion": champion,
        "kind": unseen["chosen"][0] if trained else None,
        "choice": unseen["choice"][0] if trained else None,
        "predictors": ", ".join(spec.task.predictors),
        "decision": found.decision,
        "reason": found.reason,
        "rows": found.rows,
        "onsets": found.onsets,
        "pr_auc": value("pr_auc"),
        "champion_pr_auc": rival["pr_auc"].value if champion is not None and "pr_auc" in rival else None,
        "advantage": found.advantage.value,
        "advantage_low": found.advantage.low,
        "advantage_high": found.advantage.high,
        "calibration_error": value("calibration_error"),
        "precision_at_capacity": value("precision_at_capacity"),
        "is_promoted": is_promoted,
    }
    return FEATURE_VERDICT.frame([row])
