"""What a person reads of a training: the measures as records, and a model card in Markdown.

The card's headings follow Mitchell et al., Model Cards for Model Reporting (2019).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from intelligence.risk.evaluation import Estimate
from intelligence.risk.training import Training

NAMES: Final = {
    "xgboost": "boosted trees",
    "random_forest": "random forest",
    "logistic_regression": "logistic regression",
}
SHOWN: Final = (
    *("pr_auc", "lift", "roc_auc", "precision_at_capacity", "recall_at_capacity"),
    *("precision", "recall", "f1", "brier", "calibration_error"),
)


def told(estimate: Estimate | None, *, digits: int = 3) -> str:
    """Return the number with its interval.

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
    """Return one record per measure with a column per rival and floor, the winner first."""
    ranked = sorted(
        training.judgements, key=lambda each: (each.name != training.model.kind, -(each.measures["pr_auc"].value or 0))
    )
    lines = {name: [told(each.measures.get(name)) for each in ranked] for name in SHOWN}
    lines["onsets caught"] = [f"{each.caught} of {each.onsets}" for each in ranked]
    lines["mean lead"] = ["n/a" if each.mean_lead is None else f"{each.mean_lead:.1f}" for each in ranked]
    names = [NAMES.get(each.name, f"{each.name} (floor)") for each in ranked]
    return [{"measure": name, **dict(zip(names, cells, strict=True))} for name, cells in lines.items()]


def report(training: Training) -> dict[str, Any]:
    """Return every number of the training, for a JSON file."""
    return {
        "chosen": training.model.kind,
        "known_rows": training.known_rows,
        "positives": training.positives,
        "first_time": str(training.first_time),
        "last_time": str(training.last_time),
        "horizon": training.question.horizon,
        "rules": asdict(training.rules),
        "predictors": list(training.model.predictors),
        "importance": dict(training.importance),
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
            for each in training.judgements
        ],
    }


def comparison(training: Training) -> list[str]:
    """Return one sentence per rival and floor: whether the winner is better, and whether the interval says so."""
    sentences = []
    for name, estimate in sorted(training.advantage.items(), key=lambda pair: pair[1].value or 0):
        who = NAMES.get(name, name)
        if estimate.low is not None and estimate.low > 0:
            sentences.append(f"Better than {who}: PR-AUC {told(estimate)} higher.")
        else:
            sentences.append(f"No better than {who} as far as the data can tell: PR-AUC differs by {told(estimate)}.")
    return sentences


def summary(training: Training, *, what: str) -> str:
    """Return the card in one sentence, for the registry's list of versions."""
    best = training.best
    return (
        f"{NAMES[training.model.kind].capitalize()} for {what}, trained on {training.known_rows:,} rows"
        f" ({training.positives:,} came true) through {training.last_time}: PR-AUC {told(best.measures['pr_auc'])},"
        f" lift {told(best.measures['lift'], digits=1)}, calibration error {told(best.measures['calibration_error'])}."
    )


def card(
    training: Training, *, title: str, asks: str, use: str, limits: Sequence[str], origin: Mapping[str, str]
) -> str:
    """Return the model card; `origin` are lines such as the lake's snapshot."""
    table = measured(training)
    columns = list(table[0])
    best = training.best
    caught = "n/a" if not best.onsets else f"{best.caught} of {best.onsets}"
    return "\n".join(
        [
            f"# {title}",
            "",
            f"**Question.** {asks}",
            "",
            f"**Model.** {NAMES[training.model.kind].capitalize()} on {len(training.model.predictors)} predictors, with Platt"
            " calibration on unseen scores. It won by PR-AUC on unseen time among boosted trees, a random forest and a"
            " logistic regression.",
            *(f"- {sentence}" for sentence in comparison(training)),
            "",
            f"**Data.** {training.known_rows:,} rows with a known outcome from {training.first_time} to"
            f" {training.last_time}; {training.positives:,} of them came true.",
            *(f"- {name}: {value}" for name, value in origin.items()),
            "",
            "**How it was judged.** Rolling origin: each fold trains on the past and is judged on the time after an embargo of"
            f" {training.question.horizon} days. Intervals are 95 %, by resampling whole units.",
            "",
            "| " + " | ".join(columns) + " |",
            "|" + "---|" * len(columns),
            *("| " + " | ".join(str(row[name]) for name in columns) + " |" for row in table),
            "",
            f"Looking at {training.rules.capacity:.0%} of the units each day it caught {caught} onsets,"
            f" {'n/a' if best.mean_lead is None else f'{best.mean_lead:.1f}'} days ahead on average; a random ranking of the"
            f" same size catches {'n/a' if training.random_recall is None else f'{training.random_recall:.0%}'},"
            f" {'n/a' if training.random_lead is None else f'{training.random_lead:.1f}'} days ahead.",
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
