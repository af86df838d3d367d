"""Features: which of them most is at stake in, two of them side by side, and one of them with everything that is known of it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from intelligence.catalog.pages import AsOf, Page, Part
from intelligence.catalog.reading.causes import movements_finding
from intelligence.catalog.reading.decisions import candidates_of, done_finding
from intelligence.catalog.reading.wording import (
    OBJECTIVE_WORDS,
    between,
    counted,
    latest,
    mean_of,
    named,
    percent,
    period_of,
    sentence,
)
from intelligence.core.marks import Mark
from intelligence.core.sql import sql

RANKING: Final[Mapping[str, str]] = {"features": sql("catalog/reading/features.sql")}
SIDE_BY_SIDE: Final[Mapping[str, str]] = {**RANKING, "days": sql("catalog/reading/feature_days.sql")}
ONE: Final[Mapping[str, str]] = {
    **SIDE_BY_SIDE,
    "anomalies": sql("catalog/reading/feature_anomalies.sql"),
    "episodes": sql("catalog/reading/feature_episodes.sql"),
    "decisions": sql("catalog/reading/decisions.sql"),
    "actions": sql("catalog/reading/actions.sql"),
    "effects": sql("catalog/reading/effects.sql"),
    "movements": sql("catalog/reading/movements.sql"),
    "experiments": sql("catalog/summary/experiments.sql"),
    "raw": sql("telemetry/raw_rows.sql"),
}
RAW_DAYS: Final = 3
Z: Final = 1.959964
# The columns with the promise of each objective.
PROMISES: Final = {
    "errors": "max_error_rate",
    "crashes": "max_crash_rate",
    "latency": "max_slow_rate",
    "ratings": "max_bad_rating_rate",
    "answers": "max_bad_answer_rate",
}
_MEANING: Final = (
    "Share of bad events, with its 95 % interval by Wilson from the effective number of events: those of one user count as one"
    " another's. The line is what is promised."
)


def features_page(as_of: AsOf, read: Mapping[str, pl.DataFrame]) -> Page:
    """Return the page that ranks the features.

    Args:
        as_of: What it was read from.
        read: The rows of RANKING.
    """
    features = read["features"]
    if features.is_empty():
        return Page(as_of, ("No feature was seen yet.",))
    states = features["state"].fill_null("unknown").value_counts(sort=True)
    counts = ", ".join(f"{number:,} {state.replace('_', ' ')}" for state, number in states.iter_rows())
    return Page(
        as_of,
        (f"{counted(features.height, 'feature')} on {as_of.day}: {counts}.", stake_finding(features)),
        {
            "ranking": Part(
                stake_finding(features),
                features,
                f"health of {as_of.day}"
                + (f", scores of {latest(features['scored_on'])}" if features["scored_on"].drop_nulls().len() else ""),
                "Impact is the probability of degrading within the model's horizon times the users of a mean day, with its 95 %"
                " interval; where there is no score, features stand by their users.",
                "metrics.feature_health, risk.feature_risk, warehouse.dim_feature_metadata",
            )
        },
    )


def stake_finding(features: pl.DataFrame) -> str:
    """Return in which feature most is at stake.

    Args:
        features: What `catalog/reading/features.sql` returns, the greatest impact first.
    """
    scored = features.filter(pl.col("impact_score").is_not_null())
    if scored.is_empty():
        return "No feature is scored for what comes next: no risk model is champion, or it has not scored this day."
    row = scored.row(0, named=True)
    return (
        f"Most is at stake in {row['feature']}: {row['impact_score']:,.0f} users a day"
        f" ({row['impact_low']:,.0f} to {row['impact_high']:,.0f}), from a risk of {percent(row['risk_score'])} among"
        f" {row['users_7d']:,.0f} users."
    )


def compared_page(as_of: AsOf, read: Mapping[str, pl.DataFrame], names: Sequence[str]) -> Page:
    """Return two or more features side by side.

    Args:
        as_of: What it was read from.
        read: The rows of SIDE_BY_SIDE.
        names: The features.
    """
    rows = read["features"].filter(pl.col("feature").is_in(list(names)))
    sentences = [state_sentence(row) for row in rows.iter_rows(named=True)]
    shares = objective_shares(read["days"])
    return Page(
        as_of,
        tuple(sentences) or ("Neither feature was seen.",),
        {
            "shares": Part(
                _comparison(shares, names), shares, period_of(shares), _MEANING, "metrics.fact_feature_metrics"
            ),
            "ranking": Part(stake_finding(rows), rows, str(as_of.day), "", "metrics.feature_health, risk.feature_risk"),
        },
    )


def feature_page(
    as_of: AsOf,
    read: Mapping[str, pl.DataFrame],
    name: str,
    *,
    marks: Sequence[Mark],
    happened: pl.DataFrame,
    horizon: int,
) -> Page:
    """Return all that is known of a feature.

    Args:
        as_of: What it was read from.
        read: The rows of ONE.
        name: The feature.
        marks: What its charts show of what happened.
        happened: All that happened: `day`, `kind`, `text` and `feature`.
        horizon: How many days the risk model looks ahead.
    """
    row = next(read["features"].filter(feature=name).iter_rows(named=True), None)
    if row is None:
        return Page(as_of, (f"No feature {name} was seen. Features lists those that were.",))
    days, movements, decisions = read["days"], read["movements"], read["decisions"]
    shares = objective_shares(days)
    period = period_of(days)
    told = [
        state_sentence(row),
        risk_sentence(row, horizon),
        *([movements_finding(movements)] if movements.height else []),
    ]
    if decisions.height:
        decided = decisions.row(0, named=True)
        told.append(f"Decision of {decided['event_date']}: {sentence(decided['reasons'])}")
    open_now = read["episodes"].filter("is_open")
    told += [
        sentence(f"unusual since {each['first_day']}: {each['title']}")
        for each in open_now.head(2).iter_rows(named=True)
    ]
    parts = {
        objective: Part(
            objective_finding(row, shares.filter(objective=objective), objective, movements),
            shares.filter(objective=objective),
            period,
            _MEANING,
            "metrics.fact_feature_metrics, warehouse.dim_feature_metadata",
            tuple(marks),
        )
        for objective in OBJECTIVE_WORDS
    }
    own = read["experiments"].filter(pl.col("feature") == name)
    claimed = read["effects"].filter("is_claimed")
    return Page(
        as_of,
        tuple(told),
        {
            **parts,
            "users": Part(
                _users_finding(name, days),
                days.select("event_date", "users", "usage_count", "p50_latency_ms", "p95_latency_ms", "mean_rating"),
                period,
                "Users who used it on the day.",
                "metrics.fact_feature_metrics",
                tuple(marks),
            ),
            "happened": Part(
                f"{counted(happened.height, 'thing')} happened that may bear on it"
                if happened.height
                else "Nothing is known to have happened.",
                happened,
                period,
                "Releases, incidents, experiments, actions, holidays and notes.",
                "the lake and the notes of people",
            ),
            "episodes": Part(
                f"{counted(open_now.height, 'unusual episode')} open, {read['episodes'].height - open_now.height:,} over"
                if read["episodes"].height
                else "Nothing about it was unusual in this time.",
                read["episodes"],
                period,
                "Anomalies of several metrics and days that belong together.",
                "signals.episodes",
            ),
            "anomalies": Part(
                counted(read["anomalies"].height, "anomaly", "anomalies"),
                read["anomalies"],
                period,
                "Value, expectation and its interval at the product's rate of false alarms.",
                "signals.anomalies",
            ),
            "decision": Part(
                f"What was weighed on {decisions['event_date'][0]}: {decisions['action'][0].replace('_', ' ')}"
                if decisions.height
                else "Nothing was decided about it yet.",
                candidates_of(decisions.row(0, named=True)) if decisions.height else pl.DataFrame(),
                str(decisions["event_date"][0]) if decisions.height else "",
                "Worth is users spared harm for a day less the cost of the action.",
                "decisions.feature_decisions",
            ),
            "actions": Part(
                done_finding(read["actions"], of=f" on {name}"),
                read["actions"],
                period,
                "Effects with their 95 % interval.",
                "actions.action_log, actions.outcomes",
            ),
            "experiments": Part(
                f"{counted(own.height, 'experiment')} on it" if own.height else "No experiment was run on it.",
                own,
                "newest verdict of each",
                "Effect on the goal with its 95 % interval.",
                "experiments.experiment_verdicts",
            ),
            "effects": Part(
                _effects_finding(name, read["effects"], claimed),
                read["effects"],
                f"known on {latest(read['effects']['event_date'])}" if read["effects"].height else "",
                "Adjusted for what was known of users before, beside the plain difference; grades A to D say how far it can be believed.",
                "causality.feature_effects",
            ),
            "movements": Part(
                movements_finding(movements)
                if movements.height
                else "It is not degraded, so that no change is split up.",
                movements,
                period,
                "Where the change lies, which is not why: grade D.",
                "causality.degradations",
            ),
            "raw": Part(
                f"The raw rows of the last {RAW_DAYS} days",
                read["raw"],
                period_of(read["raw"]),
                "Events by day, the files that hold them, and one example.",
                "telemetry.events",
            ),
        },
        row,
    )


def state_sentence(row: Mapping[str, Any]) -> str:
    """Return a feature's state, since when, and why.

    Args:
        row: A row of `catalog/reading/features.sql`.
    """
    if row["state"] is None:
        return f"{row['feature']} has no event on the newest day."
    since = f" since {row['since']}" if row["since"] else ""
    why = f": {row['reason']}" if row["reason"] else ""
    if row["evidence"] not in (None, "enough"):
        since = f"{since}, and the newest day has not enough evidence ({row['evidence'].replace('_', ' ')})"
    said = f"{row['feature']} is {row['state'].replace('_', ' ')}{since}{why}"
    return said if said.endswith(".") else f"{said}."


def risk_sentence(row: Mapping[str, Any], horizon: int) -> str:
    """Return how likely a feature is to degrade, and what the model gives as reasons.

    Args:
        row: A row of `catalog/reading/features.sql`.
        horizon: How many days the model looks ahead.
    """
    if row["risk_score"] is None:
        return "Its risk is not scored: it is degraded already, was not assessed, or no model is champion."
    why = "; ".join(filter(None, (row["reason_1"], row["reason_2"])))
    return (
        f"It degrades within {horizon} days with a probability of {percent(row['risk_score'])}"
        f" ({between(row['risk_low'], row['risk_high'])}), by version {row['model_version']} of the risk model"
        f"{f': {why}' if why else ''}."
    )


def objective_shares(days: pl.DataFrame) -> pl.DataFrame:
    """Return the share of bad events of each feature, day and objective with its 95 % interval and the promise.

    Args:
        days: What `catalog/reading/feature_days.sql` returns.
    """
    import numpy as np

    from intelligence.metrics.burn import share_lower_bounds
    from intelligence.metrics.spread import SUMS, spread_columns, spread_of

    parts = []
    for objective, promise in PROMISES.items():
        columns = zip(spread_columns(objective), SUMS, strict=True)
        named_sums = [pl.col(each).alias(name) for each, name in columns]
        sums = days.select("event_date", "feature", promise, *named_sums)
        spread = spread_of(sums)
        share, n = spread.event_share(), spread.effective_events()
        low, high = share_lower_bounds(share, n, z=Z), 1 - share_lower_bounds(1 - share, n, z=Z)
        known = (spread.total > 0) & (n > 0)
        parts.append(
            sums.select(
                "event_date", "feature", pl.lit(objective).alias("objective"), pl.col(promise).alias("promised")
            )
            .with_columns(
                bad=pl.Series(spread.bad),
                total=pl.Series(spread.total),
                rate=pl.Series(np.where(spread.total > 0, share, np.nan)),
                low=pl.Series(np.where(known, low, np.nan)),
                high=pl.Series(np.where(known, high, np.nan)),
            )
            .with_columns(pl.col("rate", "low", "high").fill_nan(None))
        )
    return pl.concat(parts)


def objective_finding(row: Mapping[str, Any], shares: pl.DataFrame, objective: str, movements: pl.DataFrame) -> str:
    """Return what a chart of an objective says.

    Args:
        row: A row of `catalog/reading/features.sql`.
        shares: The feature's rows of `objective_shares` of this objective.
        objective: The objective.
        movements: What `catalog/reading/movements.sql` returns of the feature.
    """
    word, name = OBJECTIVE_WORDS[objective], row["feature"]
    known = shares.filter(pl.col("rate").is_not_null())
    if known.is_empty():
        return f"{word} of {name}: nothing was counted in this time."
    newest = known.row(-1, named=True)
    said = f"{word} of {name}: {percent(newest['rate'])} ({between(newest['low'], newest['high'])}) on {newest['event_date']}"
    promised = newest["promised"]
    if promised is None:
        return f"{said}; nothing is promised."
    if row["state"] == "degraded" and row["worst_objective"] == objective:
        where = movements.filter(pl.col("suspect").is_not_null()) if movements.height else movements
        place = f"; {where['accounts_for'][0]:.0%} of it in {where['suspect'][0]}" if where.height else ""
        return f"{said}, {newest['rate'] / promised:.1f} times the promised {percent(promised)} since {row['since']}{place}."
    if newest["low"] is not None and newest["low"] > promised:
        return f"{said}: above the promised {percent(promised)} on this day."
    return f"{said}, with {percent(promised)} promised."


def _users_finding(name: str, days: pl.DataFrame) -> str:
    if days.is_empty():
        return f"{name} was not used in this time."
    week, before = days["users"].tail(7), days["users"].head(max(days.height - 7, 0)).tail(28)
    said = f"{name} has {mean_of(week):,.0f} users a day in its last {week.len()} days"
    return f"{said}, {mean_of(before):,.0f} in the {before.len()} before." if before.len() else f"{said}."


def _effects_finding(name: str, effects: pl.DataFrame, claimed: pl.DataFrame) -> str:
    if effects.is_empty() or effects["grade"].drop_nulls().is_empty():
        return f"What {name} does to its users is not known: there is not enough evidence."
    if claimed.is_empty():
        return f"No effect of {name} on its users stands out beyond chance and bias."
    row = claimed.row(0, named=True)
    return (
        f"{row['treatment'].replace('_', ' ').capitalize()} {name} changes {row['outcome'].replace('_', ' ')} by"
        f" {row['estimate']:+.3g} ({row['low']:+.3g} to {row['high']:+.3g}), grade {row['grade']}."
    )


def _comparison(shares: pl.DataFrame, names: Sequence[str]) -> str:
    errors = (
        shares.filter(pl.col("objective") == "errors", pl.col("rate").is_not_null())
        .group_by("feature")
        .agg(pl.col("rate").last(), pl.col("low").last(), pl.col("high").last())
    )
    told = [
        f"{row['feature']} {percent(row['rate'])} ({between(row['low'], row['high'])})"
        for row in errors.sort("feature").iter_rows(named=True)
    ]
    return (
        f"Failed events on the newest day: {named(told)}." if told else f"Nothing was counted for {named(list(names))}."
    )
