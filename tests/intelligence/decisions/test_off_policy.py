"""Another policy is judged as well as the log allows: its intervals hold, and it is refused where the log cannot tell."""

import numpy as np
import pytest

from intelligence.core.errors import NotEnoughEvidence
from intelligence.decisions.off_policy import Expected, LoggedDecisions, OffPolicyValue, off_policy_value

# Rewards of three actions in two contexts.
TRUTH = np.array([[0.1, 0.2, 0.4], [0.5, 0.2, 0.1]])
PRESENT = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])
OTHER = np.array([[0.1, 0.2, 0.7], [0.8, 0.1, 0.1]])
VALUE = (OTHER * TRUTH).sum(1).mean()


def judged(seed: int, *, decisions: int = 4_000, per_user: int = 4, wrong_model: bool = False) -> OffPolicyValue:
    draw = np.random.default_rng(seed)
    context, users = draw.integers(0, 2, decisions), np.arange(decisions) // per_user
    # What a user brings is the same in all of his decisions, so that they are not independent.
    luck = draw.normal(0, 0.3, decisions)[users]
    action = (draw.random(decisions)[:, None] > PRESENT[context].cumsum(1)).sum(1)
    rewards = (draw.random(decisions) < TRUTH[context, action]) + luck
    model = np.zeros_like(TRUTH) + 0.3 if wrong_model else TRUTH
    expected = Expected(model[context, action], (OTHER[context] * model[context]).sum(1))
    log = LoggedDecisions(rewards, PRESENT[context, action], users)
    return off_policy_value(log, OTHER[context, action], expected=expected)


def test_about_nineteen_of_twenty_intervals_hold_the_true_value() -> None:
    found = [judged(seed) for seed in range(300)]
    for name in ("ips", "snips", "dr"):
        held = np.mean([getattr(each, name).low <= VALUE <= getattr(each, name).high for each in found])
        assert 0.92 <= held <= 0.985, (name, held)
    assert abs(np.mean([each.ips.value for each in found]) - VALUE) < 0.005
    assert abs(np.mean([each.dr.value for each in found if each.dr]) - VALUE) < 0.005


def test_a_wrong_model_of_rewards_costs_width_and_no_truth() -> None:
    found = [judged(seed, wrong_model=True) for seed in range(300)]
    assert abs(np.mean([each.dr.value for each in found if each.dr]) - VALUE) < 0.005
    right, wrong = judged(1).dr, judged(1, wrong_model=True).dr
    assert right
    assert wrong
    assert right.se < wrong.se


def test_a_better_policy_is_seen_and_the_same_one_gains_nothing() -> None:
    assert judged(1).is_better
    draw = np.random.default_rng(2)
    log = LoggedDecisions(draw.random(2_000), np.full(2_000, 0.5), np.arange(2_000))
    same = off_policy_value(log, np.full(2_000, 0.5))
    assert (same.gain.value, same.is_better) == (pytest.approx(0.0, abs=1e-12), False)
    assert same.ips.value == pytest.approx(same.observed.value)


def test_a_policy_that_is_no_better_is_called_so_about_once_in_forty() -> None:
    called = 0
    for seed in range(400):
        draw = np.random.default_rng(seed)
        action = draw.integers(0, 2, 1_000)
        log = LoggedDecisions(draw.random(1_000), np.full(1_000, 0.5), np.arange(1_000))
        called += off_policy_value(log, (action == 1).astype(float)).is_better
    assert called / 400 < 0.05


@pytest.mark.parametrize(
    ("target", "propensity", "users", "untried", "problem"),
    [
        (0.5, 0.5, 2_000, 0.2, "with probability 20% what was never tried"),
        (0.0, 0.5, 2_000, 0.0, "0 users met"),
        (0.5, 0.5, 20, 0.0, "20 users met"),
        (0.5, 0.25, 2_000, 0.0, "the propensities are not those"),
    ],
)
def test_what_the_log_cannot_tell_is_refused(
    target: float, propensity: float, users: int, untried: float, problem: str
) -> None:
    draw = np.random.default_rng(3)
    noise = 1 + 0.01 * draw.random(2_000)
    log = LoggedDecisions(draw.random(2_000), np.full(2_000, propensity) * noise, np.arange(2_000) % users)
    with pytest.raises(NotEnoughEvidence, match=problem):
        off_policy_value(log, np.full(2_000, target), untried=untried)


def test_a_policy_that_hardly_any_decision_speaks_of_is_refused() -> None:
    target = np.zeros(5_000)
    target[:40] = 1.0
    log = LoggedDecisions(np.ones(5_000), np.where(target > 0, 0.008, 0.9), np.arange(5_000))
    with pytest.raises(NotEnoughEvidence, match="5,000 decisions tell as much about it as 40 of its own"):
        off_policy_value(log, target)


@pytest.mark.parametrize("propensity", [0.0, -0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_an_error(propensity: float) -> None:
    log = LoggedDecisions(np.ones(200), np.full(200, propensity), np.arange(200))
    with pytest.raises(ValueError, match="outside of"):
        off_policy_value(log, np.ones(200))
