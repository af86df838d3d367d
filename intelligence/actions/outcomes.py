"""What each action achieved: its feature before and after, compared with features on which nobody acted.

Difference in differences with placebo inference (Abadie, Diamond and Hainmueller 2010): the effect is the change of the
treated feature minus the mean change of the untreated ones, and its interval comes from the spread of the untreated ones.

After a throttle there are still events, and the rate of bad events among them is compared. After a rollback that works there
are none, and so no such rate. After a rollback bad events are therefore divided by the usual number of events *before* it,
for the treated and the untreated features, so that harm which ended together with its feature counts as ended. Whether users
lost more by missing the feature is a different question, which this module does not answer.

Events of one user are not independent: that a client which failed a thousand times disappeared is no achievement. The same
comparison is therefore made for the mean share of bad events of a user, and no difference is reported where users show
none or where only a few users made it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

import numpy as np
import polars as pl

from intelligence.actions.action import Kind
from intelligence.metrics.spread import OBJECTIVES, SUMS, spread_columns

Verdict = Literal["helped", "harmed", "no difference shown", "not enough evidence"]

WINDOW_DAYS: Final = 7
LEAST_DAYS: Final = 3
LEAST_EVENTS: Final = 50
LEAST_CONTROLS: Final = 10
INTERVAL: Final = (0.025, 0.975)
# A difference that fewer users a day could make by going from no to only bad events is not attributed to the product.
LEAST_USERS: Final = 4
_SUMMED: Final = ("bad", "total", "share", "users")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The measured outcome of an action.

    Attributes:
        verdict: The outcome in a word.
        reason: The outcome in a sentence.
        metric: Objective that was compared.
        before: Rate of the feature in the week before, in [0, 1].
        after: Rate after; after a rollback, bad events per usual number of events before.
        control_change: Mean change of the rate of the untreated features.
        effect: Change of the rate of the feature minus `control_change`; negative where bad events became fewer.
        effect_low: Lower bound of the 95 % interval of the effect.
        effect_high: Upper bound of the 95 % interval of the effect.
        days_after: Number of days after the action that were compared.
        controls: Number of untreated features.
    """

    verdict: Verdict
    reason: str
    metric: str
    before: float | None = None
    after: float | None = None
    control_change: float | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    days_after: int = 0
    controls: int = 0


def outcome(
    metrics: pl.DataFrame,
    *,
    feature: str,
    day: date,
    objective: str | None,
    acted_on: Collection[str],
    kind: str = Kind.THROTTLE,
) -> Outcome:
    """Return the effect of an action on a feature, taken at the end of `day`, on an objective of the feature.

    Args:
        metrics: Rows of `metrics.fact_feature_metrics`, at least of the week up to `day` and of the days after it.
        feature: The feature that was acted on.
        day: The day whose evidence was acted on; the days after it count as after.
        objective: `errors`, `crashes`, `latency`, `ratings` or `answers`; errors where it is None or unknown.
        acted_on: All features on which something was done within two weeks of the day; they are no controls.
        kind: Kind of action; after a rollback bad events are divided by the events of as many days before.
    """
    name = objective if objective in OBJECTIVES else "errors"
    columns = dict(zip(SUMS, spread_columns(name), strict=True))
    span = metrics.filter(
        pl.col("event_date").is_between(day - timedelta(days=WINDOW_DAYS - 1), day + timedelta(days=WINDOW_DAYS))
    ).with_columns(is_after=pl.col("event_date") > day)
    days_after = span.filter("is_after")["event_date"].n_unique()
    if days_after < LEAST_DAYS:
        return _unknown(name, f"{days_after} days have passed since; {LEAST_DAYS} are needed.", days_after=days_after)
    summed = [pl.col(columns[of]).sum().alias(of) for of in _SUMMED]
    sums = span.sort("event_date").group_by("feature", "is_after", maintain_order=True).agg(summed)
    sides = sums.filter(~pl.col("is_after")).join(sums.filter("is_after"), on="feature", how="left", suffix="_after")
    sides = sides.with_columns(pl.col(*(f"{of}_after" for of in _SUMMED)).fill_null(0))
    days_before = span.filter(~pl.col("is_after"))["event_date"].n_unique()
    if kind == Kind.ROLLBACK:
        sides = sides.with_columns(
            (pl.col(of) * days_after / days_before).alias(f"{of}_after") for of in ("total", "users")
        )
    rates = sides.filter(pl.col("total") >= LEAST_EVENTS, pl.col("total_after") >= LEAST_EVENTS).with_columns(
        before=pl.col("bad") / pl.col("total"),
        after=pl.col("bad_after") / pl.col("total_after"),
        before_users=_per_user("share", "users"),
        after_users=_per_user("share_after", "users_after"),
    )
    treated = rates.filter(feature=feature)
    others = rates.filter(pl.col("feature") != feature, ~pl.col("feature").is_in(list(acted_on)))
    if treated.is_empty():
        return _unknown(name, f"It had fewer than {LEAST_EVENTS} events before or after.", days_after=days_after)
    if others.height < LEAST_CONTROLS:
        return _unknown(
            name, f"{others.height} untreated features; {LEAST_CONTROLS} are needed.", days_after=days_after
        )
    rate = f"bad events ({name}) per event that was usual before" if kind == Kind.ROLLBACK else f"rate of {name}"
    return _compared(name, rate, treated.row(0, named=True), others, days_before, days_after)


def _per_user(share: str, users: str) -> pl.Expr:
    return pl.when(pl.col(users) > 0).then(pl.col(share) / pl.col(users)).otherwise(0.0)


def _unknown(metric: str, reason: str, *, days_after: int) -> Outcome:
    return Outcome("not enough evidence", reason, metric, days_after=days_after)


def _compared(
    name: str, rate: str, treated: dict[str, float], others: pl.DataFrame, days_before: int, days_after: int
) -> Outcome:
    drift, effect, low, high = _effect(treated, others, "")
    _, of_users, low_of_users, high_of_users = _effect(treated, others, "_users")
    is_of_few = abs(of_users) * treated["users"] / days_before < LEAST_USERS
    verdict = _verdict(low, high)
    reason = (
        f"The {rate} went from {treated['before']:.2%} to {treated['after']:.2%};"
        f" {others.height} untreated features changed by {drift:+.2%} on average."
    )
    if verdict != "no difference shown" and (is_of_few or verdict != _verdict(low_of_users, high_of_users)):
        verdict = "no difference shown"
        reason += (
            f" Of a mean user it went from {treated['before_users']:.2%} to {treated['after_users']:.2%}:"
            " few users made the difference."
        )
    return Outcome(
        verdict,
        reason,
        name,
        treated["before"],
        treated["after"],
        drift,
        effect,
        low,
        high,
        days_after,
        others.height,
    )


def _effect(treated: dict[str, float], others: pl.DataFrame, of: str) -> tuple[float, float, float, float]:
    """Return the mean change of the untreated features, and the effect beyond it with its interval."""
    changes = (others[f"after{of}"] - others[f"before{of}"]).to_numpy()
    drift = float(changes.mean())
    effect = treated[f"after{of}"] - treated[f"before{of}"] - drift
    low, high = (effect - np.quantile(changes - drift, INTERVAL[::-1])).tolist()
    return drift, effect, low, high


def _verdict(low: float, high: float) -> Verdict:
    return "helped" if high < 0 else "harmed" if low > 0 else "no difference shown"
