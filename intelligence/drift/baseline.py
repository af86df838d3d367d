"""The baseline of a champion: the distribution of each predictor, of the score and of the outcome in its training data."""

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
# Longest window of any predictor: on earlier days some predictors are incomplete.
WARM_UP_DAYS: Final = 28
LEAST_DAYS: Final = 28
LONGEST_DAYS: Final = 180
# A fifth of all users are new within seven weeks, but few of the features.
LASTING_TURNOVER: Final = 0.15
# They change with the calendar, or when somebody edits product.yaml.
NOT_ASSESSED: Final = frozenset({"feature_age_days", "tenure_days", "is_beta", "is_sunset"})
_SCHEMA: Final = BASELINE_STATS.schema(without=("model", "model_version", "first_day", "last_day", "lake_snapshot"))


@dataclass(frozen=True, slots=True)
class Window:
    """The days that recent data is compared with, both ends included."""

    first: date
    last: date

    @property
    def day_count(self) -> int:
        """Return the number of days."""
        return (self.last - self.first).days + 1


def training_window(first_day: date, trained_through: date) -> Window:
    """Return the days of the training that serve as the baseline: the last 180, without the first 28 of them.

    Those 28 are kept where too few days would remain without them.

    Args:
        first_day: First day of the training data.
        trained_through: Last day whose outcome the champion has seen.

    Raises:
        NotEnoughEvidence: The training covers fewer than 28 days.
    """
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
    """Return the rows with the model's score, the bounds of its 90 % interval, and the outcome minus the score.

    Args:
        rows: One row per unit and day: the model's predictors and `label`, which is null while the outcome is unknown.
        model: The model that gives the scores.

    Raises:
        ModelError: The rows lack a predictor of the model.
    """
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
    """Return the baseline, one row for each predictor, for the score, for the outcome and for the expected PR-AUC.

    Half of the allowed false alarms go to all distances together, half to the expected PR-AUC.

    Args:
        rows: One row per unit and day: `event_date`, `unit`, `label` and the model's predictors.
        model: The champion.
        unit: Column that identifies the feature or user.
        window: Days of the training that serve as the baseline.
        false_alarms_per_week: Share of weeks without drift in which an alarm is allowed, in [0, 1].
        smallest: Least limit of any column, in standard deviations: smaller distances never count as drift.
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
    """Return which share of the units of the window's last seven days does not occur in its first seven, in [0, 1].

    Args:
        rows: One row per unit and day, with `event_date` and `unit`.
        unit: Column that identifies the feature or user.
        window: Days to compare, both ends included.
    """
    week = timedelta(days=WINDOW_DAYS - 1)
    first = rows.filter(pl.col("event_date").is_between(window.first, window.first + week))[unit].unique()
    last = rows.filter(pl.col("event_date").is_between(window.last - week, window.last))[unit].unique()
    return 1 - float(last.is_in(first.implode()).mean() or 0.0) if len(last) else 0.0  # type: ignore[arg-type] # a share


def _scales(past: History, predictors: Sequence[str]) -> dict[str, Scale]:
    found = {name: scale_of(past.columns[name]) for name in (*predictors, SCORE) if name not in NOT_ASSESSED}
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
    """Return the least expected PR-AUC that counts as normal; None where no week gives one.

    It is the quantile of the lowest of seven consecutive expected values, over the weeks of the baseline and the resamples
    of its units.

    Args:
        past: Rows of the baseline with the champion's score.
        false_alarms_per_week: Share of weeks without drift that may fall below the result, in [0, 1].
    """
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
