"""The log from which a policy for entities is learned: decisions of the stream that no rule made, and what became true later."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from intelligence.decisions.learned_policy import PolicyLog
from intelligence.decisions.settings import Entities
from intelligence.online.entity_panel import harm_of
from intelligence.online.settings import Outcomes

SCORE: Final = "risk_score"


def policy_predictors(predictors: Sequence[str]) -> tuple[str, ...]:
    """Return what a policy may ask for: the figures of the windows, and the score.

    Args:
        predictors: Names of the windows' figures.
    """
    return (*predictors, SCORE)


def policy_log(
    decisions: pl.DataFrame,
    outcomes: pl.DataFrame,
    predictors: Sequence[str],
    settings: Outcomes,
    terms: Entities,
    *,
    as_of: datetime,
) -> PolicyLog:
    """Return the log: of each decision the windows and the score, the answer with its probability, and the reward.

    The reward is -1 where the event turned out harmful within `days`, and `throttle_cost` less where it was throttled. A decision
    counts once its days are over, harmful or not.

    Args:
        decisions: Decisions that a score made and that were carried out: `event_id`, `event_time`, `number`, `entity`, `answer` (allow or
            throttle), `propensity`, `windows` as JSON and `risk_score`.
        outcomes: One row per outcome: `decision_id`, `kind`, `happened_at` in UTC without a zone; may be empty.
        predictors: Names of the windows' figures.
        settings: What the outcomes mean.
        terms: The policy, which says from which score on it throttles, and what that costs.
        as_of: The newest time, UTC without a zone.
    """
    harmed = harm_of(decisions, outcomes, settings)
    figures = pl.Struct(dict.fromkeys(predictors, pl.Float64))
    rows = (
        decisions.filter(pl.col("event_time") < as_of - timedelta(days=settings.days))
        .join(harmed, on="event_id", how="left")
        .with_columns(pl.col("is_harm").fill_null(value=False), pl.col("windows").str.json_decode(figures))
        .sort("event_time", "number")
    )
    known = rows.select(*(pl.col("windows").struct.field(name) for name in predictors), pl.col(SCORE).cast(pl.Float64))
    throttled = (rows["answer"] == "throttle").to_numpy()
    propensity = rows["propensity"].to_numpy()
    return PolicyLog(
        contexts=known.to_numpy().astype(np.float64).reshape(rows.height, len(predictors) + 1),
        usual=rows[SCORE].to_numpy() >= terms.throttle,
        throttled=throttled,
        chances=np.where(throttled, propensity, 1 - propensity),
        rewards=-rows["is_harm"].to_numpy().astype(np.float64) - terms.throttle_cost * throttled,
        users=rows["entity"].to_numpy(),
        times=np.arange(rows.height),
    )
