"""The record of an estimator: what it said where an own experiment knew the answer.

Where a product has experiments, the observational method runs on their population as if it knew no randomisation. The pairs of
both answers tell its bias and how often its intervals hold what the experiment found. A method whose record is out of bounds
loses a grade in every claim; one with too few pairs is not judged.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from intelligence.causality.covariates import present
from intelligence.causality.estimation import FEWEST_PER_ARM
from intelligence.causality.interval import Interval, Z
from intelligence.core.errors import CausalityError, NotEnoughEvidence
from intelligence.core.grades import Finding

FEWEST_PAIRS: Final = 5
LOWEST_COVERAGE: Final = 0.85
MOST_BIAS: Final = 0.05  # in standard deviations of the outcome
COLUMNS: Final = ("method", "experiment", "experiment_se", "observed", "observed_se", "outcome_sd")


@dataclass(frozen=True, slots=True)
class MethodRecord:
    """How a method did against own experiments.

    Attributes:
        method: Name of the method.
        pairs: Number of pairs of answers.
        bias: Mean difference, method minus experiment, in standard deviations of the outcome.
        coverage: Share of pairs that differ by no more than both 95 % intervals allow.
        coverage_low: Lower end of its 95 % interval (Wilson 1927).
        coverage_high: Upper end of it.
        out_of_bounds: Whether the record speaks against the method beyond chance; None with too few pairs.
    """

    method: str
    pairs: int
    bias: Interval
    coverage: float
    coverage_low: float
    coverage_high: float
    out_of_bounds: bool | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what the record says against every claim of the method."""
        return ("method out of bounds",) if self.out_of_bounds else ()

    @property
    def words(self) -> str:
        """Return the record in a sentence."""
        judged = {None: "too few pairs to judge", True: "out of bounds", False: "within bounds"}[self.out_of_bounds]
        return (
            f"{self.method}: {judged}. {self.pairs} pairs, bias {self.bias.words} standard deviations, intervals agree in "
            f"{self.coverage:.0%} ({self.coverage_low:.0%} to {self.coverage_high:.0%})."
        )


def records(pairs: pl.DataFrame) -> list[MethodRecord]:
    """Return the record of each method, by name.

    A method is out of bounds where its coverage is below `LOWEST_COVERAGE` beyond chance, or its bias above `MOST_BIAS`.

    Args:
        pairs: One row per method, experiment and outcome: `method`, the experiment's effect and its standard error
            (`experiment`, `experiment_se`), the method's on the same population (`observed`, `observed_se`), `outcome_sd`.

    Raises:
        CausalityError: A column is missing, or a pair holds no finite number or no positive spread.
    """
    present(pairs, COLUMNS)
    values = pairs.select(pl.col(COLUMNS[1:]).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    if not np.isfinite(values).all() or (len(values) and (values[:, [1, 3, 4]] <= 0).any()):
        raise CausalityError(
            "pairs", "hold no finite number or no positive spread.", hint="Leave unanswered pairs out."
        )
    return [
        _record(str(name), rows) for (name,), rows in sorted(pairs.group_by("method"), key=lambda each: str(each[0]))
    ]


def effect_of_adopting(frame: pl.DataFrame, *, assigned: str, adopted: str, outcome: str) -> Interval:
    """Return what an experiment says of adopting: its effect on the outcome over its effect on adoption (Wald 1940).

    It is the effect on those who adopt because they were assigned; where nobody adopts without being assigned, on all who adopt,
    and so comparable with an adjusted effect on the treated.

    Args:
        frame: One row per unit of the experiment.
        assigned: Column of Booleans: whether the unit was assigned to the variant.
        adopted: Column of Booleans: whether it used the feature.
        outcome: Column of numbers or Booleans.

    Raises:
        CausalityError: A column is missing.
        NotEnoughEvidence: An arm has too few units, or the assignment hardly changes who adopts.
    """
    present(frame, [assigned, adopted, outcome])
    known = frame.drop_nulls([assigned, adopted, outcome])
    z, t, y = (known[name].cast(pl.Float64).to_numpy() for name in (assigned, adopted, outcome))
    if min(int(z.sum()), int((1 - z).sum())) < FEWEST_PER_ARM:
        raise NotEnoughEvidence(assigned, "An arm has too few units.", hint=f"Each needs {FEWEST_PER_ARM}.")
    share = z.mean()
    both = np.stack([y, t], axis=1)
    means = [both[z == arm].mean(axis=0) for arm in (1, 0)]
    influence = np.where(z[:, None] == 1, (both - means[0]) / share, -(both - means[1]) / (1 - share))
    on_outcome, on_adoption = means[0] - means[1]
    errors = influence.std(axis=0, ddof=1) / np.sqrt(len(z))
    # The usual bound for a weak instrument: F above 10.
    if on_adoption**2 < 10 * errors[1] ** 2:
        raise NotEnoughEvidence(
            adopted, f"The assignment changes it by {on_adoption:.3f} only.", hint="Nothing follows."
        )
    ratio = on_outcome / on_adoption
    parts = (influence[:, 0] - ratio * influence[:, 1]) / on_adoption
    return Interval(float(ratio), float(parts.std(ddof=1) / np.sqrt(len(z))))


def _record(method: str, rows: pl.DataFrame) -> MethodRecord:
    scale = rows["outcome_sd"].to_numpy()
    gaps = (rows["observed"].to_numpy() - rows["experiment"].to_numpy()) / scale
    errors = np.hypot(rows["observed_se"].to_numpy(), rows["experiment_se"].to_numpy()) / scale
    number = len(gaps)
    # Pairs differ by more than their errors where the method is biased now this way, now that.
    spread = max(float(gaps.std(ddof=1)) if number > 1 else 0.0, float(np.sqrt((errors**2).mean())))
    bias = Interval(float(gaps.mean()), spread / float(np.sqrt(number)))
    coverage = float((np.abs(gaps) <= Z * errors).mean())
    low, high = _wilson(coverage, number)
    judged = None
    if number >= FEWEST_PAIRS:
        judged = bool(high < LOWEST_COVERAGE or bias.low > MOST_BIAS or bias.high < -MOST_BIAS)
    return MethodRecord(method, number, bias, coverage, low, high, judged)


def _wilson(share: float, number: int) -> tuple[float, float]:
    square = Z**2
    middle = (share + square / (2 * number)) / (1 + square / number)
    half = Z / (1 + square / number) * np.sqrt(share * (1 - share) / number + square / (4 * number**2))
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))
