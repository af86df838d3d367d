"""Degrading any input never raises autonomy, whatever the policy's settings."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intelligence.decisions.autonomy import ACTIVE, LEVELS, STRENGTH, TOUCHING, autonomy
from intelligence.decisions.choice import Choice, choice
from intelligence.decisions.facts import FeatureFacts
from intelligence.decisions.limits import touched_share, within_limits
from intelligence.decisions.rules import FEATURE_RULES
from intelligence.decisions.settings import Decisions
from tests.intelligence.decisions.facts_of_a_day import AUTO, CASES, DAY, DOUBTS, FORGOTTEN_PAST, LOSSES

SHARE = st.floats(0, 1)
IN_DOUBT = st.sampled_from(["monitor", "alert", "lower_one_step"])


@st.composite
def policies(draw: st.DrawFn, *, one_level: bool = False) -> Decisions:
    """Return any policy; with `one_level` all actions that touch the product have the same autonomy level."""
    costs = sorted(draw(st.lists(st.floats(0, 60), min_size=5, max_size=5)))
    per_user = sorted(draw(st.lists(st.floats(0, 0.5), min_size=5, max_size=5)))
    level = draw(st.sampled_from(LEVELS))
    kinds: dict[str, Any] = {
        kind: {
            "level": level if one_level and kind in TOUCHING else draw(st.sampled_from(LEVELS)),
            "confidence": draw(SHARE),
            "effect": draw(SHARE),
            "cost": costs[place],
            "cost_per_user": per_user[place],
            "no_data": draw(IN_DOUBT),
            "inconclusive": draw(IN_DOUBT),
        }
        for place, kind in enumerate(ACTIVE)
    }
    return Decisions.model_validate({**kinds, "doubt": {"widest_interval": draw(SHARE)}})


@st.composite
def facts(draw: st.DrawFn) -> FeatureFacts:
    """Return one of the hand-made cases with its numbers drawn anew."""
    base = draw(st.sampled_from(CASES))
    low, score, high = sorted(draw(st.lists(SHARE, min_size=3, max_size=3)))
    events, others = draw(st.integers(8, 3000)), draw(st.integers(8, 3000))
    total = draw(st.integers(1, 2000))
    risk = {} if base.state == "degraded" else {"risk_low": low, "risk_score": score, "risk_high": high}
    return replace(
        base,
        **risk,
        tier=draw(st.integers(0, 3)),
        flag_key=draw(st.sampled_from(["quiz", None])),
        exposure=draw(st.sampled_from([0.0, 0.3, 1.0])),
        users_7d=draw(st.floats(0, 2000)),
        error_rise_7d=draw(st.floats(-3, 9)),
        release_age_days=draw(st.floats(0, 10)),
        since=DAY - timedelta(days=draw(st.integers(0, 12))),
        total_1d=total,
        bad_1d=draw(st.integers(0, total)),
        release_events=events,
        release_failed=draw(st.integers(0, events)),
        other_events=others,
        other_failed=draw(st.integers(0, others)),
        drift=draw(st.sampled_from(["steady", "moved"])),
        quality=draw(st.sampled_from(["whole", "unknown"])),
        touches_lately=draw(st.integers(0, 3)),
    )


def place(made: Choice) -> tuple[int, int, int]:
    return autonomy(made.action, made.level)


SLOW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SLOW
@given(facts(), policies(), st.lists(st.sampled_from(sorted(DOUBTS)), min_size=1, max_size=3))
def test_doubt_never_raises_autonomy_on_any_ladder(known: FeatureFacts, policy: Decisions, names: list[str]) -> None:
    before = place(choice(known, policy))
    for name in names:
        known = DOUBTS[name](known)
        after = place(choice(known, policy))
        assert after <= before, name
        before = after


@SLOW
@given(facts(), policies(one_level=True), st.lists(st.sampled_from([*DOUBTS, *LOSSES]), min_size=1, max_size=4))
def test_loss_of_users_or_counts_never_raises_autonomy(
    known: FeatureFacts, policy: Decisions, names: list[str]
) -> None:
    before = place(choice(known, policy))
    for name in names:
        known = {**DOUBTS, **LOSSES}[name](known)
        after = place(choice(known, policy))
        assert after <= before, name
        before = after


@SLOW
@given(facts(), policies())
def test_who_forgot_the_past_touches_nothing_and_may_tell_again(known: FeatureFacts, policy: Decisions) -> None:
    before, after = choice(known, policy), choice(FORGOTTEN_PAST(known), policy)
    assert after.action not in TOUCHING
    assert place(after)[0] <= place(before)[0]


@SLOW
@given(facts(), policies(), st.sampled_from(FEATURE_RULES), st.sampled_from(["barred", "approve", "one step lower"]))
def test_one_more_rule_never_raises_autonomy(known: FeatureFacts, policy: Decisions, rule: Any, otherwise: Any) -> None:
    never = replace(rule, name="never", otherwise=otherwise, holds=lambda *_: None)
    before = choice(known, policy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("intelligence.decisions.choice.FEATURE_RULES", (*FEATURE_RULES, never))
        assert place(choice(known, policy)) <= place(before)


@SLOW
@given(st.lists(facts(), min_size=1, max_size=12), st.integers(0, 4), SHARE, SHARE)
def test_what_is_done_alone_stays_within_the_limits(
    known: list[FeatureFacts], most: int, per_hour: float, per_day: float
) -> None:
    limits = {"touches_per_day": most, "share_per_hour": per_hour, "share_per_day": per_day, "messages_per_day": most}
    policy = Decisions.model_validate({**AUTO.model_dump(), "limits": limits})
    named = [replace(each, feature=f"f{number}") for number, each in enumerate(known)]
    before = [choice(each, policy) for each in named]
    after = within_limits(before, policy)
    alone = [each for each in after if each.action in TOUCHING and each.level == "auto"]
    assert len(alone) <= most
    assert sum(touched_share(each, policy) for each in alone) <= min(per_hour, per_day) + 1e-9
    assert sum(each.action in ("alert", "ticket") and each.level == "auto" for each in after) <= most
    assert all(place(one) <= place(other) for one, other in zip(after, before, strict=True))


@SLOW
@given(st.lists(facts(), min_size=1, max_size=8), SHARE, SHARE, st.integers(0, 4), st.integers(0, 12))
def test_what_was_done_before_in_the_hour_or_on_the_day_never_raises_autonomy(
    known: list[FeatureFacts], hour: float, day: float, touches: int, messages: int
) -> None:
    named = [replace(each, feature=f"f{number}") for number, each in enumerate(known)]
    done = {"share_this_hour": hour, "share_this_day": day, "touches_this_day": touches, "messages_this_day": messages}
    after = within_limits([choice(replace(each, **done), AUTO) for each in named], AUTO)
    limits = AUTO.limits
    alone = [each for each in after if each.action in TOUCHING and each.level == "auto"]
    shares = sum(touched_share(each, AUTO) for each in alone)
    assert not alone or hour + shares <= limits.share_per_hour + 1e-9
    assert not alone or day + shares <= limits.share_per_day + 1e-9
    assert not alone or touches + len(alone) <= limits.touches_per_day


def test_rules_have_names_of_their_own_and_apply_to_kinds_that_exist() -> None:
    assert len({rule.name for rule in FEATURE_RULES}) == len(FEATURE_RULES)
    assert all(kind in STRENGTH for rule in FEATURE_RULES for kind in rule.applies_to)
