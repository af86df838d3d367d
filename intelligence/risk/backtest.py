"""What the last training would have told people on time that it had not seen, beside its rivals, floors and chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from intelligence.core.truths import PlantedTruth
from intelligence.risk.capacity import flagged_at_capacity
from intelligence.risk.evaluation import Sample, lead_time, measures, random_lead_time

RIVALS_AND_FLOORS: Final = ("xgboost", "random_forest", "logistic_regression", "ewma", "persistence")
RANDOM_DRAWS: Final = 20
SEED: Final = 7


@dataclass(frozen=True, slots=True)
class BacktestLine:
    """One ranking, looked at from its top at the same capacity; `lead_days` is the mean of the onsets caught.

    What rests on the capacity is None where the rows are too few for it.
    """

    name: str
    is_chosen: bool
    pr_auc: float
    recall: float | None
    lead_days: float | None
    false_alarms_a_day: float | None


@dataclass(frozen=True, slots=True)
class CaughtDecay:
    """A planted slow decay, and the first day on which the model flagged its feature after the first sign."""

    truth: PlantedTruth
    flagged_on: date | None
    best_rank: int | None

    @property
    def days_ahead(self) -> int | None:
        """Return how many days before the breach it was flagged; 0 or less where it came too late."""
        return (self.truth.starts_on - self.flagged_on).days if self.flagged_on else None


def backtest(unseen: pl.DataFrame, *, unit: str, capacity: float) -> list[BacktestLine]:
    """Return one line per rival and floor of a training table, best PR-AUC first, and a random ranking last."""
    sample = Sample(
        units=unseen[unit].rank("dense").to_numpy().astype(np.int64) - 1,
        times=unseen["event_date"].to_physical().cast(pl.Int64).to_numpy(),
        labels=unseen["label"].to_numpy().astype(bool),
    )
    days, once = len(np.unique(sample.times)), np.ones((1, int(sample.clusters.max()) + 1))
    lines = []
    for name in RIVALS_AND_FLOORS:
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


def caught_decays(unseen: pl.DataFrame, truths: Sequence[PlantedTruth]) -> list[CaughtDecay]:
    """Return each planted slow decay that breached while the training was judged, with the day it was flagged on."""
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
