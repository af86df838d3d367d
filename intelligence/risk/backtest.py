"""What the last training would have flagged on time that it had not seen, compared with other candidates, floors and chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from intelligence.core.truths import PlantedTruth
from intelligence.risk.capacity import flagged_at_capacity
from intelligence.risk.evaluation import Sample, lead_time, measures, random_lead_time

CANDIDATES_AND_FLOORS: Final = (
    "xgboost",
    "random_forest",
    "logistic_regression",
    "neural_network",
    "ewma",
    "persistence",
)
RANDOM_DRAWS: Final = 20
SEED: Final = 7


@dataclass(frozen=True, slots=True)
class BacktestLine:
    """The results of one ranking on unseen time, at the capacity that all rankings share.

    Attributes:
        name: Candidate model, floor, or `random`.
        is_chosen: Whether the training chose this candidate.
        pr_auc: Area under the precision-recall curve (average precision).
        recall: Share of onsets that were flagged in time; None where the rows are too few for the capacity.
        lead_days: Mean number of days between the first flag and the onset, over the onsets caught; None likewise.
        false_alarms_a_day: Mean number of flagged rows per day that did not come true; None likewise.
    """

    name: str
    is_chosen: bool
    pr_auc: float
    recall: float | None
    lead_days: float | None
    false_alarms_a_day: float | None


@dataclass(frozen=True, slots=True)
class CaughtDecay:
    """A planted slow decay, and when the model flagged its feature.

    `flagged_on` is the first flagged day since the first sign of the decay, `best_rank` the highest rank (1 is the top) on a
    day between that sign and the breach; each is None where there is none.
    """

    truth: PlantedTruth
    flagged_on: date | None
    best_rank: int | None

    @property
    def days_ahead(self) -> int | None:
        """Return how many days before the breach it was flagged, 0 or less where that was too late; None where it never was."""
        return (self.truth.starts_on - self.flagged_on).days if self.flagged_on else None


def backtest(unseen: pl.DataFrame, *, unit: str, capacity: float) -> list[BacktestLine]:
    """Return one line per candidate model and floor, highest PR-AUC first, and a random ranking last.

    Args:
        unseen: Rows of a training table, one per unit and day of unseen time.
        unit: Column that identifies the feature or user.
        capacity: Share of the rows of each day that can be reviewed, in [0, 1].
    """
    sample = Sample(
        units=unseen[unit].rank("dense").to_numpy().astype(np.int64) - 1,
        times=unseen["event_date"].to_physical().cast(pl.Int64).to_numpy(),
        labels=unseen["label"].to_numpy().astype(bool),
    )
    days, once = len(np.unique(sample.times)), np.ones((1, int(sample.clusters.max()) + 1))
    lines = []
    for name in _judged(unseen):
        scores = unseen[name].fill_null(-1e300).to_numpy()
        flagged = flagged_at_capacity(scores, sample.times, capacity)
        lead = lead_time(flagged, sample)
        found = measures(scores, None, sample, capacity=capacity, threshold=1.0, weights=once)
        false_alarms = None if flagged is None else float((flagged & ~sample.labels).sum()) / days
        is_chosen = name == unseen["chosen"][0]
        lines.append(
            BacktestLine(name, is_chosen, float(found["pr_auc"][0]), lead.recall, lead.mean_lead, false_alarms)
        )
    recall, lead_days = random_lead_time(sample, capacity=capacity, draws=RANDOM_DRAWS, seed=SEED)
    base_rate = float(sample.labels.mean())
    by_chance = None if flagged is None else float(flagged.sum()) / days * (1 - base_rate)
    chance = BacktestLine("random", False, base_rate, recall, lead_days, by_chance)
    return [*sorted(lines, key=lambda line: -line.pr_auc), chance]


def _judged(unseen: pl.DataFrame) -> list[str]:
    """Return the candidates and floors that took part: a neural network is trained only where it is asked for."""
    is_there = "neural_network" in unseen.columns and unseen["neural_network"].null_count() < unseen.height
    return [name for name in CANDIDATES_AND_FLOORS if name != "neural_network" or is_there]


def caught_decays(unseen: pl.DataFrame, truths: Sequence[PlantedTruth]) -> list[CaughtDecay]:
    """Return each planted slow decay that breached during the unseen time, with the day on which it was flagged.

    Args:
        unseen: Rows of risk.feature_training, one per feature and day of unseen time.
        truths: The planted truths of the simulated product.
    """
    first, last = unseen.select(first=pl.col("event_date").min(), last=pl.col("event_date").max()).row(0)
    ranked = unseen.with_columns(rank=pl.col("score").rank("ordinal", descending=True).over("event_date"))
    found = []
    for truth in truths:
        if truth.kind != "slow_decay" or truth.precursor_from is None or not first <= truth.starts_on <= last:
            continue
        rows = ranked.filter(
            (pl.col("feature") == truth.feature) & pl.col("event_date").is_between(truth.precursor_from, truth.ends_on)
        )
        before = rows.filter(pl.col("event_date") < truth.starts_on)
        flagged_on = rows.filter("is_flagged").select(pl.col("event_date").min()).item()
        found.append(CaughtDecay(truth, flagged_on, before.select(pl.col("rank").min()).item()))
    return found
