"""The quality of a ranking and of its probabilities, with intervals that resample rows which depend on one another together.

Rows of one unit are not independent: an interval that resamples single rows is too narrow and finds differences that do not
exist. So every draw takes whole units with replacement (cluster bootstrap, Field and Welsh 2007). Where most units occur only
once, such as commits or orders, rows of the same period depend on one another: every draw then takes blocks of time (circular
block bootstrap, Politis and Romano 1992). All models that are compared use the same draws, so that differences are paired.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from intelligence.risk.capacity import flagged_at_capacity
from intelligence.risk.model import Floats

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
BINS: Final = 10
LEVEL: Final = 0.95
SMALLEST_CHANCE: Final = 1e-9  # keeps the log loss finite where a probability of 0 or 1 was wrong
UNITS_COME_AGAIN: Final = 2.0
FEWEST_TIMES_TO_DRAW: Final = 20


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with the bounds of its 95 % interval; None where the data does not determine it."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Sample:
    """The rows on which all models and floors are evaluated.

    Attributes:
        units: Code of each row's unit, from 0, shape (rows,).
        times: Time of each row as a whole number, shape (rows,).
        labels: Outcome of each row, shape (rows,).
        picked_clusters: Code of each row's cluster, for rows that were picked from another sample; None otherwise.
    """

    units: Ints
    times: Ints
    labels: Bools
    picked_clusters: Ints | None = field(default=None, repr=False)

    @cached_property
    def clusters(self) -> Ints:
        """Return the code, from 0, of each row's cluster: its unit, or its time where most units occur only once."""
        if self.picked_clusters is not None:
            return self.picked_clusters
        return self._places_of_times if self._draws_times else self.units

    @cached_property
    def _places_of_times(self) -> Ints:
        places: Ints = np.unique(self.times, return_inverse=True)[1]
        return places

    @cached_property
    def _draws_times(self) -> bool:
        units = len(np.unique(self.units))
        comes_again = len(self.units) >= UNITS_COME_AGAIN * units
        return not comes_again and len(np.unique(self.times)) >= FEWEST_TIMES_TO_DRAW

    def draws(self, count: int, *, seed: int) -> Floats:
        """Return how often each cluster was drawn, shape (count, clusters).

        Args:
            count: Number of draws.
            seed: Seed of the random numbers.
        """
        clusters = int(self.clusters.max()) + 1 if len(self.clusters) else 0
        rng = np.random.default_rng(seed)
        if self._draws_times:
            return _drawn_in_blocks(clusters, count, rng)
        drawn: Floats = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=count).astype(np.float64)
        return drawn

    def weights(self, draws: int, *, seed: int) -> Floats:
        """Return bootstrap weights of the clusters, shape (1 + draws, clusters); in the first row each weight is 1.

        Args:
            draws: Number of draws.
            seed: Seed of the random numbers.
        """
        found = self.draws(draws, seed=seed)
        return np.vstack([np.ones((1, found.shape[1])), found])

    def picked(self, chosen: Bools | Ints) -> "Sample":
        """Return the chosen rows with unchanged codes of units and clusters; `chosen` are their indices or a mask."""
        return Sample(self.units[chosen], self.times[chosen], self.labels[chosen], self.clusters[chosen])


def _drawn_in_blocks(times: int, count: int, rng: np.random.Generator) -> Floats:
    """Return how often each time was drawn, in blocks as long as the cube root of their number (Bühlmann and Künsch 1999)."""
    length = int(np.ceil(np.cbrt(times)))
    starts = rng.integers(0, times, size=(count, int(np.ceil(times / length))))
    change = np.zeros((count, times + length + 1))
    np.add.at(change, (np.arange(count)[:, None], starts), 1.0)
    np.add.at(change, (np.arange(count)[:, None], starts + length), -1.0)
    covered = np.cumsum(change, axis=1)
    drawn: Floats = covered[:, :times]
    drawn[:, :length] += covered[:, times : times + length]
    return drawn


@dataclass(frozen=True)
class _Ranking:
    """Rows in falling order of score, with the index of the last row of each distinct score."""

    order: Ints
    ends: Ints

    @classmethod
    def of(cls, scores: Floats) -> "_Ranking":
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        return cls(order, np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1))

    def areas(self, labels: Bools, weights: Floats) -> tuple[float, float]:
        """Return average precision and the area under the ROC curve; NaN where a class is absent."""
        weight = weights[self.order]
        hits = np.cumsum(weight * labels[self.order])[self.ends]
        seen = np.cumsum(weight)[self.ends]
        yes, no = hits[-1], seen[-1] - hits[-1]
        if yes <= 0 or no <= 0:
            return np.nan, np.nan
        precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
        average_precision = float((np.diff(hits, prepend=0.0) * precision).sum() / yes)
        misses = np.append(0.0, seen - hits)
        roc = float((np.diff(misses) * (np.append(0.0, hits)[1:] + np.append(0.0, hits)[:-1])).sum() / (2 * yes * no))
        return average_precision, roc


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else np.nan


def measures(
    scores: Floats, probabilities: Floats | None, sample: Sample, *, capacity: float, threshold: float, weights: Floats
) -> dict[str, Floats]:
    """Return each measure by name, shape (lines,): one number per row of weights, NaN where it is not defined.

    The calibration error is the expected calibration error over ten bins of equal size (Naeini et al. 2015). Log loss is in
    nats per row, and lift is the average precision divided by the share of positives.

    Args:
        scores: Score of each row of the sample, which ranks them, shape (rows,).
        probabilities: Calibrated probability of each row, shape (rows,); None where there is only a ranking, which then has
            neither precision, recall and F1 at the threshold, nor log loss, Brier score and calibration error.
        sample: The rows.
        capacity: Share of the rows of each time that can be reviewed, in (0, 1].
        threshold: Probability from which on a row counts as predicted positive, in [0, 1].
        weights: How often each cluster counts, shape (lines, clusters).
    """
    ranking = _Ranking.of(scores)
    flagged = flagged_at_capacity(scores, sample.times, capacity)
    labels = sample.labels
    names = ["pr_auc", "lift", "roc_auc", "precision_at_capacity", "recall_at_capacity"]
    if probabilities is not None:
        names += ["precision", "recall", "f1", "log_loss", "brier", "calibration_error"]
        high, squared = probabilities >= threshold, (probabilities - labels) ** 2
        surprise = -np.log(np.maximum(np.where(labels, probabilities, 1 - probabilities), SMALLEST_CHANCE))
        bins = _bins(probabilities)
    found = np.full((len(weights), len(names)), np.nan)
    for line, by_cluster in enumerate(weights):
        weight = by_cluster[sample.clusters]
        total, yes = weight.sum(), (weight * labels).sum()
        average_precision, roc = ranking.areas(labels, weight)
        row = [average_precision, _share(average_precision * total, yes), roc, *_at_capacity(flagged, labels, weight)]
        if probabilities is not None:
            right = (weight * (high & labels)).sum()
            precision, recall = _share(right, (weight * high).sum()), _share(right, yes)
            row += [
                precision,
                recall,
                _share(2 * right, (weight * high).sum() + yes),
                _share((weight * surprise).sum(), total),
                _share((weight * squared).sum(), total),
                _calibration_error(bins, probabilities, labels, weight),
            ]
        found[line] = row
    return dict(zip(names, found.T, strict=True))


def _at_capacity(flagged: Bools | None, labels: Bools, weight: Floats) -> tuple[float, float]:
    """Return precision and recall of the flagged rows; NaN where none may be flagged."""
    if flagged is None:
        return np.nan, np.nan
    caught = (weight * (flagged & labels)).sum()
    return _share(caught, (weight * flagged).sum()), _share(caught, (weight * labels).sum())


def _bins(probabilities: Floats) -> Ints:
    rank = np.argsort(np.argsort(probabilities, kind="stable"), kind="stable")
    return rank * BINS // max(len(rank), 1)


def _calibration_error(bins: Ints, probabilities: Floats, labels: Bools, weights: Floats) -> float:
    gap = np.bincount(bins, weights=weights * (probabilities - labels), minlength=BINS)
    return _share(float(np.abs(gap).sum()), float(weights.sum()))


def calibration_error_by_chance(probabilities: Floats, units: Ints, *, draws: int, seed: int) -> float:
    """Return the calibration error that perfectly calibrated probabilities exceed in only 5 % of simulations.

    In a simulation all rows of a unit share one random number, which is the strongest dependence that is possible.

    Args:
        probabilities: Probability of each row, shape (rows,).
        units: Code of each row's unit, from 0, shape (rows,).
        draws: Number of simulations.
        seed: Seed of the random numbers.
    """
    rng = np.random.default_rng(seed)
    bins, ones = _bins(probabilities), np.ones(len(probabilities))
    found = [
        _calibration_error(bins, probabilities, rng.random(int(units.max()) + 1)[units] < probabilities, ones)
        for _ in range(draws)
    ]
    return float(np.quantile(found, LEVEL))


def calibration_curve(probabilities: Floats, labels: Bools) -> list[dict[str, float]]:
    """Return one record per bin of equal size: `expected` and `observed` share of positives, and the number of `rows`.

    Args:
        probabilities: Probability of each row, shape (rows,).
        labels: Outcome of each row, shape (rows,).
    """
    bins = _bins(probabilities)
    return [
        {
            "expected": float(probabilities[bins == number].mean()),
            "observed": float(labels[bins == number].mean()),
            "rows": float((bins == number).sum()),
        }
        for number in np.unique(bins)
    ]


def estimates(by_line: Mapping[str, Floats]) -> dict[str, Estimate]:
    """Return for each measure its first number, in which every unit counts once, with the 95 % interval of the other numbers."""
    return {name: estimate(values) for name, values in by_line.items()}


def estimate(values: Floats) -> Estimate:
    """Return the first of `values` with the central 95 % interval of the others (percentile bootstrap)."""
    drawn = values[1:][~np.isnan(values[1:])]
    if np.isnan(values[0]) or len(drawn) == 0:
        return Estimate(None if np.isnan(values[0]) else float(values[0]))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(values[0]), float(low), float(high))


@dataclass(frozen=True, slots=True)
class LeadTime:
    """How many onsets were flagged in time.

    Attributes:
        onsets: Number of onsets.
        caught: Onsets flagged at least once within the horizon before them; None where nothing could be flagged.
        mean_lead: Mean time between the first flag and the onset, over those caught, in units of time; None likewise.
    """

    onsets: int
    caught: int | None
    mean_lead: float | None

    @property
    def recall(self) -> float | None:
        """Return the share of onsets that were caught; None where there was none, or nothing could be flagged."""
        return self.caught / self.onsets if self.onsets and self.caught is not None else None


def lead_time(flagged: Bools | None, sample: Sample) -> LeadTime:
    """Return how many onsets were flagged, and how long before them on average.

    Consecutive rows of one unit with a positive label lead to the same onset, which is one step after the last of them.

    Args:
        flagged: Which rows were flagged, shape (rows,); None where nothing could be flagged.
        sample: The rows.
    """
    steps = np.diff(np.unique(sample.times))
    step = int(steps.min()) if len(steps) else 1
    order = np.lexsort((sample.times, sample.units))
    unit, time = sample.units[order], sample.times[order]
    label = sample.labels[order]
    starts = label & np.append(True, (unit[1:] != unit[:-1]) | (time[1:] != time[:-1] + step) | ~label[:-1])
    onset = np.cumsum(starts)[label] - 1
    count = int(starts.sum())
    if flagged is None:
        return LeadTime(count, None, None)
    flag = flagged[order]
    last = np.full(count, np.iinfo(np.int64).min)
    np.maximum.at(last, onset, time[label])
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, onset[flag[label]], time[label][flag[label]])
    caught = first <= last
    leads = (last + step - first)[caught]
    return LeadTime(count, int(caught.sum()), float(leads.mean()) if len(leads) else None)


def random_lead_time(sample: Sample, *, capacity: float, draws: int, seed: int) -> tuple[float | None, float | None]:
    """Return the mean recall of onsets and the mean lead of random rankings; None where they are not defined.

    Args:
        sample: The rows.
        capacity: Share of the rows of each time that can be reviewed, in (0, 1].
        draws: Number of random rankings.
        seed: Seed of the random numbers.
    """
    rng = np.random.default_rng(seed)
    found = [
        lead_time(flagged_at_capacity(rng.random(len(sample.labels)), sample.times, capacity), sample)
        for _ in range(draws)
    ]
    recalls = [each.recall for each in found if each.recall is not None]
    leads = [each.mean_lead for each in found if each.mean_lead is not None]
    return (float(np.mean(recalls)) if recalls else None), (float(np.mean(leads)) if leads else None)
