"""The gate applied to a training: which rows count, what has to be beaten, and the verdict as a row of a table."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from intelligence.risk.evaluation import Sample
from intelligence.risk.gate import Verdict, verdict, verdict_without_evidence
from intelligence.risk.model import RiskModel
from intelligence.risk.model_specs import Subject
from intelligence.risk.tables import FEATURE_VERDICT
from intelligence.risk.training import what_is_missing


def judged_challenger(
    unseen: pl.DataFrame,
    panel: pl.DataFrame,
    subject: Subject,
    *,
    champion: RiskModel | None = None,
    champion_trained_through: date | None = None,
) -> Verdict:
    """Return whether the challenger whose unseen scores these are may become champion.

    A champion that looks at predictors which the panel no longer has cannot be compared with, and counts as none.
    With a champion only rows count whose outcome lies wholly after what the champion had seen; the challenger's scores
    were given before it had seen them, so that neither knows them.

    Args:
        unseen: `event_date`, the unit, `label` and `score` of each row that judged the challenger; may be empty.
        panel: the predictors and floors of those rows.
        subject: what was asked.
        champion: the present champion, if there is one.
        champion_trained_through: the last day whose outcome it had seen.
    """
    question = subject.question
    if unseen.is_empty():
        missing = what_is_missing(panel, question, rules=subject.rules)
        return verdict_without_evidence(missing or "No model was trained yet.")
    unusable = [name for name in champion.predictors if name not in panel.columns] if champion else []
    if unusable:
        champion = None
    keys = [question.time, question.unit]
    rows = unseen.select(*keys, "label", "score").join(panel.drop("label"), on=keys, how="inner", maintain_order="left")
    against = "the floors"
    if champion is not None:
        against = "the champion"
        if champion_trained_through is not None:
            rows = rows.filter(pl.col(question.time) > champion_trained_through + timedelta(days=question.horizon))
    if rows.is_empty():
        return verdict_without_evidence(
            f"No outcome is known yet that {against} had not seen; the horizon is {question.horizon} days.",
            against=against,
        )
    sample = Sample(
        units=rows[question.unit].rank("dense").to_numpy().astype(np.int64) - 1,
        times=rows[question.time].to_physical().cast(pl.Int64).to_numpy(),
        labels=rows["label"].to_numpy().astype(bool),
    )
    floors = {
        name: rows[column].cast(pl.Float64).fill_nan(None).fill_null(-1e300).to_numpy()
        for name, column in question.floors.items()
    }
    found = verdict(
        rows["score"].to_numpy(),
        floors,
        sample,
        champion=champion.probabilities(rows) if champion else None,
        capacity=subject.rules.capacity,
        threshold=subject.rules.threshold,
        draws=subject.rules.draws,
        seed=subject.rules.seed,
    )
    if not unusable:
        return found
    told = (
        f"The champion looks at {unusable[0]}, which is no longer there, so the floors are the measure. {found.reason}"
    )
    return replace(found, reason=told)


def verdict_row(
    found: Verdict,
    unseen: pl.DataFrame,
    subject: Subject,
    *,
    champion: int | None,
    as_of: date,
    snapshot: int,
    is_promoted: bool,
) -> pl.DataFrame:
    """Return the verdict as a row in the shape of risk.feature_verdict; `snapshot` is used where nothing was trained."""
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
        "predictors": ", ".join(subject.question.predictors),
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
