"""The effects of every feature of a product at once, as target trials: of adopting it, and of meeting its errors.

All features share the rows, the confounders and the folds. Since they are estimated alike, each also has all others to be
compared with: where users who adopt any feature at all differ from those who do not, the median feature has an effect, and a
feature that does not differ from it says nothing of its own (Schuemie et al. 2014 calibrate by such negative controls).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from statistics import NormalDist
from typing import Any, Final

import numpy as np
import polars as pl

from intelligence.causality.effect import Effect, NoEffect, effects
from intelligence.causality.estimation import FEWEST_PER_ARM, Rules
from intelligence.causality.graph import OUTCOMES, TREATMENTS, CausalGraph, Treatment, adjustment, feature_graph
from intelligence.causality.interval import Bools, Floats, Z, signed
from intelligence.causality.refutation import CONTROL_Z, Refutation
from intelligence.causality.trial import DEFAULT, Layout, eligible, times_zero
from intelligence.core.discovery import false_discovery_rates
from intelligence.core.grades import Finding, weakened

# By the node of the causal graph: the name of the treatment in the table, and the beginning of an answer.
NAMES: Final[Mapping[Treatment, str]] = {"adopted": "adopting", "met_errors": "meeting_errors"}
SUBJECTS: Final[Mapping[Treatment, str]] = {"adopted": "Adopting {}", "met_errors": "Meeting an error of {}"}
# What a treatment did to those who had it: experiments answer the same of those who adopt because of them.
RULES: Final = Rules(target="treated")
MOST_TIMES_ZERO: Final = 4
# Rows of trials; of a larger product a sample of users is asked.
MOST_ROWS: Final = 60_000
FEWEST_OTHERS: Final = 10
# Above this a difference is likely to be chance among so many questions.
HIGHEST_Q: Final = 0.05
_MEDIAN_SE: Final = 1.2533  # of the standard error of a mean, for the median of normal values
_MAD: Final = 1.4826


@dataclass(frozen=True, slots=True)
class TrialDays:
    """The times zero of the trials that end on one day, and the days that they read.

    Attributes:
        zeros: The times zero, in order.
        layout: The windows around each.
    """

    zeros: tuple[date, ...]
    layout: Layout

    @property
    def parameters(self) -> Mapping[str, date]:
        """Return the first and last day that is read of users and of features, as SQL parameters."""
        back = timedelta(days=self.layout.history)
        return {
            "first_day": self.zeros[0] - back - timedelta(days=self.layout.earlier),
            "last_day": self.zeros[-1] + timedelta(days=self.layout.follow_up),
            "first_use_day": self.zeros[0] - back,
            "last_use_day": self.zeros[-1],
        }


def trial_days(first: date, last: date) -> TrialDays:
    """Return the newest times zero whose follow-up has ended, at most four and at most a week apart.

    Args:
        first: First day of data.
        last: Last whole day of data.

    Raises:
        NotEnoughEvidence: The data is shorter than one trial.

    >>> [str(zero) for zero in trial_days(date(2026, 5, 4), date(2026, 8, 1)).zeros]
    ['2026-07-01', '2026-07-02', '2026-07-03', '2026-07-04']
    """
    possible = len(times_zero(first, last, replace(DEFAULT, step=1)))
    layout = replace(DEFAULT, step=int(np.clip((possible - 1) // (MOST_TIMES_ZERO - 1), 1, DEFAULT.step)))
    return TrialDays(tuple(times_zero(first, last, layout)[-MOST_TIMES_ZERO:]), layout)


def users_per_thousand(rows: int) -> int:
    """Return how many of 1,000 users to ask, for a number of rows of users who are active on the times zero.

    >>> users_per_thousand(12_000), users_per_thousand(600_000)
    (1000, 100)
    """
    return max(1, min(1000, MOST_ROWS * 1000 // max(1, rows)))


def feature_effects(
    user_days: pl.DataFrame,
    first_days: pl.DataFrame,
    uses: pl.DataFrame,
    features: Sequence[str],
    days: TrialDays,
    *,
    findings: Sequence[Finding] = (),
    rules: Rules = RULES,
) -> list[dict[str, Any]]:
    """Return the rows of causality.feature_effects of one day, but for the day itself.

    Args:
        user_days: One row per user and active day, as `causality/trial_user_days.sql` reads them.
        first_days: `user_id` and `first_day` of each of these users.
        uses: `feature`, `user_id`, and the bits `days` and `error_days` of the days since the first day of use.
        features: The features to ask of, also those that nobody used.
        days: The times zero.
        findings: What is known against all of the claims from elsewhere, such as `method out of bounds`.
        rules: How effects are estimated.

    Raises:
        CausalityError: A column is missing or cannot be used in its part.
    """
    trials = eligible(user_days, days.zeros, days.layout, first_days=first_days)
    if trials.is_empty():
        return unanswered(features, "Nobody was active on a time zero.")
    arms = _arms(trials, uses, features, days)
    every = [(feature, treatment) for treatment in TREATMENTS for feature in features]
    fewest = {pair: _smaller_arm(arms[pair]) for pair in every}
    asked = [pair for pair in every if fewest[pair] >= FEWEST_PER_ARM]
    names = [f"{treatment} {feature}" for feature, treatment in asked]
    frame = trials.hstack([arms[pair].alias(name) for pair, name in zip(asked, names, strict=True)])
    answers = _answered(frame, asked, names, findings, rules)
    known = [each.estimate.z for _, each in answers if isinstance(each, Effect)]
    q_values = iter(discovery_rates(known))
    rows = [
        _row(feature, treatment, each, next(q_values), len(known), days)
        if isinstance(each, Effect)
        else _unanswered(feature, treatment, each.outcome, each.reason)
        for (feature, treatment), each in answers
    ]
    for feature, treatment in (pair for pair in every if fewest[pair] < FEWEST_PER_ARM):
        few = f"The smaller arm has {fewest[feature, treatment]} rows, and each needs {FEWEST_PER_ARM} users."
        rows += [_unanswered(feature, treatment, node.name, few) for node in OUTCOMES]
    return rows


def unanswered(features: Sequence[str], reason: str) -> list[dict[str, Any]]:
    """Return the rows of all questions where none can be answered.

    Args:
        features: The features.
        reason: What is missing, in words.
    """
    return [
        _unanswered(feature, treatment, node.name, reason)
        for treatment in TREATMENTS
        for feature in features
        for node in OUTCOMES
    ]


def discovery_rates(z: Sequence[float]) -> list[float]:
    """Return the false discovery rate at which each of many estimates is found.

    >>> [round(each, 3) for each in discovery_rates([4.0, 2.0, 0.5])]
    [0.0, 0.068, 0.617]
    """
    return false_discovery_rates([2 * (1 - NormalDist().cdf(abs(each))) for each in z])


def pictured_graph() -> CausalGraph:
    """Return the declared graph that the asset's page shows; those of the other questions have the same past."""
    return feature_graph("adopted", "retained_28d")


Question = tuple[str, Treatment]


def _arms(
    trials: pl.DataFrame, uses: pl.DataFrame, features: Sequence[str], days: TrialDays
) -> dict[Question, pl.Series]:
    """Return the arm of each row for each feature and treatment, null where the user is not eligible; see `trial.arms`."""
    users = trials.select("user_id").unique(maintain_order=True).with_row_index("place")
    of_row = trials.select("user_id").join(users, on="user_id", how="left", maintain_order="left")["place"].to_numpy()
    first = days.parameters["first_use_day"]
    ago = trials.select((pl.col("day_zero") - pl.lit(first)).dt.total_days())
    zero = ago.to_series().to_numpy().astype(np.uint64)
    known = uses.join(users, on="user_id").partition_by("feature", as_dict=True)
    history = np.uint64((1 << days.layout.history) - 1)
    found = dict[Question, pl.Series]()
    for feature in features:
        used_days, error_days = (np.zeros(len(users), np.uint64) for _ in range(2))
        if (own := known.get((feature,))) is not None:
            used_days[own["place"].to_numpy()] = own["days"].to_numpy()
            error_days[own["place"].to_numpy()] = own["error_days"].to_numpy()
        of_user, of_errors = used_days[of_row], error_days[of_row]
        used: Bools = (of_user >> zero) & np.uint64(1) == 1
        before: Bools = (of_user >> (zero - np.uint64(days.layout.history))) & history > 0
        met: Bools = (of_errors >> zero) & np.uint64(1) == 1
        found[feature, "adopted"] = _arm(used, ~before)
        found[feature, "met_errors"] = _arm(met, used)
    return found


def _arm(treated: Bools, is_eligible: Bools) -> pl.Series:
    return pl.Series(np.where(is_eligible, treated, np.nan), nan_to_null=True)


def _smaller_arm(arm: pl.Series) -> int:
    treated = int(arm.sum() or 0)
    return min(treated, len(arm) - arm.null_count() - treated)


Answers = list[tuple[Question, Effect | NoEffect]]


def _answered(
    frame: pl.DataFrame, asked: Sequence[Question], names: Sequence[str], findings: Sequence[Finding], rules: Rules
) -> Answers:
    """Return the answers in the order of the questions; refuters, which take long, run where an effect would be claimed."""
    graph = feature_graph("adopted", OUTCOMES[0].name)
    identified = adjustment(graph)
    against: list[Finding] = [*findings, *(() if identified.is_identified else ("not identified",))]

    def found(treatments: Sequence[str], *, refute: bool) -> list[Effect | NoEffect]:
        return effects(
            frame,
            treatments=treatments,
            outcomes=[node.name for node in OUTCOMES],
            confounders=identified.confounders,
            unit="user_id",
            control=graph.control,
            findings=against,
            rules=replace(rules, refute=refute),
        )

    pairs = [pair for pair in asked for _ in OUTCOMES]
    first = list(zip(pairs, found(names, refute=False), strict=True)) if names else []
    beside = _beside_others(first)
    claimed = {
        pair
        for place, (pair, each) in enumerate(first)
        if isinstance(each, Effect) and each.estimate.excludes_zero and not beside[place].refuted
    }
    chosen = [name for name, pair in zip(names, asked, strict=True) if pair in claimed and rules.refute]
    tried = iter(found(chosen, refute=True) if chosen else ())
    answers: Answers = []
    for place, (pair, each) in enumerate(first):
        answer = next(tried) if pair in claimed and rules.refute else _untried(each)
        answers.append((pair, _with(answer, beside[place]) if isinstance(answer, Effect) else answer))
    return answers


def _untried(found: Effect | NoEffect) -> Effect | NoEffect:
    if isinstance(found, NoEffect):
        return found
    words = "Not tried: no effect is claimed."
    tried = [Refutation(name, None, words) for name in ("placebo treatment", "random common cause", "subsets")]
    return replace(found, refutations=(*tried, *found.refutations))


def _with(found: Effect, tried: Refutation) -> Effect:
    grade = weakened(found.graded, "refuted") if tried.refuted else found.graded
    return replace(found, refutations=(*found.refutations, tried), graded=grade)


def _beside_others(answers: Answers) -> dict[int, Refutation]:
    """Return by place the comparison of each effect with those of the other features on the same outcome."""
    groups = dict[tuple[Treatment, str], dict[int, Effect]]()
    for place, ((_, treatment), each) in enumerate(answers):
        if isinstance(each, Effect):
            groups.setdefault((treatment, each.outcome), {})[place] = each
    found = dict[int, Refutation]()
    for group in groups.values():
        values = np.array([each.estimate.value for each in group.values()])
        errors = np.array([each.estimate.se for each in group.values()])
        found |= {place: _others(values, errors, at) for at, place in enumerate(group)}
    return found


def _others(values: Floats, errors: Floats, at: int) -> Refutation:
    """Return whether a feature that excludes 0 does so only as far as all features do."""
    others, own, se = np.delete(values, at), values[at], errors[at]
    # One of the features stands out, by chance, in one of twenty such comparisons of all of them.
    critical = NormalDist().inv_cdf(1 - HIGHEST_Q / 2 / len(values))
    if len(others) < FEWEST_OTHERS:
        return Refutation("other features", None, f"Not tried: {len(others)} other features have an estimate.")
    middle = float(np.median(others))
    spread = _MAD * float(np.median(np.abs(others - middle)))
    error = _MEDIAN_SE * spread / np.sqrt(len(others))
    # How far the features differ from each other by more than their errors.
    between = max(spread**2 - float(np.median(np.delete(errors, at) ** 2)), 0.0)
    apart = abs(own - middle) > critical * np.sqrt(se**2 + between + error**2)
    is_shifted = abs(middle) > CONTROL_Z * error and middle * own > 0
    refuted = bool(abs(own) > Z * se and is_shifted and not apart)
    differs = "differs from it beyond chance" if apart else "does not differ from it beyond chance"
    words = f"The median of {len(others)} other features is {signed(middle)}; this one {differs}."
    return Refutation("other features", refuted, words)


def _row(
    feature: str, treatment: Treatment, found: Effect, q_value: float, questions: int, days: TrialDays
) -> dict[str, Any]:
    tried = [{"tried": each.name, "refuted": each.refuted, "found": each.words} for each in found.refutations]
    return {
        "feature": feature,
        "treatment": NAMES[treatment],
        "outcome": found.outcome,
        "estimate": found.estimate.value,
        "low": found.estimate.low,
        "high": found.estimate.high,
        "naive": found.naive.value,
        "naive_low": found.naive.low,
        "naive_high": found.naive.high,
        "baseline": found.baseline,
        "units": found.units,
        "treated": found.treated,
        "effective_control": found.overlap.effective_control,
        "trimmed": found.overlap.trimmed,
        "overlap": found.overlap.words,
        "refutations": json.dumps(tried),
        "refuted": any(each.refuted for each in found.refutations),
        "robustness": found.sensitivity.robustness_of_interval,
        "sensitivity": found.sensitivity.words,
        "q_value": q_value,
        "grade": found.graded.grade,
        "grade_reason": found.graded.words,
        "first_zero": days.zeros[0],
        "last_zero": days.zeros[-1],
        "answer": _answer(feature, treatment, found, q_value, questions),
    }


def _answer(feature: str, treatment: Treatment, found: Effect, q_value: float, questions: int) -> str:
    shown = ""
    if not found.estimate.excludes_zero:
        shown = ", no effect shown"
    elif q_value > HIGHEST_Q:
        shown = f", which may be chance among {questions:,} questions (false discovery rate {q_value:.0%})"
    return (
        f"{SUBJECTS[treatment].format(feature)} → {_words(found.outcome)}: {found.estimate.words}{shown}, "
        f"{found.graded.words}; plain difference {signed(found.naive.value)}."
    )


def _words(outcome: str) -> str:
    return next(node.words for node in OUTCOMES if node.name == outcome)


def _unanswered(feature: str, treatment: Treatment, outcome: str, reason: str) -> dict[str, Any]:
    subject = SUBJECTS[treatment].format(feature)
    return {
        "feature": feature,
        "treatment": NAMES[treatment],
        "outcome": outcome,
        "grade_reason": f"not enough evidence: {reason}",
        "answer": f"{subject} → {_words(outcome)}: not enough evidence. {reason}",
    }
