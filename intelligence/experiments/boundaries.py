"""Group-sequential boundaries: how far a result must be from zero at each of several looks, so that looking costs no errors.

The chance of a false finding is spent over the looks (Lan and DeMets 1983), by default as little at the beginning as O'Brien and
Fleming's boundary does. Crossing probabilities come from the exact recursion of Armitage, McPherson and Rowe (1969), integrated
by Gauss-Legendre quadrature. In it `score` is the sum whose variance is the information; `z` is score / sqrt(information).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from intelligence.core.errors import ExperimentError

# Less than this is not spent at a look of its own: no score reaches the boundary that it would give.
LEAST_SPENT: Final = 1e-10
# The scores beyond so many standard deviations are left out: 1e-15 of them.
REACH: Final = 8.0
NODES_PER_DEVIATION: Final = 2.5
FEWEST_NODES: Final = 32
HIGHEST_Z: Final = 9.0
MOST_DRIFT: Final = 40.0

Floats = NDArray[np.float64]
Spending = Callable[[float, float], float]


def obrien_fleming(share: float, alpha: float) -> float:
    """Return how much of `alpha` O'Brien and Fleming's type of spending has spent.

    Args:
        share: Share of the planned information or time that has passed; above 1 it counts as 1.
        alpha: Two-sided chance of a false finding over all looks.

    >>> round(obrien_fleming(0.5, 0.05), 5), obrien_fleming(1.0, 0.05)
    (0.00305, 0.05)
    """
    if share <= 0:
        return 0.0
    if share >= 1:
        return alpha
    return float(4 * stats.norm.sf(stats.norm.isf(alpha / 4) / math.sqrt(share)))


def even_spending(share: float, alpha: float) -> float:
    """Return how much of `alpha` is spent where it is spent evenly, which stops early more often and needs more units.

    Args:
        share: Share of the planned information or time that has passed.
        alpha: Two-sided chance of a false finding over all looks.
    """
    return alpha * min(max(share, 0.0), 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Scores:
    """The density of the score over those who have crossed no boundary so far, on quadrature nodes."""

    nodes: Floats
    weights: Floats
    density: Floats
    information: float

    def crossing(self, z: float, information: float, drift: float) -> float:
        """Return the probability of being beyond ±z at the next look, having crossed none before."""
        step, edge = information - self.information, z * math.sqrt(information)
        mean, deviation = self.nodes + drift * step, math.sqrt(step)
        beyond = special.ndtr((mean - edge) / deviation) + special.ndtr((-edge - mean) / deviation)
        return float((self.density * self.weights * beyond).sum())

    def continued(self, z: float, information: float, drift: float) -> "_Scores":
        """Return the density at the next look of those who are not beyond ±z."""
        step = information - self.information
        deviation = math.sqrt(step)
        nodes, weights = _nodes(z, information, drift, deviation)
        distance = (nodes[:, None] - self.nodes[None, :] - drift * step) / deviation
        density = np.exp(-0.5 * distance**2) @ (self.density * self.weights) / (deviation * math.sqrt(2 * math.pi))
        return _Scores(nodes, weights, density, information)


_START: Final = _Scores(np.zeros(1), np.ones(1), np.ones(1), 0.0)


def _nodes(z: float, information: float, drift: float, deviation: float) -> tuple[Floats, Floats]:
    root = math.sqrt(information)
    low = max(-z * root, drift * information - REACH * root)
    high = min(z * root, drift * information + REACH * root)
    if high <= low:
        return np.zeros(1), np.zeros(1)
    # The density is as smooth as the last step between looks makes it.
    count = FEWEST_NODES * max(1, math.ceil(NODES_PER_DEVIATION * (high - low) / deviation / FEWEST_NODES))
    places, weights = _quadrature(count)
    half = (high - low) / 2
    return (low + high) / 2 + half * places, half * weights


@lru_cache(maxsize=64)
def _quadrature(count: int) -> tuple[Floats, Floats]:
    places, weights = np.polynomial.legendre.leggauss(count)
    return places, weights


def boundaries(
    information: Sequence[float],
    *,
    alpha: float = 0.05,
    spent_at: Sequence[float] | None = None,
    spending: Spending = obrien_fleming,
) -> Floats:
    """Return the boundary of |z| at each look; infinity where nothing can be found at a look.

    Args:
        information: Information at each look so far, such as 1 / standard error², in any unit, increasing.
        alpha: Two-sided chance of a false finding over all looks, in (0, 1).
        spent_at: Share of the planned horizon that has passed at each look; by default `information`, then in shares of
            the planned one. Days may be used: alpha is then spent by the calendar (Lan and DeMets 1989), and the plan of
            the looks must not depend on the results.
        spending: How much of alpha is spent by a share of the horizon.

    Raises:
        ExperimentError: The information does not increase, or the two sequences have different lengths.

    >>> [round(float(z), 3) for z in boundaries([0.2, 0.4, 0.6, 0.8, 1.0])]
    [4.877, 3.357, 2.68, 2.29, 2.031]
    """
    shares = list(information if spent_at is None else spent_at)
    _check_increasing(information, shares)
    found, state = [], _START
    spent = 0.0
    for level, share in zip(information, shares, strict=True):
        due = spending(share, alpha) - spent
        z = _boundary(state, float(level), due) if due > LEAST_SPENT else math.inf
        if math.isfinite(z):
            spent += due
        found.append(z)
        state = state.continued(z, float(level), 0.0)
    return np.array(found)


def _check_increasing(information: Sequence[float], shares: Sequence[float]) -> None:
    steps = np.diff(np.asarray(information, dtype=float), prepend=0.0)
    if len(information) != len(shares) or not len(information) or not np.all(steps > 0):
        raise ExperimentError(
            "information",
            f"is {', '.join(f'{each:g}' for each in information) or 'empty'} at {len(shares)} looks.",
            hint="Give one increasing number above 0 for each look.",
        )


def _boundary(state: _Scores, information: float, due: float) -> float:
    def missing(z: float) -> float:
        return state.crossing(z, information, 0.0) - due

    return float(optimize.brentq(missing, 0.0, HIGHEST_Z, xtol=1e-12)) if missing(HIGHEST_Z) < 0 else math.inf


def crossing_probability(z: Sequence[float], information: Sequence[float], *, drift: float = 0.0) -> Floats:
    """Return the probability of crossing a boundary for the first time, at each look and on either side.

    Args:
        z: Boundary of |z| at each look.
        information: Information at each look, increasing.
        drift: The true effect, in the unit in which information is 1 / variance; 0 for no effect.

    Raises:
        ExperimentError: The information does not increase, or the two sequences have different lengths.

    >>> float(crossing_probability([1.96], [1.0]).round(4)[0])
    0.05
    """
    _check_increasing(information, list(z))
    found, state = [], _START
    for bound, level in zip(z, information, strict=True):
        found.append(state.crossing(bound, float(level), drift) if math.isfinite(bound) else 0.0)
        state = state.continued(bound, float(level), drift)
    return np.array(found)


def needed_drift(z: Sequence[float], information: Sequence[float], *, power: float) -> float:
    """Return the effect that crosses a boundary with the given probability, in units of 1 / sqrt(information).

    With information 1 at the last look, its square over that of a single look is how many more units the design needs.

    Args:
        z: Boundary of |z| at each look.
        information: Information at each look, increasing.
        power: Probability of crossing a boundary, in (0, 1).

    >>> round(needed_drift([1.959964], [1.0], power=0.8), 3)
    2.802
    """

    def missing(drift: float) -> float:
        return float(crossing_probability(z, information, drift=drift).sum()) - power

    return float(optimize.brentq(missing, 0.0, MOST_DRIFT / math.sqrt(information[-1]), xtol=1e-9))
