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
from intelligence.experiments.inference import effect, sample_ratio_p
from intelligence.experiments.metrics import Kind, Metric
from intelligence.experiments.moments import Arm, added, arms, moments

# Health is looked at each day and must not cry wolf: a chance of one in a thousand for each look.
ALPHA: Final = 0.001
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
    by_metric = {metric.name: arms(found, metric) for metric in metrics}
    seen = units if units is not None else units_of(found)
    days = found["exposed_on"].n_unique()
    problems = (
        sample_ratio_mismatch(seen, shares),
        units_in_two_arms(in_two_arms, sum(seen.values())),
        telemetry_at_fault(faulty_days, days),
        *(exposure_without_outcome(metric, by_metric[metric.name]) for metric in metrics),
        *(
            imbalance_before_start(metric, by_metric[metric.name], control=control, of=len(metrics))
            for metric in metrics
        ),
    )
    return tuple(problem for problem in problems if problem)


def units_of(found: pl.DataFrame) -> dict[str, int]:
    """Return the units of the moments by variant: those of the metric that counts most."""
    counted = added(found, by=("variant", "metric")).group_by("variant").agg(pl.col("units").max()).sort("variant")
    return dict(counted.iter_rows())


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
            found = effect(_shifted(by_variant[control]), _shifted(arm), before, variant=name)
        except NotEnoughEvidence:
            continue
        if found.p < alpha / (of * len(treated)):
            return Problem(
                "imbalance",
                f"{metric.name} was {found.value:.4g} in {name} and {found.control:.4g} in {control}"
                f" before the exposure: p = {found.p:.2g}",
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


def effects_by_age(
    frame: pl.DataFrame,
    metric: Metric,
    *,
    control: str,
    treatment: str,
    variant: str = "variant",
    days_since: str = "days_since",
) -> pl.DataFrame:
    """Return the effect of a variant by days since exposure: `days_since`, `effect` and `standard_error`, for `novelty`.

    Days since exposure with too few units, or on which all are alike, have no row.

    Args:
        frame: One row per unit and day since its exposure, with the variant and the columns of the metric on that day.
        metric: The metric.
        control: The control.
        treatment: The variant that is compared with it.
        variant: Column of the variant.
        days_since: Column of the days since exposure, 0 on the day of exposure.

    Raises:
        ExperimentError: A column is missing, or is neither a number nor true or false.
    """
    rows = []
    for age in frame[days_since].drop_nulls().unique().sort().to_list():
        of_age = frame.filter(pl.col(days_since) == age)
        by_variant = arms(moments(of_age, [metric], experiment="", variant=variant, exposed_on=date.min), metric)
        if control not in by_variant or treatment not in by_variant:
            continue
        try:
            found = effect(by_variant[control], by_variant[treatment], metric, with_covariate=False)
        except NotEnoughEvidence:
            continue
        rows.append((int(age), found.effect, found.standard_error))
    schema = {"days_since": pl.Int64, "effect": pl.Float64, "standard_error": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


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
