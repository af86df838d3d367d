"""Limits that decisions share: users touched, features touched and messages sent."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

import polars as pl

from intelligence.decisions.autonomy import ADVANCE, NOTIFYING, TOUCHING, Level
from intelligence.decisions.choice import Choice
from intelligence.decisions.facts import FeatureFacts, SharedFacts
from intelligence.decisions.rules import SHARED_RULES, broken, level_under
from intelligence.decisions.settings import Decisions

_SENT: Final[tuple[Level, ...]] = ("approve", "auto")
_NOTHING_USED: Final[dict[str, Any]] = {
    "share_this_hour": 0.0,
    "share_this_day": 0.0,
    "touches_this_day": 0,
    "messages_this_day": 0,
}


def within_limits(choices: Sequence[Choice], settings: Decisions) -> list[Choice]:
    """Return the choices in the same order, lowered where a shared limit is used up.

    Two things use up a limit: earlier decisions of the hour and of the same day, which the facts contain, and then the
    choices with a higher score. A feature may use what another one does not: only the sum is limited. The facts of a choice
    that uses no limit are set to nothing used, so that earlier decisions do not change its record.

    Args:
        choices: The choices for all features of one day.
        settings: The policy.
    """
    ranked = sorted(range(len(choices)), key=lambda place: (-_score(choices[place]), choices[place].facts.feature))
    used, kept = SharedFacts(), list(choices)
    for place in ranked:
        each = choices[place]
        if not _uses_limits(each) or each.level is None:
            kept[place] = replace(each, facts=replace(each.facts, **_NOTHING_USED))
            continue
        requested = _with(used, each, settings)
        failed = broken(SHARED_RULES, each.action, _on_top_of(each.facts, requested), settings)
        if not failed:
            used = requested
            continue
        level = level_under(each.level, failed)
        names = tuple(rule.name for rule in failed)
        kept[place] = replace(each, level=level, lowered_by=(*each.lowered_by, *names))
    return kept


def used_before(decisions: pl.DataFrame, *, day: date, lately: Collection[str], settings: Decisions) -> SharedFacts:
    """Return what decisions that were carried out, or are about to be, have used up when a day is decided again.

    Args:
        decisions: Rows of `decisions.feature_decisions`, all of them carried out or about to be.
        day: The day that is decided again.
        lately: Ids of the decisions that were carried out in the last hour, whatever their day.
        settings: The policy.
    """
    used = SharedFacts()
    for row in decisions.filter(pl.col("scope") != "pipeline").iter_rows(named=True):
        is_of_day, kind, known = row["event_date"] == day, row["action"], json.loads(row["evidence"])
        if kind in NOTIFYING and row["level"] in _SENT and is_of_day:
            used = replace(used, messages_today=used.messages_today + 1)
        if (kind in TOUCHING or kind == ADVANCE) and row["level"] == "auto":
            is_step = row["scope"] == "rollout"
            reach, exposure = known["share_of_users"], known["exposure"]
            share = known["touched"] if is_step else share_touched(kind, reach, exposure, settings)
            used = replace(
                used,
                share_now=used.share_now + share * (row["decision_id"] in lately),
                share_today=used.share_today + share * is_of_day,
                touches_today=used.touches_today + is_of_day,
            )
    return used


def _on_top_of(facts: FeatureFacts, requested: SharedFacts) -> SharedFacts:
    return SharedFacts(
        share_now=facts.share_this_hour + requested.share_now,
        share_today=facts.share_this_day + requested.share_today,
        touches_today=facts.touches_this_day + requested.touches_today,
        messages_today=facts.messages_this_day + requested.messages_today,
    )


def _score(choice: Choice) -> float:
    return choice.chosen.score if choice.chosen else 0.0


def _uses_limits(choice: Choice) -> bool:
    if choice.action in TOUCHING:
        return choice.level == "auto"
    return choice.action in NOTIFYING and choice.level in _SENT


def _with(used: SharedFacts, choice: Choice, settings: Decisions) -> SharedFacts:
    if choice.action in NOTIFYING:
        return replace(used, messages_today=used.messages_today + 1)
    share = touched_share(choice, settings)
    return replace(
        used,
        share_now=used.share_now + share,
        share_today=used.share_today + share,
        touches_today=used.touches_today + 1,
    )


def touched_share(choice: Choice, settings: Decisions) -> float:
    """Return the share of the product's users whom the chosen action touches; 1 where it is not known.

    Args:
        choice: The choice for one feature.
        settings: The policy.
    """
    return share_touched(choice.action, choice.facts.share_of_users, choice.facts.exposure, settings)


def share_touched(kind: str, reach: float | None, exposure: float | None, settings: Decisions) -> float:
    """Return the share of the product's users whom an action on a feature touches.

    Args:
        kind: Kind of action; a hold touches nobody.
        reach: Share of the product's users who use the feature, in [0, 1]; None counts as 1.
        exposure: Share of users to whom the flag shows the feature, in [0, 1]; None counts as 1.
        settings: The policy, for the step of a throttle.
    """
    if kind == "hold":
        return 0.0
    if reach is None:
        return 1.0
    shown = 1.0 if exposure is None else exposure
    return reach * (min(shown, settings.throttle_step) if kind == "throttle" else shown)
