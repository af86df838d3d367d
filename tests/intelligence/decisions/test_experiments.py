"""What an experiment shows is a reason to act, under the same rules, and never above its evidence grade."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from intelligence.decisions.choice import choice
from intelligence.decisions.evidence import evidence
from intelligence.decisions.facts import FeatureFacts
from intelligence.decisions.settings import Decisions
from intelligence.decisions.wording import reasons
from tests.intelligence.decisions.day_of_evidence import DAY, health, sources

AUTO = Decisions().at_level("auto")
HEALTHY = FeatureFacts(
    event_date=DAY,
    feature="quiz",
    owner="team:quiz",
    tier=2,
    flag_key="quiz-flag",
    exposure=0.5,
    is_locked=False,
    is_held=False,
    state="healthy",
    evidence="enough",
    quality="whole",
    drift="steady",
    model_version=1,
    model_age_days=3,
    risk_score=0.05,
    risk_low=0.01,
    risk_high=0.1,
    users_7d=300.0,
    touched_in_episode=False,
    episode="quiz@2026-05-20",
)
HARMED = replace(
    HEALTHY,
    experiment="eager · treatment",
    experiment_verdict="roll_back",
    experiment_reason="feature_error_rate is worse by more than the margin",
    experiment_grade="A",
    experiment_confidence=0.95,
    experiment_units=900,
    experiment_since=DAY - timedelta(days=9),
    experiment_steers_flag=True,
)


def test_harm_in_a_running_experiment_rolls_its_flag_back() -> None:
    made = choice(HARMED, AUTO)
    assert (made.action, made.level) == ("rollback", "auto"), made.why_not
    assert "the experiment eager · treatment shows harm: feature_error_rate is worse" in reasons(made)
    assert "evidence grade A" in reasons(made)
    assert choice(HEALTHY, AUTO).action == "monitor"


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"experiment_grade": "C"}, "evidence_grade"),
        ({"experiment_grade": None}, "evidence_grade"),
        ({"experiment_steers_flag": False}, "flag_of_the_experiment"),
        ({"experiment_units": 20}, "harmed_users"),
        ({"is_locked": True}, "no_human_lock"),
        ({"quality": "partial"}, "telemetry_is_whole"),
        ({"touched_in_episode": True}, "touched_once_per_episode"),
    ],
)
def test_the_same_rules_bar_it(changed: dict[str, Any], rule: str) -> None:
    made = choice(replace(HARMED, **changed), AUTO)
    assert made.action in ("monitor", "ticket", "alert")
    assert rule in made.lowered_by


def test_the_grade_that_the_product_asks_for_decides() -> None:
    undeclared = replace(HARMED, experiment_grade="B")
    assert choice(undeclared, AUTO).action == "rollback"
    assert choice(undeclared, AUTO.model_copy(update={"evidence": "A"})).action == "alert"


def test_a_shipped_variant_is_a_ticket_and_touches_nothing() -> None:
    made = choice(replace(HARMED, experiment_verdict="ship", experiment_reason="conversion_rate is better"), AUTO)
    assert made.action == "ticket"
    assert "shows success: conversion_rate is better" in reasons(made)
    told = replace(HARMED, experiment_verdict="ship", told_in_episode="ticket")
    assert choice(told, AUTO).action == "monitor", "it is told once"


def test_without_a_champion_its_owner_is_told_and_nothing_is_touched() -> None:
    assert (
        choice(replace(HARMED, model_version=None, model_age_days=None, missing=("model", "risk")), AUTO).action
        == "alert"
    )


def verdicts(**changed: Any) -> pl.DataFrame:
    row = {
        "experiment": "eager",
        "variant": "treatment",
        "verdict": "roll_back",
        "reason": "worse",
        "grade": "A",
        "feature": "quiz",
        "flag": None,
        "starts_on": date(2026, 6, 1),
        "units_variant": 500,
        "confidence": 0.95,
    }
    types = {"flag": pl.String, "feature": pl.String, "starts_on": pl.Date}
    return pl.DataFrame([{**row, **each} for each in changed.pop("rows", [changed])], schema_overrides=types)


def facts(found: pl.DataFrame) -> dict[str, dict[str, Any]]:
    rows = evidence(replace(sources(), experiments=found), day=DAY, settings=AUTO)
    return {row["feature"]: row for row in rows.to_dicts()}


def test_evidence_names_the_feature_of_the_flag_and_else_that_of_the_experiment() -> None:
    by_feature = facts(verdicts())
    feature = next(name for name, row in by_feature.items() if name == "quiz")
    row = by_feature[feature]
    assert (row["experiment"], row["experiment_steers_flag"]) == ("eager · treatment", False)
    flag = row["flag_key"]
    assert facts(verdicts(flag=flag, feature=None))[feature]["experiment_steers_flag"] is True
    assert facts(verdicts(flag="another", feature=None))[feature]["experiment"] is None


def test_harm_comes_before_success_and_other_verdicts_say_nothing() -> None:
    both = verdicts(rows=[{"experiment": "a", "verdict": "ship"}, {"experiment": "b"}])
    assert facts(both)["quiz"]["experiment"] == "b · treatment"
    assert facts(verdicts(verdict="keep_running"))["quiz"]["experiment"] is None


def test_what_an_experiment_shows_is_one_episode_from_its_first_day() -> None:
    calm = replace(sources(), health=pl.DataFrame([health("quiz", "healthy")]), experiments=verdicts())
    (row,) = evidence(calm, day=DAY, settings=AUTO).to_dicts()
    assert row["episode"] == "quiz@2026-06-01"
