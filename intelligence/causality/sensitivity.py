"""How strong a confounder that nobody measured would have to be to explain an effect (Cinelli and Hazlett 2020).

The figures are those of the linear regression of the outcome on treatment and confounders. The robustness value is the share of
what is left of treatment and of outcome that a hidden confounder would have to explain, of both at once, to bring the effect to 0
(or its interval to include 0). The benchmark asks the same of a hidden confounder that is as strong as a measured one; measured
confounders that are correlated tell of the same trait of a unit, and count as one. The E-value
(VanderWeele and Ding 2017) says it as a risk ratio.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from intelligence.causality.estimation import Sample
from intelligence.causality.interval import Floats, Interval, Z

# Confounders with a column each whose correlation is above this count as one.
ALIKE: Final = 0.5
_TINY: Final = 1e-12


class Left(NamedTuple):
    """What confounders leave: the sums of squares of the outcome (without the treatment's part) and the treatment, the slope."""

    outcome: float
    treatment: float
    slope: float


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How strong a hidden confounder would have to be.

    Attributes:
        robustness: Share of the remaining spread of treatment and outcome that explains the whole effect, in [0, 1].
        robustness_of_interval: Share that lets the interval include 0; 0 where it does so already.
        e_value: Risk ratio with treatment and outcome that explains the whole effect.
        e_value_of_interval: Risk ratio that lets the interval include 0; 1 where it does so already.
        benchmark: The measured confounder, or group of correlated ones, whose equal would change the effect most; empty
            without confounders.
        benchmark_bias: How much a hidden confounder as strong as that one can change the effect, in the outcome's unit.
        fragile: Whether that would let the interval include 0.
    """

    robustness: float
    robustness_of_interval: float
    e_value: float
    e_value_of_interval: float
    benchmark: str
    benchmark_bias: float
    fragile: bool

    @property
    def words(self) -> str:
        """Return in words how strong a hidden confounder would have to be."""
        need = (
            f"A hidden confounder would have to explain {self.robustness:.1%} of what is left of both treatment and outcome to "
            f"account for the whole effect, {self.robustness_of_interval:.1%} for its interval to include 0"
        )
        if not self.benchmark:
            return f"{need}."
        could = "could" if self.fragile else "could not"
        return f"{need}; one as strong as {self.benchmark} {could} do the latter."


def sensitivities(
    sample: Sample, owners: tuple[str, ...], effects: Sequence[Interval], means: Floats
) -> list[Sensitivity]:
    """Return for each outcome how strong a hidden confounder would have to be to explain the effect on it.

    Args:
        sample: The rows of the estimate.
        owners: The confounder that each column of `sample.x` belongs to.
        effects: The adjusted effect on each outcome.
        means: Mean of each outcome with and without treatment, shape (2, outcomes).
    """
    left = _left_over(sample, owners)
    return [
        _sensitivity(
            {name: of_all[place] for name, of_all in left.items()}, effect, means[:, place], sample.y[:, place]
        )
        for place, effect in enumerate(effects)
    ]


def _sensitivity(left: Mapping[str, Left], effect: Interval, means: Floats, y: Floats) -> Sensitivity:
    whole = left[""]
    size = abs(whole.slope) / np.sqrt(max(whole.outcome / whole.treatment, _TINY))
    # Doubly robust and clustered errors differ from those of the regression, so the interval's end is taken as a part of it.
    nearest = max(0.0, abs(effect.value) - Z * effect.se)
    at_end = size * nearest / max(abs(effect.value), _TINY)
    biases = {name: _bias(whole, without) for name, without in left.items() if name}
    benchmark = max(biases, key=lambda name: biases[name], default="")
    bias = biases.get(benchmark, 0.0)
    fragile = effect.excludes_zero and bias >= nearest
    point, end = _e_values(effect, means, y)
    return Sensitivity(robustness_value(size), robustness_value(at_end), point, end, benchmark, bias, fragile)


def robustness_value(size: float) -> float:
    """Return the robustness value for a partial effect size f = |t| / sqrt(degrees of freedom).

    >>> round(robustness_value(0.1), 3)
    0.095
    """
    square = size**2
    return float(0.5 * (np.sqrt(square**2 + 4 * square) - square))


def e_value(ratio: float) -> float:
    """Return the E-value of a risk ratio.

    >>> e_value(1.0), round(e_value(2.0), 2), e_value(0.5) == e_value(2.0)
    (1.0, 3.41, True)
    """
    above = max(ratio, 1 / ratio)
    return float(above + np.sqrt(above * (above - 1)))


def _e_values(effect: Interval, means: Floats, y: Floats) -> tuple[float, float]:
    nearest = 0.0 if not effect.excludes_zero else min(effect.low, effect.high, key=abs)
    if set(np.unique(y)) <= {0.0, 1.0} and means[1] > _TINY:
        ratios = [max((means[1] + change) / means[1], 1e-6) for change in (effect.value, nearest)]
    else:
        ratios = [np.exp(np.clip(0.91 * change / max(y.std(), _TINY), -30, 30)) for change in (effect.value, nearest)]
    point, end = (e_value(float(ratio)) for ratio in ratios)
    return point, end


def _left_over(sample: Sample, owners: tuple[str, ...]) -> dict[str, list[Left]]:
    """Return what is left of treatment and outcomes after all confounders (""), and after all but each one."""
    rows, columns = sample.x.shape
    both = np.concatenate([sample.treated[:, None], sample.y], axis=1)
    both -= both.mean(axis=0)
    mean = sample.x.mean(axis=0, dtype=np.float64)
    gram = (sample.x.T @ sample.x).astype(np.float64) - rows * np.outer(mean, mean) + 1e-5 * rows * np.eye(columns)
    cross = (sample.x.T @ both.astype(np.float32)).astype(np.float64)
    groups = np.array(_groups(gram, owners), dtype=object)
    found = dict[str, list[Left]]()
    for name in ("", *dict.fromkeys(groups.tolist())):
        others = np.flatnonzero(groups != name)
        explained = (
            cross[others].T @ np.linalg.solve(gram[np.ix_(others, others)], cross[others]) if len(others) else 0.0
        )
        found[name] = _left(both.T @ both - explained)
    return found


def _groups(gram: Floats, owners: tuple[str, ...]) -> list[str]:
    """Return for each column the name of its group: its confounder with all that are correlated with it, also through others."""
    size = np.sqrt(np.diag(gram))
    linked = np.abs(gram) > ALIKE * np.outer(size, size)
    leader = {name: name for name in owners}
    for one, other in zip(*np.nonzero(np.triu(linked, 1)), strict=True):
        old, new = leader[owners[other]], leader[owners[one]]
        leader = {name: new if first == old else first for name, first in leader.items()}
    members = {first: [name for name in leader if leader[name] == first] for first in leader.values()}
    return [_listed(members[leader[name]]) for name in owners]


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:2]) if len(names) < 4 else [names[0], f"{len(names) - 1} alike"]
    return " and ".join([*shown, *names[2:3]] if len(names) == 3 else shown)


def _left(remaining: Floats) -> list[Left]:
    treatment = max(float(remaining[0, 0]), _TINY)
    slopes = remaining[0, 1:] / treatment
    outcomes = np.maximum(np.diag(remaining)[1:] - slopes**2 * treatment, _TINY)
    return [Left(float(outcome), treatment, float(slope)) for outcome, slope in zip(outcomes, slopes, strict=True)]


def _bias(whole: Left, without: Left) -> float:
    """Return the largest change by a hidden confounder as strong as the one left out (Cinelli and Hazlett 2020, section 4.4)."""
    with_treatment = float(np.clip(1 - whole.treatment / without.treatment, 0, 0.49))
    with_outcome = float(np.clip(1 - whole.outcome / without.outcome, 0, 0.99))
    hidden_treatment = with_treatment / (1 - with_treatment)
    shared = with_treatment**2 / (1 - with_treatment) ** 2
    hidden_outcome = (1 + np.sqrt(shared)) ** 2 / (1 - shared) * with_outcome / (1 - with_outcome)
    hidden_outcome = min(hidden_outcome, 1.0)
    return float(np.sqrt(whole.outcome / whole.treatment * hidden_outcome * hidden_treatment / (1 - hidden_treatment)))
