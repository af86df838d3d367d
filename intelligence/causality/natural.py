"""Natural experiments: a change that reached some units earlier than others (staged release, platform by platform, flag rollout).

Difference-in-differences by group and period (Callaway and Sant'Anna 2021): each group that got the change at one period is
compared with units that have not got it yet, from its last period before the change on. Units of different groups may be at
different levels; the assumption is that they would have moved alike. It is checked on the periods before the change. Groups also
move for reasons of their own, which intervals over units do not see, so how far the groups moved apart in the periods before, beyond
what units tell, widens the interval (in the spirit of Conley and Taber 2011). A failed check gives no effect.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from intelligence.causality.covariates import numbers, present
from intelligence.causality.interval import Bools, Floats, Interval, chi_square_tail, signed
from intelligence.core.errors import CausalityError, NotEnoughEvidence
from intelligence.core.grades import Graded, graded

FEWEST_UNITS: Final = 30
FEWEST_PERIODS_BEFORE: Final = 3
SMALLEST_P: Final = 0.05


@dataclass(frozen=True)
class NaturalEffect:
    """The effect of a staged change.

    Attributes:
        estimate: Mean effect on those who got it, over the periods since.
        by_period: Effect by periods since the change; negative ones are before, where it should be 0.
        trends_p: Probability of gaps before the change as large as those seen, if the groups moved alike.
        shock: Standard deviation of the groups' own movements, as seen before the change.
        treated_units: Units that got it and were compared.
        control_units: Units that had not got it when they were compared.
        graded: The evidence grade.
    """

    estimate: Interval
    by_period: dict[int, Interval]
    trends_p: float
    shock: float
    treated_units: int
    control_units: int
    graded: Graded

    @property
    def words(self) -> str:
        """Return the claim with its grade and the check of the trends before."""
        return (
            f"Change on those reached: {self.estimate.words}, {self.graded.words}; before the change the groups moved alike "
            f"(p {self.trends_p:.2f}), {self.treated_units:,} units reached and {self.control_units:,} not yet."
        )


def difference_in_differences(
    frame: pl.DataFrame, *, unit: str, period: str, outcome: str, reached: str
) -> NaturalEffect:
    """Return the effect of a change that reached units at different periods, or some of them never.

    Args:
        frame: One row per unit and period, with a value for every unit in every period.
        unit: Column of the unit.
        period: Column of the period, a whole number that rises by 1.
        outcome: Column of numbers or Booleans.
        reached: Column of the unit's first period with the change; null where it never got it.

    Raises:
        CausalityError: A column is missing, periods are no whole numbers, or a unit has two rows in a period or two periods
            `reached`.
        NotEnoughEvidence: Too few units or periods, nobody to compare with, a constant outcome, or the groups moved differently
            before the change.
    """
    wide, first, periods = _wide(frame, unit, period, outcome, reached)
    if wide.size == 0 or wide.min() == wide.max():
        raise NotEnoughEvidence(outcome, "It does not vary, or no unit has it in every period.", hint="Fill the days.")
    influence, sizes, treated, controls = _group_effects(wide, first, periods)
    if not any(since >= 0 for since in influence):
        raise NotEnoughEvidence(
            reached,
            f"No group of {FEWEST_UNITS} units has as many to compare with, one period since and "
            f"{FEWEST_PERIODS_BEFORE} before.",
            hint="Keep part of the units without the change for longer.",
        )
    by_period = {since: _interval(influence[since]) for since in sorted(influence)}
    before = [since for since in by_period if since < -1]
    if len(before) < FEWEST_PERIODS_BEFORE - 1:
        raise NotEnoughEvidence(
            period, f"{len(before) + 1} periods before the change are too few.", hint="Take earlier periods with them."
        )
    p, shock = _trends(influence, before)
    if p < SMALLEST_P:
        gaps = ", ".join(signed(by_period[since].value) for since in before)
        raise NotEnoughEvidence(
            "trends before the change",
            f"The groups moved differently before it (gaps {gaps}; p {p:.3f}).",
            hint="Compare groups that move alike.",
        )
    after = [since for since in by_period if since >= 0]
    weights = np.array([sizes[since] for since in after])
    mean = sum(by_period[since].value * w for since, w in zip(after, weights, strict=True)) / weights.sum()
    whole = sum(influence[since] * w for since, w in zip(after, weights, strict=True)) / weights.sum()
    estimate = Interval(float(mean), float(np.hypot(np.sqrt((_centred(whole) ** 2).sum()), shock)))
    return NaturalEffect(estimate, by_period, p, shock, treated, controls, graded("natural experiment"))


def _wide(frame: pl.DataFrame, unit: str, period: str, outcome: str, reached: str) -> tuple[Floats, Floats, list[int]]:
    present(frame, [unit, period, outcome, reached])
    for name in (period, reached):
        if not (frame[name].dtype.is_integer() or frame[name].dtype == pl.Null):
            raise CausalityError(name, f"holds {frame[name].dtype}, not whole numbers.", hint="Number the periods.")
    if frame.select(unit, period).is_duplicated().any():
        raise CausalityError("frame", "has two rows of one unit and period.", hint="Sum them up first.")
    if frame.group_by(unit).agg(pl.col(reached).n_unique())[reached].max() not in (None, 1):
        raise CausalityError(reached, "differs between the rows of one unit.", hint="It is one period for each unit.")
    values = frame.with_columns(pl.Series("_y", numbers(frame[outcome]))).filter(pl.col("_y").is_finite())
    periods = sorted(values[period].unique().to_list())
    if periods and periods != list(range(periods[0], periods[-1] + 1)):
        raise NotEnoughEvidence(period, "There are gaps between the periods.", hint="Give each period its rows.")
    whole = values.group_by(unit).len().filter(pl.col("len") == len(periods)).select(unit)
    kept = values.join(whole, on=unit).sort(unit, period)
    wide = kept["_y"].to_numpy().reshape(-1, max(len(periods), 1))
    first = kept[reached].cast(pl.Float64).fill_null(float("inf")).to_numpy()[:: max(len(periods), 1)]
    return wide, first, periods


def _group_effects(
    wide: Floats, first: Floats, periods: list[int]
) -> tuple[dict[int, Floats], dict[int, float], int, int]:
    """Return each unit's part in the effect by periods since the change, and how many treated units stand behind it."""
    parts, sizes = dict[int, Floats](), dict[int, float]()
    treated, controls = np.zeros(len(wide), np.bool_), np.zeros(len(wide), np.bool_)
    for group in (int(each) for each in np.unique(first[np.isfinite(first)])):
        own: Bools = first == group
        if group - 1 < periods[0] or own.sum() < FEWEST_UNITS:
            continue
        base = wide[:, group - 1 - periods[0]]
        for place, now in enumerate(periods):
            # Those who get it in this period or between it and the group's own beginning would not be without it.
            others: Bools = first > max(now, group)
            if now == group - 1 or others.sum() < FEWEST_UNITS:
                continue
            change = wide[:, place] - base
            effect = change[own].mean() - change[others].mean()
            part = np.zeros(len(wide))
            part[own] += (change[own] - change[own].mean()) / own.sum()
            part[others] -= (change[others] - change[others].mean()) / others.sum()
            # The value travels with the parts: their sum is the effect.
            part += effect / len(wide)
            since, size = now - group, float(own.sum())
            parts[since] = parts.get(since, np.zeros(len(wide))) + size * part
            sizes[since] = sizes.get(since, 0.0) + size
            if now >= group:
                treated, controls = treated | own, controls | others
    return {since: part / sizes[since] for since, part in parts.items()}, sizes, int(treated.sum()), int(controls.sum())


def _centred(part: Floats) -> Floats:
    centred: Floats = part - part.mean()
    return centred


def _interval(part: Floats) -> Interval:
    return Interval(float(part.sum()), float(np.sqrt((_centred(part) ** 2).sum())))


def _trends(influence: dict[int, Floats], before: list[int]) -> tuple[float, float]:
    """Return the p-value of the gaps before the change, all of them together, and how far groups move by themselves."""
    parts = np.stack([influence[since] for since in before])
    gaps = parts.sum(axis=1)
    centred = parts - parts.mean(axis=1, keepdims=True)
    covariance = centred @ centred.T
    covariance += 1e-9 * np.trace(covariance) * np.eye(len(before))
    statistic = float(gaps @ np.linalg.solve(covariance, gaps)) if np.trace(covariance) > 0 else 0.0
    # Each gap has the movement of its own period and of the one that it is measured from.
    excess = float(np.mean(gaps**2 - np.diag(covariance))) / 2
    return chi_square_tail(statistic, len(before)), float(np.sqrt(max(excess, 0.0)))
