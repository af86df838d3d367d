"""The panel of features: one row per feature and day, with nothing that became known after the end of that day."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.core.tables import Days
from intelligence.metrics.health import STATES
from intelligence.risk.predictors import FEATURE_PREDICTORS, names_of
from intelligence.risk.tables import FEATURE_PANEL
from intelligence.risk.windows import (
    Floats,
    growth,
    ratio,
    rise,
    share_difference,
    trailing_deviations,
    trailing_ewma,
    trailing_means,
    trailing_sums,
)

# The longest window: 7 days compared with the 28 before them, or 7-day sums of other features over 28 days.
LOOKBACK_DAYS: Final = 34
BASELINE_DAYS: Final = 28
EWMA_DAYS: Final = 7
EWMA_WEIGHT: Final = 0.3
OLDEST_AGE_DAYS: Final = 56
BEGINNING_DAYS: Final = 7
AGE_BOUNDS_DAYS: Final = (7, 14, 28, 56)
_COUNTS: Final = (
    *("usage_count", "users", "timed_events", "slow_events", "failed_events", "errors", "crashed_events"),
    *("ratings", "bad_ratings", "p50_latency_ms", "p95_latency_ms", "mean_rating"),
)
_LEVELS: Final = ("p50_latency_ms", "p95_latency_ms", "mean_rating")


@dataclass(frozen=True, slots=True)
class _Grid:
    """Arrays of shape (features, days); counts are 0 and levels NaN where telemetry was faulty or missing."""

    features: pl.DataFrame
    days: list[date]
    values: dict[str, Floats]
    sound: NDArray[np.bool_]
    age_days: Floats

    def terms(self, name: str) -> Floats:
        column: Floats = self.features[name].cast(pl.Float64).to_numpy()[:, None]
        return column


def feature_panel(
    metrics: pl.DataFrame,
    features: pl.DataFrame,
    health: pl.DataFrame,
    quality: pl.DataFrame,
    releases: pl.DataFrame,
    *,
    days: Days,
) -> pl.DataFrame:
    """Return one row per day and feature known by then: its state, its users and FEATURE_PREDICTORS.

    Args:
        metrics: Rows of metrics.fact_feature_metrics, of `days` and the 34 days before.
        features: All rows of warehouse.dim_feature_metadata.
        health: Rows of metrics.feature_health, of `days` and the 27 days before.
        quality: Rows of telemetry.day_quality, of the same days as `metrics`.
        releases: All rows of warehouse.dim_releases.
        days: Days to return rows for.
    """
    known = features.filter(pl.col("first_seen_date") < days.end).sort("feature")
    if known.is_empty():
        return FEATURE_PANEL.frame([])
    grid = _grid(metrics, known, quality, days)
    found = {
        **_promises(grid),
        **_latencies(grid),
        **_usage(grid),
        **_standing(health, grid),
        **_context(grid, releases),
    }
    found["users_7d"] = trailing_means(np.where(grid.sound, grid.values["users"], np.nan), 7)
    length = (days.end - days.start).days
    rows = pl.DataFrame(
        {
            "event_date": pl.Series(np.tile(np.array(grid.days[-length:], dtype="datetime64[D]"), known.height)),
            "feature": np.repeat(known["feature"].to_numpy(), length),
            "first_seen_date": np.repeat(known["first_seen_date"].to_numpy(), length),
            **{name: np.broadcast_to(grid_, grid.sound.shape)[:, -length:].ravel() for name, grid_ in found.items()},
        }
    )
    return (
        rows.filter(pl.col("event_date") >= pl.col("first_seen_date"))
        .with_columns(pl.col(pl.Float64).fill_nan(None))
        .with_columns(
            state=pl.col("state").cast(pl.Int64).replace_strict(dict(enumerate(STATES)), return_dtype=pl.String)
        )
        .select(*FEATURE_PANEL.schema())
        .sort("event_date", "feature")
    )


def _grid(metrics: pl.DataFrame, known: pl.DataFrame, quality: pl.DataFrame, days: Days) -> _Grid:
    calendar = Days(days.start - timedelta(days=LOOKBACK_DAYS), days.end).each
    cells = known.select("feature").join(pl.DataFrame({"event_date": calendar}), how="cross")
    cells = cells.join(metrics.select("feature", "event_date", *_COUNTS), on=["feature", "event_date"], how="left")
    cells = cells.sort("feature", "event_date")
    faulty_days = set(quality.filter(pl.col("verdict").is_in(["partial", "empty"]))["event_date"])
    dates = np.array(calendar, dtype="datetime64[D]")
    age_days = (dates - known["first_seen_date"].to_numpy().astype("datetime64[D]")[:, None]).astype(float)
    sound = np.array([day not in faulty_days for day in calendar]) & (age_days >= 0)
    values = {}
    for name in _COUNTS:
        grid = cells[name].cast(pl.Float64).to_numpy().reshape(known.height, len(calendar))
        values[name] = np.where(
            sound, grid if name in _LEVELS else np.nan_to_num(grid), np.nan if name in _LEVELS else 0
        )
    return _Grid(known, calendar, values, sound, age_days)


def _promises(grid: _Grid) -> dict[str, Floats]:
    v = grid.values
    objectives = {
        "error": (v["failed_events"], v["usage_count"], "max_error_rate"),
        "crash": (v["crashed_events"], v["usage_count"], "max_crash_rate"),
        "slow": (v["slow_events"], v["timed_events"], "max_slow_rate"),
        "rating": (v["bad_ratings"], v["ratings"], "max_bad_rating_rate"),
    }
    found = {}
    for name, (bad, total, allowed) in objectives.items():
        for width in (1, 3, 7, BASELINE_DAYS):
            share = ratio(trailing_sums(bad, width), trailing_sums(total, width))
            found[f"{name}_burn_{width}d"] = share / grid.terms(allowed)
        for recent in (3, 7):
            found[f"{name}_rise_{recent}d"] = rise(bad, total, recent=recent, baseline=BASELINE_DAYS)
    found["error_residual_1d"] = share_difference(
        v["failed_events"], v["usage_count"], _same_weekday(v["failed_events"]), _same_weekday(v["usage_count"])
    )
    daily_rise = rise(v["failed_events"], v["usage_count"], recent=1, baseline=BASELINE_DAYS - 1)
    found["error_ewma"] = trailing_ewma(np.clip(daily_rise, -10, 10), EWMA_DAYS, weight=EWMA_WEIGHT)
    retries = ratio(trailing_sums(v["errors"], 7), trailing_sums(v["failed_events"], 7))
    before = ratio(
        trailing_sums(v["errors"], BASELINE_DAYS, behind=7), trailing_sums(v["failed_events"], BASELINE_DAYS, behind=7)
    )
    found["retries_7d"], found["retry_growth_7d"] = retries, growth(retries, before)
    product_bad, product_all = v["failed_events"].sum(axis=0)[None, :], v["usage_count"].sum(axis=0)[None, :]
    found["product_error_rise_3d"] = rise(product_bad, product_all, recent=3, baseline=BASELINE_DAYS)
    found["error_burn_against_age"] = _against_age(found["error_burn_7d"], grid)
    wanted = set(names_of(FEATURE_PREDICTORS))
    return {name: values for name, values in found.items() if name in wanted}


def _same_weekday(counts: Floats) -> Floats:
    """Return the sum of the counts 7, 14, 21 and 28 days before."""
    return trailing_sums(np.stack([trailing_sums(counts, 1, behind=7 * week) for week in range(1, 5)], axis=-1), 4)[
        ..., -1
    ]


def _against_age(burn: Floats, grid: _Grid) -> Floats:
    """Return each burn minus the mean burn of features of the same age over the last 28 days."""
    bucket = np.digitize(grid.age_days, AGE_BOUNDS_DAYS)
    expected = np.full_like(burn, np.nan)
    for code in range(len(AGE_BOUNDS_DAYS) + 1):
        same = (bucket == code) & (grid.age_days >= 0) & ~np.isnan(burn)
        sums = np.where(same, burn, 0.0).sum(axis=0)[None, :]
        counts = same.sum(axis=0).astype(float)[None, :]
        mean = ratio(trailing_sums(sums, BASELINE_DAYS), trailing_sums(counts, BASELINE_DAYS))
        expected = np.where(bucket == code, mean, expected)
    return burn - expected


def _latencies(grid: _Grid) -> dict[str, Floats]:
    median, tail, rating = (grid.values[name] for name in _LEVELS)
    with np.errstate(invalid="ignore", divide="ignore"):
        log_median, log_tail = (np.where(level > 0, np.log(level), np.nan) for level in (median, tail))
    changes = {
        "median_latency_growth_3d": (log_median, 3),
        "p95_latency_growth_3d": (log_tail, 3),
        "mean_rating_change_7d": (rating, 7),
    }
    found = {
        name: trailing_means(values, recent) - trailing_means(values, BASELINE_DAYS, behind=recent, least=5)
        for name, (values, recent) in changes.items()
    }
    return {**found, "latency_volatility_14d": trailing_deviations(log_tail, 14, least=5)}


def _usage(grid: _Grid) -> dict[str, Floats]:
    usage, users = (np.where(grid.sound, grid.values[name], np.nan) for name in ("usage_count", "users"))
    weeks = np.stack([trailing_means(usage, 1, behind=7 * week) for week in range(1, 5)], axis=-1)
    same_weekday = trailing_means(weeks, 4)[..., -1]
    mean_usage = trailing_means(usage, 7)
    with np.errstate(invalid="ignore", divide="ignore"):
        log_usage = np.where(usage > 0, np.log(usage), np.nan)
    return {
        "usage_7d": growth(mean_usage, np.ones_like(usage)),
        "usage_growth_7d": _weekly_growth(usage),
        "usage_residual_1d": growth(usage, same_weekday),
        "usage_volatility_28d": trailing_deviations(log_usage, BASELINE_DAYS, least=7),
        "users_growth_7d": _weekly_growth(users),
    }


def _weekly_growth(values: Floats) -> Floats:
    """Return the growth of seven days over the seven before; a day without a value is left out of both weeks.

    Otherwise a week whose Saturday is missing would seem to have grown.
    """
    before = trailing_means(values, 1, behind=7)
    both = ~np.isnan(values) & ~np.isnan(before)
    now, then = (trailing_means(np.where(both, side, np.nan), 7) for side in (values, before))
    return growth(now, then)


def _standing(health: pl.DataFrame, grid: _Grid) -> dict[str, Floats]:
    codes = dict(zip(STATES, range(len(STATES)), strict=True))
    told = health.select(
        "feature",
        "event_date",
        "unjudged_days",
        state=pl.col("state").replace_strict(codes, return_dtype=pl.Int64),
        days_in_state=(pl.col("event_date") - pl.col("since")).dt.total_days().clip(0, BASELINE_DAYS),
    )
    cells = grid.features.select("feature").join(pl.DataFrame({"event_date": grid.days}), how="cross")
    cells = cells.join(told, on=["feature", "event_date"], how="left").sort("feature", "event_date")
    by_name = {
        name: cells[name].cast(pl.Float64).to_numpy().reshape(grid.sound.shape)
        for name in ("state", "unjudged_days", "days_in_state")
    }
    state = np.where(np.isnan(by_name["state"]), codes["unknown"], by_name["state"])
    return {
        "state": state,
        "degraded_days_28d": trailing_sums((state == codes["degraded"]).astype(float), BASELINE_DAYS),
        "is_warned": (state == codes["at_risk"]).astype(float),
        "days_in_state": by_name["days_in_state"],
        "unjudged_days": by_name["unjudged_days"],
    }


def _is_new(grid: _Grid) -> NDArray[np.bool_]:
    """Return which features appeared after the first week of the telemetry; the age of the others is unknown."""
    first_seen = grid.features["first_seen_date"].to_numpy().astype("datetime64[D]")
    later: NDArray[np.bool_] = (first_seen >= first_seen.min() + BEGINNING_DAYS)[:, None]
    return later


def _context(grid: _Grid, releases: pl.DataFrame) -> dict[str, Floats]:
    days = np.array(grid.days, dtype="datetime64[D]")
    first_days = releases["first_seen_at"].cast(pl.Date).to_numpy().astype("datetime64[D]")
    ages = (days[None, :] - first_days[:, None]).astype(float)
    past = np.where(ages >= 0, ages, np.inf)
    newest = past.min(axis=0, initial=np.inf)
    lifecycle = grid.features["lifecycle"]
    return {
        "release_age_days": np.where(np.isinf(newest), np.nan, np.minimum(newest, BASELINE_DAYS))[None, :],
        "releases_7d": ((ages >= 0) & (ages < 7)).sum(axis=0).astype(float)[None, :],
        "feature_age_days": np.where(_is_new(grid), np.clip(grid.age_days, 0, OLDEST_AGE_DAYS), np.nan),
        "is_beta": (lifecycle == "beta").cast(pl.Float64).to_numpy()[:, None],
        "is_sunset": (lifecycle == "sunset").cast(pl.Float64).to_numpy()[:, None],
    }
