"""Frames of one day made by hand, in the shape of the lake's tables."""

from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from intelligence.decisions.evidence import Sources
from tests.spread_of_users import alike

DAY = date(2026, 7, 20)
NO_ACTIONS = pl.DataFrame(
    schema={"feature": pl.String, "kind": pl.String, "episode": pl.String, "day": pl.Date, "state": pl.String}
)


def back(days: int) -> date:
    return DAY - timedelta(days=days)


def health(feature: str, state: str = "degraded", since: date | None = None, **other: Any) -> dict[str, Any]:
    return {
        "event_date": DAY, "feature": feature, "state": state, "evidence": "enough", "since": since or back(1),
        "calm_days": 0, "reason": "errors: 60 of 800 events were bad", "worst_objective": "errors", "burn_1d": 3.0,
        "burn_3d": 2.5, "burn_28d": 0.5, "users": 400, "reach_28d": 0.15, "most_bad_user": None,
        "most_bad_events": None, **other,
    }  # fmt: skip


def used(feature: str, day: date, failed: int, users: int = 400) -> dict[str, Any]:
    counts = {
        "event_date": day, "feature": feature, "usage_count": 800, "failed_events": failed, "crashed_events": 1,
        "timed_events": 700, "slow_events": 4, "ratings": 20, "bad_ratings": 2, "mean_latency_ms": 200.0,
    }  # fmt: skip
    return {**counts, **alike({name: n for name, n in counts.items() if isinstance(n, int)}, users), "users": users}


def described(feature: str, **other: Any) -> dict[str, Any]:
    return {
        "feature": feature, "owner": "team-quiz", "tier": 2, "lifecycle": "live", "flag_key": feature,
        "max_error_rate": 0.02, "max_crash_rate": 0.01, "max_slow_rate": 0.05, "max_bad_rating_rate": 0.4,
        "max_bad_answer_rate": 0.2, **other,
    }  # fmt: skip


def by_release(feature: str, platform: str, version: str, day: date, events: int, failed: int) -> dict[str, Any]:
    return {
        "event_date": day, "feature": feature, "platform": platform, "app_version": version, "events": events,
        "failed_events": failed, "users": events, "failed_users": failed, "failed_square_sum": failed,
        "failed_cross_sum": failed, "events_square_sum": events, "failed_share_sum": float(failed),
        "failed_share_square_sum": float(failed),
    }  # fmt: skip


def known_harmed(feature: str, day: date, failed: int = 40) -> dict[str, Any]:
    return {
        "event_date": day, "feature": feature, "known_failed_users": failed, "known_crashed_users": 1,
        "known_slow_users": 2, "known_disliked_users": 1, "known_let_down_users": 0,
    }  # fmt: skip


RELEASES = pl.DataFrame(
    [
        {"app_version": version, "platform": platform, "first_seen_at": datetime.combine(first, datetime.min.time())}
        for platform in ("ios", "web")
        for version, first in (("3.1.0", back(60)), ("3.2.0", back(2)), ("3.3.0", DAY + timedelta(days=1)))
    ]
)


# On a day on which nothing is unusual there are no rows.
OPEN_EPISODES = pl.DataFrame(
    schema={
        "features": pl.List(pl.String), "is_adverse": pl.Boolean, "severity": pl.String, "surprise": pl.Float64,
        "first_day": pl.Date, "title": pl.String,
    }
)  # fmt: skip


def sources(**other: Any) -> Sources:
    """Return a day on which quiz is broken by release 3.2.0 on ios and chat is sound, with nothing missing."""
    failures = {("ios", "3.2.0"): 50, ("ios", "3.1.0"): 1, ("web", "3.2.0"): 2, ("web", "3.1.0"): 1}
    whole: dict[str, Any] = {
        "health": pl.DataFrame([health("quiz"), health("chat", "healthy", back(60), calm_days=60)]),
        "features": pl.DataFrame([described("quiz"), described("chat"), described("never_used")]),
        "metrics": pl.DataFrame(
            [used("quiz", back(n), 54) for n in range(4)] + [used("chat", back(n), 2) for n in range(4)]
        ),
        "quality": pl.DataFrame({"event_date": [back(1), DAY], "verdict": ["partial", "whole"]}),
        "risk": pl.DataFrame(
            [
                {"event_date": DAY, "feature": "chat", "risk_score": 0.1, "risk_low": 0.05, "risk_high": 0.2,
                 "impact_score": 40.0, "reason_1": "slow"},
            ]
        ),
        "panel": pl.DataFrame(
            [
                {"event_date": DAY, "feature": name, "users_7d": 400.0, "error_rise_7d": 5.0, "release_age_days": 2.0}
                for name in ("quiz", "chat")
            ]
        ),
        "releases": RELEASES,
        "release_days": pl.DataFrame(
            [by_release("quiz", *name, back(n), 200, failed) for name, failed in failures.items() for n in range(2)]
        ),
        "known_harmed": pl.DataFrame([known_harmed(name, back(n)) for name in ("quiz", "chat") for n in range(3)]),
        "signals": OPEN_EPISODES,
        "drift": pl.DataFrame({"event_date": [DAY], "state": ["steady"]}),
        "flags": pl.DataFrame(
            [
                {"feature": name, "flag_key": name, "exposure": 1.0, "is_locked": False, "is_held": False}
                for name in ("quiz", "chat")
            ]
        ),
        "previous_actions": NO_ACTIONS,
        "model_version": 3,
        "trained_through": back(9),
    }  # fmt: skip
    return Sources(**{**whole, **other})
