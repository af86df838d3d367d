"""Small products for the tests of signals: feature-days of noise, into which a test plants what it wants to see."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.core.tables import Days
from intelligence.signals.episodes import episodes
from intelligence.signals.scoring import Scored, anomaly_rows, scored
from intelligence.signals.series import panel_of
from intelligence.signals.settings import Signals

FIRST = date(2026, 3, 2)
LIMITS = {
    "max_error_rate": 0.02,
    "max_crash_rate": 0.01,
    "slow_latency_ms": 3_000.0,
    "max_slow_rate": 0.05,
    "max_bad_answer_rate": 0.2,
}
NO_RELEASES = pl.DataFrame(schema={"app_version": pl.String, "platform": pl.String, "first_seen_at": pl.Datetime("us")})
Arrays = dict[str, NDArray[np.float64]]
SPREADS = (
    ("failed", "failed_events", "usage_count"),
    ("crashed", "crashed_events", "usage_count"),
    ("slow", "slow_events", "timed_events"),
    ("disliked", "bad_ratings", "ratings"),
)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def span(days: int) -> Days:
    return Days(FIRST, day(days))


def feature_days(
    seed: int, *, features: int = 20, days: int = 60, change: Callable[[Arrays], None] = lambda _: None
) -> pl.DataFrame:
    """Return rows of fact_feature_metrics of a product in which only `change` is wrong; each event is of another user.

    Args:
        seed: Seed of everything drawn.
        features: Number of features.
        days: Number of days.
        change: Changes the arrays of shape (features, days) in place before they become rows.
    """
    draw = np.random.default_rng(seed)
    rhythm = np.array([1.1, 1.15, 1.1, 1.05, 0.9, 0.4, 0.45])[np.arange(days) % 7]
    size = np.exp(draw.normal(6, 0.5, features))[:, None] * np.exp(draw.normal(0, 0.03, days)) * rhythm
    usage = draw.poisson(size * np.exp(draw.normal(0, 0.04, (features, days)))).astype(np.float64) + 1
    ratings = draw.binomial(usage.astype(np.int64), 0.1).astype(np.float64)
    rows: Arrays = {
        "usage_count": usage,
        "users": usage.copy(),
        "sessions": usage.copy(),
        "timed_events": usage.copy(),
        "ratings": ratings,
        "failed_events": draw.binomial(usage.astype(np.int64), 0.003).astype(np.float64),
        "crashed_events": draw.binomial(usage.astype(np.int64), 0.0005).astype(np.float64),
        "slow_events": draw.binomial(usage.astype(np.int64), 0.001).astype(np.float64),
        "bad_ratings": draw.binomial(ratings.astype(np.int64), 0.05).astype(np.float64),
        "p95_latency_ms": np.exp(6 + draw.normal(0, 1.4, (features, days)) / np.sqrt(usage)),
        "mean_rating": 4.1 + draw.normal(0, 0.9, (features, days)) / np.sqrt(np.maximum(ratings, 1)),
        "duration_s": usage * 40 * np.exp(draw.normal(0, 1, (features, days)) / np.sqrt(usage)),
    }
    change(rows)
    rows |= {
        "usage_square_sum": rows["usage_count"],
        "timed_square_sum": rows["timed_events"],
        "timed_users": rows["timed_events"],
        "rating_square_sum": rows["ratings"],
        "rating_users": rows["ratings"],
    }
    for prefix, bad, _ in SPREADS:
        names = ("users", "square_sum", "cross_sum", "share_sum", "share_square_sum")
        rows |= {f"{prefix}_{name}": rows[bad] for name in names}
    names = [f"f{number:02}" for number in range(features)]
    return pl.DataFrame(
        {
            "event_date": [day(number) for _ in names for number in range(days)],
            "feature": [name for name in names for _ in range(days)],
            **{name: values.ravel() for name, values in rows.items()},
        }
    )


MEASURES = {"bad": "scored_answers", "refusal": "scored_answers", "good_rating": "ratings"}


def answer_days(
    seed: int, *, features: int = 4, days: int = 60, change: Callable[[Arrays], None] = lambda _: None
) -> pl.DataFrame:
    """Return the sums of answers of a product in which only `change` is wrong, as `signals/answer_series.sql` does.

    Each answer is of another user.

    Args:
        seed: Seed of everything drawn.
        features: Number of features that answer.
        days: Number of days.
        change: Changes the arrays of shape (features, days) in place before they become rows.
    """
    draw = np.random.default_rng(seed + 900)
    rhythm = np.array([1.1, 1.15, 1.1, 1.05, 0.9, 0.5, 0.55])[np.arange(days) % 7]
    answers = draw.poisson(130 * rhythm, (features, days))
    ratings = draw.binomial(answers, 0.25)
    rows: Arrays = {
        "scored_answers": answers.astype(np.float64),
        "ratings": ratings.astype(np.float64),
        "bad": draw.binomial(answers, 0.03).astype(np.float64),
        "refusal": draw.binomial(answers, 0.005).astype(np.float64),
        "good_rating": draw.binomial(ratings, 0.8).astype(np.float64),
        "cost": answers * 1.5e-4 * np.exp(draw.normal(0, 0.3, (features, days)) / np.sqrt(np.maximum(answers, 1))),
    }
    change(rows)
    names = [f"f{number:02}" for number in range(features)]
    sums = {
        f"{measure}_{column}": rows[total if column in ("total", "users", "total_square_sum") else measure]
        for measure, total in MEASURES.items()
        for column in ("total", "hits", "users", "hit_users", "hit_square_sum", "cross_sum", "total_square_sum")
    }
    told = {"cost": rows["cost"], "priced_answers": rows["scored_answers"], **sums}
    return pl.DataFrame(
        {
            "event_date": [day(number) for _ in names for number in range(days)],
            "feature": [name for name in names for _ in range(days)],
            **{name: values.ravel() for name, values in told.items()},
        }
    )


def kpi_days(seed: int, *, days: int = 60, activity: Mapping[int, float] | None = None) -> pl.DataFrame:
    """Return rows of kpi_day for everybody; `activity` is the share of users that comes on some days."""
    draw = np.random.default_rng(seed + 500)
    rhythm = np.array([1.1, 1.15, 1.1, 1.05, 0.9, 0.4, 0.45])[np.arange(days) % 7]
    present = np.array([(activity or {}).get(number, 1.0) for number in range(days)])
    dau = draw.poisson(3_000 * rhythm * present).astype(np.float64)
    return pl.DataFrame(
        {
            "event_date": [day(number) for number in range(days)],
            "segment": ["all"] * days,
            "dau": dau,
            "sessions": dau * 2.5,
            "sessions_per_user": 2.5 + draw.normal(0, 1.5, days) / np.sqrt(dau),
            "session_depth": 7 + draw.normal(0, 3, days) / np.sqrt(dau),
            "crashed_users": draw.binomial(dau.astype(np.int64), 0.012),
            "converted_users": draw.binomial(dau.astype(np.int64), 0.7),
            "ratings": dau * 0.5,
            "mean_rating": 4.1 + draw.normal(0, 1, days) / np.sqrt(dau * 0.5),
            "value": dau * 0.5 * np.exp(draw.normal(0, 4, days) / np.sqrt(dau)),
        }
    )


def quality_days(days: int = 60, **verdicts: tuple[int, tuple[str, ...]]) -> pl.DataFrame:
    """Return rows of day_quality: whole, but for the verdicts given as name=(day, doubted columns)."""
    told = {number: (name, list(columns)) for name, (number, columns) in verdicts.items()}
    return pl.DataFrame(
        [(day(number), *told.get(number, ("whole", []))) for number in range(days)],
        schema={"event_date": pl.Date, "verdict": pl.String, "doubted_columns": pl.List(pl.String)},
        orient="row",
    )


def scored_product(
    features: pl.DataFrame,
    kpis: pl.DataFrame,
    quality: pl.DataFrame,
    answers: pl.DataFrame | None = None,
    *,
    settings: Signals | None = None,
) -> Scored:
    days = Days(features["event_date"].min(), features["event_date"].max() + timedelta(days=1))  # type: ignore[arg-type, operator]
    return scored(panel_of(features, kpis, answers, days=days), quality, settings or Signals())


def anomalies(found: Scored) -> pl.DataFrame:
    limits = {series.feature: LIMITS for series in found.panel.series if series.feature}
    return anomaly_rows(found, found.panel.days, limits)


def episodes_of(
    rows: pl.DataFrame, days: Days, releases: pl.DataFrame = NO_RELEASES, versions: pl.DataFrame | None = None
) -> pl.DataFrame:
    return episodes(rows, releases, versions, history=days, days=days)
