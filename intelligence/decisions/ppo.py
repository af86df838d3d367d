"""PPO (Schulman et al. 2017) in the simulator of entities, by Stable-Baselines3, the extra `rl`; imported only where it is used."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv
from typing_extensions import override

from intelligence.decisions.learned_policy import Floats, Ints
from intelligence.decisions.sequential import DISCOUNT, EntitySimulator
from intelligence.risk.network_training import one_thread

AT_ONCE: Final = 64
STEPS: Final = 120_000


class SimulatedEntities(VecEnv):  # type: ignore[misc]
    """As many entities at once as are drawn together; an entity that does not come back makes way for a new one."""

    def __init__(self, simulator: EntitySimulator, seed: int) -> None:
        """Draw the first entities.

        Args:
            simulator: How entities move.
            seed: Seed of all that is drawn.
        """
        states = len(simulator.start)
        super().__init__(AT_ONCE, gymnasium.spaces.Discrete(states), gymnasium.spaces.Discrete(2))
        self._draw, self._simulator = np.random.default_rng(seed), simulator
        self._reached, self._starts = simulator.moves.cumsum(axis=2), simulator.start.cumsum()
        self._rewards = simulator.rewards / max(float(simulator.rewards.std()), 1e-9)
        self._states, self._answers = self._new(AT_ONCE), np.zeros(AT_ONCE, dtype=np.int64)

    def _new(self, number: int) -> Ints:
        drawn = np.searchsorted(self._starts, self._draw.random(number) * self._starts[-1], side="right")
        found: Ints = np.minimum(drawn, len(self._starts) - 1).astype(np.int64)
        return found

    @override
    def reset(self) -> Ints:
        """Return the states of new entities."""
        self._states = self._new(AT_ONCE)
        return self._shown()

    def _shown(self) -> Ints:
        found: Ints = np.array(self._states, dtype=np.int64)
        return found

    @override
    def step_async(self, actions: Ints) -> None:
        """Take the answers that `step_wait` carries out."""
        self._answers = np.asarray(actions, dtype=np.int64)

    @override
    def step_wait(self) -> tuple[Ints, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Return the next states, the rewards, whose entity did not come back, and the last state of those."""
        rewards = self._rewards[self._states, self._answers].astype(np.float32)
        ends = self._draw.random(AT_ONCE) < self._simulator.ends[self._states, self._answers]
        reached = self._reached[self._states, self._answers]
        then = (self._draw.random(AT_ONCE)[:, None] * reached[:, -1:] >= reached).sum(axis=1)
        then = np.minimum(then, reached.shape[1] - 1)
        told = [{"terminal_observation": last} if ended else {} for last, ended in zip(self._states, ends, strict=True)]
        self._states = np.where(ends, self._new(AT_ONCE), then).astype(np.int64)
        return self._shown(), rewards, ends, told

    @override
    def close(self) -> None:
        """Do nothing: nothing is open."""

    @override
    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute, once for each entity."""
        return [getattr(self, attr_name, None)] * AT_ONCE

    @override
    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of all entities."""
        setattr(self, attr_name, value)

    @override
    def env_method(self, method_name: str, *given: Any, indices: Any = None, **named: Any) -> list[Any]:
        """Return what a method gives, once for each entity."""
        return [getattr(self, method_name)(*given, **named)] * AT_ONCE

    @override
    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> Sequence[bool]:
        """Return that no entity is wrapped."""
        return [False] * AT_ONCE


def ppo(simulator: EntitySimulator, seed: int) -> Floats:
    """Return the probability with which PPO throttles in each state, shape (states,).

    Args:
        simulator: How entities move.
        seed: Seed of all random numbers; those of the process stay as they are.
    """
    with one_thread(), _own_chance(seed):
        learner = PPO(
            "MlpPolicy",
            SimulatedEntities(simulator, seed),
            n_steps=64,
            batch_size=512,
            n_epochs=6,
            gamma=DISCOUNT,
            learning_rate=0.003,
            ent_coef=0.003,
            policy_kwargs={"net_arch": [32]},
            device="cpu",
        )
        learner.learn(STEPS)
        with torch.no_grad():
            states = torch.arange(len(simulator.start))
            found: Floats = learner.policy.get_distribution(states).distribution.probs[:, 1].numpy().astype(np.float64)
    return found


@contextmanager
def _own_chance(seed: int) -> Iterator[None]:
    """Seed the generators of the process that PPO draws from, and leave them as they were."""
    drawn = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.set_state(np.random.RandomState(seed).get_state())
        try:
            yield
        finally:
            np.random.set_state(drawn)
