"""What the champion was trained on, as far as the watch needs it: one line per predictor, for its score and its outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl

from intelligence.core.errors import NotEnoughEvidence
from intelligence.drift.distance import Scale, outcome_scale, scale_of
from intelligence.drift.expected import average_precision
from intelligence.drift.history import History, history
from intelligence.drift.null_distribution import WINDOW_DAYS, drawn_weights, largest_of_a_week, limits
from intelligence.drift.tables import BASELINE_STATS
from intelligence.risk.model import Floats, RiskModel

SCORE: Final = "risk score"
OUTCOME: Final = "outcome against score"
EXPECTATION: Final = "expected PR-AUC"
# Longest window of any predictor: before that, what is asked of it cannot be told yet.
WARM_UP_DAYS: Final = 28
LEAST_DAYS: Final = 28
LONGEST_DAYS: Final = 180
# Of users, a fifth are new within seven weeks; of features, a few.
LASTING_TURNOVER: Final = 0.15
# They move with the calendar, or when somebody edits product.yaml.
NOT_JUDGED: Final = frozenset({"feature_age_days", "tenure_days", "is_beta", "is_sunset"})
_SCHEMA: Final = BASELINE_STATS.schema(without=("model", "model_version", "first_day", "last_day", "lake_snapshot"))


@dataclass(frozen=True, slots=True)
class Window:
    """The days that a champion is held against, both ends included."""

    first: date
    last: date

    @property
    def day_count(self) -> int:
        """Return how many days there are."""
        return (self.last - self.first).days + 1


def training_window(first_day: date, trained_through: date) -> Window:
    """Return the days of the training that the watch compares with; raises NotEnoughEvidence where they are too few."""
    first = max(first_day, trained_through - timedelta(days=LONGEST_DAYS - 1))
    if (trained_through - first).days >= WARM_UP_DAYS + LEAST_DAYS:
        first += timedelta(days=WARM_UP_DAYS)
    window = Window(first, trained_through)
    if window.day_count < LEAST_DAYS:
        raise NotEnoughEvidence(
            "drift",
            f"the champion was trained on {window.day_count} days, and chance cannot be told from drift below {LEAST_DAYS}.",
            hint="The next training will have seen more.",
        )
    return window


def with_scores(rows: pl.DataFrame, model: RiskModel) -> pl.DataFrame:
    """Return the rows with the model's score, its interval, and the outcome less the score where the outcome is known."""
    logits = model.logits(rows)
    low, high = model.calibration.intervals(logits)
    scored = rows.with_columns(
        pl.Series(SCORE, model.calibration.probabilities(logits), dtype=pl.Float64),
        pl.Series("score_low", low, dtype=pl.Float64),
        pl.Series("score_high", high, dtype=pl.Float64),
    )
    return scored.with_columns((pl.col("label").cast(pl.Float64) - pl.col(SCORE)).alias(OUTCOME))


def baseline(
    rows: pl.DataFrame, model: RiskModel, *, unit: str, window: Window, false_alarms_per_week: float, smallest: float
) -> pl.DataFrame:
    """Return one row per predictor of the model, for its score, its outcome and the PR-AUC that it expects of itself.

    The allowed false alarms are shared: half of them for all distances together, half for the expectation. `smallest` is
    the distance below which nothing counts as moved, however sure it is.
    """
    scored = with_scores(rows.sort("event_date", unit), model)
    names = [*model.predictors, SCORE, OUTCOME]
    past = history(scored, names, unit=unit, first_day=window.first, day_count=window.day_count)
    scales = _scales(past, model.predictors)
    found = limits(
        past,
        scales,
        false_alarms_per_week=false_alarms_per_week / 2,
        units_change=turnover(rows, unit, window) > LASTING_TURNOVER,
    )
    weights = _importance(model, scored)
    rows_of_all = [
        _line(name, past.columns[name], scales.get(name), max(found.get(name, 0.0), smallest), weights.get(name))
        for name in names
    ]
    bound = expectation_bound(past, false_alarms_per_week=false_alarms_per_week / 2)
    expectation = {"predictor": EXPECTATION, "role": "expectation", "rows": len(past.days), "limit": bound}
    return pl.DataFrame([*rows_of_all, expectation], schema=_SCHEMA).with_columns(
        first_day=pl.lit(window.first), last_day=pl.lit(window.last)
    )


def turnover(rows: pl.DataFrame, unit: str, window: Window) -> float:
    """Return the share of the units in the last seven days of the window that were not there in its first seven."""
    week = timedelta(days=WINDOW_DAYS - 1)
    first = rows.filter(pl.col("event_date").is_between(window.first, window.first + week))[unit].unique()
    last = rows.filter(pl.col("event_date").is_between(window.last - week, window.last))[unit].unique()
    return 1 - float(last.is_in(first.implode()).mean() or 0.0) if len(last) else 0.0  # type: ignore[arg-type] # a share


def _scales(past: History, predictors: Sequence[str]) -> dict[str, Scale]:
    found = {name: scale_of(past.columns[name]) for name in (*predictors, SCORE) if name not in NOT_JUDGED}
    found[OUTCOME] = outcome_scale(past.columns[SCORE]) if np.isfinite(past.columns[OUTCOME]).any() else None
    return {name: scale for name, scale in found.items() if scale}


def _importance(model: RiskModel, rows: pl.DataFrame) -> Mapping[str, float]:
    pushes = np.abs(model.contributions(rows.sample(min(rows.height, 5_000), seed=1))).mean(axis=0)
    total = pushes.sum()
    return dict(zip(model.predictors, (pushes / total if total else pushes).tolist(), strict=True))


def _line(
    name: str, values: Floats, scale: Scale | None, limit: float, importance: float | None
) -> Mapping[str, object]:
    present = values[~np.isnan(values)]
    roles = {SCORE: "score", OUTCOME: "outcome"}
    line: dict[str, object] = {
        "predictor": name,
        "role": roles.get(name, "predictor"),
        "is_judged": scale is not None,
        "importance": importance,
        "rows": len(present),
        "missing_rate": 1 - len(present) / max(len(values), 1),
    }
    if len(present):
        p05, p50, p95 = np.quantile(present, (0.05, 0.5, 0.95)).tolist()
        line |= {"mean": float(present.mean()), "sd": float(present.std()), "p05": p05, "p50": p50, "p95": p95}
    if scale:
        counts = scale.counts(values)
        line |= {
            "limit": limit,
            "spread": scale.sd,
            "grid": scale.grid.tolist(),
            "shares": (counts / counts[-1]).tolist(),
        }
    return line


def expectation_bound(past: History, *, false_alarms_per_week: float) -> float | None:
    """Return the PR-AUC below which the champion expects to fall in that share of weeks of its own training window."""
    weights, found = drawn_weights(past.group_count), []
    for start in range(past.day_count - WINDOW_DAYS + 1):
        block = (past.days >= start) & (past.days < start + WINDOW_DAYS)
        scores = past.columns[SCORE][block]
        order = np.argsort(-scores, kind="stable")
        found.append(average_precision(scores[order], weights[:, past.groups[block][order]]))
    by_start = np.stack(found)
    lowest = -largest_of_a_week(np.where(np.isnan(by_start), -np.inf, -by_start))
    sound = lowest[np.isfinite(lowest)]
    return float(np.quantile(sound, false_alarms_per_week)) if len(sound) else None
