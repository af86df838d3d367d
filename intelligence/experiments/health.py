"""Health before results: what is wrong with an experiment, in words and numbers, before any effect is looked at.

An experiment with a problem that is `blocking` shows no effect at all. The others are shown beside the results and keep a variant
from being shipped.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl
from scipy import stats

from intelligence.core.errors import NotEnoughEvidence
from intelligence.experiments.inference import plain_difference
from intelligence.experiments.moments import Arm, added, arm_of, arms_of_all
from intelligence.experiments.sample_ratio import ALPHA, sample_ratio_p
from intelligence.metrics.registry import Kind, Metric

NOVELTY_ALPHA: Final = 0.01
MOST_IN_TWO_ARMS: Final = 0.01
MOST_WITHOUT_OUTCOME: Final = 0.2
MOST_FAULTY_DAYS: Final = 0.2
FEWEST_NOVELTY_DAYS: Final = 4


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an experiment.

    Attributes:
        name: `sample_ratio`, `two_arms`, `no_outcome`, `imbalance`, `novelty` or `telemetry`.
        sentence: What is wrong, with the numbers.
        blocking: Whether no effect may be shown.
    """

    name: str
    sentence: str
    blocking: bool = True


def health(
    found: pl.DataFrame,
    metrics: Sequence[Metric],
    *,
    shares: Mapping[str, float],
    control: str,
    units: Mapping[str, int] | None = None,
    in_two_arms: int = 0,
    faulty_days: Sequence[date] = (),
) -> tuple[Problem, ...]:
    """Return the problems that the moments of an experiment show; those of novelty come from `novelty`.

    Args:
        found: Moments of one experiment, with the columns of `moments.MOMENTS`.
        metrics: The metrics of the experiment.
        shares: Planned share of each variant.
        control: The control.
        units: Units by variant; None for those of the moments.
        in_two_arms: Units that were seen in more than one variant and are in none of the moments.
        faulty_days: Days of the experiment on which telemetry was at fault.
    """
    by_metric = arms_of_all(found)
    seen = units if units is not None else units_of(by_metric)
    days = found["exposed_on"].n_unique()
    problems = (
        sample_ratio_mismatch(seen, shares),
        units_in_two_arms(in_two_arms, sum(seen.values())),
        telemetry_at_fault(faulty_days, days),
        *(exposure_without_outcome(metric, by_metric.get(metric.name, {})) for metric in metrics),
        *(
            imbalance_before_start(metric, by_metric.get(metric.name, {}), control=control, of=len(metrics))
            for metric in metrics
        ),
    )
    return tuple(problem for problem in problems if problem)


def units_of(by_metric: Mapping[str, Mapping[str, Arm]]) -> dict[str, int]:
    """Return the units by variant, of arms by metric and variant: those of the metric that counts most."""
    units: dict[str, int] = {}
    for by_variant in by_metric.values():
        for name, arm in by_variant.items():
            units[name] = max(arm.units, units.get(name, 0))
    return dict(sorted(units.items()))


def sample_ratio_mismatch(
    units: Mapping[str, int], shares: Mapping[str, float], *, alpha: float = ALPHA
) -> Problem | None:
    """Return a problem where the numbers of units are not those of the planned shares; None where they are.

    Args:
        units: Units by variant.
        shares: Planned share of each variant.
        alpha: Chance of a false alarm.

    >>> sample_ratio_mismatch({"control": 5000, "treatment": 5400}, {"control": 0.5, "treatment": 0.5}).sentence
    'control has 5000 units (48.1%, planned 50.0%), treatment has 5400 units (51.9%, planned 50.0%): p = 8.8e-05'
    """
    total, whole = sum(units.values()), sum(shares.values())
    strangers = sorted(name for name, count in units.items() if name not in shares and count)
    if strangers:
        return Problem("sample_ratio", f"{', '.join(strangers)} has units and is no declared variant")
    if total == 0:
        return None
    p = sample_ratio_p(units, shares)
    if p >= alpha:
        return None
    parts = ", ".join(
        f"{name} has {units.get(name, 0)} units ({units.get(name, 0) / total:.1%}, planned {share / whole:.1%})"
        for name, share in shares.items()
    )
    return Problem("sample_ratio", f"{parts}: p = {p:.2g}")


def units_in_two_arms(in_two_arms: int, in_one_arm: int, *, most: float = MOST_IN_TWO_ARMS) -> Problem | None:
    """Return a problem where units were seen in more than one variant; it blocks above the share `most`.

    Args:
        in_two_arms: Units seen in more than one variant.
        in_one_arm: Units seen in one.
        most: Share of all units up to which they are only told.

    >>> units_in_two_arms(3, 997).sentence
    '3 of 1000 units (0.3%) were seen in more than one variant and are left out'
    """
    if in_two_arms == 0:
        return None
    total = in_two_arms + in_one_arm
    share = in_two_arms / total
    sentence = f"{in_two_arms} of {total} units ({share:.1%}) were seen in more than one variant and are left out"
    return Problem("two_arms", sentence, blocking=share > most)


def exposure_without_outcome(
    metric: Metric, by_variant: Mapping[str, Arm], *, alpha: float = ALPHA, most: float = MOST_WITHOUT_OUTCOME
) -> Problem | None:
    """Return a problem where exposed units have no value of a metric, more often in one variant or too often in all.

    Units whose retention cannot be known yet are no problem, as long as they are as many in each variant.

    Args:
        metric: The metric.
        by_variant: Its arms by variant.
        alpha: Chance of a false alarm of a difference.
        most: Share of all units up to which missing values are no problem while they are alike.
    """
    counts = np.array([[arm.n, arm.units - arm.n] for arm in by_variant.values()])
    if not len(counts) or counts[:, 1].sum() == 0:
        return None
    shares = ", ".join(
        f"{arm.units - arm.n} of {arm.units} units of {name}" for name, arm in sorted(by_variant.items())
    )
    if len(counts) > 1 and counts.sum(axis=0).min() > 0:
        p = float(stats.chi2_contingency(counts, correction=False).pvalue)
        if p < alpha:
            return Problem("no_outcome", f"{metric.name} is missing for {shares}: p = {p:.2g}")
    if metric.kind != "retention" and counts[:, 1].sum() > most * counts.sum():
        return Problem("no_outcome", f"{metric.name} is missing for {shares}", blocking=False)
    return None


def imbalance_before_start(
    metric: Metric, by_variant: Mapping[str, Arm], *, control: str, of: int = 1, alpha: float = ALPHA
) -> Problem | None:
    """Return a problem where variants differed before the exposure by more than chance; None where they did not.

    Args:
        metric: The metric, whose covariate is compared.
        by_variant: Its arms by variant.
        control: The control.
        of: How many metrics are looked at together.
        alpha: Chance of a false alarm for all of them and all variants together.
    """
    treated = {name: arm for name, arm in by_variant.items() if name != control}
    if control not in by_variant or not metric.covariates or not treated:
        return None
    before = _before(metric)
    for name, arm in treated.items():
        try:
            gap, error = plain_difference(_shifted(by_variant[control]), _shifted(arm), before)
        except NotEnoughEvidence:
            continue
        p = float(2 * stats.norm.sf(abs(gap) / error))
        if p < alpha / (of * len(treated)):
            means = _shifted(by_variant[control]).means
            base = float(means[0] / means[1] if before.kind == "ratio" else means[0])
            return Problem(
                "imbalance",
                f"{metric.name} was {base + gap:.4g} in {name} and {base:.4g} in {control} before the exposure: p = {p:.2g}",
            )
    return None


def _before(metric: Metric) -> Metric:
    """Return the metric of the time before the exposure."""
    kind: Kind = "ratio" if metric.kind == "ratio" else "mean"
    denominator = metric.denominator_covariate if kind == "ratio" else None
    return Metric(name=metric.name, kind=kind, column=metric.covariate or "", denominator=denominator)


def _shifted(arm: Arm) -> Arm:
    """Return the arm with the quantities of the time before the exposure in the place of the outcome."""
    order = [2, 3, 2, 3]
    return Arm(arm.units, arm.n, 0, arm.means[order], arm.covariances[np.ix_(order, order)])


def telemetry_at_fault(faulty_days: Sequence[date], days: int, *, most: float = MOST_FAULTY_DAYS) -> Problem | None:
    """Return a problem where telemetry was at fault on days of the experiment; it blocks above the share `most`.

    Args:
        faulty_days: The days at fault.
        days: Days of the experiment.
        most: Share of the days up to which they are only told.
    """
    if not faulty_days:
        return None
    named = ", ".join(map(str, sorted(faulty_days)[:3])) + (", …" if len(faulty_days) > 3 else "")
    sentence = f"telemetry was at fault on {len(faulty_days)} of {max(days, len(faulty_days))} days: {named}"
    return Problem("telemetry", sentence, blocking=len(faulty_days) > most * days)


def effects_by_age(found: pl.DataFrame, metric: Metric, *, control: str, treatment: str) -> pl.DataFrame:
    """Return the effect of a variant by days since exposure: `days_since`, `effect` and `standard_error`, for `novelty`.

    Days since exposure with too few units, or on which all are alike, have no row.

    Args:
        found: Moments of what was done on single days, with `days_since`, 0 on the day of exposure, besides `moments.MOMENTS`.
        metric: The metric.
        control: The control.
        treatment: The variant that is compared with it.
    """
    rows = added(found.filter(pl.col("metric") == metric.name), by=("days_since", "variant"))
    by_age: dict[int, dict[str, Arm]] = {}
    for row in rows.iter_rows(named=True):
        by_age.setdefault(row["days_since"], {})[row["variant"]] = arm_of(row)
    effects = []
    for age, by_variant in by_age.items():
        if control not in by_variant or treatment not in by_variant:
            continue
        try:
            effects.append((age, *plain_difference(by_variant[control], by_variant[treatment], metric)))
        except NotEnoughEvidence:
            continue
    schema = {"days_since": pl.Int64, "effect": pl.Float64, "standard_error": pl.Float64}
    return pl.DataFrame(effects, schema=schema, orient="row")


def novelty(
    by_age: pl.DataFrame, metric: str, *, alpha: float = NOVELTY_ALPHA, fewest_days: int = FEWEST_NOVELTY_DAYS
) -> Problem | None:
    """Return a problem where the effect changes with the days since exposure; None where it does not or cannot be told.

    The effects are fitted by a straight line of the logarithm of the days since exposure, weighted by their precision. They
    count as independent: the same units come back, so that their errors go together and the line is steadier than assumed.

    Args:
        by_age: One row per day since exposure, with `days_since` (from 0), `effect` and `standard_error`.
        metric: Name of the metric.
        alpha: Chance of a false alarm.
        fewest_days: With fewer days nothing is told.
    """
    rows = by_age.filter(pl.col("standard_error") > 0).sort("days_since")
    if rows.height < fewest_days:
        return None
    age = np.log1p(rows["days_since"].to_numpy().astype(float))
    effects, weights = rows["effect"].to_numpy(), rows["standard_error"].to_numpy().astype(float) ** -2.0
    centred = age - np.average(age, weights=weights)
    spread = float((weights * centred**2).sum())
    slope = float((weights * centred * effects).sum()) / spread
    p = float(2 * stats.norm.sf(abs(slope) * spread**0.5))
    if p >= alpha:
        return None
    level = float(np.average(effects, weights=weights))
    first, last = level + slope * centred[0], level + slope * centred[-1]
    days = rows["days_since"].to_list()
    return Problem(
        "novelty",
        f"the effect on {metric} goes from {first:.3g} on day {days[0]} since the exposure to {last:.3g} on day {days[-1]}:"
        f" p = {p:.2g}",
        blocking=False,
    )


def is_healthy(problems: Iterable[Problem]) -> bool:
    """Return whether effects may be shown."""
    return not any(problem.blocking for problem in problems)
