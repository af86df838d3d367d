"""What is chosen for a feature, and why nothing stronger."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from intelligence.decisions.autonomy import ACTIVE, LEVELS
from intelligence.decisions.choice import Choice, choice
from intelligence.decisions.facts import FeatureFacts
from intelligence.decisions.rules import FEATURE_RULES
from intelligence.decisions.settings import Decisions
from tests.intelligence.decisions.facts_of_a_day import (
    ABOUT_TO_BREAK,
    AUTO,
    BROKEN_BY_A_RELEASE,
    DAY,
    DOUBTS,
    LASTING,
    RAMPING,
    SLOWLY_DECAYING,
    SOUND,
)  # fmt: skip

# Three failures in forty events, each of another user, do not make sure that the release is to blame.
OF_A_SMALL_RELEASE = replace(
    BROKEN_BY_A_RELEASE, release_failed=3, release_events=40, release_effective=40.0, release_user_share=3 / 40,
    release_effective_users=40.0,
)  # fmt: skip


def policy(**changes: Any) -> Decisions:
    merged = AUTO.model_dump()
    for name, change in changes.items():
        merged[name] = {**merged[name], **change} if isinstance(change, dict) else change
    return Decisions.model_validate(merged)


def made(facts: FeatureFacts, **changes: Any) -> Choice:
    return choice(facts, policy(**changes))


@pytest.mark.parametrize(
    ("facts", "action"),
    [
        pytest.param(BROKEN_BY_A_RELEASE, "rollback", id="a release that breaks a feature is rolled back"),
        pytest.param(SLOWLY_DECAYING, "throttle", id="a decay behind a flag is throttled"),
        pytest.param(replace(SLOWLY_DECAYING, flag_key=None), "alert", id="a decay without a flag is alerted about"),
        pytest.param(replace(BROKEN_BY_A_RELEASE, flag_key=None), "alert", id="no flag, no rollback"),
        pytest.param(ABOUT_TO_BREAK, "alert", id="a high risk is alerted about"),
        pytest.param(RAMPING, "hold", id="a risk that comes with a ramp holds the ramp"),
        pytest.param(LASTING, "ticket", id="low trouble that lasts gets a ticket"),
        pytest.param(SOUND, "monitor", id="a sound feature is left alone"),
        pytest.param(
            replace(SOUND, exposure=0.5, release_age_days=1.0), "monitor", id="a ramp by itself is no trouble"
        ),
        pytest.param(replace(SLOWLY_DECAYING, exposure=0.0), "alert", id="what nobody sees is not throttled further"),
        pytest.param(replace(BROKEN_BY_A_RELEASE, calm_days=1, bad_1d=1), "monitor", id="mended today"),
    ],
)
def test_each_trouble_has_its_answer(facts: FeatureFacts, action: str) -> None:
    assert made(facts).action == action


def test_every_action_is_in_shadow_by_default() -> None:
    for facts in (BROKEN_BY_A_RELEASE, SLOWLY_DECAYING, ABOUT_TO_BREAK, LASTING):
        found = choice(facts, Decisions())
        assert (found.action, found.level) == (made(facts).action, "shadow")


@pytest.mark.parametrize("level", LEVELS)
def test_the_ladder_is_climbed_kind_by_kind(level: str) -> None:
    levels = {"rollback": {"level": level}, "throttle": {"level": "shadow"}}
    assert made(BROKEN_BY_A_RELEASE, **levels).level == level
    assert made(SLOWLY_DECAYING, **levels).level == "shadow"


@pytest.mark.parametrize(
    ("change", "rule", "action", "level"),
    [
        ({"tier": 0}, "vital_needs_a_person", "rollback", "approve"),
        ({"tier": None}, "vital_needs_a_person", "rollback", "approve"),
        ({"touches_lately": 2, "last_touch_days": 10}, "anti_flap", "rollback", "approve"),
        ({"quality": "unknown"}, "day_is_known_whole", "rollback", "approve"),
        ({"drift": "moved"}, "drift_is_steady", "rollback", "approve"),
        ({"drift": None}, "drift_is_steady", "rollback", "approve"),
        ({"model_version": None}, "champion_is_there", "rollback", "approve"),
        ({"model_age_days": 61}, "model_is_young", "rollback", "approve"),
        ({"drift": "moved", "model_age_days": 61}, "model_is_young", "rollback", "advise"),
        ({"drift": "moved", "model_version": None, "quality": "unknown"}, "champion_is_there", "rollback", "shadow"),
        ({"quality": "partial"}, "telemetry_is_whole", "monitor", None),
        ({"quality": "empty"}, "telemetry_is_whole", "monitor", None),
        ({"quality": None}, "telemetry_is_whole", "monitor", None),
        ({"evidence": "low_volume"}, "day_was_judged", "ticket", "auto"),
        ({"is_locked": True}, "no_human_lock", "alert", "auto"),
        ({"is_locked": None}, "no_human_lock", "alert", "auto"),
        ({"last_touch_days": 3}, "cooldown", "ticket", "auto"),
        ({"touched_in_episode": True, "last_touch_days": 4}, "touched_once_per_episode", "alert", "auto"),
        ({"has_earlier_release": False}, "a_release_to_go_back_to", "throttle", "auto"),
    ],
)
def test_each_rule_lowers_what_would_be_done(change: dict[str, Any], rule: str, action: str, level: str | None) -> None:
    found = made(replace(BROKEN_BY_A_RELEASE, **change), rollback={"cost": 20})
    assert (found.action, found.level) == (action, level)
    assert rule in found.lowered_by


def test_too_few_users_are_not_touched() -> None:
    found = made(BROKEN_BY_A_RELEASE, limits={"minimum_users": 401})
    assert (found.action, found.lowered_by) == ("alert", ("minimum_volume",))
    assert made(replace(BROKEN_BY_A_RELEASE, users_7d=25.0)).action in ("alert", "ticket")


def test_a_feature_that_was_told_about_is_touched_but_not_told_about_again() -> None:
    alerted = replace(SLOWLY_DECAYING, told_in_episode="alert")
    assert made(alerted).action == "throttle"
    assert made(replace(alerted, flag_key=None)).action == "monitor"


def test_a_wide_interval_is_doubted() -> None:
    wide = replace(RAMPING, risk_low=0.45, risk_high=1.0)
    found = made(wide, hold={"confidence": 0.4})
    assert (found.action, found.level) == ("hold", "approve")
    assert "interval_is_narrow" in found.lowered_by


def test_a_held_ramp_is_not_held_again() -> None:
    assert made(replace(RAMPING, is_held=True)).action == "alert"


@pytest.mark.parametrize(
    ("hours", "hour", "level"),
    [((22, 6), 23, "approve"), ((22, 6), 6, "auto"), ((8, 10), 9, "approve"), ((8, 10), None, "approve")],
)
def test_nothing_is_touched_alone_in_quiet_hours(hours: tuple[int, int], hour: int | None, level: str) -> None:
    quiet = ({"since": hours[0], "until": hours[1]},)
    assert made(replace(BROKEN_BY_A_RELEASE, hour_utc=hour), quiet_hours=quiet).level == level


@pytest.mark.parametrize(("days", "level"), [(0, "advise"), (1, "auto")])
def test_a_freeze_only_advises(days: int, level: str) -> None:
    window = {"first": DAY - timedelta(days=5), "last": DAY}
    found = made(replace(BROKEN_BY_A_RELEASE, event_date=DAY + timedelta(days=days)), freeze=(window,))
    assert (found.action, found.level) == ("rollback", level)


@pytest.mark.parametrize("kind", ["rollback", "throttle", "hold", "alert", "ticket"])
@pytest.mark.parametrize("says", ["monitor", "alert", "lower_one_step"])
def test_what_no_data_does_is_stated_for_each_kind(kind: str, says: str) -> None:
    lost = {
        "rollback": ("no counts by release", BROKEN_BY_A_RELEASE, "throttle"),
        "throttle": ("no flag state", SLOWLY_DECAYING, "alert"),
        "hold": ("no flag state", RAMPING, "alert"),
        "alert": ("no figures", replace(SLOWLY_DECAYING, since=DAY - timedelta(days=9)), "ticket"),
        "ticket": ("no health", LASTING, "monitor"),
    }
    name, facts, next_one = lost[kind]
    every = {each: {"no_data": "lower_one_step", "inconclusive": "lower_one_step"} for each in ACTIVE}
    found = made(DOUBTS[name](facts), **{**every, kind: {**every[kind], "no_data": says}})
    weaker_of = {"monitor": "monitor", "alert": next_one if next_one in ("ticket", "monitor") else "alert"}
    assert found.action == weaker_of.get(says, next_one)
    assert "cannot be judged" in found.why_not[kind]


@pytest.mark.parametrize(
    ("kind", "facts", "next_one"),
    [
        ("rollback", OF_A_SMALL_RELEASE, "throttle"),
        ("throttle", replace(SLOWLY_DECAYING, bad_1d=24, bad_3d=56), "alert"),
        ("hold", replace(RAMPING, risk_low=0.55), "alert"),
        ("alert", replace(ABOUT_TO_BREAK, risk_low=0.3), "ticket"),
    ],
)
@pytest.mark.parametrize("says", ["monitor", "alert", "lower_one_step"])
def test_what_inconclusive_does_is_stated_for_each_kind(
    kind: str, facts: FeatureFacts, next_one: str, says: str
) -> None:
    every = {each: {"inconclusive": "lower_one_step", "confidence": 0.1, "cost_per_user": 0} for each in ACTIVE}
    mine = {**every[kind], "inconclusive": says, "confidence": {"hold": 0.6, "alert": 0.5}.get(kind, 0.9)}
    found = made(facts, **{**every, kind: mine})
    assert found.action == {"monitor": "monitor", "alert": next_one if kind == "alert" else "alert"}.get(says, next_one)


def test_an_uncertain_rollback_waits_for_the_next_day_rather_than_throttling() -> None:
    found = made(OF_A_SMALL_RELEASE)
    assert found.action == "alert"
    assert "inconclusive" in found.why_not["throttle"]


def test_a_barred_rollback_that_needs_approval_does_not_become_a_throttle_that_needs_none() -> None:
    facts = replace(BROKEN_BY_A_RELEASE, has_earlier_release=False)
    assert made(facts, rollback={"level": "approve"}).level == "approve"
    assert made(SLOWLY_DECAYING, rollback={"level": "approve"}).level == "auto"


def test_every_action_not_taken_has_its_why_not() -> None:
    for facts in (BROKEN_BY_A_RELEASE, SLOWLY_DECAYING, SOUND, LASTING, replace(SOUND, flag_key=None, quality=None)):
        found = made(facts)
        others = {*ACTIVE, "monitor"} - {found.action}
        assert set(found.why_not) == others
        assert all(found.why_not.values())


def test_a_feature_without_a_flag_says_that_no_flag_steers_it() -> None:
    found = made(replace(BROKEN_BY_A_RELEASE, flag_key=None))
    assert found.why_not["rollback"] == "no flag steers it"
    assert "no flag" in made(replace(SOUND, flag_key=None)).why_not["hold"]


def test_ties_go_to_the_weaker_action() -> None:
    same = {"effect": 0.5, "cost": 1, "cost_per_user": 0}
    assert made(SLOWLY_DECAYING, alert=same, hold=same, throttle=same, rollback=same).action == "alert"


def test_what_is_worth_more_than_the_chosen_action_is_not_said_to_be_worth_less() -> None:
    found = made(
        DOUBTS["fewer independent events"](BROKEN_BY_A_RELEASE),
        rollback={"cost": 60},
        throttle={"cost": 0.5, "confidence": 0.99},
        hold={"cost": 0.2},
        alert={"cost": 0.1},
        ticket={"cost": 0.05},
    )
    worth = {each.kind: each.score for each in found.candidates}
    assert found.action == "alert"
    assert worth["throttle"] > worth["rollback"] > worth["alert"]
    assert found.why_not["rollback"] == (
        f"worth {worth['rollback']:.1f}, not more than throttle with {worth['throttle']:.1f}, which is refused, and"
        " nothing stronger is done instead"
    )


# A feature whose promise was broken by 40 % of its events from the first day on, and what is different today.
BEGAN = {
    "began_in_trouble": True,
    "burn_28d": 20.0,
    "bad_1d": 320,
    "bad_3d": 960,
    "user_share_1d": 0.4,
    "user_share_3d": 0.4,
}
SINCE_THE_FIRST_DAY: dict[str, tuple[dict[str, Any], bool]] = {
    "as ever": ({}, False),
    "a bad day within chance": ({"bad_1d": 340}, False),
    "a little worse on three days": ({"bad_1d": 360, "bad_3d": 1080}, False),
    "better": ({"bad_1d": 200, "bad_3d": 700}, False),
    "much worse in a handful of events": ({"bad_1d": 6, "total_1d": 8, "effective_1d": 8.0}, False),
    "much worse by one user": ({"bad_1d": 560, "effective_1d": 4.0}, False),
    "no four weeks to compare with": ({"bad_1d": 700, "burn_28d": None}, False),
    "no promise known": ({"bad_1d": 700, "allowed": None}, False),
    "no events known": ({"bad_1d": None, "bad_3d": None}, False),
    "by half worse today": ({"bad_1d": 500}, True),
    "by half worse on three days": ({"bad_3d": 1500}, True),
    "nearly everything, where most was broken": ({"burn_28d": 40.0, "bad_1d": 790}, True),
    "a release to blame": (
        {"release_failed": 140, "release_events": 300, "other_failed": 10, "other_events": 2100},
        True,
    ),
    "sound at first": ({"began_in_trouble": False}, True),
}


@pytest.mark.parametrize("name", SINCE_THE_FIRST_DAY)
def test_what_was_so_from_the_first_day_on_is_told_only_once_it_has_become_worse(name: str) -> None:
    change, is_reported = SINCE_THE_FIRST_DAY[name]
    blamed = BROKEN_BY_A_RELEASE if name == "a release to blame" else SLOWLY_DECAYING
    facts = replace(blamed, **{**BEGAN, **change})
    rule = next(rule for rule in FEATURE_RULES if rule.name == "was_sound_once")
    assert rule.holds(facts, AUTO) is is_reported
