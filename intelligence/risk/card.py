"""The texts about a training: its measures as records, one-sentence summaries, and a model card in Markdown.

The card's headings follow Mitchell et al., Model Cards for Model Reporting (2019).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from intelligence.risk.evaluation import Estimate
from intelligence.risk.training import Evaluation, Training
from intelligence.risk.wording import NAMES, compared, named

SHOWN: Final = (
    *("pr_auc", "lift", "roc_auc", "precision_at_capacity", "recall_at_capacity"),
    *("precision", "recall", "f1", "log_loss", "brier", "calibration_error"),
)


def told(estimate: Estimate | None, *, digits: int = 3) -> str:
    """Return the number with its interval.

    Args:
        estimate: The number; None gives "n/a".
        digits: Number of decimal places.

    >>> told(Estimate(0.5, 0.4, 0.62))
    '0.500 (0.400 to 0.620)'
    >>> told(Estimate(None))
    'n/a'
    """
    if estimate is None or estimate.value is None:
        return "n/a"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.{digits}f}"
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def measured(training: Training) -> list[dict[str, str]]:
    """Return one record per measure with a column per candidate model and floor, the chosen one first."""
    ranked = sorted(
        training.evaluations, key=lambda each: (each.name != training.model.kind, -(each.measures["pr_auc"].value or 0))
    )
    lines = {name: [told(each.measures.get(name)) for each in ranked] for name in SHOWN}
    lines["onsets caught"] = [_caught(each) for each in ranked]
    lines["mean lead"] = ["n/a" if each.mean_lead is None else f"{each.mean_lead:.1f}" for each in ranked]
    names = [named(each.name) for each in ranked]
    return [{"measure": name, **dict(zip(names, cells, strict=True))} for name, cells in lines.items()]


def _caught(evaluation: Evaluation) -> str:
    return "n/a" if evaluation.caught is None else f"{evaluation.caught} of {evaluation.onsets}"


def report(training: Training) -> dict[str, Any]:
    """Return every number of the training, for a JSON file."""
    return {
        "chosen": training.model.kind,
        "chosen_by": training.selection.by,
        "choice": training.selection.words,
        "looks_at": training.looks_at,
        "known_rows": training.known_rows,
        "positives": training.positives,
        "first_time": str(training.first_time),
        "last_time": str(training.last_time),
        "horizon": training.task.horizon,
        "rules": asdict(training.rules),
        "predictors": list(training.model.predictors),
        "importance": dict(training.importance),
        "strongest_floor": training.floor,
        "added_over_it": {name: asdict(estimate) for name, estimate in training.added.items()},
        "advantage": {name: asdict(estimate) for name, estimate in training.advantage.items()},
        "random_ranking": {"recall_of_onsets": training.random_recall, "mean_lead": training.random_lead},
        "judgements": [
            {
                "name": each.name,
                "onsets": each.onsets,
                "caught": each.caught,
                "mean_lead": each.mean_lead,
                "measures": {name: asdict(estimate) for name, estimate in each.measures.items()},
                "by_fold": [
                    {key: None if math.isnan(value) else value for key, value in fold.items()} for fold in each.by_fold
                ],
            }
            for each in training.evaluations
        ],
    }


def comparison(training: Training) -> list[str]:
    """Return one sentence per other candidate and floor: how the chosen model compares with it, by the interval."""
    ranked = sorted(training.advantage.items(), key=lambda pair: pair[1].value or 0)
    return [f"It {compared(difference, named(name))}." for name, difference in ranked]


def additions(training: Training) -> list[str]:
    """Return one sentence per candidate: what it adds over the strongest floor, by the interval; none without floors."""
    if training.floor is None:
        return []
    ranked = sorted(training.added.items(), key=lambda pair: -(pair[1].value or 0))
    return [f"{named(name).capitalize()} {compared(added, named(training.floor))}." for name, added in ranked]


def standings(training: Training) -> dict[str, str]:
    """Return one sentence per candidate and floor, by name: why it was chosen, or how the chosen one compares with it."""
    chosen = {training.model.kind: f"{named(training.model.kind).capitalize()}: chosen. {training.selection.words}"}
    return chosen | {
        name: f"{named(name).capitalize()}: the chosen one {compared(difference, named(name))}."
        for name, difference in training.advantage.items()
    }


def at_capacity(training: Training) -> str:
    """Return in a sentence how many onsets a review of the highest scores catches, or why that is not given."""
    best, looks_at = training.best, training.looks_at
    if best.caught is None:
        return f"What it catches at capacity is not given. It could look at {looks_at}."
    lead = "" if best.mean_lead is None else f", {best.mean_lead:.1f} ahead on average"
    chance = "" if training.random_recall is None else f"; a random ranking catches {training.random_recall:.0%}"
    by_chance = "" if training.random_lead is None else f", {training.random_lead:.1f} ahead"
    return f"Looking at {looks_at} it caught {_caught(best)} onsets{lead}{chance}{by_chance}."


def summary(training: Training, *, what: str) -> str:
    """Return the card in one sentence, for the registry's list of versions.

    Args:
        training: The training that made the version.
        what: What the model predicts, such as "feature risk".
    """
    best = training.best
    return (
        f"{NAMES[training.model.kind].capitalize()} for {what}, trained on {training.known_rows:,} rows"
        f" ({training.positives:,} came true) through {training.last_time}: PR-AUC {told(best.measures['pr_auc'])},"
        f" lift {told(best.measures['lift'], digits=1)}, calibration error {told(best.measures['calibration_error'])}."
        f" {training.selection.words}"
    )


def card(
    training: Training, *, title: str, asks: str, use: str, limits: Sequence[str], origin: Mapping[str, str]
) -> str:
    """Return the model card in Markdown.

    Args:
        training: The training that made the version.
        title: Heading of the card.
        asks: The task, worded as a question.
        use: What the scores are meant for.
        limits: Known limitations, a sentence each.
        origin: Where the data came from, such as the snapshot of the lake, as name and value.
    """
    table = measured(training)
    columns, added = list(table[0]), additions(training)
    return "\n".join(
        [
            f"# {title}",
            "",
            f"**Question.** {asks}",
            "",
            f"**Model.** {NAMES[training.model.kind].capitalize()} on {len(training.model.predictors)} predictors, with Platt"
            " calibration on unseen scores.",
            "",
            f"**Choice.** {training.selection.words} In ranking:",
            "",
            *(f"- {sentence}" for sentence in comparison(training)),
            "",
            *(
                ["**What each adds** over the strongest floor:", "", *(f"- {each}" for each in added), ""]
                if added
                else []
            ),
            f"**Data.** {training.known_rows:,} rows with a known outcome from {training.first_time} to"
            f" {training.last_time}; {training.positives:,} of them came true.",
            *(f"- {name}: {value}" for name, value in origin.items()),
            "",
            "**How it was judged.** Rolling origin: each fold trains on the past and is judged on the time after an embargo of"
            f" {training.task.horizon} days. Intervals are 95 %, by resampling whole units, or stretches of time where units"
            " hardly come twice.",
            "",
            "| " + " | ".join(columns) + " |",
            "|" + "---|" * len(columns),
            *("| " + " | ".join(str(row[name]) for name in columns) + " |" for row in table),
            "",
            at_capacity(training),
            "",
            f"**Looks at.** {', '.join(training.model.predictors)}.",
            "",
            "**What moves it most.** " + ", ".join(list(training.importance)[:8]) + ".",
            "",
            f"**Meant for.** {use}",
            "",
            "**Limits.**",
            *(f"- {limit}" for limit in limits),
            "",
        ]
    )
