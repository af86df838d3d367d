"""Replay of the current policy on the past of a lake: what it would have done day by day, compared with planted truths."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Protocol

import polars as pl

from intelligence.core.sql import sql
from intelligence.core.tables import Days
from intelligence.core.truths import PlantedTruth
from intelligence.decisions.backtest import PolicyBacktest, backtest, decided_day_by_day
from intelligence.decisions.evidence import FIGURE_DAYS, Sources
from intelligence.decisions.releases import degraded_features
from intelligence.decisions.settings import Decisions
from intelligence.warehouse.tables import RELEASES


class Frame(Protocol):
    """Reads a query of the lake into a frame."""

    def __call__(self, query: str, parameters: dict[str, Any] | None = None) -> pl.DataFrame:
        """Return the rows of the query."""


def past_sources(frame: Frame, risk: pl.DataFrame, *, model_version: int | None = None) -> Sources:
    """Return the sources of the evidence for every scored day, with flags fully on, no drift and a young champion.

    Args:
        frame: Reads a query of the lake.
        risk: Scores with event_date, feature, risk_score, risk_low, risk_high, impact_score and reason_1.
        model_version: Version of the champion; 1 where it is not given.
    """
    health, features = frame("FROM metrics.feature_health"), frame("FROM warehouse.dim_feature_metadata")
    days = health.select("event_date").unique()
    first: date = risk["event_date"].min() or health["event_date"].min()  # type: ignore[assignment] # they are dates
    window = {"start": first - timedelta(days=FIGURE_DAYS - 1), "end": date.max}
    return Sources(
        health=health,
        features=features,
        metrics=frame("FROM metrics.fact_feature_metrics"),
        quality=frame("FROM telemetry.day_quality"),
        risk=risk,
        panel=frame("FROM risk.feature_panel"),
        releases=frame(RELEASES),
        release_days=frame(sql("decisions/release_days.sql"), {**window, "features": degraded_features(health)}),
        known_harmed=frame(sql("decisions/known_harmed.sql"), window),
        beginning=frame(sql("decisions/beginning.sql"), {"day": date.max}),
        drift=days.with_columns(state=pl.lit("steady")),
        flags=features.select(
            "feature", "flag_key", exposure=pl.lit(1.0), is_locked=pl.lit(value=False), is_held=pl.lit(value=False)
        ),
        model_version=model_version or 1,
        trained_through=health["event_date"].max(),  # type: ignore[arg-type] # a date
    )


def unseen_scores(training: pl.DataFrame) -> pl.DataFrame:
    """Return the out-of-sample scores in rows of `risk.feature_training`, with the columns of risk scores."""
    return training.select(
        "event_date",
        "feature",
        risk_score="score",
        risk_low="score",
        risk_high="score",
        impact_score=pl.lit(None, dtype=pl.Float64),
        reason_1=pl.lit(None, dtype=pl.String),
    )


def policy_backtest(
    frame: Frame, truths: Sequence[PlantedTruth], *, settings: Decisions
) -> tuple[PolicyBacktest, date, date] | None:
    """Return what the policy would have done on the days on which the model was evaluated; None where none was trained.

    Every kind of action is set to the level `auto`, and each day is decided as if the decisions of the days before had been
    carried out.

    Args:
        frame: Reads a query of the lake.
        truths: What was planted in the telemetry of the lake.
        settings: The policy.

    Returns:
        The backtest with its first and last day.
    """
    training = frame("FROM risk.feature_training")
    if training.is_empty():
        return None
    risk = unseen_scores(training)
    first, last = risk["event_date"].min(), frame("SELECT max(event_date) AS day FROM metrics.feature_health").item()
    assert isinstance(first, date)
    days = Days(first, last + timedelta(days=1)).each
    sources = past_sources(frame, risk)
    decisions = decided_day_by_day(lambda _: sources, days, settings=settings.at_level("auto"))
    return backtest(decisions, truths), first, last
