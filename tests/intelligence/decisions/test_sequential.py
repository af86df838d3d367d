"""A simulator fitted to the log has its transitions and rewards; what is learned in it competes in the gate, and says what it adds."""

import random

import numpy as np
import pytest

from intelligence.decisions import sequential
from intelligence.decisions.learned_policy import EntityPolicy, PolicyLog, policy_verdict
from intelligence.decisions.sequential import (
    DISCOUNT,
    LEFT_OUT,
    EntitySimulator,
    Floats,
    fitted_simulator,
    following,
    policy_contest,
    sequential_policy,
    with_returns,
)
from tests.intelligence.decisions.test_learned_policy import NAMES as ONE_STEP_NAMES
from tests.intelligence.decisions.test_learned_policy import log as one_step
from tests.networks import needs

NAMES = ("errors_5m", "value_24h")
SHARE, STEPS = 0.1, 6
PROBING, ATTACKING = 1, 2


def exact(simulator: EntitySimulator, seed: int) -> Floats:
    """Throttle where that is best in the simulator."""
    values = simulator.values
    return (values[:, 1] > values[:, 0]).astype(np.float64)


def probes(seed: int, users: int = 6_000, *, gives_up: float = 0.9) -> PolicyLog:
    """Nobody is throttled but by lot. A third of the users probes and then attacks; who is throttled while probing gives up."""
    draw = np.random.default_rng(seed)
    kind, alive, rows = np.where(draw.random(users) < 1 / 3, PROBING, 0), np.arange(users), []
    for step in range(STEPS):
        state = kind[alive]
        contexts = np.column_stack([(state == PROBING) * 3.0, (state == ATTACKING) * 50.0 + draw.random(len(alive))])
        throttled = draw.random(len(alive)) < SHARE
        rewards = -(draw.random(len(alive)) < 0.8 * (state == ATTACKING)).astype(float) - 0.05 * throttled
        rows.append((contexts, throttled, rewards, alive, alive * STEPS + step))
        leaves = (state == PROBING) & throttled & (draw.random(len(alive)) < gives_up)
        kind[alive[state == PROBING]] = ATTACKING
        alive = alive[~leaves]
    contexts, throttled, rewards, user, times = (np.concatenate(each) for each in zip(*rows, strict=True))
    never = np.zeros(len(user), dtype=bool)
    return PolicyLog(contexts, never, throttled, np.full(len(user), SHARE), rewards, user, times)


def small(users: list[str], times: list[int], rewards: list[float]) -> PolicyLog:
    count = len(users)
    never = np.zeros(count, dtype=bool)
    return PolicyLog(np.zeros((count, 1)), never, never, np.full(count, 0.1), rewards, users, times)


def test_the_next_decision_is_that_of_the_same_user_in_order_of_time() -> None:
    log = small(["b", "a", "b", "a", "c", "b"], [5, 9, 1, 2, 3, 7], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    assert following(log).tolist() == [5, -1, 0, 1, -1, -1]
    expected = [1 + DISCOUNT * 32, 2, 4 + DISCOUNT * (1 + DISCOUNT * 32), 8 + DISCOUNT * 2, 16, 32]
    assert with_returns(log).rewards == pytest.approx(expected)


def test_the_simulator_has_the_transitions_and_rewards_of_the_log() -> None:
    log = probes(1)
    contexts = np.asarray(log.contexts)
    states = np.where(contexts[:, 1] > 25, ATTACKING, np.where(contexts[:, 0] > 0, PROBING, 0))
    found = fitted_simulator(log, states, 3)
    assert found.start == pytest.approx([2 / 3, 1 / 3, 0], abs=0.03)
    # Whoever probes attacks next, but where a throttle had him give up.
    assert found.ends[PROBING] == pytest.approx([0, 0.9], abs=0.1)
    assert found.moves[PROBING, 0, ATTACKING] > 0.97
    assert found.moves[0, :, 0] == pytest.approx([1, 1], abs=0.03)
    assert found.rewards[ATTACKING] == pytest.approx([-0.8, -0.85], abs=0.06)
    assert found.moves.sum(axis=2) == pytest.approx(np.ones((3, 2)))
    # Only throttling probes is worth its cost.
    assert exact(found, 1).tolist() == [0, 1, 0]


def test_the_best_values_are_those_of_a_chain_that_is_known() -> None:
    # From the first state only throttling leads to the second, which ends with a reward.
    moves = np.zeros((2, 2, 2))
    moves[0, 0, 0] = moves[0, 1, 1] = moves[1, :, 1] = 1
    chain = EntitySimulator(np.array([1.0, 0]), moves, np.array([[0, 0], [1, 1.0]]), np.array([[0, -0.1], [1.0, 0]]))
    best = -0.1 + DISCOUNT * 1.0
    assert chain.values == pytest.approx(np.array([[DISCOUNT * best, best], [1.0, 0.0]]))


def test_what_acts_on_later_events_is_found_and_earns_its_place() -> None:
    log = probes(2)
    alone = policy_verdict(log, NAMES, share=SHARE)
    assert alone.policy
    assert alone.policy.answers([[3.0, 0.5]]).tolist() != [1], "one by one, a throttle of a probe only costs"
    found = policy_contest(log, NAMES, share=SHARE, learner=exact)
    assert found.deploy
    assert found.beside.startswith("PPO earns its place")
    assert found.policy
    assert found.policy.answers([[3.0, 0.5]]).tolist() == [1]
    assert found.policy.answers([[0.0, 0.5], [0.0, 50.5]]).tolist() != [1, 1]
    assert found.low
    assert found.low > 0


def test_where_answers_act_on_nothing_later_the_doubly_robust_policy_stays() -> None:
    log = one_step(1)
    found = policy_contest(log, ONE_STEP_NAMES, share=SHARE, learner=exact)
    alone = policy_verdict(log, ONE_STEP_NAMES, share=SHARE)
    assert found.deploy
    assert found.policy == alone.policy
    assert found.beside.startswith("PPO does not earn its place")
    assert found.low
    assert alone.low
    assert found.low < alone.low, "two that compete have bounds that are further out"


def test_a_learner_that_is_in_doubt_leaves_the_present_policy() -> None:
    log = probes(3)

    def doubtful(simulator: EntitySimulator, seed: int) -> Floats:
        return np.full(len(simulator.start), 0.55)

    policy = sequential_policy(log, NAMES, doubtful)
    assert isinstance(policy, EntityPolicy)
    assert not policy.departs
    found = policy_contest(log, NAMES, share=SHARE, learner=doubtful)
    assert "nothing that was learned differs" in found.beside


def test_without_lots_there_is_no_contest() -> None:
    log = one_step(1, share=0.0)
    found = policy_contest(log, ONE_STEP_NAMES, share=SHARE, learner=exact)
    assert not found.deploy
    assert found.beside == "PPO was not tried: nothing could be learned from the log."


def test_without_the_extra_the_verdict_is_that_without_ppo_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequential, "find_spec", lambda name: None)
    log = one_step(1)
    found, alone = policy_contest(log, ONE_STEP_NAMES, share=SHARE), policy_verdict(log, ONE_STEP_NAMES, share=SHARE)
    assert (found.deploy, found.reason, found.low, found.beside) == (alone.deploy, alone.reason, alone.low, LEFT_OUT)
    assert "[rl]" in LEFT_OUT


@pytest.mark.proof
def test_ppo_finds_what_is_best_in_the_simulator_and_leaves_chance_as_it_was() -> None:
    needs("stable_baselines3", "rl")
    import torch

    from intelligence.decisions.ppo import ppo

    draw, states = np.random.default_rng(1), 6
    moves, ends = draw.dirichlet(np.full(states, 0.5), (states, 2)), draw.uniform(0.05, 0.4, (states, 2))
    simulator = EntitySimulator(np.full(states, 1 / states), moves, ends, -draw.random((states, 2)))
    before = (
        random.getstate(),
        np.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
    )
    found = ppo(simulator, 7)
    assert found.tolist() == ppo(simulator, 7).tolist()
    after = (
        random.getstate(),
        np.random.get_state()[1].tolist(),
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
    )
    assert before == after
    clear = np.abs(np.diff(simulator.values, axis=1)[:, 0]) > 0.1
    assert clear.sum() >= 4
    assert (found > 0.5)[clear].tolist() == (exact(simulator, 7) > 0.5)[clear].tolist()


@pytest.mark.proof
def test_ppo_itself_earns_its_place_where_answers_act_on_later_events() -> None:
    needs("stable_baselines3", "rl")
    found = policy_contest(probes(2), NAMES, share=SHARE)
    assert found.beside.startswith("PPO earns its place")
    assert found.policy
    assert found.policy.answers([[3.0, 0.5]]).tolist() == [1]
