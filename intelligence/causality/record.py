"""The record of an estimator: what it said where an own experiment knew the answer.

Where a product has experiments, the observational method runs on their population as if it knew no randomisation. The pairs of
both answers tell its bias and how often its intervals hold what the experiment found. A method whose record is out of bounds
loses a grade in every claim; one with too few pairs is not judged.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from intelligence.causality.covariates import present
from intelligence.causality.effect import effect
from intelligence.causality.estimation import FEWEST_PER_ARM, Rules
from intelligence.causality.interval import Interval, Z
from intelligence.core.errors import CausalityError, NotEnoughEvidence
from intelligence.core.grades import Finding

FEWEST_PAIRS: Final = 5
LOWEST_COVERAGE: Final = 0.85
MOST_BIAS: Final = 0.05  # in standard deviations of the outcome
COLUMNS: Final = ("method", "experiment", "experiment_se", "observed", "observed_se", "outcome_sd")


METHODS: Final = ("plain difference", "adjusted")
# What is compared in own experiments, and what units did before, by which it is adjusted.
RECORDED: Final = ("active_days", "events", "converted_days", "errors")
BEFORE: Final = (
    *("active_days_before", "events_before", "sessions_before", "features_before", "errors_before"),
    *("converted_days_before", "idle_days_before", "segment"),
)
# How strongly the units with more active days before are made to prefer the variant.
PREFERENCE: Final = 1.5
OBSERVED_DAYS: Final = 14


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


def confounded_sample(frame: pl.DataFrame, *, treated: str, by: str, seed: int = 7) -> pl.DataFrame:
    """Return units of an experiment, left out so that who is treated depends on a column: as if they had chosen for themselves.

    Units of the variant with low values and of the control with high values are left out more often. Given the column, the arms
    stay comparable, so that the effect is that of the experiment and a method that adjusts for the column can find it (rejection
    sampling of experiments: Keith et al. 2023).

    Args:
        frame: One row per unit of the experiment.
        treated: Column of Booleans: whether the unit is in the variant.
        by: Column of numbers measured before the exposure.
        seed: Seed of the draws.

    >>> units = pl.DataFrame({"t": [True, False] * 500, "before": list(range(1000))})
    >>> chosen = confounded_sample(units, treated="t", by="before")
    >>> bool((chosen.filter("t")["before"].mean() or 0) > (chosen.filter(~pl.col("t"))["before"].mean() or 0) + 100)
    True
    """
    values = frame[by].cast(pl.Float64).fill_null(0.0)
    ranks = (values.rank("average").to_numpy() - 0.5) / max(frame.height, 1)
    chance = 1 / (1 + np.exp(-PREFERENCE * 2 * (2 * ranks - 1)))
    is_treated = frame[treated].to_numpy()
    share = float(is_treated.mean()) if frame.height else 0.5
    # The acceptance is P(treated | column) / P(treated), scaled to at most 1.
    weight = np.where(is_treated, chance / share, (1 - chance) / (1 - share))
    draws = np.random.default_rng(seed).random(frame.height)
    return frame.filter(pl.Series(draws < weight / weight.max()))


def pairs_of(units: pl.DataFrame, *, experiment: str, variant: str, control: str) -> list[dict[str, Any]]:
    """Return what each method says of an experiment beside what the experiment says, one row per method and outcome.

    The methods are given a sample of the units in which the active ones prefer the variant; they do not know that the units were
    assigned at random.

    Args:
        units: One row per unit, as `causality/record_units.sql` returns them.
        experiment: Name of the experiment.
        variant: The variant.
        control: The control.
    """
    compared = units.filter(pl.col("variant").is_in([variant, control])).with_columns(
        treated=pl.col("variant") == variant
    )
    chosen = confounded_sample(compared, treated="treated", by="active_days_before")
    rows: list[dict[str, Any]] = []
    for outcome in RECORDED:
        try:
            known = naive_difference(compared, treated="treated", outcome=outcome)
            found = effect(chosen, treatment="treated", outcome=outcome, confounders=BEFORE, rules=Rules(refute=False))
        except NotEnoughEvidence:
            continue
        about = {"experiment_name": experiment, "variant": variant, "outcome": outcome}
        spread = float(compared[outcome].cast(pl.Float64).std() or 0.0)  # type: ignore[arg-type]
        for method, answer in zip(METHODS, (found.naive, found.estimate), strict=True):
            rows.append(
                {
                    **about,
                    "method": method,
                    "experiment": known.value,
                    "experiment_se": known.se,
                    "observed": answer.value,
                    "observed_se": answer.se,
                    "outcome_sd": spread,
                }
            )
    return [row for row in rows if row["outcome_sd"] > 0 and row["experiment_se"] > 0 and row["observed_se"] > 0]


def naive_difference(frame: pl.DataFrame, *, treated: str, outcome: str) -> Interval:
    """Return the plain difference of two arms of one row per unit.

    Args:
        frame: One row per unit.
        treated: Column of Booleans.
        outcome: Column of numbers.

    Raises:
        NotEnoughEvidence: An arm has too few units.
    """
    arms = [frame.filter(pl.col(treated) == arm)[outcome].cast(pl.Float64).to_numpy() for arm in (True, False)]
    if min(map(len, arms)) < FEWEST_PER_ARM:
        raise NotEnoughEvidence(treated, "An arm has too few units.", hint=f"Each needs {FEWEST_PER_ARM}.")
    means, variances = zip(*((arm.mean(), arm.var(ddof=1) / len(arm)) for arm in arms), strict=True)
    return Interval(float(means[0] - means[1]), float(np.sqrt(sum(variances))))


def record_rows(pairs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of causality.estimator_record of one day, but for the day itself; one for each method that has pairs.

    Args:
        pairs: What `pairs_of` returns, of all experiments.
    """
    if not pairs:
        return []
    frame = pl.DataFrame(pairs)
    return [
        {
            "method": found.method,
            "pairs": found.pairs,
            "bias": found.bias.value,
            "bias_low": found.bias.low,
            "bias_high": found.bias.high,
            "coverage": found.coverage,
            "coverage_low": found.coverage_low,
            "coverage_high": found.coverage_high,
            "out_of_bounds": found.out_of_bounds,
            "compared": json.dumps(
                [
                    {
                        name: row[name] if isinstance(row[name], str) else round(row[name], 6)
                        for name in row
                        if name != "method"
                    }
                    for row in pairs
                    if row["method"] == found.method
                ]
            ),
            "answer": found.words,
        }
        for found in records(frame)
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
