"""PPO (the extra `rl`) beside the doubly robust policy, in a world of single decisions and in one where answers act on later events.

In the second, some entities probe before they attack. A throttle hardly prevents anything at once, but who is throttled while probing
mostly gives up. Judged one by one such throttles only cost; over an entity's events they gain most of what there is.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Protocol

import numpy as np

from benchmarks.measuring import tell
from intelligence.decisions.learned_policy import AS_BEFORE, EntityPolicy, PolicyLog, PolicyVerdict, policy_verdict
from intelligence.decisions.sequential import LEFT_OUT, policy_contest

STEPS = 8
ATTACKERS, PROBING, ATTACKING = 0.2, 1, 2
COST, PREVENTED, HARM = 0.08, 0.2, 0.7
GIVES_UP, ATTACKS, GOES = 0.8, 0.6, 0.15
LIMIT, SHARE = 0.7, 0.1
MOST_BY_CHANCE = 0.1
PEOPLE_OF_TRUTH = 40_000

Answers = Callable[[np.ndarray, np.ndarray], np.ndarray]


class OneStep(Protocol):
    """A world of single decisions."""

    name: str

    def log(self, seed: int, users: int) -> PolicyLog:
        """Return decisions of the present policy."""

    def values(self, policy: EntityPolicy | None = None) -> dict[str, float]:
        """Return true values of the present policy, of a learned one and of the best."""


def lived(answers: Answers, users: int, seed: int) -> tuple[PolicyLog, float]:
    """Return the decisions on entities that live through the world of probes, and what one brings on average.

    Args:
        answers: Returns whether to throttle, of contexts and of what the score alone would do; lots are drawn between.
        users: Number of entities.
        seed: Seed of all that is drawn.
    """
    draw = np.random.default_rng(seed)
    kind = np.where(draw.random(users) < ATTACKERS, PROBING, 0)
    alive, rows = np.arange(users), []
    for step in range(STEPS):
        state = kind[alive]
        score = 1 / (1 + np.exp(-(0.8 * (state == ATTACKING) + draw.normal(size=len(alive)) - 0.8)))
        errors = draw.poisson(np.where(state == PROBING, 3.0, np.where(state == ATTACKING, 0.3, 0.15))).astype(float)
        value = draw.lognormal(3 + 1.5 * (state == ATTACKING), 0.5)
        contexts = np.column_stack([score, errors, value])
        usual = score > LIMIT
        chosen = answers(contexts, usual)
        throttled = np.where(draw.random(len(alive)) < SHARE, ~chosen, chosen)
        harm = np.where(state == ATTACKING, HARM, 0.01) * np.where(throttled, 1 - PREVENTED, 1.0)
        rewards = -(draw.random(len(alive)) < harm).astype(float) - COST * throttled
        rows.append(
            (contexts, usual, throttled, np.where(chosen, 1 - SHARE, SHARE), rewards, alive, np.full(len(alive), step))
        )
        begins = (state == PROBING) & (draw.random(len(alive)) < ATTACKS)
        stays = ~((state == PROBING) & throttled & (draw.random(len(alive)) < GIVES_UP))
        stays &= draw.random(len(alive)) >= GOES
        kind[alive[begins]] = ATTACKING
        alive = alive[stays]
    parts = [np.concatenate(each) for each in zip(*rows, strict=True)]
    # Entities come one after another, so that the later ones judge what the earlier ones taught.
    times = parts[5] * STEPS + parts[6]
    return PolicyLog(*parts[:6], times), float(parts[4].sum() / users)


def answers_of(policy: EntityPolicy | None) -> Answers:
    """Return what a policy answers; the score where it does not decide."""

    def found(contexts: np.ndarray, usual: np.ndarray) -> np.ndarray:
        answers = np.full(len(usual), AS_BEFORE) if policy is None else policy.answers(contexts)
        return np.where(answers == AS_BEFORE, usual, answers == 1)

    return found


def truth(verdict: PolicyVerdict | None) -> float:
    """Return what an entity brings under what the gate leaves in force."""
    return lived(answers_of(verdict.policy if verdict and verdict.deploy else None), PEOPLE_OF_TRUTH, 0)[1]


def compared(
    worlds: Sequence[OneStep], predictors: Sequence[str], *, seeds: int, users: int
) -> Iterator[tuple[str, bool]]:
    """Print how PPO does in all worlds, and yield each promise and whether it held; without the extra say so.

    Args:
        worlds: Worlds of single decisions.
        predictors: Names of their contexts' columns.
        seeds: Number of logs of each world.
        users: Users of each log.
    """
    if not find_spec("stable_baselines3"):
        print(f"PPO: not installed. {LEFT_OUT}")
        return
    for world in worlds:
        tell(f"PPO: {world.name}")
        logs = [world.log(seed, users) for seed in range(seeds)]
        alone = [policy_verdict(log, predictors, share=SHARE) for log in logs]
        contest = [policy_contest(log, predictors, share=SHARE) for log in logs]
        values = [[world.values(each.policy if each.deploy else None) for each in found] for found in (alone, contest)]
        learned = [np.mean([each["learned"] for each in found]) for found in values]
        print(f"PPO competes, {world.name}, {seeds} logs: it is chosen in {share_chosen(contest):.0%}")
        print(
            f"  true value of the rules {values[0][0]['present']:.4f}, after the gate without PPO {learned[0]:.4f},"
            f" with it {learned[1]:.4f}, best {values[0][0]['best']:.4f}"
        )
        print(f"  {contest[0].beside}", flush=True)
        yield (
            "PPO takes no place where answers act on nothing later, but by chance",
            share_chosen(contest) <= MOST_BY_CHANCE,
        )
    tell("PPO: who probes attacks later")
    names = ("risk_score", "errors_5m", "value_24h")
    logs = [lived(answers_of(None), users, seed + 1)[0] for seed in range(seeds)]
    alone = [policy_verdict(log, names, share=SHARE) for log in logs]
    contest = [policy_contest(log, names, share=SHARE) for log in logs]
    found = {
        "the rules": truth(None),
        "the gate without PPO": np.mean([truth(each) for each in alone]),
        "the gate with PPO": np.mean([truth(each) for each in contest]),
        "a throttle on all who probe": lived(lambda contexts, _: contexts[:, 1] >= 2, PEOPLE_OF_TRUTH, 0)[1],
    }
    print(f"PPO competes, who probes attacks later, {seeds} logs: it is chosen in {share_chosen(contest):.0%}")
    print("  what an entity brings under " + ", ".join(f"{name} {value:.4f}" for name, value in found.items()))
    print(f"  {contest[0].beside}", flush=True)
    yield "what PPO adds is true", found["the gate with PPO"] >= found["the gate without PPO"]


def share_chosen(verdicts: Sequence[PolicyVerdict]) -> float:
    """Return in how many of the logs PPO was chosen."""
    return float(np.mean([each.beside.startswith("PPO earns") for each in verdicts]))
