"""What was planted is learned and deployed; where there is nothing to learn or no support, the present policy stays and says why."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelligence.core.errors import ModelError, NotEnoughEvidence
from intelligence.decisions.learned_policy import (
    AS_BEFORE,
    SAFE,
    EntityPolicy,
    Leaf,
    PolicyLog,
    RewardModels,
    judged_policy,
    learned_policy,
    policy_from,
    policy_verdict,
)

NAMES = ("risk_score", "errors_5m")
SHARE = 0.1


def log(
    seed: int, *, effect: float = 0.4, share: float = SHARE, decisions: int = 16_000, per_user: int = 4
) -> PolicyLog:
    """The present policy throttles a score above 0.7; throttling helps where there are errors, and costs 0.1 elsewhere."""
    draw, users = np.random.default_rng(seed), np.arange(decisions) // per_user
    score, errors = draw.random(decisions), draw.integers(0, 4, decisions).astype(float)
    usual = score > 0.7
    throttled = np.where(draw.random(decisions) < share, ~usual, usual)
    gain = np.where(errors >= 2, effect, -0.1 if effect else 0.0)
    rewards = draw.normal(0, 0.3, decisions) + throttled * gain + draw.normal(0, 0.2, decisions)[users]
    chances = np.where(usual, 1 - share, share)
    return PolicyLog(
        np.column_stack([score, errors]), usual, throttled, chances, rewards, users, draw.permutation(decisions)
    )


def test_what_was_planted_is_learned_and_deployed() -> None:
    found = policy_verdict(log(1), NAMES, share=SHARE)
    assert found.deploy, found.reason
    assert found.policy
    assert found.value
    # Where nothing is gained by departing, what the present policy does is right already.
    answers = found.policy.answers([[0.2, 3.0], [0.9, 0.0]]).tolist()
    assert answers == [SAFE.index("throttle"), SAFE.index("allow")]
    # Departing, with probabilities 0.9 instead of 0.1: of 0.4 where throttling is learned, of 0.1 where letting through is.
    departs = 0.35 * 0.8 * 0.4 + 0.15 * 0.8 * 0.1
    assert found.value.gain.low < departs / 0.5 < found.value.gain.high
    assert "errors_5m is above 1" in " ".join(each.words for each in found.policy.leaves)


@pytest.mark.proof
def test_without_an_effect_the_present_policy_stays_in_nearly_all_logs() -> None:
    found = [policy_verdict(log(seed, effect=0.0, decisions=6_000), NAMES, share=SHARE) for seed in range(30)]
    assert sum(each.deploy for each in found) <= 2
    assert all(each.reason.startswith("The present policy stays: ") for each in found if not each.deploy)


def test_without_lots_nothing_is_learned_and_the_setting_is_named() -> None:
    found = policy_verdict(log(1, share=0.0), NAMES, share=SHARE)
    assert (found.deploy, found.policy, found.value, found.low) == (False, None, None, None)
    assert "0 users met `allow`" in found.reason
    assert "exploration: share" in found.reason


def test_what_was_never_tried_is_not_judged() -> None:
    everywhere = EntityPolicy(NAMES, (Leaf((), "throttle", 100, 0.1, 0.01),))
    earlier, later = log(1), log(2)
    score = np.asarray(later.contexts)[:, 0]
    part = later.where((score > 0.1) | ~np.asarray(later.throttled))
    untried = PolicyLog(
        part.contexts,
        part.usual,
        part.throttled,
        np.where(np.asarray(part.contexts)[:, 0] > 0.1, part.chances, 0.0),
        part.rewards,
        part.users,
        part.times,
    )
    with pytest.raises(NotEnoughEvidence, match="what was never tried"):
        judged_policy(everywhere, untried, RewardModels(earlier, seed=1), share=SHARE)


def test_few_decisions_where_it_departs_are_not_hidden_among_many_where_it_does_not() -> None:
    rare = EntityPolicy(
        NAMES,
        (
            Leaf((("risk_score", True, 0.01),), "", 100, 0.1, 0.01),
            Leaf((("risk_score", False, 0.01),), "throttle", 100, 0.1, 0.01),
        ),
    )
    with pytest.raises(NotEnoughEvidence, match="fewer than"):
        judged_policy(rare, log(2), RewardModels(log(1), seed=1), share=SHARE)


def test_a_policy_as_before_leaves_no_decision_to_judge() -> None:
    same = EntityPolicy(NAMES, (Leaf((), "", 100, 0.0, 0.01),))
    assert not same.departs
    for share in (0.0, 0.02, SHARE):
        with pytest.raises(NotEnoughEvidence, match="no later decision"):
            judged_policy(same, log(2), RewardModels(log(1), seed=1), share=share)


def test_what_a_former_policy_did_is_judged_as_a_departure_where_the_new_one_leaves_it_to_the_score() -> None:
    made = log(2)
    usual = ~np.asarray(made.usual)
    other = PolicyLog(made.contexts, usual, made.throttled, made.chances, made.rewards, made.users, made.times)
    left = EntityPolicy(NAMES, (Leaf((), "", 100, 0.0, 0.01),))
    found = judged_policy(left, other, RewardModels(log(1), seed=1), share=SHARE)
    # Each decision would be the other one: letting through instead of throttling for high scores, and so on.
    gain = 0.8 * (0.7 - 0.3) * (0.5 * 0.4 - 0.5 * 0.1)
    assert found.gain.low < gain < found.gain.high


def test_the_same_log_and_seed_teach_the_same_policy_which_survives_being_stored() -> None:
    first, again = (learned_policy(log(3), NAMES, seed=5) for _ in range(2))
    assert first == again
    assert policy_from(first.files(), origin="here") == first
    assert {each.answer for each in first.leaves} <= {"", "allow", "throttle"}


figure = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -1.0, 1e12, 1.5, 2.0]))


@cache
def learned() -> EntityPolicy:
    return learned_policy(log(3), NAMES)


@given(figure, figure)
def test_one_context_gets_the_answer_that_it_gets_among_many_whatever_is_unknown(score, errors) -> None:
    leaf = learned().leaf({"risk_score": score, "errors_5m": errors})
    row = [[math.nan if each is None else each for each in (score, errors)]]
    (code,) = learned().answers(row)
    assert ("" if code == AS_BEFORE else SAFE[code]) == leaf.answer
    assert learned().leaf({}) == learned().leaf({"risk_score": math.nan, "errors_5m": None})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}", "predictors"),
        (b"junk", "malformed"),
        (b'{"predictors": [], "leaves": []}', "do not cover all contexts"),
        (b'{"predictors": [], "leaves": [{"where": [["a", true, 1]], "answer": "allow", "decisions": 1, "gain": 1, "se": 1}]}',
         "it asks for a, which it does not name"),
        (b'{"predictors": [], "leaves": [{"where": [], "answer": "block", "decisions": 1, "gain": 1, "se": 1}]}',
         "the answer block is not one of allow, throttle"),
    ],
)  # fmt: skip
def test_files_that_are_no_policy_are_refused(content: bytes, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        policy_from({"policy.json": content}, origin="entity_policy version 1")
    with pytest.raises(ModelError, match=r"policy\.json"):
        policy_from({}, origin="entity_policy version 1")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"chances": np.full(16_000, 1.5)}, "outside of"),
        ({"chances": np.zeros(16_000)}, "or 0 for what was done"),
        ({"chances": np.full(16_000, np.nan)}, "outside of"),
        ({"users": np.arange(3)}, "differ in length"),
    ],
)
def test_a_log_that_contradicts_itself_is_an_error(changed: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PolicyLog(**{**vars(log(1)), **changed})
