"""What is known to be true of a stream of events, so that what is found in it can be held against it."""

from dataclasses import dataclass
from datetime import date
from typing import Literal


@dataclass(frozen=True, slots=True)
class PlantedTruth:
    """Something that is true of the simulated stream, with the days on which it is, both ends included.

    `feature` is None for the whole product. `starts_on` is the first day on which users feel it; for a slow decay the
    first day whose expected error rate exceeds 2 %, its early signs showing from `precursor_from` on. An event counts
    as an error when its `error_count` is above 0. `effect` is the true relative lift of completions per event
    (experiment), the added share of events that fail on that platform's release (bad release), the multiplier that
    the median latency reaches (slow decay) or the share of the day's hours that are missing (pipeline fault). The
    `detail` of an experiment opens with its name and a colon.
    """

    kind: Literal["bad_release", "slow_decay", "pipeline_fault", "experiment"]
    feature: str | None
    starts_on: date
    ends_on: date
    precursor_from: date | None
    detail: str
    effect: float
