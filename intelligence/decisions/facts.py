"""What is known of one feature at the end of one day, as rules and scores read it; None means not known."""

from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final, get_args, get_type_hints

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureFacts:
    """One row of the evidence; `missing` names what could not be found, and no default replaces it.

    `bad_*`, `total_*`, `allowed` and the columns after them belong to the promise that is broken most, over one day (`_1d`)
    or three (`_3d`): `effective_*` is the number of independent events with the same information (the effective sample
    size), `user_share_*` the mean share of bad events of a user, `effective_users_*` the same number of users; where
    `is_dominated_*` is true, few users make most of the events and only the share per user counts.

    `harmed_users` is an estimate that counts all users equally, `known_harmed_users` counts those first seen a week or more
    before. `release_*` belong to the recent release whose failure rate exceeds that of the rest the most, `other_*` to that
    rest. `*_this_hour` and `*_this_day` sum up what was done without a person before this decision: in the hour before it,
    and by decisions of the same day. `quality` is the verdict on the day's telemetry; it is `doubtful` where only some
    columns make it partial. `hour_utc` is the hour on the product's clock. `experiment*` belong to a variant that should be
    rolled back or shipped: `experiment_steers_flag` is whether the flag of the feature is the one that shows it. `signal*` belong
    to the worst open episode of `signals.episodes`: what is unusual about the feature, an association (grade D). `guarded_at` is
    the minute in which the guard of the stream saw the trouble, None for decisions on a day: the figures are then those of an
    hour, the release is compared with older ones in the same hour, and no model foresaw anything.
    """

    event_date: date
    feature: str
    owner: str | None = None
    tier: int | None = None
    lifecycle: str | None = None
    flag_key: str | None = None
    exposure: float | None = None
    is_locked: bool | None = None
    is_held: bool | None = None
    state: str | None = None
    evidence: str | None = None
    since: date | None = None
    began_in_trouble: bool | None = None
    calm_days: int | None = None
    reason: str | None = None
    worst_objective: str | None = None
    burn_1d: float | None = None
    burn_3d: float | None = None
    burn_28d: float | None = None
    allowed: float | None = None
    bad_1d: int | None = None
    total_1d: int | None = None
    bad_3d: int | None = None
    total_3d: int | None = None
    effective_1d: float | None = None
    user_share_1d: float | None = None
    effective_users_1d: float | None = None
    is_dominated_1d: bool | None = None
    effective_3d: float | None = None
    user_share_3d: float | None = None
    effective_users_3d: float | None = None
    is_dominated_3d: bool | None = None
    harmed_users: float | None = None
    known_harmed_users: int | None = None
    most_bad_user: str | None = None
    most_bad_events: int | None = None
    usage_count: int | None = None
    users: int | None = None
    failed_events: int | None = None
    crashed_events: int | None = None
    slow_events: int | None = None
    timed_events: int | None = None
    bad_ratings: int | None = None
    ratings: int | None = None
    bad_answers: int | None = None
    scored_answers: int | None = None
    mean_latency_ms: float | None = None
    users_7d: float | None = None
    share_of_users: float | None = None
    error_rise_7d: float | None = None
    release_age_days: float | None = None
    risk_score: float | None = None
    risk_low: float | None = None
    risk_high: float | None = None
    risk_reason: str | None = None
    impact_score: float | None = None
    model_version: int | None = None
    model_age_days: int | None = None
    release: str | None = None
    platform: str | None = None
    release_events: int | None = None
    release_failed: int | None = None
    other_events: int | None = None
    other_failed: int | None = None
    release_users: int | None = None
    release_failed_users: int | None = None
    release_harmed_users: float | None = None
    release_effective: float | None = None
    release_user_share: float | None = None
    release_effective_users: float | None = None
    other_effective: float | None = None
    other_user_share: float | None = None
    other_effective_users: float | None = None
    has_earlier_release: bool | None = None
    quality: str | None = None
    quality_reason: str | None = None
    quality_since: date | None = None
    drift: str | None = None
    experiment: str | None = None
    experiment_verdict: str | None = None
    experiment_reason: str | None = None
    experiment_grade: str | None = None
    experiment_confidence: float | None = None
    experiment_units: int | None = None
    experiment_since: date | None = None
    experiment_steers_flag: bool | None = None
    signal: str | None = None
    signal_severity: str | None = None
    signal_since: date | None = None
    episode: str | None = None
    last_touch_days: int | None = None
    touches_lately: int = 0
    touched_in_episode: bool | None = None
    told_in_episode: str | None = None
    hour_utc: int | None = None
    guarded_at: str | None = None
    share_this_hour: float = 0.0
    share_this_day: float = 0.0
    touches_this_day: int = 0
    messages_this_day: int = 0
    missing: tuple[str, ...] = ()

    @property
    def experiment_calls(self) -> str | None:
        """Return the verdict that calls for action, roll_back or ship; None where the feature is degraded, which calls louder."""
        return None if self.state == "degraded" else self.experiment_verdict


# Counts of past actions are 0, not null, where there is no record of any.
COUNTED_FROM_ZERO: Final = (
    "touches_lately",
    "share_this_hour",
    "share_this_day",
    "touches_this_day",
    "messages_this_day",
)
FACT_NAMES: Final = tuple(field.name for field in fields(FeatureFacts))
_TYPES: Final[dict[object, Any]] = {
    str: pl.String,
    int: pl.Int64,
    float: pl.Float64,
    bool: pl.Boolean,
    date: pl.Date,
    tuple[str, ...]: pl.List(pl.String),
}


def _type_of(hint: object) -> Any:
    return _TYPES[hint] if hint in _TYPES else _TYPES[get_args(hint)[0]]


FACT_SCHEMA: Final = pl.Schema({name: _type_of(hint) for name, hint in get_type_hints(FeatureFacts).items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFacts:
    """What decisions have used up of the shared limits.

    Attributes:
        share_now: Share of the product's users touched without a person in the last hour.
        share_today: Share of the product's users touched without a person by decisions of the day.
        touches_today: Features touched without a person by decisions of the day.
        messages_today: Tickets and alerts sent by decisions of the day.
    """

    share_now: float = 0.0
    share_today: float = 0.0
    touches_today: int = 0
    messages_today: int = 0
