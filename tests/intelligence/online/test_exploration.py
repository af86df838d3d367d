"""Lots are drawn between safe answers that a score gave, and nowhere else; each has the probability that is logged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelligence.catalog.product import product_from
from intelligence.core.errors import ProductFileError
from intelligence.decisions.learned_policy import EntityPolicy, Leaf
from intelligence.decisions.settings import Decisions
from intelligence.online.deciding import Known, Learned, OnlineDecision, online_decision
from intelligence.online.settings import Online, OnlineRule

SHARE = 0.1
ONLINE = Online(rules=(OnlineRule(name="banned", answer="block", entities=frozenset({"thief"})),))
FACTS = {"model_version": "3", "risk_low": 0.1, "risk_high": 0.2}
WINDOWS = {"events_1m": 1.0}


def policy(share: float = SHARE, *, level: str = "auto", **more: object) -> Decisions:
    return Decisions.model_validate({"entities": {"level": level, "exploration": {"share": share, **more}}})


def decided(
    event_id: str,
    score: float | None,
    decisions: Decisions,
    *,
    entity: str = "u1",
    learned: Learned | None = None,
    **facts: object,
) -> OnlineDecision:
    known = Known(entity, None, WINDOWS, score, {**FACTS, **facts}, event_id=event_id)
    return online_decision(known, online=ONLINE, decisions=decisions, learned=learned)


def everywhere(answer: str, *where: tuple[str, bool, float]) -> Learned:
    return Learned(EntityPolicy(("risk_score", "events_1m"), (Leaf(where, answer, 100, 0.1, 0.01),)), "4")


@pytest.mark.parametrize(("score", "usual", "other"), [(0.2, "allow", "throttle"), (0.8, "throttle", "allow")])
def test_the_share_of_decisions_gets_the_other_answer_with_the_probability_that_is_logged(
    score: float, usual: str, other: str
) -> None:
    found = [decided(f"e{n}", score, policy()) for n in range(10_000)]
    drawn = [each for each in found if each.is_drawn]
    assert len(drawn) == pytest.approx(10_000 * SHARE, rel=0.1)
    assert {(each.answer, each.propensity) for each in drawn} == {(other, SHARE)}
    assert {(each.answer, each.propensity) for each in found if not each.is_drawn} == {(usual, 1 - SHARE)}
    assert {bool(each.per_minute) == (each.answer == "throttle") for each in found} == {True}
    assert drawn[0].reason == f"a risk of {score:.2f}, and a lot that gives one in 10 the other answer"


def test_the_same_event_gets_the_same_answer_and_another_seed_draws_other_lots() -> None:
    first, again, other = ([decided(f"e{n}", 0.2, policy(seed=seed)).answer for n in range(500)] for seed in (1, 1, 2))
    assert first == again
    assert first != other
    of_another = [decided(f"e{n}", 0.2, policy(seed=1), entity="u2").answer for n in range(500)]
    assert of_another != first


def test_by_default_and_below_auto_no_lot_is_drawn() -> None:
    for decisions in (policy(0.0), policy(level="approve"), policy(level="shadow"), Decisions()):
        for n in range(100):
            found = decided(f"e{n}", 0.2, decisions)
            assert (found.answer, found.propensity, found.is_drawn) == ("allow", 1.0, False)


@given(
    st.text(max_size=8),
    st.one_of(st.none(), st.floats()),
    st.sampled_from(["u1", "thief"]),
    st.sampled_from(["steady", "moved", None]),
    st.booleans(),
    st.sampled_from([None, *map(everywhere, ("allow", "throttle", "block", ""))]),
)
def test_what_a_rule_or_the_fallback_decides_no_lot_and_no_learned_policy_changes(
    event_id, score, entity, drift, exempt, learned
) -> None:
    facts = {"drift": drift, "is_exempt": exempt}
    usual = decided(event_id, score, policy(0.0), entity=entity, **facts)
    without = decided(event_id, score, policy(0.0), entity=entity, learned=learned, **facts)
    found = decided(event_id, score, policy(), entity=entity, learned=learned, **facts)
    if usual.rules or usual.is_fallback or usual.lowered_by or usual.answer == "block":
        assert without == usual
    if exempt and not usual.rules:
        assert without.answer != "throttle" or usual.is_fallback
    is_open = not (without.rules or without.is_fallback or without.lowered_by or without.answer == "block" or exempt)
    assert found.propensity in ((SHARE, 1 - SHARE) if is_open else (1.0,))
    if found.is_drawn:
        assert {found.answer, without.answer} == {"allow", "throttle"}
    else:
        assert found.answer == without.answer
    assert found.answer != "block" or without.answer == "block"


@pytest.mark.parametrize(("score", "answer"), [(0.2, "throttle"), (0.8, "allow"), (0.2, "allow"), (0.8, "throttle")])
def test_a_learned_policy_decides_instead_of_the_score_and_says_so(score: float, answer: str) -> None:
    for level in ("auto", "shadow"):
        found = decided("e", score, policy(0.0, level=level), learned=everywhere(answer))
        assert (found.answer, found.learned_version, found.propensity) == (answer, "4", 1.0)
        assert found.reason == f"a risk of {score:.2f}, by the learned policy 4"
        assert bool(found.per_minute) == (answer == "throttle")
    drawn = [decided(f"e{n}", score, policy(), learned=everywhere(answer)) for n in range(2_000)]
    assert sum(each.answer != answer for each in drawn) == pytest.approx(2_000 * SHARE, rel=0.25)
    assert {each.propensity for each in drawn if each.answer != answer} == {SHARE}


def test_where_a_learned_policy_has_no_answer_or_fails_the_score_decides() -> None:
    usual = decided("e", 0.8, policy(0.0))
    for learned in (everywhere(""), everywhere("block")):
        assert decided("e", 0.8, policy(0.0), learned=learned) == usual
    found = decided("e", 0.8, policy(0.0), learned=everywhere("allow", ("nowhere", True, 1.0)))
    assert (found.answer, found.learned_version) == ("throttle", None)
    assert found.reason == "a risk of 0.80, since the learned policy fails"


@pytest.mark.parametrize(
    ("exploration", "said"),
    [
        ("{share: 0.11}", "less than or equal to 0.1"),
        ("{share: -0.1}", "greater than or equal to 0"),
        ("{share: 0.1, safe: [allow, block]}", "'allow' or 'throttle'"),
        ("{share: 0.1, safe: [allow]}", "draws lots between allow"),
    ],
)
def test_what_is_not_safe_is_refused_in_product_yaml(exploration: str, said: str) -> None:
    with pytest.raises(ProductFileError, match=said):
        product_from(
            "name: D\nsources: [{name: app, topics: events}]\n"
            f"decisions: {{entities: {{exploration: {exploration}}}}}"
        )
