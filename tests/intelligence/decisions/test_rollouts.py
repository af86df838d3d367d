"""A rollout advances on proof alone, stops on harm, and holds on everything else."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from intelligence.decisions.autonomy import LEVELS, RANK, Level
from intelligence.decisions.facts import FeatureFacts
from intelligence.decisions.rollout_evidence import GuardrailReading, StepEvidence, step_evidence
from intelligence.decisions.rollout_settings import Rollout
from intelligence.decisions.rollouts import RULES, RolloutStanding, rollout_decision
from intelligence.decisions.settings import Decisions, Freeze, QuietHours
from intelligence.experiments.health import Problem

DAY = date(2026, 7, 20)
AUTO = Decisions().at_level("auto")
ROLLOUT = Rollout(flag="quiz", feature="quiz")
ERRORS, CRASHES = ROLLOUT.guardrails
FACTS = FeatureFacts(
    event_date=DAY, feature="quiz", tier=2, flag_key="quiz", exposure=0.05, is_locked=False, is_held=False,
    quality="whole", share_of_users=0.2,
)  # fmt: skip
KEPT = tuple(GuardrailReading(use, 0.0, -0.001, 0.001, is_kept=True) for use in ROLLOUT.guardrails)
SOUND = StepEvidence(3, {"off": 9_500, "on": 500}, KEPT)
STANDING = RolloutStanding(share=0.05, began=DAY - timedelta(days=2), evidence=SOUND)
HARMED = replace(SOUND, guardrails=(replace(KEPT[0], effect=0.02, low=0.01, high=0.03, is_kept=False, is_harmed=True),))


def units(*, on: float, off: float, seed: int = 1, size: int = 20_000, share: float = 0.05) -> pl.DataFrame:
    """Return units of one step whose events fail at these rates."""
    random = np.random.default_rng(seed)
    has_it = random.random(size) < share
    events = random.poisson(4, size) + 1
    return pl.DataFrame(
        {
            "variant": np.where(has_it, "on", "off"),
            "exposed_on": [DAY] * size,
            "feature_events": events,
            "feature_failed_events": random.binomial(events, np.where(has_it, on, off)),
            "active_days": np.ones(size),
            "crash_free_days": np.ones(size),
            "pre_feature_events": np.zeros(size),
            "pre_feature_failed_events": np.zeros(size),
            "pre_active_days": np.zeros(size),
            "pre_crash_free_days": np.zeros(size),
        }
    )


def evidence(values: pl.DataFrame, **known: Any) -> StepEvidence:
    return step_evidence(values, ROLLOUT, share=0.05, variants=("off", "on"), days=3, **known)


def decide(standing: RolloutStanding = STANDING, facts: FeatureFacts = FACTS, settings: Decisions = AUTO) -> Any:
    return rollout_decision(ROLLOUT, standing, facts, settings)


def test_a_sound_step_leads_to_the_next_one_and_the_last_to_the_end() -> None:
    made = decide()
    assert (made.word, made.share, made.level, made.lowered_by) == ("advance", 0.25, "auto", ())
    assert "feature_error_rate +0 (-0.001 to +0.001, margin 0.005)" in made.reason
    done = decide(replace(STANDING, share=1.0), replace(FACTS, exposure=1.0))
    assert (done.word, done.share, done.level) == ("finished", None, None)


def test_the_first_step_needs_no_evidence_because_nobody_has_the_feature() -> None:
    made = decide(RolloutStanding(share=0.0), replace(FACTS, exposure=0.0))
    assert (made.word, made.share) == ("advance", 0.05)


def test_harm_is_rolled_back_before_the_step_has_lasted() -> None:
    early = replace(STANDING, began=DAY, evidence=replace(HARMED, days=1))
    made = decide(early)
    assert (made.word, made.share, made.level) == ("roll_back", 0.0, "auto")
    assert "feature_error_rate +0.02 (+0.01 to +0.03, margin 0.005)" in made.reason


@pytest.mark.parametrize(
    ("standing", "facts", "says"),
    [
        (replace(STANDING, evidence=None), {}, "no whole day of the step is known yet"),
        (replace(STANDING, began=None), {}, "no whole day of the step is known yet"),
        (replace(STANDING, began=DAY), {}, "1 of 2 whole days"),
        (replace(STANDING, evidence=replace(SOUND, days=1)), {}, "1 of 2 whole days"),
        (replace(STANDING, evidence=replace(SOUND, units={"off": 99, "on": 500})), {}, "off has 99 of 100 users"),
        (replace(STANDING, evidence=replace(SOUND, guardrails=())), {}, "no guardrail"),
        (replace(STANDING, evidence=replace(SOUND, guardrails=(KEPT[0], GuardrailReading(CRASHES, note="few")))), {},
         "not shown to be within its margin yet: crash_free_user_rate: few"),
        (replace(STANDING, evidence=replace(HARMED, problems=(Problem("sample_ratio", "p = 1e-9"),))), {},
         "not healthy: p = 1e-9"),
        (STANDING, {"exposure": 0.1}, "the rollout left it at 0.05: what somebody else changed stays"),
        (STANDING, {"exposure": 0.0}, "the rollout left it at 0.05"),
        (STANDING, {"exposure": None}, "is not known"),
        (STANDING, {"is_locked": True}, "a flag that a person has locked is not touched"),
        (STANDING, {"is_locked": None}, "whether a person has locked its flag is not known"),
        (STANDING, {"is_held": True}, "the flag is held"),
        (STANDING, {"is_held": None}, "whether the flag is held is not known"),
        (STANDING, {"quality": "partial"}, "telemetry is at fault"),
        (STANDING, {"quality": "doubtful"}, "in doubt"),
        (STANDING, {"quality": None}, "is not known"),
        (replace(STANDING, evidence=HARMED), {"quality": "empty"}, "telemetry is at fault"),
        (replace(STANDING, evidence=HARMED), {"is_locked": True}, "a person has locked"),
        (replace(STANDING, answers={"advance": "planned"}), {}, "it waits for a person's approval"),
        (replace(STANDING, answers={"advance": "undone"}), {}, "a person took it back"),
        (replace(STANDING, answers={"rollback": "rejected"}), {}, "a rollback was decided: a person refused it"),
        (replace(STANDING, was_rolled_back=True), {"exposure": 0.0}, "`intelligence rollout start quiz` begins again"),
    ],
)  # fmt: skip
def test_everything_else_holds_and_says_why(standing: RolloutStanding, facts: dict[str, Any], says: str) -> None:
    made = decide(standing, replace(FACTS, **facts))
    assert (made.word, made.share, made.level) == ("hold", None, None)
    assert says in made.reason


@pytest.mark.parametrize(
    ("settings", "facts", "level", "rule"),
    [
        ({"freeze": (Freeze(first=DAY, last=DAY),)}, {}, "advise", "freeze"),
        ({"quiet_hours": (QuietHours(since=20, until=6),)}, {"hour_utc": 3}, "approve", "quiet_hours"),
        ({"quiet_hours": (QuietHours(since=20, until=6),)}, {"hour_utc": None}, "approve", "quiet_hours"),
        ({}, {"tier": 0}, "approve", "vital_needs_a_person"),
        ({}, {"quality": "unknown"}, "approve", "day_is_known_whole"),
        ({}, {"share_this_day": 0.5}, "approve", "blast_radius_per_day"),
        ({}, {"share_of_users": None, "share_this_hour": 0.2}, "approve", "blast_radius_per_hour"),
        ({}, {"touches_this_day": 3}, "approve", "action_budget"),
    ],
)
def test_the_rules_and_limits_of_the_policy_lower_the_level(
    settings: dict[str, Any], facts: dict[str, Any], level: Level, rule: str
) -> None:
    made = decide(facts=replace(FACTS, **facts), settings=AUTO.model_copy(update=settings))
    assert (made.word, made.level) == ("advance", level)
    assert rule in made.lowered_by
    assert "Not more: " in made.reason


def test_by_default_an_advance_is_only_written_down() -> None:
    assert decide(settings=Decisions()).level == "shadow"
    assert {rule.name for rule in RULES} > {"no_human_lock", "freeze"}


@given(
    quality=st.sampled_from(["whole", "unknown", "doubtful", "partial", "empty", None]),
    tier=st.sampled_from([0, 1, None]),
    locked=st.sampled_from([True, False, None]),
    used=st.floats(0, 1),
    level=st.sampled_from(LEVELS),
    harmed=st.booleans(),
)
def test_worse_facts_never_raise_the_level(
    quality: str | None, tier: int | None, locked: bool | None, used: float, level: Level, harmed: bool
) -> None:
    standing, settings = replace(STANDING, evidence=HARMED if harmed else SOUND), Decisions().at_level(level)
    best = decide(standing, settings=settings)
    worse = replace(FACTS, quality=quality, tier=tier, is_locked=locked, share_this_day=used, share_this_hour=used)
    found = decide(standing, worse, settings)
    assert found.word in ("hold", best.word)
    assert found.level is None or RANK[found.level] <= RANK[best.level]


def test_a_bad_version_is_harm_and_a_good_one_is_kept() -> None:
    bad = evidence(units(on=0.05, off=0.02))
    assert [each.is_harmed for each in bad.guardrails] == [True, False]
    good = evidence(units(on=0.02, off=0.02, size=120_000))
    assert [each.is_kept for each in good.guardrails] == [True, True]
    assert good.units["on"] == pytest.approx(6_000, rel=0.05)


def test_too_few_trials_keep_nothing_however_alike_the_variants_are() -> None:
    few = evidence(units(on=0.0, off=0.0, size=4_000))
    assert [each.is_kept for each in few.guardrails] == [True, False], "300 days without a crash are needed"
    assert "trials, where its margin needs 299" in few.guardrails[1].sentence
    assert all(each.is_kept for each in evidence(units(on=0.0, off=0.0)).guardrails)


def test_shares_that_are_not_those_of_the_step_block_all_conclusions() -> None:
    found = evidence(units(on=0.05, off=0.02, share=0.08))
    assert (found.guardrails, found.blocking != ()) == ((), True)
    assert not evidence(units(on=0.02, off=0.02), in_two=5).blocking
    assert evidence(units(on=0.02, off=0.02), in_two=2_000).blocking


def test_a_day_of_faulty_telemetry_in_a_short_step_blocks_it() -> None:
    assert evidence(units(on=0.02, off=0.02), faulty_days=[DAY]).blocking


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"steps": (25, 5, 100)}, "25, 5, 100: each has to be larger"),
        ({"steps": (5, 25)}, "the last has to be 100"),
        ({"steps": (0.01, 100)}, "a tenth of a per cent"),
        ({"steps": (0, 100)}, "greater than 0"),
        ({"guardrails": [{"metric": "retention_7d", "margin": 0.1}]}, "retention, which is not known on the day"),
        ({"guardrails": [{"metric": "crash_free_user_rate"}]}, "no margin above 0"),
        ({"guardrails": [{"metric": "crash_free_user_rate", "margin": 0.1}] * 2}, "more than once"),
        ({"guardrails": [{"metric": "speed", "margin": 0.1}]}, "is not defined"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Rollout.model_validate({"flag": "quiz", **wrong})
