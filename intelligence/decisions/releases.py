"""Failures by release: for each feature the recent release that fails most above all else in use."""

from datetime import date, timedelta

import polars as pl

from intelligence.decisions.settings import Decisions


def failures_by_release(
    rows: pl.DataFrame,
    release_days: pl.DataFrame | None,
    releases: pl.DataFrame | None,
    *,
    day: date,
    settings: Decisions,
    window_days: int,
) -> pl.DataFrame:
    """Return the rows with the release to look at, its events and failures, those of the rest, and what was before it.

    A release counts while it is young enough to be blamed. Where none is, the columns are null.
    """
    if release_days is None or releases is None:
        return rows
    recent = release_days.filter(pl.col("event_date").is_between(day - timedelta(days=window_days - 1), day))
    used = recent.group_by("feature", "platform", "app_version").agg(pl.col("events", "failed_events").sum())
    everything = used.group_by("feature").agg(
        all_events=pl.col("events").sum(), all_failed=pl.col("failed_events").sum()
    )
    young = _known_by(releases, day).filter(
        pl.col("first_day") > day - timedelta(days=settings.signs.blamed_release_days)
    )
    worst = (
        used.join(young, on=["platform", "app_version"])
        .join(everything, on="feature")
        .with_columns(
            other_events=pl.col("all_events") - pl.col("events"),
            other_failed=pl.col("all_failed") - pl.col("failed_events"),
        )
        .with_columns(above=_rate("failed_events", "events") - _rate("other_failed", "other_events"))
        .sort("feature", "above", "platform", "app_version", descending=[False, True, False, False], nulls_last=True)
        .group_by("feature", maintain_order=True)
        .first()
    )
    named = worst.select(
        "feature",
        "platform",
        "other_events",
        "other_failed",
        "has_earlier_release",
        release="app_version",
        release_events="events",
        release_failed="failed_events",
    )
    return rows.join(named, on="feature", how="left", maintain_order="left")


def _known_by(releases: pl.DataFrame, day: date) -> pl.DataFrame:
    """Return the releases seen by the day, with their first day and whether their platform had one before."""
    first_day = pl.col("first_seen_at").cast(pl.Date)
    return (
        releases.filter(first_day <= day)
        .select("platform", "app_version", first_day=first_day)
        .with_columns(has_earlier_release=pl.col("first_day") > pl.col("first_day").min().over("platform"))
    )


def _rate(bad: str, total: str) -> pl.Expr:
    return pl.when(pl.col(total) > 0).then(pl.col(bad) / pl.col(total)).otherwise(0.0)
