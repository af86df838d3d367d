"""The rows that a model of entities learns from: decisions of the stream, and what became true later."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from intelligence.online.settings import Outcomes

ISOLATION_ROWS: Final = 20_000
ISOLATION_DAYS: Final = 28
FEWEST_ISOLATION_ROWS: Final = 50


def entity_panel(
    decisions: pl.DataFrame, outcomes: pl.DataFrame, predictors: Sequence[str], settings: Outcomes, *, as_of: datetime
) -> pl.DataFrame:
    """Return rows to learn from: one event of each entity and day, its windows, and whether it or a later one that day did harm.

    The event is chosen by the hash of its id, so that frequent entities do not count more. What was blocked could do no harm and is
    left out, as are events whose windows are not known. Of several outcomes within the `days` of an event the newest counts. A row
    has a label once its days are over: harm that is known earlier has to wait, since of rows that young only the harmful ones
    would be known.

    Args:
        decisions: One row per decision of the stream: `event_id`, `event_time`, `entity`, `answer`, `level`, `windows` as JSON.
        outcomes: One row per outcome: `decision_id`, `kind`, `happened_at` in UTC without a zone; may be empty.
        predictors: Names of the windows' figures.
        settings: What the outcomes mean.
        as_of: The newest time, UTC without a zone: what is younger than `days` at that time has no label.

    Returns:
        `event_date`, `entity`, `label` (null while it is unknown), the predictors, `velocity` and `isolation`, by day and entity.
    """
    harmed = harm_of(decisions, outcomes, settings)
    over = pl.col("event_date") < (as_of - timedelta(days=settings.days)).date()
    day = ["event_date", "entity"]
    rows = (
        decisions.filter(
            pl.col("windows").is_not_null() & ~((pl.col("answer") == "block") & (pl.col("level") == "auto"))
        )
        .join(harmed, on="event_id", how="left")
        .with_columns(event_date=pl.col("event_time").dt.date(), order=pl.col("event_id").hash(7))
        .sort("event_date", "entity", "event_time", "event_id")
    )
    # Of this event and the later ones of its day.
    harmful = pl.col("is_harm").fill_null(value=False).cast(pl.Int8).cum_max(reverse=True).over(day) == 1
    rows = rows.with_columns(label=pl.when(over).then(harmful))
    chosen = rows.filter(pl.col("order") == pl.col("order").min().over(day)).unique(
        day, keep="first", maintain_order=True
    )
    figures = pl.Struct(dict.fromkeys(predictors, pl.Float64))
    panel = chosen.with_columns(pl.col("windows").str.json_decode(figures)).select(
        *day, "label", *(pl.col("windows").struct.field(name) for name in predictors)
    )
    fastest = next((name for name in predictors if name.startswith("events_")), None)
    velocity = pl.col(fastest) if fastest else pl.lit(None, dtype=pl.Float64)
    return panel.with_columns(velocity=velocity, isolation=_isolation(panel, predictors))


def harm_of(decisions: pl.DataFrame, outcomes: pl.DataFrame, settings: Outcomes) -> pl.DataFrame:
    """Return which events turned out harmful or harmless within their days: `event_id` and `is_harm`, by the newest outcome.

    Args:
        decisions: One row per decision: `event_id` and `event_time`.
        outcomes: One row per outcome: `decision_id`, `kind`, `happened_at` in UTC without a zone; may be empty.
        settings: What the outcomes mean.
    """
    in_time = pl.col("happened_at") <= pl.col("event_time") + timedelta(days=settings.days)
    return (
        decisions.select("event_id", "event_time")
        .join(outcomes, left_on="event_id", right_on="decision_id")
        .filter(in_time)
        .sort("happened_at", "kind")
        .group_by("event_id", maintain_order=True)
        .agg(is_harm=pl.col("kind").last().is_in(list(settings.harmful)))
    )


def _isolation(panel: pl.DataFrame, predictors: Sequence[str]) -> pl.Series:
    """Return how unusual each row is among those of the days before (Isolation Forest, Liu et al. 2008); null without such days."""
    import numpy as np
    from sklearn.ensemble import IsolationForest

    values = np.nan_to_num(panel.select(predictors).to_numpy().astype(np.float64), nan=-1.0)
    days = panel["event_date"].to_list()
    found = np.full(len(days), np.nan)
    for day in sorted(set(days)):
        before = np.array([day - timedelta(days=ISOLATION_DAYS) <= each < day for each in days], dtype=bool)
        if before.sum() < FEWEST_ISOLATION_ROWS:
            continue
        learned = values[before]
        if len(learned) > ISOLATION_ROWS:
            learned = learned[np.random.default_rng(7).choice(len(learned), ISOLATION_ROWS, replace=False)]
        own = np.array([each == day for each in days], dtype=bool)
        found[own] = -IsolationForest(n_estimators=50, random_state=7).fit(learned).score_samples(values[own])
    return pl.Series("isolation", found).fill_nan(None)
