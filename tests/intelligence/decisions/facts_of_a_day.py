"""Facts made by hand, and ways to make any facts worse."""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date, timedelta
from typing import Any

import polars as pl

from intelligence.decisions.facts import FACT_SCHEMA, FeatureFacts
from intelligence.decisions.settings import Decisions

DAY = date(2026, 7, 20)
AUTO = Decisions().at_level("auto")

# A release that breaks a feature behind a flag, with nothing to doubt.
BROKEN_BY_A_RELEASE = FeatureFacts(
    event_date=DAY, feature="quiz", owner="team-quiz", tier=2, lifecycle="live", flag_key="quiz", exposure=1.0,
    is_locked=False, is_held=False, state="degraded", evidence="enough", since=DAY - timedelta(days=1), calm_days=0,
    reason="errors: 60 of 800 events were bad", worst_objective="errors", allowed=0.02, bad_1d=60, total_1d=800,
    bad_3d=150, total_3d=2400, effective_1d=800.0, user_share_1d=0.075, effective_users_1d=800.0, is_dominated_1d=False,
    effective_3d=2400.0, user_share_3d=0.0625, effective_users_3d=2400.0, is_dominated_3d=False, harmed_users=45.0,
    known_harmed_users=40, usage_count=800, users=400, failed_events=60, users_7d=400.0, share_of_users=0.15,
    error_rise_7d=8.0, release_age_days=2.0, model_version=3, model_age_days=5, release="3.1.0", platform="ios",
    release_events=300, release_failed=140, other_events=2100, other_failed=10, release_users=120,
    release_failed_users=70, release_harmed_users=66.0, release_effective=300.0, release_user_share=140 / 300,
    release_effective_users=300.0, other_effective=2100.0, other_user_share=10 / 2100, other_effective_users=2100.0,
    has_earlier_release=True,
    quality="whole", drift="steady", episode="quiz@2026-07-19", touched_in_episode=False,
)  # fmt: skip
SLOWLY_DECAYING = replace(
    BROKEN_BY_A_RELEASE,
    release_events=800,
    release_failed=50,
    other_events=1600,
    other_failed=100,
    release_effective=800.0,
    release_user_share=50 / 800,
    release_effective_users=800.0,
    other_effective=1600.0,
    other_user_share=100 / 1600,
    other_effective_users=1600.0,
)
SOUND = replace(
    SLOWLY_DECAYING, state="healthy", since=DAY - timedelta(days=60), calm_days=60, reason="errors: 2 of 800 were bad",
    bad_1d=2, bad_3d=6, user_share_1d=2 / 800, user_share_3d=6 / 2400, failed_events=2, release_failed=2, other_failed=4, error_rise_7d=0.1,
    risk_score=0.01, risk_low=0.005, risk_high=0.02, episode="quiz@2026-07-20",
)  # fmt: skip
ABOUT_TO_BREAK = replace(SOUND, risk_score=0.9, risk_low=0.8, risk_high=0.97, error_rise_7d=1.0)
RAMPING = replace(ABOUT_TO_BREAK, exposure=0.3, release_age_days=1.0)
LASTING = replace(
    SOUND, state="at_risk", since=DAY - timedelta(days=9), reason="errors: 14 of 800 events were bad", users_7d=60.0
)
CASES = (BROKEN_BY_A_RELEASE, SLOWLY_DECAYING, SOUND, ABOUT_TO_BREAK, RAMPING, LASTING)

Degradation = Callable[[FeatureFacts], FeatureFacts]


def without(name: str, *columns: str, also: dict[str, Any] | None = None) -> Degradation:
    def degraded(facts: FeatureFacts) -> FeatureFacts:
        gone: dict[str, Any] = {**dict.fromkeys(columns), **(also or {})}
        return replace(facts, missing=tuple(sorted({*facts.missing, name})), **gone)

    return degraded


def with_(**values: Any) -> Degradation:
    return lambda facts: replace(facts, **values)


def _wider(facts: FeatureFacts) -> FeatureFacts:
    if facts.risk_low is None or facts.risk_high is None:
        return facts
    return replace(facts, risk_low=facts.risk_low / 3, risk_high=(facts.risk_high + 2) / 3)


def _riskless(facts: FeatureFacts) -> FeatureFacts:
    if facts.state == "degraded":
        return facts
    return without("risk", "risk_score", "risk_low", "risk_high")(facts)


def _fewer_users(facts: FeatureFacts) -> FeatureFacts:
    return replace(facts, users_7d=(facts.users_7d or 0) / 3)


def _fewer_counts_by_release(facts: FeatureFacts) -> FeatureFacts:
    names = ("release_events", "release_failed", "other_events", "other_failed")
    if any(getattr(facts, name) is None for name in names):
        return facts
    shrunk = {name: (getattr(facts, name) or 0) / 4 for name in EFFECTIVE}
    return replace(facts, **{name: getattr(facts, name) // 8 * 2 for name in names}, **shrunk)


def _fewer_harmed(facts: FeatureFacts) -> FeatureFacts:
    return replace(facts, harmed_users=(facts.harmed_users or 0) / 4, release_harmed_users=2.0)


def _one_user_behind_it(facts: FeatureFacts) -> FeatureFacts:
    users = facts.total_1d or 100
    return replace(
        facts, effective_1d=1.1, effective_3d=1.1, user_share_1d=1 / users, user_share_3d=1 / users, harmed_users=1.0,
        known_harmed_users=1, release_harmed_users=1.0, release_user_share=1 / users, release_effective=1.1,
    )  # fmt: skip


def _older(facts: FeatureFacts) -> FeatureFacts:
    return (
        replace(facts, model_age_days=(facts.model_age_days or 0) + 50) if facts.model_age_days is not None else facts
    )


def _touched_lately(facts: FeatureFacts) -> FeatureFacts:
    return replace(facts, last_touch_days=1, touches_lately=facts.touches_lately + 1)


def _not_assessed(facts: FeatureFacts) -> FeatureFacts:
    return replace(facts, quality="unknown") if facts.quality == "whole" else facts


EFFECTIVE = ("release_effective", "release_effective_users", "other_effective", "other_effective_users")
RELEASE_COUNTS = ("release_events", "release_failed", "other_events", "other_failed")
DOUBTS: dict[str, Degradation] = {
    "no health": without("health", also={"state": "unknown"}),
    "no metadata": without("metadata", "tier"),
    "no figures": without(
        "figures", "allowed", "bad_1d", "total_1d", "bad_3d", "total_3d", "user_share_1d", "user_share_3d"
    ),
    "no risk": _riskless,
    "no champion": without("model", "model_version", "model_age_days"),
    "no panel": without("panel", "error_rise_7d", "release_age_days"),
    "no counts by release": without("release_counts", *RELEASE_COUNTS),
    "no releases": without("releases", *RELEASE_COUNTS, "has_earlier_release"),
    "no flag state": without("flag", "exposure", "is_locked", "is_held"),
    "quality not known": without("quality", "quality"),
    "quality not judged": _not_assessed,
    "partial day": with_(quality="partial"),
    "empty day": with_(quality="empty"),
    "drift not known": without("drift", "drift"),
    "drift": with_(drift="moved"),
    "drift suspended": with_(drift="suspended"),
    "nobody counted the harmed": with_(harmed_users=None),
    "nobody knows the harmed": with_(known_harmed_users=None),
    "only newcomers harmed": with_(known_harmed_users=0),
    "few harmed": _fewer_harmed,
    "one user behind it": _one_user_behind_it,
    "fewer independent events": with_(effective_1d=30.0, effective_3d=40.0),
    "fewer independent users": with_(effective_users_1d=30.0, effective_users_3d=40.0),
    "wider interval": _wider,
    "older model": _older,
    "locked": with_(is_locked=True),
    "held": with_(is_held=True),
    "too few events": with_(evidence="low_volume"),
    "vital": with_(tier=0),
    "no earlier release": with_(has_earlier_release=False),
    "touched lately": _touched_lately,
    "touched again and again": with_(touches_lately=5),
    "touched in the episode": with_(touched_in_episode=True),
    "told in the episode": with_(told_in_episode="alert"),
    "all users touched": with_(share_of_users=None),
}
FORGOTTEN_PAST = without(
    "previous_actions", "last_touch_days", "touched_in_episode", "told_in_episode", also={"touches_lately": 0}
)
LOSSES: dict[str, Degradation] = {"fewer users": _fewer_users, "fewer counts by release": _fewer_counts_by_release}


def frame(*facts: FeatureFacts) -> pl.DataFrame:
    rows = [{**asdict(each), "missing": list(each.missing)} for each in facts]
    return pl.DataFrame(rows, schema=FACT_SCHEMA, orient="row")
