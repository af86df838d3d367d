"""One entity: allow, throttle or block; rules above the score, and a fallback that never fails."""

import timeit
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelligence.decisions.entity import ANSWERS, ENTITY_RULES, entity_decision
from intelligence.decisions.rules import Rule
from intelligence.decisions.settings import Decisions

POLICY = Decisions()
SURE: dict[str, Any] = {"drift": "steady", "model_version": 3, "risk_low": 0.9, "risk_high": 0.97}


def answer(score: float | None, policy: Decisions = POLICY, **facts: Any) -> str:
    return entity_decision(score, facts={**SURE, **facts}, settings=policy).answer


@pytest.mark.parametrize(
    ("score", "said"), [(0.0, "allow"), (0.69, "allow"), (0.7, "throttle"), (0.9, "block"), (1, "block")]
)
def test_the_answer_follows_the_risk(score: float, said: str) -> None:
    assert answer(score) == said


@pytest.mark.parametrize(
    "facts",
    [{"drift": "moved"}, {"drift": None}, {"model_version": None}, {"risk_low": 0.2}],
    ids=str,
)
def test_nobody_is_blocked_in_doubt(facts: dict[str, Any]) -> None:
    assert answer(0.95, **facts) == "throttle"


def test_who_is_exempt_is_let_through() -> None:
    found = entity_decision(0.99, facts={**SURE, "is_exempt": True}, settings=Decisions())
    assert (found.answer, found.lowered_by) == ("allow", ("not_exempt",))


@pytest.mark.parametrize("score", [None, float("nan"), -0.1, 1.1])
@pytest.mark.parametrize("fallback", ["allow", "throttle"])
def test_the_fallback_holds_without_a_probability(score: float | None, fallback: str) -> None:
    policy = Decisions.model_validate({"entities": {"fallback": fallback}})
    found = entity_decision(score, facts=SURE, settings=policy)
    assert (found.answer, found.is_fallback) == (fallback, True)


def test_the_fallback_holds_when_a_rule_fails() -> None:
    failing = Rule("fails", "", ("block",), "barred", lambda facts, _: facts["nowhere"])
    found = entity_decision(0.95, facts=SURE, settings=Decisions(), hard_rules=(*ENTITY_RULES, failing))
    assert found.is_fallback
    assert "KeyError" in found.reason


def test_nothing_is_enforced_below_auto() -> None:
    assert not entity_decision(0.95, facts=SURE, settings=Decisions()).is_enforced
    auto = Decisions.model_validate({"entities": {"level": "auto"}})
    assert entity_decision(0.95, facts=SURE, settings=auto).is_enforced


@given(st.floats(0, 1), st.sampled_from(["drift", "model_version", "risk_low", "risk_high"]))
def test_a_lost_fact_never_makes_the_answer_harsher(score: float, lost: str) -> None:
    facts = {name: value for name, value in SURE.items() if name != lost}
    after = entity_decision(score, facts=facts, settings=Decisions()).answer
    assert ANSWERS.index(after) <= ANSWERS.index(answer(score))


def test_an_answer_takes_microseconds() -> None:
    policy = Decisions()
    taken = min(timeit.repeat(lambda: entity_decision(0.95, facts=SURE, settings=policy), number=200, repeat=3)) / 200
    assert taken < 200e-6
