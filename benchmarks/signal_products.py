"""Products for the benchmark of signals: feature-days and KPIs of simulated events, and of plain noise without any trouble.

The feature-days are computed here by plain group-bys and not by the platform: ninety days of ten products take a minute.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from intelligence.core.tables import Days
from intelligence.simulation.plan import SimulationPlan
from intelligence.simulation.stream import simulated_day

SLOW_MS = 3_000.0
FIRST_DAY = date(2026, 3, 2)
LIMITS = {
    "max_error_rate": 0.02,
    "max_crash_rate": 0.01,
    "slow_latency_ms": SLOW_MS,
    "max_slow_rate": 0.05,
    "max_bad_rating_rate": 0.4,
    "max_bad_answer_rate": 0.2,
}


@dataclass(frozen=True, slots=True)
class ProductDays:
    """What signals are computed from: rows of fact_feature_metrics, kpi_day and day_quality."""

    features: pl.DataFrame
    kpis: pl.DataFrame
    quality: pl.DataFrame
    days: Days

    @property
    def limits(self) -> dict[str, dict[str, float]]:
        """Return the promises of every feature."""
        return {name: dict(LIMITS) for name in self.features["feature"].unique().sort().to_list()}


def simulated(plan: SimulationPlan) -> ProductDays:
    """Return the days of a simulated product; days with a planted fault of the pipeline are partial.

    Args:
        plan: The plan of the simulation.
    """
    days = [plan.first_day + timedelta(days=number) for number in range(plan.days)]
    faulty = {day for day in days if _is_cut(plan, day)}
    features, kpis = zip(*_by_day(plan, days), strict=True)
    return ProductDays(
        pl.concat(features), pl.concat(kpis), _quality(days, faulty), Days(days[0], days[-1] + timedelta(days=1))
    )


def _is_cut(plan: SimulationPlan, day: date) -> bool:
    from intelligence.simulation.planted_truths import planted_truths

    return any(each.kind == "pipeline_fault" and each.starts_on == day for each in planted_truths(plan))


def _by_day(plan: SimulationPlan, days: Collection[date]) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    for day in days:
        events = simulated_day(plan, day).with_columns(
            failed=((pl.col("error_count") > 0) | pl.col("crashed")).cast(pl.Int64),
            crash=pl.col("crashed").cast(pl.Int64),
            slow=(pl.col("latency_ms") > SLOW_MS).cast(pl.Int64),
            bad=(pl.col("rating") <= 2).cast(pl.Int64),
        )
        yield feature_days(events, day), kpi_days(events, day)


def feature_days(events: pl.DataFrame, day: date) -> pl.DataFrame:
    """Return the rows of one day from its events with the marks failed, crash, slow and bad."""
    kinds = (
        ("failed", "failed", "usage"),
        ("crashed", "crash", "usage"),
        ("slow", "slow", "timed"),
        ("disliked", "bad", "rated"),
    )
    users = events.group_by("feature", "user_id").agg(
        usage=pl.len().cast(pl.Float64),
        timed=pl.col("latency_ms").count().cast(pl.Float64),
        rated=pl.col("rating").count().cast(pl.Float64),
        **{mark: pl.col(mark).sum().cast(pl.Float64) for mark in ("failed", "crash", "slow", "bad")},
    )
    spread = {}
    for prefix, mark, total in kinds:
        bad, whole = pl.col(mark), pl.col(total)
        share = pl.when(whole > 0).then(bad / whole).otherwise(0.0)
        spread |= {
            f"{prefix}_users": (bad > 0).sum(),
            f"{prefix}_square_sum": (bad**2).sum(),
            f"{prefix}_cross_sum": (bad * whole).sum(),
            f"{prefix}_share_sum": share.sum(),
            f"{prefix}_share_square_sum": (share**2).sum(),
        }
    by_user = users.group_by("feature").agg(
        users=pl.len(),
        usage_square_sum=(pl.col("usage") ** 2).sum(),
        timed_users=(pl.col("timed") > 0).sum(),
        timed_square_sum=(pl.col("timed") ** 2).sum(),
        rating_users=(pl.col("rated") > 0).sum(),
        rating_square_sum=(pl.col("rated") ** 2).sum(),
        **spread,
    )
    by_feature = events.group_by("feature").agg(
        usage_count=pl.len(),
        sessions=pl.col("session_id").n_unique(),
        failed_events=pl.col("failed").sum(),
        crashed_events=pl.col("crash").sum(),
        timed_events=pl.col("latency_ms").count(),
        p95_latency_ms=pl.col("latency_ms").quantile(0.95, "linear"),
        slow_events=pl.col("slow").sum(),
        ratings=pl.col("rating").count(),
        mean_rating=pl.col("rating").mean(),
        bad_ratings=pl.col("bad").sum(),
        duration_s=pl.col("duration_s").sum(),
    )
    return by_feature.join(by_user, on="feature").with_columns(event_date=pl.lit(day)).sort("feature")


def kpi_days(events: pl.DataFrame, day: date) -> pl.DataFrame:
    """Return the rows of one day by segment."""
    people = events.group_by("segment", "user_id").agg(
        events=pl.len(),
        crashed=pl.col("crashed").any(),
        converted=pl.col("event_type").is_in(["complete", "subscribe"]).any(),
        value=pl.col("value").sum(),
        ratings=pl.col("rating").count(),
        rating_sum=pl.col("rating").sum(),
        sessions=pl.col("session_id").n_unique(),
    )
    everybody = pl.concat([people, people.with_columns(segment=pl.lit("all"))], how="vertical_relaxed")
    return (
        everybody.group_by("segment")
        .agg(
            dau=pl.col("user_id").n_unique(),
            sessions=pl.col("sessions").sum(),
            events=pl.col("events").sum(),
            crashed_users=pl.col("crashed").sum(),
            converted_users=pl.col("converted").sum(),
            ratings=pl.col("ratings").sum(),
            rating_sum=pl.col("rating_sum").sum(),
            value=pl.col("value").sum(),
        )
        .with_columns(
            event_date=pl.lit(day),
            sessions_per_user=pl.col("sessions") / pl.col("dau"),
            session_depth=pl.col("events") / pl.col("sessions"),
            mean_rating=pl.col("rating_sum") / pl.col("ratings"),
        )
        .drop("events", "rating_sum")
        .sort("segment")
    )


def _quality(days: Collection[date], faulty: Collection[date]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "event_date": list(days),
            "verdict": ["partial" if day in faulty else "whole" for day in days],
            "doubted_columns": [[] for _ in days],
        },
        schema={"event_date": pl.Date, "verdict": pl.String, "doubted_columns": pl.List(pl.String)},
    )


def noise(
    seed: int, *, features: int = 60, days: int = 90, dips: Collection[int] = (), cut: Collection[int] = ()
) -> ProductDays:
    """Return a product in which nothing is wrong: weekly rhythm, growth, noise of each day and feature, and rates that stay.

    Args:
        seed: Seed of everything drawn.
        features: Number of features.
        days: Number of days.
        dips: Days, counted from 0, on which only a third comes, as on a holiday.
        cut: Days that are half delivered and known to be partial.
    """
    draw = np.random.default_rng(seed)
    rhythm = np.array([1.1, 1.15, 1.1, 1.05, 0.9, 0.4, 0.45])[np.arange(days) % 7]
    drift = np.exp(np.cumsum(draw.normal(0, 0.01, days))) * np.exp(draw.normal(0, 0.03, days))
    present = np.where(np.isin(np.arange(days), list(dips)), 0.35, 1.0) * np.where(
        np.isin(np.arange(days), list(cut)), 0.5, 1.0
    )
    size = np.exp(draw.normal(5.2, 1.0, features))[:, None]
    own = np.exp(draw.normal(0, 0.05, (features, days)))
    users = 1 + draw.poisson(size * rhythm * drift * present * own)
    per_user = 1 + draw.gamma(2.0, 0.15, (features, 1))
    usage = users + draw.poisson(users * (per_user - 1))
    squares = usage * (1 + 1.5 * (per_user - 1))
    names = [f"feature_{number:03}" for number in range(features)]
    rows = {
        "usage_count": usage,
        "users": users,
        "sessions": users + draw.poisson(users * 0.1),
        "usage_square_sum": squares,
        "timed_events": usage,
        "timed_users": users,
        "timed_square_sum": squares,
        "p95_latency_ms": np.exp(
            draw.normal(6.2, 0.4, (features, 1)) + draw.standard_t(6, (features, days)) * 1.4 / np.sqrt(usage)
        ),
        "duration_s": usage * 40 * np.exp(draw.normal(0, 1, (features, days)) / np.sqrt(usage)),
    }
    ratings = draw.binomial(usage, 0.05)
    rows |= {
        "ratings": ratings,
        "rating_users": ratings,
        "rating_square_sum": ratings,
        "mean_rating": np.clip(draw.normal(4.1, 0.9 / np.sqrt(np.maximum(ratings, 1))), 1, 5),
    }
    for prefix, name, total, rate in (
        ("failed", "failed_events", usage, draw.uniform(0.001, 0.004, (features, 1))),
        ("crashed", "crashed_events", usage, np.full((features, 1), 0.0005)),
        ("slow", "slow_events", usage, draw.uniform(0.0001, 0.002, (features, 1))),
        ("disliked", "bad_ratings", ratings, np.full((features, 1), 0.05)),
    ):
        bad = draw.binomial(total, np.broadcast_to(rate, total.shape))
        rows |= {
            name: bad,
            f"{prefix}_users": bad,
            f"{prefix}_square_sum": bad,
            f"{prefix}_cross_sum": bad * per_user,
            f"{prefix}_share_sum": bad / per_user,
            f"{prefix}_share_square_sum": bad / per_user**2,
        }
    dates = [FIRST_DAY + timedelta(days=number) for number in range(days)]
    frame = pl.DataFrame(
        {
            "event_date": [day for _ in names for day in dates],
            "feature": [name for name in names for _ in dates],
            **{name: np.asarray(values, dtype=np.float64).ravel() for name, values in rows.items()},
        }
    )
    return ProductDays(
        frame,
        _noise_of_kpis(draw, rhythm * drift * present, dates),
        _quality(dates, {dates[number] for number in cut}),
        Days(dates[0], dates[-1] + timedelta(days=1)),
    )


def _noise_of_kpis(draw: np.random.Generator, activity: np.ndarray, dates: list[date]) -> pl.DataFrame:
    parts = []
    for segment, size in (("all", 3_000.0), ("student", 2_500.0), ("teacher", 500.0)):
        dau = draw.poisson(size * activity * np.exp(draw.normal(0, 0.01, len(dates))))
        per_user = 2.5 + 0.4 * np.log(np.maximum(activity, 0.1)) + draw.normal(0, 1.5, len(dates)) / np.sqrt(dau)
        parts.append(
            pl.DataFrame(
                {
                    "event_date": dates,
                    "segment": [segment] * len(dates),
                    "dau": dau,
                    "sessions": dau * per_user,
                    "sessions_per_user": per_user,
                    "session_depth": 7 + draw.normal(0, 3, len(dates)) / np.sqrt(dau),
                    "crashed_users": draw.binomial(dau, 0.012),
                    "converted_users": draw.binomial(dau, 0.7),
                    "ratings": draw.binomial(dau, 0.5),
                    "mean_rating": 4.1 + draw.normal(0, 1, len(dates)) / np.sqrt(dau * 0.5),
                    "value": dau * 0.5 * np.exp(draw.normal(0, 4, len(dates)) / np.sqrt(dau)),
                },
                schema_overrides={"dau": pl.Float64},
            )
        )
    return pl.concat(parts, how="vertical_relaxed")
