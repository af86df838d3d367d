"""From findings of the guard to evidence for the policy: the same facts as of a day, from the windows of an hour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from intelligence.decisions.facts import FACT_SCHEMA, SharedFacts
from intelligence.decisions.history import with_previous_actions
from intelligence.decisions.settings import Decisions
from intelligence.online.guard import Finding, independent, user_share


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of a feature beside the finding.

    Attributes:
        owner: Its owner.
        tier: Its tier, 0 for the most vital.
        flag_key: Key of its flag; None without one.
        exposure: Share of users to whom the flag shows it; None where the flag cannot be read.
        is_locked: Whether a person has locked the flag.
        is_held: Whether its ramp is held.
        users: Users of the feature in the last day of the stream.
        all_users: Users of the product in the last day of the stream.
        harmed: Users whom the release harmed in the last hour, counted one by one.
        known_harmed: Those of them who were there before the release.
    """

    owner: str
    tier: int
    flag_key: str | None
    exposure: float | None
    is_locked: bool | None
    is_held: bool | None
    users: float
    all_users: float
    harmed: int
    known_harmed: int


def strongest(findings: Sequence[Finding]) -> list[Finding]:
    """Return one finding for each feature, that with the highest burn, sorted by feature.

    Args:
        findings: The findings.
    """
    found: dict[str, Finding] = {}
    for each in sorted(findings, key=lambda one: (one.feature, -one.burn, one.platform, one.release)):
        found.setdefault(each.feature, each)
    return list(found.values())


def guard_evidence(
    findings: Sequence[Finding],
    around: Mapping[str, Surroundings],
    *,
    day: date,
    previous: pl.DataFrame | None,
    used: SharedFacts,
    hour_utc: int | None,
    settings: Decisions,
) -> pl.DataFrame:
    """Return one row of evidence for each finding, with the columns of FeatureFacts.

    Args:
        findings: At most one for each feature.
        around: What else is known, by feature.
        day: The day on the product's clock.
        previous: Previous actions, those of the same day as if they were of the day before; None where they are not known.
        used: What was used of the shared limits.
        hour_utc: Hour on the product's clock; None where the policy has no quiet hours.
        settings: The policy.
    """
    rows = [_row(each, around[each.feature], day) for each in findings]
    shared = {
        "hour_utc": hour_utc,
        "share_this_hour": used.share_now,
        "share_this_day": used.share_today,
        "touches_this_day": used.touches_today,
        "messages_this_day": used.messages_today,
    }
    lacking = [] if previous is not None else ["previous_actions"]
    absent = dict.fromkeys(FACT_SCHEMA)
    known = pl.DataFrame(
        [{**absent, "touches_lately": 0, **row, **shared, "missing": [*row["missing"], *lacking]} for row in rows],
        schema=FACT_SCHEMA,
        orient="row",
    )
    by_history = ("episode", "last_touch_days", "touches_lately", "touched_in_episode", "told_in_episode")
    if previous is None:
        return with_previous_actions(known.drop("episode"), None, day=day, settings=settings).select(
            [pl.col(name).cast(kind) for name, kind in FACT_SCHEMA.items()]
        )
    found = with_previous_actions(known.drop(by_history), previous, day=day, settings=settings)
    return found.select([pl.col(name).cast(kind) for name, kind in FACT_SCHEMA.items()])


def _row(finding: Finding, around: Surroundings, day: date) -> dict[str, Any]:
    figures, control = finding.figures, finding.control
    share, users = user_share(figures, finding.bad), independent(figures)
    others, of_others = independent(control), finding.control_bad / control.events if control.events else 0.0
    at = datetime.fromtimestamp(finding.at_ms / 1000, UTC)
    return {
        "event_date": day,
        "feature": finding.feature,
        "owner": around.owner,
        "tier": around.tier,
        "flag_key": around.flag_key,
        "exposure": around.exposure,
        "is_locked": around.is_locked,
        "is_held": around.is_held,
        "state": "degraded",
        "evidence": "enough",
        "since": day,
        "began_in_trouble": False,
        "calm_days": 0,
        "reason": finding.sentence,
        "worst_objective": finding.objective,
        "burn_1d": finding.burn,
        "allowed": finding.allowed,
        "bad_1d": finding.bad,
        "total_1d": figures.events,
        "effective_1d": users,
        "user_share_1d": share,
        "effective_users_1d": users,
        "is_dominated_1d": False,
        "harmed_users": float(around.harmed),
        "known_harmed_users": around.known_harmed,
        "usage_count": figures.events,
        "users": round(figures.users),
        "failed_events": figures.errors,
        "crashed_events": figures.crashes,
        "users_7d": around.users,
        "share_of_users": min(1.0, around.users / around.all_users) if around.all_users > 0 else None,
        "release": finding.release,
        "platform": finding.platform,
        "release_events": figures.events,
        "release_failed": finding.bad,
        "other_events": control.events,
        "other_failed": finding.control_bad,
        "release_users": round(figures.users),
        "release_failed_users": around.harmed,
        "release_harmed_users": float(around.harmed),
        "release_effective": users,
        "release_user_share": share,
        "release_effective_users": users,
        "other_effective": others,
        "other_user_share": of_others,
        "other_effective_users": others,
        "has_earlier_release": True,
        "quality": "whole",
        "guarded_at": at.isoformat(timespec="minutes").replace("+00:00", "Z"),
        "missing": ["flag"] if around.flag_key is not None and around.exposure is None else [],
    }
