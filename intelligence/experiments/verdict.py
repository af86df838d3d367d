"""The verdict on an experiment: ship, roll back, review, keep running, or not enough evidence. A pure function of the readings.

A variant is shipped only where a goal is better, no goal is worse, every guardrail is shown to be not worse by more than its
margin, and the health holds. Harm is told as soon as it is shown; everything else waits for the planned horizon.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from intelligence.experiments.health import Problem
from intelligence.experiments.inference import Effect
from intelligence.experiments.settings import Scale
from intelligence.experiments.tables import WORDS
from intelligence.metrics.registry import Direction, Role

Word = Literal["ship", "roll_back", "review", "keep_running", "not_enough_evidence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is known of one metric of a variant at a look.

    Attributes:
        metric: Name of the metric.
        role: Its role in the experiment.
        direction: Which change is wanted.
        scale: The scale of `margin` and `smallest_effect`.
        margin: Largest harm that is accepted of a guardrail.
        smallest_effect: Smallest change worth having of a goal.
        planned: The effect with the interval of the design, for this look; None where there is no evidence.
        watched: The effect with the always-valid interval; None where there is no evidence.
    """

    metric: str
    role: Role
    direction: Direction = "increase"
    scale: Scale = "relative"
    margin: float = 0.0
    smallest_effect: float = 0.0
    planned: Effect | None = None
    watched: Effect | None = None

    @property
    def is_better(self) -> bool:
        """Return whether the interval of the design lies on the wanted side of 0."""
        return self.planned is not None and _wanted(self.planned, self.direction, "absolute")[0] > 0

    @property
    def is_worse(self) -> bool:
        """Return whether the interval of the design lies on the unwanted side of 0."""
        return self.planned is not None and _wanted(self.planned, self.direction, "absolute")[1] < 0

    @property
    def is_harmed(self) -> bool:
        """Return whether the always-valid interval lies beyond the margin, on the unwanted side."""
        return self.watched is not None and _wanted(self.watched, self.direction, self.scale)[1] < -self.margin

    @property
    def is_kept(self) -> bool:
        """Return whether the interval of the design shows no harm beyond the margin."""
        return self.planned is not None and _wanted(self.planned, self.direction, self.scale)[0] >= -self.margin

    @property
    def is_too_small(self) -> bool:
        """Return whether the interval of the design shows no effect that is worth having."""
        return self.planned is not None and _wanted(self.planned, self.direction, self.scale)[1] < self.smallest_effect


def _wanted(effect: Effect, direction: Direction, scale: Scale) -> tuple[float, float]:
    """Return the interval of the effect with the sign by which more is wanted; without ends where the scale does not exist."""
    low, high = (effect.low, effect.high) if scale == "absolute" else (effect.relative_low, effect.relative_high)
    if low is None or high is None:
        return -math.inf, math.inf
    return (low, high) if direction == "increase" else (-high, -low)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What should become of a variant.

    Attributes:
        word: The verdict.
        reason: Why, in a sentence.
        until: The day until which the experiment should run, where it should keep running and that day is known.
    """

    word: Word
    reason: str
    until: date | None = None

    def __str__(self) -> str:
        until = f" until {self.until}" if self.until else ""
        return f"{WORDS[self.word]}{until}: {self.reason}"


def verdict(
    readings: Sequence[Reading],
    problems: Sequence[Problem] = (),
    *,
    day: date | None = None,
    start: date | None = None,
    horizon: date | None = None,
    minimum_days: int = 7,
    is_last_look: bool = False,
) -> Verdict:
    """Return the verdict on one variant.

    Args:
        readings: What is known of each metric of the variant.
        problems: What is wrong with the experiment.
        day: The day of the look; None where the data has no days.
        start: The first day; None where it is not known.
        horizon: The last planned day; None where none is planned.
        minimum_days: Days below which nothing is shipped.
        is_last_look: Whether no further look is planned, whatever the days say.
    """
    goals = [each for each in readings if each.role == "goal"]
    guardrails = [each for each in readings if each.role == "guardrail"]
    early = _unusable(goals, guardrails, problems) or _harm(goals, guardrails)
    if early:
        return early
    better = [each.metric for each in goals if each.is_better]
    unsure = [each.metric for each in guardrails if not each.is_kept]
    warnings = [problem.sentence for problem in problems]
    if better and not unsure and not warnings:
        first_ship = start + timedelta(days=minimum_days - 1) if start else None
        return _good(better, day=day, first_ship=first_ship)
    if is_last_look or (day and horizon and day >= horizon):
        return _ended(goals, better, unsure, warnings)
    return Verdict("keep_running", _waiting(goals, better, unsure, warnings), horizon)


def _unusable(goals: Sequence[Reading], guardrails: Sequence[Reading], problems: Sequence[Problem]) -> Verdict | None:
    blocking = [problem.sentence for problem in problems if problem.blocking]
    if blocking:
        return Verdict("review", f"the experiment is not healthy: {'; '.join(blocking)}")
    if any(each.planned or each.watched for each in (*goals, *guardrails)):
        return None
    return Verdict("not_enough_evidence", "no goal and no guardrail has enough units that differ")


def _harm(goals: Sequence[Reading], guardrails: Sequence[Reading]) -> Verdict | None:
    harmed = [each.metric for each in guardrails if each.is_harmed]
    worse = [each.metric for each in goals if each.is_worse]
    better = [each.metric for each in goals if each.is_better]
    if harmed:
        return Verdict("roll_back", f"{_listed(harmed)} is worse by more than the margin")
    if worse and better:
        return Verdict("review", f"{_listed(better)} is better and {_listed(worse)} is worse")
    return Verdict("roll_back", f"{_listed(worse)} is worse") if worse else None


def _good(better: Sequence[str], *, day: date | None, first_ship: date | None) -> Verdict:
    if day and first_ship and day < first_ship:
        return Verdict(
            "keep_running", f"{_listed(better)} is better, and each day of the week is to be seen", first_ship
        )
    return Verdict("ship", f"{_listed(better)} is better, and no goal or guardrail is harmed")


def _ended(goals: Sequence[Reading], better: Sequence[str], unsure: Sequence[str], warnings: Sequence[str]) -> Verdict:
    named = _listed([each.metric for each in goals]) or "no goal"
    if better:
        doubts = [f"{_listed(unsure)} may be worse by more than the margin"] if unsure else []
        return Verdict("review", f"{_listed(better)} is better, but {'; '.join([*doubts, *warnings])}")
    if goals and all(each.is_too_small for each in goals):
        return Verdict("review", f"no effect worth having on {named}")
    return Verdict("not_enough_evidence", f"no further look is planned, and {named} is not decided")


def _waiting(goals: Sequence[Reading], better: Sequence[str], unsure: Sequence[str], warnings: Sequence[str]) -> str:
    if not better:
        return f"{_listed([each.metric for each in goals]) or 'no goal'} is not decided yet"
    doubts = [f"{_listed(unsure)} may still be worse by more than the margin"] if unsure else []
    return f"{_listed(better)} is better, but {'; '.join([*doubts, *warnings])}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)
