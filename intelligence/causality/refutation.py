"""Refutations: would the same estimate find an effect where there is none, or another one where nothing has changed?

Each is done through the library's own estimate, on a sample of the rows. DoWhy's refuters repeat an estimator of DoWhy instead,
which takes several times as long as the whole estimate here and keeps columns of an earlier run in its frame, so that sound
estimates are refuted; `cross_check` runs them on demand. A refutation takes no longer than the estimate, by its number of rows.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from intelligence.causality.estimation import FEWEST_PER_ARM, Rules, Sample, adjusted
from intelligence.causality.interval import Interval, chi_square_tail, signed
from intelligence.core.errors import NotEnoughEvidence

Name = Literal["placebo treatment", "random common cause", "subsets", "negative control", "other features"]

SAMPLE_ROWS: Final = 10_000
# Enough of the rarer arm for the models of a subset.
SAMPLE_OF_ARM: Final = 4 * FEWEST_PER_ARM
MOST_DRAWS: Final = 4
SUBSETS: Final = 3
# A product has many features, and one of a thousand sound estimates may be called refuted.
SMALLEST_P: Final = 0.001
MOST_CHANGE: Final = 0.5  # of a standard error, by a column of noise
CONTROL_Z: Final = 2.576  # 99 % two-sided
CONTROL_SHARE: Final = 0.25  # of the effect itself, both in standard deviations of their outcome


@dataclass(frozen=True, slots=True)
class Refutation:
    """One attempt at refuting an estimate.

    Attributes:
        name: What was tried.
        refuted: Whether it contradicts the estimate; None where the rows do not suffice to try.
        words: What was found, with its numbers.
        clears: Whether it also rules out, on an outcome of its own, confounding as strong as the claimed effect.
    """

    name: Name
    refuted: bool | None
    words: str
    clears: bool = False


def refutations(sample: Sample, rules: Rules) -> list[tuple[Refutation, ...]]:
    """Return the refutations of the effect on each outcome of a sample, but for the negative control.

    Args:
        sample: The rows of the estimate, trimmed.
        rules: How it was estimated.
    """
    draw = np.random.default_rng([rules.seed, 1])
    part = _sampled(sample, draw)
    draws = int(np.clip(len(sample.treated) // len(part.treated), 1, MOST_DRAWS))
    placebo = _placebo(part, draws, rules, draw)
    noise = _noise(part, rules, draw)
    subsets = _subsets(part, rules, draw)
    return [(placebo[place], noise[place], subsets[place]) for place in range(sample.y.shape[1])]


def negative_control(name: str, control: Interval, control_sd: float, effect: Interval, effect_sd: float) -> Refutation:
    """Return whether the treatment has an effect on an outcome that it cannot have one on.

    It refutes where the effect on the control lies beyond chance (99 %) and is no small part of the claimed one. It clears the
    claim where even the far end of that interval is smaller than the claimed effect, both in standard deviations.

    Args:
        name: The negative-control outcome.
        control: The adjusted effect on it.
        control_sd: Its standard deviation.
        effect: The claimed effect.
        effect_sd: Standard deviation of the outcome.
    """
    relative, claimed = abs(control.value) / control_sd, abs(effect.value) / effect_sd
    refuted = bool(abs(control.z) > CONTROL_Z and relative >= CONTROL_SHARE * claimed)
    found = f"{name}, which the treatment cannot change, differs by {control.words}"
    far_end = (abs(control.value) + CONTROL_Z * control.se) / control_sd
    words = f"{found}, {relative:.3f} standard deviations."
    return Refutation("negative control", refuted, words, clears=bool(not refuted and far_end < claimed))


def _untried(name: Name, outcomes: int, error: NotEnoughEvidence) -> list[Refutation]:
    return [Refutation(name, None, f"Not tried: {error.problem}")] * outcomes


def _sampled(sample: Sample, draw: np.random.Generator) -> Sample:
    """Return a random sample of whole units, larger where an arm is rare."""
    rarer = min(sample.treated.mean(), 1 - sample.treated.mean())
    wanted = max(SAMPLE_ROWS, round(SAMPLE_OF_ARM * SUBSETS / rarer))
    if len(sample.treated) <= wanted:
        return sample
    order = draw.permutation(int(sample.clusters.max()) + 1)
    counts = np.bincount(sample.clusters, minlength=len(order))[order]
    chosen = np.zeros(len(order), np.bool_)
    chosen[order[: int(np.searchsorted(np.cumsum(counts), wanted)) + 1]] = True
    return sample.rows(chosen[sample.clusters])


def _again(sample: Sample, rules: Rules) -> tuple[Interval, ...]:
    """Return the estimate on rows that are trimmed already."""
    return adjusted(sample, replace(rules, trim=0.0, fewest_kept=0.0)).effects


def _placebo(sample: Sample, draws: int, rules: Rules, draw: np.random.Generator) -> list[Refutation]:
    outcomes = sample.y.shape[1]
    try:
        found = [_again(replace(sample, treated=draw.permutation(sample.treated)), rules) for _ in range(draws)]
    except NotEnoughEvidence as error:
        return _untried("placebo treatment", outcomes, error)
    made = list[Refutation]()
    for place in range(outcomes):
        z = np.array([each[place].z for each in found])
        p = chi_square_tail(float(z @ z), draws)
        values = ", ".join(signed(each[place].value) for each in found)
        made.append(
            Refutation("placebo treatment", p < SMALLEST_P, f"A treatment at random gives {values} (p {p:.3f}).")
        )
    return made


def _noise(sample: Sample, rules: Rules, draw: np.random.Generator) -> list[Refutation]:
    column = draw.standard_normal((len(sample.treated), 1)).astype(np.float32)
    try:
        before = _again(sample, rules)
        after = _again(replace(sample, x=np.concatenate([sample.x, column], axis=1)), rules)
    except NotEnoughEvidence as error:
        return _untried("random common cause", sample.y.shape[1], error)
    made = list[Refutation]()
    for one, other in zip(before, after, strict=True):
        change = abs(other.value - one.value) / one.se if one.se > 0 else 0.0
        words = f"A confounder at random changes the estimate by {change:.2f} standard errors."
        made.append(Refutation("random common cause", change > MOST_CHANGE, words))
    return made


def _subsets(sample: Sample, rules: Rules, draw: np.random.Generator) -> list[Refutation]:
    of_unit = draw.permutation(int(sample.clusters.max()) + 1) % SUBSETS
    try:
        found = [_again(sample.rows(of_unit[sample.clusters] == part), rules) for part in range(SUBSETS)]
    except NotEnoughEvidence as error:
        return _untried("subsets", sample.y.shape[1], error)
    made = list[Refutation]()
    for place in range(sample.y.shape[1]):
        values = np.array([each[place].value for each in found])
        weights = np.array([1 / max(each[place].se, 1e-12) ** 2 for each in found])
        middle = values @ weights / weights.sum()
        p = chi_square_tail(float(weights @ (values - middle) ** 2), SUBSETS - 1)
        listed = ", ".join(map(signed, values))
        made.append(Refutation("subsets", p < SMALLEST_P, f"Random thirds give {listed} (p {p:.3f})."))
    return made
