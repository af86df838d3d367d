"""Previous actions: the episode that a trouble belongs to, and the actions that already answered it."""

from datetime import date
from typing import Final

import polars as pl

from intelligence.decisions.autonomy import NOTIFYING, TOUCHING
from intelligence.decisions.settings import Decisions

# An action that never reached its target is no answer; all others are, even those that a person refused or undid.
NEVER_REQUESTED: Final = "never asked"
UNANSWERED: Final = ("failed", "expired", NEVER_REQUESTED)
GAP_DAYS: Final = 7
SEVERE: Final = "severe"


def with_previous_actions(
    rows: pl.DataFrame, previous: pl.DataFrame | None, *, day: date, settings: Decisions
) -> pl.DataFrame:
    """Return the rows with `episode` and with columns on the actions in that episode and of the last days.

    An episode is named by its feature and the day on which the trouble began. Trouble belongs to the episode of the last
    action when that action came at most a week before the trouble began, or while it lasts. Where there is no trouble, what an
    experiment shows begins with the experiment, and what is unusual with its first day.

    Args:
        rows: Evidence, one row per feature, with feature, state and since.
        previous: Previous actions with feature, kind, episode, day and state; None where they are not known, which leaves
            their columns out.
        day: The day that is decided; only actions of earlier days count.
        settings: The policy, for the length of the period in which touches are counted.
    """
    since = pl.when(pl.col("state").is_in(["at_risk", "degraded"])).then(pl.col("since"))
    # What is unusual begins with its episode, where it is severe enough to be told.
    is_severe = pl.col("signal_severity") == SEVERE
    begun = [
        *([pl.col("experiment_since")] if "experiment_since" in rows.columns else []),
        *([pl.when(is_severe).then(pl.col("signal_since"))] if "signal_since" in rows.columns else []),
    ]
    onset = pl.coalesce(since, *begun, pl.lit(day))
    rows = rows.with_columns(onset=onset)
    fresh = pl.format("{}@{}", "feature", "onset")
    if previous is None:
        return rows.with_columns(episode=fresh)
    counted = previous.filter(
        (pl.col("day") < day)
        & pl.col("kind").is_in([*NOTIFYING, *TOUCHING])
        & ~pl.col("state").is_in(UNANSWERED).fill_null(False)
    ).select("feature", "kind", "episode", "day")
    last = counted.sort("feature", "day", "episode").group_by("feature", maintain_order=True).last()
    rows = rows.join(
        last.select("feature", last_day="day", last_episode="episode"), on="feature", how="left", maintain_order="left"
    )
    continues = pl.col("last_day") >= pl.col("onset").dt.offset_by(f"-{GAP_DAYS}d")
    rows = rows.with_columns(episode=pl.when(continues).then(pl.col("last_episode")).otherwise(fresh))
    touches = counted.filter(pl.col("kind").is_in(TOUCHING))
    lately = (pl.lit(day) - pl.col("day")).dt.total_days() < settings.limits.touches_within_days
    by_feature = touches.group_by("feature").agg(
        last_touch_days=(pl.lit(day) - pl.col("day").max()).dt.total_days(), touches_lately=lately.sum().cast(pl.Int64)
    )
    by_episode = counted.group_by("feature", "episode").agg(
        touched_in_episode=pl.col("kind").is_in(TOUCHING).any(),
        told_in_episode=pl.when((pl.col("kind") == "alert").any())
        .then(pl.lit("alert"))
        .when((pl.col("kind") == "ticket").any())
        .then(pl.lit("ticket")),
    )
    return (
        rows.join(by_feature, on="feature", how="left", maintain_order="left")
        .join(by_episode, on=["feature", "episode"], how="left", maintain_order="left")
        .with_columns(pl.col("touches_lately").fill_null(0), pl.col("touched_in_episode").fill_null(False))
    )
