"""The evidence of one day: everything that a decision may look at in one frame, one row per feature."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import polars as pl

from intelligence.decisions.facts import COUNTED_FROM_ZERO, FACT_SCHEMA, SharedFacts
from intelligence.decisions.history import with_previous_actions
from intelligence.decisions.releases import failures_by_release
from intelligence.decisions.settings import Decisions

RELEASE_WINDOW_DAYS: Final = 3
_OBJECTIVES: Final = {
    "errors": ("failed_events", "usage_count", "max_error_rate"),
    "crashes": ("crashed_events", "usage_count", "max_crash_rate"),
    "latency": ("slow_events", "timed_events", "max_slow_rate"),
    "ratings": ("bad_ratings", "ratings", "max_bad_rating_rate"),
}
_COUNTS: Final = tuple(dict.fromkeys(name for bad, total, _ in _OBJECTIVES.values() for name in (bad, total)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The frames that evidence is read from; None where a layer has not run or was not asked.

    `metrics` and `release_days` (the rows of release_days.sql) hold the day and the two before it, the others at least
    the day. `drift` has `event_date` and `state`; `flags` has `feature`, `flag_key`, `exposure`, `is_locked` and `is_held`;
    `previous_actions` has `feature`, `kind`, `episode`, `day` and `state`. The champion is named by `model_version` and
    `trained_through`. `used` is what earlier decisions of the hour and of the day have used up.
    """

    health: pl.DataFrame
    features: pl.DataFrame
    metrics: pl.DataFrame | None = None
    quality: pl.DataFrame | None = None
    risk: pl.DataFrame | None = None
    panel: pl.DataFrame | None = None
    releases: pl.DataFrame | None = None
    release_days: pl.DataFrame | None = None
    drift: pl.DataFrame | None = None
    flags: pl.DataFrame | None = None
    previous_actions: pl.DataFrame | None = None
    model_version: int | None = None
    trained_through: date | None = None
    used: SharedFacts = field(default_factory=SharedFacts)


def evidence(sources: Sources, *, day: date, settings: Decisions, hour_utc: int | None = None) -> pl.DataFrame:
    """Return one row per feature with a state on the day, sorted by feature, with the columns of FeatureFacts.

    What could not be found is null and named in `missing`. Nothing from after the day is looked at, and of previous
    actions only those of earlier days, so that the same day decided again is decided alike.
    """
    rows = _health(sources, day).join(_metadata(sources.features), on="feature", how="left", maintain_order="left")
    rows = _with_figures(rows, sources.metrics, day)
    rows = _joined(rows, _on_day(sources.risk, day, _RISK))
    rows = _joined(rows, _on_day(sources.panel, day, ("users_7d", "error_rise_7d", "release_age_days")), also="_panel")
    rows = _joined(rows, None if sources.flags is None else sources.flags.drop("flag_key", strict=False))
    rows = failures_by_release(
        rows, sources.release_days, sources.releases, day=day, settings=settings, window_days=RELEASE_WINDOW_DAYS
    )
    rows = with_previous_actions(rows, sources.previous_actions, day=day, settings=settings)
    rows = rows.with_columns(_whole_day(sources, day, hour_utc))
    return rows.with_columns(missing=_missing(rows, sources)).select(_shaped(rows)).sort("feature")


_RISK: Final = ("risk_score", "risk_low", "risk_high", "impact_score", "reason_1")


def _health(sources: Sources, day: date) -> pl.DataFrame:
    names = ("state", "evidence", "since", "calm_days", "reason", "worst_objective", "burn_1d", "burn_3d", "burn_28d")
    return (
        sources.health.filter(pl.col("event_date") == day)
        .select("feature", *names, "users", share_of_users="reach_28d")
        .sort("feature")
    )


def _metadata(features: pl.DataFrame) -> pl.DataFrame:
    promises = [allowed for _, _, allowed in _OBJECTIVES.values()]
    return features.select("feature", "owner", "tier", "lifecycle", "flag_key", *promises)


def _with_figures(rows: pl.DataFrame, metrics: pl.DataFrame | None, day: date) -> pl.DataFrame:
    """Add the day's counts, and the bad and all events of the promise that burns fastest, over one day and three."""
    if metrics is None:
        return rows
    recent = metrics.filter(pl.col("event_date").is_between(day - timedelta(days=2), day))
    today = recent.filter(pl.col("event_date") == day).select("feature", *_COUNTS, "mean_latency_ms")
    three = recent.group_by("feature").agg(pl.col(name).sum().alias(f"{name}_3d") for name in _COUNTS)
    rows = rows.join(today, on="feature", how="left").join(three, on="feature", how="left")

    def of_worst(place: int, suffix: str) -> pl.Expr:
        chosen = [
            pl.when(pl.col("worst_objective") == name).then(pl.col(f"{terms[place]}{suffix}"))
            for name, terms in _OBJECTIVES.items()
        ]
        return pl.coalesce(chosen)

    return rows.with_columns(
        allowed=of_worst(2, ""),
        bad_1d=of_worst(0, ""),
        total_1d=of_worst(1, ""),
        bad_3d=of_worst(0, "_3d"),
        total_3d=of_worst(1, "_3d"),
    )


def _on_day(frame: pl.DataFrame | None, day: date, names: Sequence[str]) -> pl.DataFrame | None:
    return None if frame is None else frame.filter(pl.col("event_date") == day).select("feature", *names)


def _joined(rows: pl.DataFrame, frame: pl.DataFrame | None, *, also: str | None = None) -> pl.DataFrame:
    """Join the frame by feature; the column `also` tells which features it has."""
    if frame is None:
        return rows
    told = frame.with_columns(pl.lit(True).alias(also)) if also else frame
    return rows.join(told, on="feature", how="left", maintain_order="left")


def _whole_day(sources: Sources, day: date, hour_utc: int | None) -> list[pl.Expr]:
    """Return what holds for all features of the day: telemetry, drift, the champion and the hour."""

    def said(frame: pl.DataFrame | None, name: str) -> pl.Expr:
        found = [] if frame is None else frame.filter(pl.col("event_date") == day)[name].to_list()
        return pl.lit(found[0] if len(found) == 1 else None, dtype=pl.String)

    age = (day - sources.trained_through).days if sources.trained_through else None
    return [
        pl.lit(day).alias("event_date"),
        said(sources.quality, "verdict").alias("quality"),
        said(sources.drift, "state").alias("drift"),
        pl.lit(sources.model_version, dtype=pl.Int64).alias("model_version"),
        pl.lit(age, dtype=pl.Int64).alias("model_age_days"),
        pl.lit(hour_utc, dtype=pl.Int64).alias("hour_utc"),
        pl.lit(sources.used.share_now).alias("share_this_hour"),
        pl.lit(sources.used.share_today).alias("share_this_day"),
        pl.lit(sources.used.touches_today).alias("touches_this_day"),
        pl.lit(sources.used.messages_today).alias("messages_this_day"),
    ]


def _missing(rows: pl.DataFrame, sources: Sources) -> pl.Expr:
    def absent(name: str) -> pl.Expr:
        return pl.col(name).is_null() if name in rows.columns else pl.lit(True)

    degraded, has_flag = pl.col("state") == "degraded", pl.col("flag_key").is_not_null()
    lacks = {
        "health": pl.col("state").is_null() | (pl.col("state") == "unknown"),
        "metadata": absent("tier"),
        "figures": absent("allowed") | absent("total_1d"),
        "risk": ~degraded & absent("risk_score"),
        "model": absent("model_version") | absent("model_age_days"),
        "panel": absent("_panel"),
        "releases": pl.lit(sources.releases is None),
        "release_counts": pl.lit(sources.release_days is None),
        "flag": has_flag & absent("exposure"),
        "previous_actions": pl.lit(sources.previous_actions is None),
        "quality": absent("quality"),
        "drift": absent("drift"),
    }
    named = [pl.when(lacking).then(pl.lit(name)) for name, lacking in lacks.items()]
    return pl.concat_list(named).list.drop_nulls()


def _shaped(rows: pl.DataFrame) -> list[pl.Expr]:
    """Return every fact in its place and type; a source that was not there leaves its columns null."""
    absent = {name: pl.lit(0 if name in COUNTED_FROM_ZERO else None) for name in FACT_SCHEMA}
    found = {**absent, **{name: pl.col(name) for name in (*rows.columns, "missing") if name in FACT_SCHEMA}}
    if "reason_1" in rows.columns:
        found["risk_reason"] = pl.col("reason_1")
    return [expression.cast(FACT_SCHEMA[name]).alias(name) for name, expression in found.items()]
