"""Failures by release: for each feature the recent release whose failure rate exceeds that of all others the most."""

from datetime import date, timedelta
from typing import Final

import polars as pl

from intelligence.decisions.settings import Decisions
from intelligence.metrics.spread import SUMS, spread_of

_COLUMNS: Final = (
    *("failed_events", "events", "users", "failed_users", "failed_square_sum", "failed_cross_sum", "events_square_sum"),
    *("failed_share_sum", "failed_share_square_sum"),
)
_SUMS: Final = dict(zip(_COLUMNS, SUMS, strict=True))


def degraded_features(health: pl.DataFrame) -> list[str]:
    """Return the features that are degraded on any day of `health`, sorted; no release is blamed for other features."""
    return sorted(health.filter(state="degraded")["feature"].unique())


def failures_by_release(
    rows: pl.DataFrame,
    release_days: pl.DataFrame | None,
    releases: pl.DataFrame | None,
    *,
    day: date,
    settings: Decisions,
    window_days: int,
) -> pl.DataFrame:
    """Return the rows with the most suspicious release, its events and failures, and those of all other releases.

    Only a release that is recent enough to be blamed counts. Where there is none, the columns are null.

    Args:
        rows: Evidence, one row per feature.
        release_days: Rows of release_days.sql, one per feature, day, platform and release; None where they are not known.
        releases: Releases with platform, app_version and first_seen_at (UTC); None where they are not known.
        day: The day that is decided.
        settings: The policy, for the days within which a release can be blamed.
        window_days: Number of days, up to `day`, whose events are counted.
    """
    if release_days is None or releases is None:
        return rows
    recent = release_days.filter(pl.col("event_date").is_between(day - timedelta(days=window_days - 1), day))
    # The day with the most harmed users counts, not the sum: the same users may return every day.
    recent = (
        recent.sort("event_date", "feature", "platform", "app_version")
        .rename(_SUMS)
        .with_columns(pl.col(*SUMS).cast(pl.Float64))
    )
    recent = recent.with_columns(harmed_users=spread_of(recent).harmed_users())
    used = recent.group_by("feature", "platform", "app_version", maintain_order=True).agg(
        pl.col(*SUMS).sum(),
        pl.col("harmed_users").max(),
        most_users=pl.col("users").max(),
        most_harmed=pl.col("harmed").max(),
    )
    everything = used.group_by("feature", maintain_order=True).agg(pl.col(*SUMS).sum().name.prefix("all_"))
    young = _known_by(releases, day).filter(
        pl.col("first_day") > day - timedelta(days=settings.signs.blamed_release_days)
    )
    worst = (
        used.join(young, on=["platform", "app_version"])
        .join(everything, on="feature")
        .with_columns(
            (pl.col(f"all_{name}") - pl.col(name)).clip(lower_bound=0).alias(f"other_{name}") for name in SUMS
        )
        .with_columns(above=_rate("bad", "total") - _rate("other_bad", "other_total"))
        .sort("feature", "above", "platform", "app_version", descending=[False, True, False, False], nulls_last=True)
        .group_by("feature", maintain_order=True)
        .first()
    )
    suspect, others = spread_of(worst), spread_of(worst.select(pl.col(f"other_{name}").alias(name) for name in SUMS))
    named = worst.select(
        "feature",
        "platform",
        "has_earlier_release",
        other_events="other_total",
        other_failed="other_bad",
        other_effective=others.effective_events(),
        other_user_share=others.user_share(),
        other_effective_users=others.effective_users(),
        release="app_version",
        release_events="total",
        release_failed="bad",
        release_users="most_users",
        release_failed_users="most_harmed",
        release_harmed_users="harmed_users",
        release_effective=suspect.effective_events(),
        release_user_share=suspect.user_share(),
        release_effective_users=suspect.effective_users(),
    )
    return rows.join(named, on="feature", how="left", maintain_order="left")


def _known_by(releases: pl.DataFrame, day: date) -> pl.DataFrame:
    """Return the releases first seen up to the day, with their first day and whether their platform had an earlier one."""
    first_day = pl.col("first_seen_at").cast(pl.Date)
    return (
        releases.filter(first_day <= day)
        .select("platform", "app_version", first_day=first_day)
        .with_columns(has_earlier_release=pl.col("first_day") > pl.col("first_day").min().over("platform"))
    )


def _rate(bad: str, total: str) -> pl.Expr:
    return pl.when(pl.col(total) > 0).then(pl.col(bad) / pl.col(total)).otherwise(0.0)
