"""Known truths about a simulated stream of events, with which the findings on it can be compared."""

from dataclasses import dataclass
from datetime import date
from typing import Literal


@dataclass(frozen=True, slots=True)
class PlantedTruth:
    """A known truth about the simulated stream.

    Attributes:
        kind: What was planted.
        feature: The feature that it concerns; None for the whole product.
        starts_on: First day on which users notice it; for a slow decay the first day whose expected error rate exceeds 2 %
            (an event counts as an error when its `error_count` is above 0); for a confounded feature the first day on which users
            adopt it.
        ends_on: Last day on which it holds; for a confounded feature the last day on which users adopt it.
        precursor_from: First day with early signs of a slow decay; None for the other kinds.
        detail: A description; that of an experiment begins with its name and a colon.
        effect: The true relative lift of completions per event, over all days of the experiment (experiment), the added share of
            events that fail on that platform's release (bad release), the multiplier that the median latency reaches (slow
            decay), the share of the day's hours that are missing (pipeline fault), the active days that adopting adds in the
            next 28 days, on average per adopter (confounded feature), the share of the feature's completions on one platform that
            are lost (broken step), the share of those who sign up on these days that soon stays away (leaving cohort) or the share of
            a version's answers in which a fault is planted (bad answers).
    """

    kind: Literal[
        "bad_release",
        "slow_decay",
        "pipeline_fault",
        "experiment",
        "confounded_feature",
        "broken_step",
        "leaving_cohort",
        "bad_answers",
    ]
    feature: str | None
    starts_on: date
    ends_on: date
    precursor_from: date | None
    detail: str
    effect: float

    @property
    def is_trouble(self) -> bool:
        """Return whether something is wrong with a feature or the telemetry, which should be found and answered."""
        return self.kind in ("bad_release", "slow_decay", "pipeline_fault", "bad_answers")
