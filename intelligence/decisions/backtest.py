"""Backtest of the policy: past days are decided one by one, and the decisions are compared with planted truths."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import polars as pl

from intelligence.core.truths import PlantedTruth
from intelligence.decisions.autonomy import STRENGTH, TOUCHING
from intelligence.decisions.evidence import Sources, evidence
from intelligence.decisions.record import decided
from intelligence.decisions.requested import previous_actions
from intelligence.decisions.settings import Decisions
from intelligence.decisions.tables import FEATURE_DECISIONS

# The actions that count as the right answer to each kind of planted trouble.
RIGHT_ANSWERS: Final = {
    "bad_release": ("rollback",),
    "slow_decay": ("throttle", "hold", "alert", "ticket"),
    "pipeline_fault": ("alert",),
    "bad_answers": ("rollback", "throttle", "hold", "alert", "ticket"),
}
AFTERMATH_DAYS: Final = 2


@dataclass(frozen=True, slots=True)
class AnsweredTruth:
    """A planted trouble with the first right answer to it, and the strongest action taken on it.

    Attributes:
        truth: The planted trouble.
        answered_on: Day of the first right answer; None where there was none.
        answer: Kind of that action.
        strongest: Strongest kind of action that was taken on the trouble; `monitor` where none was.
    """

    truth: PlantedTruth
    answered_on: date | None
    answer: str | None
    strongest: str

    @property
    def delay_days(self) -> int | None:
        """Return the days from the first day of the trouble to the answer; negative where the answer came earlier."""
        return (self.answered_on - self.truth.starts_on).days if self.answered_on else None


@dataclass(frozen=True, slots=True)
class PolicyBacktest:
    """How the policy answered planted troubles, and how often it acted where there was none.

    Attributes:
        truths: The planted troubles with their answers.
        actions: Number of actions.
        false_actions: Actions on features without planted trouble on that day: event_date, scope, feature, action, reasons.
        false_touches: Number of those that change the product.
    """

    truths: tuple[AnsweredTruth, ...]
    actions: int
    false_actions: pl.DataFrame
    false_touches: int

    @property
    def precision(self) -> float | None:
        """Return the share of actions that met a planted trouble; None where there were no actions."""
        return 1 - self.false_actions.height / self.actions if self.actions else None

    @property
    def recall(self) -> float | None:
        """Return the share of planted troubles that were answered rightly; None where none was planted."""
        found = [each.answered_on is not None for each in self.truths]
        return sum(found) / len(found) if found else None


def decided_day_by_day(
    sources: Callable[[date], Sources], days: Sequence[date], *, settings: Decisions
) -> pl.DataFrame:
    """Return the decisions of the days, each made as if the decisions of the days before had been carried out.

    The telemetry itself does not change: a trouble that a rollback would have ended continues, and is not acted on again.

    Args:
        sources: Function that returns the sources of the evidence of a day; their `previous_actions` are replaced.
        days: Days to decide, in ascending order.
        settings: The policy.
    """
    decisions = FEATURE_DECISIONS.frame([])
    for day in days:
        remembered = replace(sources(day), previous_actions=previous_actions(decisions))
        decisions = pl.concat([decisions, decided(evidence(remembered, day=day, settings=settings), settings=settings)])
    return decisions


def backtest(decisions: pl.DataFrame, truths: Sequence[PlantedTruth]) -> PolicyBacktest:
    """Return the decisions compared with the planted troubles.

    A decision meets a trouble from its first early signs to two days after its end. A trouble counts when it begins on one
    of the decided days; experiments and confounded features are no trouble.

    Args:
        decisions: Rows of `decisions.feature_decisions`, at least one.
        truths: What was planted.
    """
    first, last = decisions.select(first=pl.col("event_date").min(), last=pl.col("event_date").max()).row(0)
    acts = decisions.filter(pl.col("action") != "monitor", pl.col("scope") != "rollout").select(
        "event_date", "scope", "feature", "action", "reasons"
    )
    troubles = [each for each in truths if each.is_trouble]
    is_met = pl.lit(False)
    for truth in troubles:
        is_met = is_met | _meets(truth)
    false = acts.filter(~is_met)
    answered = [_answered(truth, acts) for truth in troubles if first <= truth.starts_on <= last]
    return PolicyBacktest(tuple(answered), acts.height, false, false.filter(pl.col("action").is_in(TOUCHING)).height)


def _meets(truth: PlantedTruth) -> pl.Expr:
    begins, ends = truth.precursor_from or truth.starts_on, truth.ends_on + timedelta(days=AFTERMATH_DAYS)
    concerns_it = pl.col("scope") == "pipeline" if truth.feature is None else pl.col("feature") == truth.feature
    return concerns_it & pl.col("event_date").is_between(begins, ends)


def _answered(truth: PlantedTruth, acts: pl.DataFrame) -> AnsweredTruth:
    matching = acts.filter(_meets(truth)).sort("event_date")
    right = matching.filter(pl.col("action").is_in(RIGHT_ANSWERS[truth.kind]))
    strongest = max(matching["action"].to_list(), key=STRENGTH.__getitem__, default="monitor")
    when, what = right.select("event_date", "action").row(0) if right.height else (None, None)
    return AnsweredTruth(truth, when, what, strongest)
