"""What a rule could not observe is reported as not known, or left out where an observation makes it irrelevant."""

import json
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from intelligence.decisions.autonomy import TOUCHING
from intelligence.decisions.choice import choice
from intelligence.decisions.facts import FeatureFacts
from intelligence.decisions.record import decided, rules_in_words
from intelligence.decisions.rules import FEATURE_RULES, broken, decisive
from intelligence.decisions.settings import Decisions
from intelligence.decisions.wording import reasons
from tests.intelligence.decisions.facts_of_a_day import (
    AUTO,
    BROKEN_BY_A_RELEASE,
    CASES,
    RAMPING,
    SLOWLY_DECAYING,
    frame,
)

NO_FLAG: dict[str, Any] = {"flag_key": None, "exposure": None, "is_locked": None, "is_held": None}
NIGHT = AUTO.model_validate({**AUTO.model_dump(), "quiet_hours": [{"since": 22, "until": 6}]})


def said(facts: FeatureFacts, settings: Decisions = AUTO) -> str:
    return reasons(choice(facts, settings))


@pytest.mark.parametrize("settings", [AUTO, Decisions()])
@pytest.mark.parametrize("facts", [BROKEN_BY_A_RELEASE, SLOWLY_DECAYING, RAMPING])
@pytest.mark.parametrize("more", [{}, {"drift": None, "model_version": None}, {"quality": "unknown"}, {"tier": None}])
def test_without_a_flag_nothing_else_is_said_of_flags(
    facts: FeatureFacts, settings: Decisions, more: dict[str, Any]
) -> None:
    told = said(replace(facts, **NO_FLAG, has_earlier_release=None, **more), settings)
    assert told.split("Not more: ")[1:] in (["no flag steers it."], [] if facts is RAMPING else None)


UNKNOWN: list[tuple[dict[str, Any], str, str]] = [
    ({"is_locked": None}, "whether a person has locked its flag is not known", "a flag that a person has locked"),
    ({"exposure": None}, "to how many its flag shows it is not known", "that its flag shows to nobody"),
    ({"has_earlier_release": None}, "whether there is an earlier release to go back to is not known", "a rollback needs"),
    ({"touched_in_episode": None}, "whether it was touched already in this trouble is not known", "answered by touching"),
    ({"users_7d": None}, "how many users it has is not known", "too few users"),
    ({"tier": None}, "how vital it is is not known", "a person decides about vital features"),
    ({"drift": None}, "whether the product has drifted is not known", "a product that drifts"),
    ({"drift": "unknown"}, "whether the product has drifted is not known", "a product that drifts"),
    ({"drift": "suspended"}, "whether the product has drifted is not known", "a product that drifts"),
    ({"model_version": None}, "no champion is known that would say what comes next", "an old model"),
    ({"model_age_days": None}, "no champion is known that would say what comes next", "an old model"),
    ({"quality": None}, "whether the telemetry of the day is whole is not known", "at fault"),
    ({"evidence": None}, "whether the day could be judged is not known", "that the day could not confirm"),
    ({"is_held": None}, "whether its ramp is held already is not known", "held already is not held again"),
    ({"flag_key": None, "missing": ("metadata",)}, "whether a flag steers it is not known", "no flag steers it"),
    ({"hour_utc": None}, "whether these are quiet hours is not known", "in quiet hours"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words", "fact"), UNKNOWN)
def test_a_rule_that_could_not_look_says_so(change: dict[str, Any], words: str, fact: str) -> None:
    facts = replace(RAMPING if "is_held" in change else BROKEN_BY_A_RELEASE, **change)
    settings = NIGHT if "hour_utc" in change else AUTO
    kind = "hold" if "is_held" in change else "rollback"
    told = [rule.in_words(facts, settings) for rule in broken(FEATURE_RULES, kind, facts, settings)]
    assert words in told
    assert not [text for text in told if fact in text]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"is_locked": True}, "a flag that a person has locked is not touched"),
        ({"exposure": 0.0}, "a feature that its flag shows to nobody cannot be hidden further"),
        ({"drift": "moved"}, "a product that drifts is doubted"),
        ({"tier": 0}, "a person decides about vital features"),
        ({"users_7d": 3.0}, "a feature with too few users is not touched"),
        (
            {"quality": "partial"},
            "nothing is done about a feature on a day whose telemetry is at fault or was not looked at",
        ),
    ],
)
def test_what_was_seen_is_told_as_seen(change: dict[str, Any], words: str) -> None:
    facts = replace(BROKEN_BY_A_RELEASE, **change)
    assert words in [rule.in_words(facts, AUTO) for rule in broken(FEATURE_RULES, "rollback", facts, AUTO)]


def test_every_rule_that_may_not_know_has_words_for_it() -> None:
    nothing = FeatureFacts(event_date=BROKEN_BY_A_RELEASE.event_date, feature="quiz", missing=("metadata",))
    silent = [rule.name for rule in FEATURE_RULES if rule.holds(nothing, NIGHT) is None and not rule.unknown]
    assert silent == []


def test_what_is_known_makes_moot_what_is_not() -> None:
    """Of any two things that are unknown or bad, a bar that was seen leaves out what could not be seen."""
    changes = [change for change, _, _ in UNKNOWN] + [{"is_locked": True}, {"flag_key": None}, {"users_7d": 1.0}]
    for one, other in combinations(changes, 2):
        facts = replace(BROKEN_BY_A_RELEASE, **{**one, **other})
        for kind in TOUCHING:
            failed = broken(FEATURE_RULES, kind, facts, AUTO)
            told = decisive(failed, facts, AUTO)
            assert bool(told) == bool(failed)
            seen = [rule for rule in failed if rule.holds(facts, AUTO) is False and rule.otherwise == "barred"]
            if seen:
                assert all(rule.holds(facts, AUTO) is False for rule in told)


@pytest.mark.parametrize("facts", CASES)
def test_a_record_tells_its_rules_again_in_the_same_words(facts: FeatureFacts) -> None:
    (row,) = decided(frame(replace(facts, drift=None, is_locked=None)), settings=AUTO).to_dicts()
    words = rules_in_words(row["evidence"], settings=AUTO)
    assert words["drift_is_steady"] == "whether the product has drifted is not known"
    assert words["no_human_lock"] == "whether a person has locked its flag is not known"
    told = [
        words[name] for name in row["lowered_by"] if name in words and name in {rule.name for rule in FEATURE_RULES}
    ]
    assert all(text in row["reasons"] for text in told)


def test_the_record_of_a_faulty_day_keeps_no_facts_and_its_rules_are_told_as_they_are() -> None:
    assert (
        rules_in_words(json.dumps({"quality": "partial"}), settings=AUTO)["has_a_flag"]
        == "only a feature behind a flag can be touched"
    )
