"""Scores of present rows: a calibrated probability with its interval, bucket, impact and up to three reasons in words."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.risk.model import Floats, RiskModel, values_of
from intelligence.risk.predictors import Predictor

BUCKETS: Final = ("low", "medium", "high")
REASONS: Final = 3
ROWS_AT_ONCE: Final = 100_000


def scored(
    rows: pl.DataFrame,
    model: RiskModel,
    predictors: Sequence[Predictor],
    *,
    name: str,
    medium: float,
    high: float,
    reasons_from: float = 0.0,
) -> pl.DataFrame:
    """Return the rows with `{name}_score`, `_low`, `_high` and `_bucket`, and `reason_1` to `reason_3`.

    A reason is a predictor that raises the risk of the row above the average. Reasons are null where fewer than three
    predictors do so.

    Args:
        rows: Rows to score, one per unit and day, with the predictors as columns.
        model: The model that gives the scores.
        predictors: Predictors with their wordings.
        name: Start of the names of the score columns, such as "risk".
        medium: Probability from which on the bucket is `medium`, in [0, 1].
        high: Probability from which on the bucket is `high`, in [0, 1].
        reasons_from: Probability from which on a row gets reasons, in [0, 1].

    Raises:
        ModelError: The rows lack a predictor of the model.
    """
    parts = [
        _scored(rows.slice(start, ROWS_AT_ONCE), model, predictors, name, [medium, high], reasons_from)
        for start in range(0, max(rows.height, 1), ROWS_AT_ONCE)
    ]
    return pl.concat(parts)


def _scored(
    rows: pl.DataFrame,
    model: RiskModel,
    predictors: Sequence[Predictor],
    name: str,
    bounds: Sequence[float],
    reasons_from: float,
) -> pl.DataFrame:
    logits = model.logits(rows)
    score = model.calibration.probabilities(logits)
    lower, upper = model.calibration.intervals(logits)
    words = {predictor.name: predictor.words for predictor in predictors}
    return rows.with_columns(
        pl.Series(f"{name}_score", score, dtype=pl.Float64),
        pl.Series(f"{name}_low", lower, dtype=pl.Float64),
        pl.Series(f"{name}_high", upper, dtype=pl.Float64),
        pl.Series(f"{name}_bucket", np.array(BUCKETS)[np.digitize(score, bounds)], dtype=pl.String),
        *_reasons_of_chosen(rows, model, words, score >= reasons_from),
    )


def _reasons_of_chosen(
    rows: pl.DataFrame, model: RiskModel, words: Mapping[str, str], chosen: NDArray[np.bool_]
) -> list[pl.Series]:
    """Return the reasons of the chosen rows, null for the others, because reasons take far longer than scores."""
    if chosen.all():
        return reasons(rows, model, words)
    places = pl.Series(np.where(chosen, np.cumsum(chosen) - 1, -1)).replace(-1, None)
    return [column.gather(places) for column in reasons(rows.filter(chosen), model, words)]


def reasons(rows: pl.DataFrame, model: RiskModel, words: Mapping[str, str]) -> list[pl.Series]:
    """Return `reason_1` to `reason_3` of each row: the predictors that raise its risk most, in words.

    Args:
        rows: Rows with the model's predictors.
        model: The model whose contributions are used.
        words: The wording of each predictor, by name; one without a wording is shown with its name and value.
    """
    contributions = model.contributions(rows)
    values = values_of(rows, model.predictors)
    strongest = np.argsort(-contributions, axis=1, kind="stable")[:, :REASONS]
    return [_reason(number, strongest, contributions, values, model.predictors, words) for number in range(REASONS)]


def _reason(
    number: int,
    strongest: np.ndarray,
    contributions: Floats,
    values: Floats,
    predictors: Sequence[str],
    words: Mapping[str, str],
) -> pl.Series:
    name = f"reason_{number + 1}"
    if number >= strongest.shape[1]:
        return pl.Series(name, [None] * len(strongest), dtype=pl.String)
    sentences: list[str | None] = [None] * len(strongest)
    chosen = strongest[:, number]
    counts = contributions[np.arange(len(chosen)), chosen] > 0
    for index in np.unique(chosen[counts]):
        template = words.get(predictors[index], f"{_escaped(predictors[index])} {{:.3g}}")
        for row in np.flatnonzero(counts & (chosen == index)):
            sentences[row] = in_words(template, values[row, index])
    return pl.Series(name, sentences, dtype=pl.String)


def in_words(template: str, value: float) -> str:
    """Return the wording with the value in its place.

    Args:
        template: The wording, with `{:...}` for the value or `{exp:...}` for e to the power of it.
        value: The value; NaN is worded as unknown.

    >>> in_words("errors at {:.1f}x what is promised", 1.94)
    'errors at 1.9x what is promised'
    >>> in_words("latency at {exp:.2f}x that of before", 0.6931)
    'latency at 2.00x that of before'
    >>> in_words("last visit {:.0f} days ago", float("nan"))
    'last visit unknown days ago'
    >>> in_words("errors at {:.1f}x what is promised", float("nan"))
    'errors at an unknown multiple of what is promised'
    """
    if np.isnan(value):
        unknown = _VALUE.sub(lambda found: "an unknown multiple of" if found[1] else "unknown", template, count=1)
        return unknown.format()
    return template.format(value, exp=np.exp(np.clip(value, -50, 50)))


_VALUE: Final = re.compile(r"(?<!\{)\{(?:exp)?:[^{}]*\}(x)?")


def _escaped(name: str) -> str:
    return name.replace("{", "{{").replace("}", "}}")


def with_impact(scores: pl.DataFrame, *, users: str) -> pl.DataFrame:
    """Return the scores with the expected number of affected users per day: risk times users, with its interval.

    Args:
        scores: One row per feature and day, with `risk_score`, `risk_low` and `risk_high`.
        users: Column with the mean number of users per day; a missing value counts as 0.
    """
    return scores.with_columns(pl.col(users).fill_null(0.0)).with_columns(
        impact_score=pl.col("risk_score") * pl.col(users),
        impact_low=pl.col("risk_low") * pl.col(users),
        impact_high=pl.col("risk_high") * pl.col(users),
    )
