"""The watch on one champion for one day: what has moved, its expected performance, and the performance that came true."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from intelligence.drift.baseline import SCORE, with_scores
from intelligence.drift.expected import Expected, expected_performance
from intelligence.drift.verdict import DayVerdict, day_verdict, drift_rows, window_of
from intelligence.risk.evaluation import Estimate, Sample, estimates, measures
from intelligence.risk.model import RiskModel

KNOWN_DAYS: Final = 28
DRAWS: Final = 200
SEED: Final = 33


@dataclass(frozen=True, slots=True)
class Watched:
    """The scored rows of a day's windows, one per unit and day.

    Attributes:
        day: Day on which the verdict is given.
        now: Rows of the seven days that end on `day`; their outcome is unknown.
        known_week: Rows of the newest seven days whose outcome is known; empty where the champion has seen one of them.
        known: Rows with a known outcome that the champion had not seen, of up to 28 days.
    """

    day: date
    now: pl.DataFrame
    known_week: pl.DataFrame
    known: pl.DataFrame


def watched(rows: pl.DataFrame, model: RiskModel, day: date, *, horizon_days: int, trained_through: date) -> Watched:
    """Return the windows of a day; they contain only outcomes that the champion had not seen.

    Args:
        rows: The panel, one row per unit and day: `event_date`, `label` and the model's predictors.
        model: The champion.
        day: Day on which the verdict is given.
        horizon_days: Number of days after which the outcome of a row is known.
        trained_through: Last day whose outcome the champion has seen.
    """
    first, last = window_of(day)
    now = rows.filter(pl.col("event_date").is_between(first, last)).with_columns(label=pl.lit(None, dtype=pl.Boolean))
    known_first, known_last = window_of(day, ends_days_before=horizon_days)
    unseen = rows.filter(
        pl.col("event_date") > max(trained_through, known_last - timedelta(days=KNOWN_DAYS)),
        pl.col("event_date") <= known_last,
        pl.col("label").is_not_null(),
    )
    known = with_scores(unseen, model)
    whole_week = known_first > trained_through
    week = known.filter(pl.col("event_date") >= known_first) if whole_week else known.clear()
    return Watched(day, with_scores(now, model), week, known)


def day_drift(windows: Watched, baseline: pl.DataFrame, *, unit: str, acted_on: Collection[str] = ()) -> pl.DataFrame:
    """Return the rows of a drift table for the day: one for each predictor, for the score and for the outcome.

    Args:
        windows: The windows of the day.
        baseline: The champion's baseline, from `baseline()`.
        unit: Column that identifies the feature or user.
        acted_on: Units on which the platform itself acted in these days.
    """
    found = drift_rows(windows.now, windows.known_week, baseline, unit=unit, acted_on=acted_on)
    return found.with_columns(event_date=pl.lit(windows.day))


def day_watch(
    windows: Watched,
    drift: pl.DataFrame,
    baseline: pl.DataFrame,
    faulty_days: Sequence[tuple[date, str]],
    *,
    unit: str,
    capacity: float,
    threshold: float,
    matters_from: float,
) -> dict[str, Any]:
    """Return the row of drift.model_watch for the day, without model, version and snapshot of the lake.

    Args:
        windows: The windows of the day.
        drift: The rows of the day from `day_drift`.
        baseline: The champion's baseline, from `baseline()`.
        faulty_days: Days of the window whose telemetry is faulty, each with the reason, oldest first.
        unit: Column that identifies the feature or user.
        capacity: Share of the rows of each day that can be reviewed, in [0, 1].
        threshold: Probability from which on a risk counts as high, in [0, 1].
        matters_from: Share of the total importance, in [0, 1], from which on a predictor matters.
    """
    now = windows.now
    score, low, high = (now[name].to_numpy() for name in (SCORE, "score_low", "score_high"))
    expected = expected_performance(score, low, high, _times(now), capacity=capacity)
    bound = baseline.filter(role="expectation")["limit"].to_list()
    least = bound[0] if bound else None
    verdict = day_verdict(drift, faulty_days, expected=expected.pr_auc.value, bound=least, matters_from=matters_from)
    return {
        "event_date": windows.day,
        **_verdict_columns(verdict),
        **_expected(expected),
        "least_expected_pr_auc": least,
        **_realised(windows.known, unit=unit, capacity=capacity, threshold=threshold),
    }


def _verdict_columns(verdict: DayVerdict) -> dict[str, Any]:
    return {
        "state": verdict.state,
        "reason": verdict.reason,
        "moved": list(verdict.moved),
        "that_matter": list(verdict.that_matter),
        "own_doing": list(verdict.own_doing),
    }


def _bounds(name: str, found: Estimate) -> dict[str, float | None]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _expected(found: Expected) -> dict[str, Any]:
    return {
        "rows": found.rows,
        **_bounds("expected_pr_auc", found.pr_auc),
        **_bounds("expected_precision", found.precision_at_capacity),
        **_bounds("expected_rate", found.rate),
    }


def _realised(known: pl.DataFrame, *, unit: str, capacity: float, threshold: float) -> dict[str, Any]:
    labels = known["label"].to_numpy().astype(bool)
    row: dict[str, Any] = {
        "known_through": known["event_date"].max() if known.height else None,
        "known_rows": known.height,
        "known_positives": int(labels.sum()),
    }
    if not 0 < labels.sum() < len(labels):
        return row
    sample = Sample(known[unit].rank("dense").to_numpy().astype(np.int64) - 1, _times(known), labels)
    scores = known[SCORE].to_numpy()
    weights = sample.weights(DRAWS, seed=SEED)
    found = estimates(measures(scores, scores, sample, capacity=capacity, threshold=threshold, weights=weights))
    return {
        **row,
        **_bounds("pr_auc", found["pr_auc"]),
        "precision_at_capacity": found["precision_at_capacity"].value,
        "calibration_error": found["calibration_error"].value,
    }


def _times(rows: pl.DataFrame) -> Any:
    return rows["event_date"].to_physical().to_numpy().astype(np.int64)


def run_report(watch: Mapping[str, Any], drift: pl.DataFrame, baseline: pl.DataFrame) -> dict[str, Any]:
    """Return the day as one JSON document with the keys `verdict`, `data_drift` and `baseline_stats`.

    Args:
        watch: The row of drift.model_watch.
        drift: The rows of the day and champion in a drift table.
        baseline: The rows of the champion in drift.baseline_stats.
    """
    stats = baseline.drop("grid", "shares", "spread")
    return {
        "verdict": _plain(watch),
        "data_drift": [_plain(row) for row in drift.iter_rows(named=True)],
        "baseline_stats": [_plain(row) for row in stats.iter_rows(named=True)],
    }


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, date) else value for name, value in row.items()}
