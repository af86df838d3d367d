"""The learned policy for entities in simulated worlds whose rewards are known: what it gains, and whether it keeps quiet where it should.

In each world entities come with windows and a score, and the present policy throttles from a limit of the score on, but for a small share
that is decided by lot. A harmful event costs 1, a throttle costs something too and prevents most of the harm.

With the extra `rl`, PPO competes in one such world and in one in which a throttle also acts on later events.
"""

import argparse
import sys
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.measuring import tell
from benchmarks.sequential_policy import compared
from intelligence.decisions.learned_policy import AS_BEFORE, EntityPolicy, PolicyLog, PolicyVerdict, policy_verdict

PREDICTORS = ("risk_score", "events_5m", "errors_5m", "value_24h", "since_last_s")
SHARE, LIMIT = 0.1, 0.7
THROTTLE_COST, PREVENTED = 0.08, 0.8
PER_USER, PEOPLE_OF_TRUTH = 4, 100_000
# The gate's lower bound is to hold in 99 %.
ERRS = 0.01
WANTED_OF_BEST, WANTED_DEPLOYED = 0.6, 0.9
# As many logs show that nothing is deployed without support: there is no chance in it.
FEW = 50


@dataclass(frozen=True)
class World:
    """A world: whether answers differ there, whether the present policy is the best, and what is drawn by lot and logged.

    Attributes:
        name: What is so there.
        differs: Whether throttling prevents harm; else it brings what letting through brings.
        is_best: Whether the present policy is the best one already.
        share: Share of decisions that are decided by lot.
        logged: Share that is logged.
    """

    name: str
    differs: bool = True
    is_best: bool = False
    share: float = SHARE
    logged: float = SHARE

    def contexts(self, draw: np.random.Generator, users: int) -> tuple[np.ndarray, np.ndarray]:
        """Return contexts and their users; those of one user resemble each other."""
        user = np.arange(users * PER_USER) // PER_USER
        habit = draw.normal(size=users)[user]
        score = 1 / (1 + np.exp(-(1.2 * habit + draw.normal(size=len(user)) - 0.8)))
        events = draw.poisson(np.exp(0.5 + 0.4 * habit)) + 1.0
        errors = draw.binomial(events.astype(int), 0.25).astype(float)
        value, since = draw.lognormal(3, 1, len(user)), draw.exponential(3_000, len(user))
        since[draw.random(len(user)) < 0.1] = np.nan
        return np.column_stack([score, events, errors, value, since]), user

    def harm(self, contexts: np.ndarray) -> np.ndarray:
        """Return the probability of harm: the score knows the half of it, errors in short order the rest."""
        score, errors = contexts[:, 0], contexts[:, 2]
        return np.clip(0.01 + 0.3 * (score > LIMIT) * (errors < 1) + 0.35 * (errors >= 2), 0, 1)

    def rewards(self, contexts: np.ndarray) -> np.ndarray:
        """Return the expected reward of each answer, shape (decisions, 2)."""
        harm = self.harm(contexts)
        if not self.differs:
            return np.stack([-harm, -harm], axis=1)
        return np.stack([-harm, -(1 - PREVENTED) * harm - THROTTLE_COST], axis=1)

    def present(self, contexts: np.ndarray) -> np.ndarray:
        """Return the code of the answer of the present policy but for lots."""
        if self.is_best:
            return self.rewards(contexts).argmax(1)
        return (contexts[:, 0] > LIMIT).astype(int)

    def log(self, seed: int, users: int) -> PolicyLog:
        """Return decisions of the present policy, with the propensities that it logs."""
        draw = np.random.default_rng(seed)
        contexts, user = self.contexts(draw, users)
        answer = self.present(contexts)
        throttled = np.where(draw.random(len(answer)) < self.share, 1 - answer, answer)
        # What a user brings is alike in all of his decisions, so that they are not independent.
        luck = draw.normal(0, 0.2, users)[user]
        expected = self.rewards(contexts)[np.arange(len(answer)), throttled] + throttled * THROTTLE_COST * self.differs
        rewards = (
            -(draw.random(len(answer)) < -expected).astype(float) - throttled * THROTTLE_COST * self.differs + luck
        )
        times = draw.permutation(len(answer))
        chances = np.where(answer == 1, 1 - self.logged, self.logged)
        if not self.logged:
            chances = throttled.astype(float)
        return PolicyLog(contexts, answer, throttled == 1, chances, rewards, user, times)

    def values(self, policy: EntityPolicy | None = None) -> dict[str, float]:
        """Return the true value of the present policy, of a learned one and of the best, each with the same lots."""
        contexts, _ = self.contexts(np.random.default_rng(0), PEOPLE_OF_TRUTH // PER_USER)
        rewards, present = self.rewards(contexts), self.present(contexts)
        learned = present
        if policy is not None:
            answers = policy.answers(contexts)
            learned = np.where(answers == AS_BEFORE, present, answers)
        departing = max(float((learned != present).mean()), 1e-12)

        def value(answers: np.ndarray) -> float:
            both = rewards[np.arange(len(answers)), answers], rewards[np.arange(len(answers)), 1 - answers]
            return float(((1 - self.share) * both[0] + self.share * both[1]).mean())

        found = {"present": value(present), "learned": value(learned), "best": value(rewards.argmax(1))}
        return {**found, "gain": (found["learned"] - found["present"]) / departing}


PLANTED = World("something to gain")
QUIET = (
    World("both answers bring the same", differs=False),
    World("the present policy is the best", is_best=True),
)
UNSUPPORTED = (
    World("nothing is decided by lot", share=0.0, logged=0.0),
    World("half is decided by lot and a tenth logged", share=0.5, logged=SHARE),
)


@dataclass
class Demands:
    """What was promised, and whether it held."""

    failed: int = 0

    def check(self, is_met: bool, what: str) -> None:
        """Print a promise and whether it held."""
        print(f"  {what}: {'met' if is_met else 'NOT met'}")
        self.failed += not is_met


def verdicts(world: World, *, seeds: int, users: int) -> list[PolicyVerdict]:
    """Return the verdict for each seed."""
    tell(world.name)
    share = min(world.share, SHARE)
    return [policy_verdict(world.log(seed, users), PREDICTORS, share=share) for seed in range(seeds)]


def at_most(share: float, number: int) -> float:
    """Return up to what share something that is true of `share` may be counted in so many cases, at two standard errors."""
    return share + 2 * (share * (1 - share) / number) ** 0.5


def bounds_held(world: World, judged: list[PolicyVerdict]) -> list[bool]:
    """Return for each policy that was judged whether its true gain is at least the lower bound."""
    return [each.low <= world.values(each.policy)["gain"] for each in judged if each.low is not None]


def planted(demands: Demands, *, seeds: int, users: int) -> list[bool]:
    """Say what is gained where there is something to gain, and return whether the bounds held."""
    found = verdicts(PLANTED, seeds=seeds, users=users)
    values = [PLANTED.values(each.policy if each.deploy else None) for each in found]
    present, learned, best = (np.array([each[name] for each in values]) for name in ("present", "learned", "best"))
    of_best, deployed = (learned - present) / (best - present), np.mean([each.deploy for each in found])
    held = bounds_held(PLANTED, found)
    print(f"{PLANTED.name}: deployed in {deployed:.1%}, the lower bound holds in {np.mean(held):.1%} of {len(held)}")
    print(
        f"  true value of the rules {present.mean():.4f}, after the gate {learned.mean():.4f}, best possible {best.mean():.4f}"
    )
    print(f"  {of_best.mean():.0%} of what there is to gain, {of_best.min():.0%} in the worst log")
    demands.check(deployed >= WANTED_DEPLOYED, f"at least {WANTED_DEPLOYED:.0%} deployed")
    demands.check(of_best.mean() >= WANTED_OF_BEST, f"at least {WANTED_OF_BEST:.0%} of what there is to gain")
    demands.check(np.mean(of_best < 0) <= at_most(ERRS, seeds), f"worse than the rules in at most {ERRS:.0%}")
    return held


def quiet(demands: Demands, world: World, *, seeds: int, users: int) -> list[bool]:
    """Say how often something is deployed where nothing is to be gained, and return whether the bounds held."""
    found = verdicts(world, seeds=seeds, users=users)
    deployed, held = np.mean([each.deploy for each in found]), bounds_held(world, found)
    holds = f", of which the lower bound holds in {np.mean(held):.1%}" if held else ""
    print(f"{world.name}: deployed in {deployed:.1%}; {len(held)} policies could be judged{holds}")
    most = at_most(ERRS, seeds)
    demands.check(deployed <= most, f"at most {ERRS:.0%} deployed, which is up to {most:.1%} of {seeds} by chance")
    return held


def unsupported(demands: Demands, world: World, *, seeds: int, users: int) -> None:
    """Say how often something is deployed where the log cannot tell."""
    found = verdicts(world, seeds=seeds, users=users)
    print(f"{world.name}: deployed in {np.mean([each.deploy for each in found]):.1%} of {seeds}. {found[0].reason}")
    demands.check(not any(each.deploy for each in found), "never deployed")


def main() -> int:
    """Measure, print, and return 1 where a demand is not met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="logs of each world")
    parser.add_argument("--users", type=int, default=10_000, help="users of each log, of four decisions each")
    parser.add_argument("--ppo-seeds", type=int, default=10, help="logs of each world in which PPO competes")
    given = parser.parse_args()
    started, demands = time.perf_counter(), Demands()
    print(f"{given.seeds} logs of {given.users * PER_USER:,} decisions in each world, {SHARE:.0%} decided by lot")
    held = planted(demands, seeds=given.seeds, users=given.users)
    for world in QUIET:
        held += quiet(demands, world, seeds=given.seeds, users=given.users)
    missed, most = 1 - np.mean(held), at_most(ERRS, len(held))
    demands.check(
        missed <= most,
        f"the lower bound fails in at most {ERRS:.0%} ({missed:.1%} of {len(held)}, by chance {most:.1%})",
    )
    for world in UNSUPPORTED:
        unsupported(demands, world, seeds=min(given.seeds, FEW), users=given.users)
    for promise, is_met in compared((PLANTED, QUIET[0]), PREDICTORS, seeds=given.ppo_seeds, users=given.users):
        demands.check(is_met, promise)
    print(f"{time.perf_counter() - started:,.0f} s")
    return 1 if demands.failed else 0


if __name__ == "__main__":
    sys.exit(main())
