"""Drivers of engagement: what goes with coming back, by the contributions of the churn model. An association, and no cause."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from intelligence.core.grades import Grade
from intelligence.risk.model import RiskModel, values_of

GRADE: Final[Grade] = "D"
# Rows are explained up to here; more of them change a mean by less than is shown.
MOST_ROWS: Final = 2_000
# A predictor that moves the risk both ways has no direction.
CLEAR: Final = 0.3


def drivers(rows: pl.DataFrame, model: RiskModel) -> list[dict[str, Any]]:
    """Return the predictors by how much they move the risk of users not to come back, the strongest first.

    The contribution of a predictor to one user's risk is its Shapley value in log odds (Lundberg et al. 2020). What it means is
    how the model tells users apart. Nothing follows about what would happen if it were changed.

    Args:
        rows: Users with the model's predictors.
        model: The champion.

    Returns:
        Rows with `predictor`, `strength` (mean absolute contribution in log odds), `share` (of all strengths), `more_goes_with`
        (`leaving`, `coming back`, or `both`), and `grade`. None without rows.
    """
    chosen = rows[:: max(1, rows.height // MOST_ROWS)]
    if chosen.is_empty():
        return []
    contributions, values = model.contributions(chosen), values_of(chosen, model.predictors)
    strengths = np.abs(contributions).mean(axis=0)
    total = strengths.sum() or 1.0
    found = [
        {
            "predictor": name,
            "strength": float(strengths[place]),
            "share": float(strengths[place] / total),
            "more_goes_with": _direction(values[:, place], contributions[:, place]),
            "grade": GRADE,
        }
        for place, name in enumerate(model.predictors)
    ]
    return sorted(found, key=lambda row: (-row["strength"], row["predictor"]))


def _direction(values: np.ndarray, contributions: np.ndarray) -> str:
    known = ~np.isnan(values)
    ranks = [_ranks(each[known]) for each in (values, contributions)]
    if known.sum() < 2 or min(float(np.std(each)) for each in ranks) == 0:
        return "both"
    together = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    return "both" if abs(together) < CLEAR else "leaving" if together > 0 else "coming back"


def _ranks(values: np.ndarray) -> np.ndarray:
    return pl.Series(values).rank("average").to_numpy()


# The treatment of causality.feature_effects that asks about the same thing, by predictor.
ASKED_AS: Final[Mapping[str, str]] = {
    "error_rate_28d": "meeting_errors",
    "crashed_events_28d": "meeting_errors",
    "features_per_day_28d": "adopting",
}


def with_effects(found: Sequence[Mapping[str, Any]], effects: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the drivers, each with the strongest measured effect of the same thing, where there is one.

    Args:
        found: What `drivers` returns.
        effects: Rows of causality.feature_effects of one day; those whose interval holds 0 show no effect and are left out.
    """
    is_shown = ((pl.col("low") > 0) | (pl.col("high") < 0)) & (pl.col("grade") != GRADE)
    shown = effects.filter(is_shown, outcome="churned").sort(pl.col("estimate").abs(), descending=True)
    by_treatment = shown.group_by("treatment", maintain_order=True).first()
    answers = {row["treatment"]: (row["grade"], row["answer"]) for row in by_treatment.iter_rows(named=True)}
    return [
        {**row, "effect_grade": grade, "effect": answer}
        for row in found
        for grade, answer in [answers.get(ASKED_AS.get(row["predictor"], ""), (None, None))]
    ]
