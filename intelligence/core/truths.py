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
            (an event counts as an error when its `error_count` is above 0).
        ends_on: Last day on which it holds.
        precursor_from: First day with early signs of a slow decay; None for the other kinds.
        detail: A description; that of an experiment begins with its name and a colon.
        effect: The true relative lift of completions per event (experiment), the added share of events that fail on that
            platform's release (bad release), the multiplier that the median latency reaches (slow decay) or the share of
            the day's hours that are missing (pipeline fault).
    """

    kind: Literal["bad_release", "slow_decay", "pipeline_fault", "experiment"]
    feature: str | None
    starts_on: date
    ends_on: date
    precursor_from: date | None
    detail: str
    effect: float
