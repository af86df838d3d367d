"""Trains, calibrates and evaluates risk models on any time-ordered panel.

A panel has one row per unit and time: columns for the unit, the time (a date or a whole number), a Boolean label that is
null while it is unknown, and predictors that contain nothing that became known after that time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl

from intelligence.core.errors import NotEnoughEvidence
from intelligence.risk.calibration import at_level, platt, with_draws
from intelligence.risk.candidates import ALL_CANDIDATES, CANDIDATES, Bools
from intelligence.risk.capacity import capacity_in_words, flagged_at_capacity
from intelligence.risk.evaluation import (
    Estimate,
    Sample,
    estimate,
    estimates,
    lead_time,
    measures,
    random_lead_time,
)
from intelligence.risk.folds import Fold, Ints, rolling_origin
from intelligence.risk.model import Floats, Kind, RiskModel, values_of
from intelligence.risk.selection import Selection, selected
from intelligence.risk.task import Task, known_rows

FEWEST_POSITIVE_UNITS: Final = 5
FEWEST_POSITIVES_TO_LEARN: Final = 8
FEWEST_FOLDS: Final = 2
RANDOM_DRAWS: Final = 50
IMPORTANCE_ROWS: Final = 2_000
LOWEST: Final = -1e300  # a row without a value of the floor ranks last


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How models are trained and evaluated.

    Attributes:
        folds: Number of folds of the rolling origin that evaluate.
        capacity: Share of the rows of each time that can be reviewed, in (0, 1].
        threshold: Probability from which on a risk counts as high, in [0, 1].
        draws: Number of bootstrap draws for the intervals.
        seed: Seed of all random numbers.
        candidates: The candidate models that are trained and compared.
    """

    folds: int = 5
    capacity: float = 0.05
    threshold: float = 0.3
    draws: int = 200
    seed: int = 7
    candidates: tuple[Kind, ...] = tuple(CANDIDATES)


@dataclass(frozen=True)
class Evaluation:
    """The results of one candidate model or floor on unseen time.

    Attributes:
        name: Candidate model or floor.
        measures: Each measure with its 95 % interval, by name.
        by_fold: One record per fold, with `fold` and each measure.
        onsets: Number of onsets.
        caught: Onsets flagged in time; None where nothing could be flagged.
        mean_lead: Mean time between the first flag and the onset, over those caught, in units of time.
    """

    name: str
    measures: Mapping[str, Estimate]
    by_fold: tuple[Mapping[str, float], ...]
    onsets: int
    caught: int | None
    mean_lead: float | None


@dataclass(frozen=True)
class Training:
    """The result of a training.

    Attributes:
        question: The task.
        rules: How the models were trained and evaluated.
        model: The chosen candidate, fitted and calibrated on all known rows.
        selection: Which candidate was chosen, and why.
        evaluations: The evaluations of all candidates and floors.
        advantage: Paired difference in PR-AUC, the chosen one minus each other candidate and floor, by name.
        floor: The floor that ranks best; None where the task has none.
        added: What each candidate adds over that floor: its PR-AUC minus that of the floor, paired, by name.
        unseen: One row per unit and time of the folds that evaluate: unit, time, fold, label, the floors, and for each
            candidate the probability that it gave with what was known then.
        known_rows: Number of rows with a known label.
        positives: Number of them with a positive label.
        first_time: Time of the first of them.
        last_time: Time of the last of them.
        random_recall: Mean recall of onsets of random rankings; None where it is not defined.
        random_lead: Mean lead of random rankings in units of time; None likewise.
        importance: Mean absolute contribution of each predictor to the logit, largest first.
    """

    task: Task
    rules: Rules
    model: RiskModel
    selection: Selection
    evaluations: tuple[Evaluation, ...]
    advantage: Mapping[str, Estimate]
    floor: str | None
    added: Mapping[str, Estimate]
    unseen: pl.DataFrame
    known_rows: int
    positives: int
    first_time: object
    last_time: object
    random_recall: float | None
    random_lead: float | None
    importance: Mapping[str, float]

    def of(self, name: str) -> Evaluation:
        """Return the evaluation of one candidate or floor."""
        return next(each for each in self.evaluations if each.name == name)

    @property
    def _times(self) -> Ints:
        return self.unseen[self.task.time].to_physical().cast(pl.Int64).to_numpy()

    @cached_property
    def flagged(self) -> Bools | None:
        """Return which rows of `unseen` the chosen model flags at capacity; None where they are too few."""
        return flagged_at_capacity(self.unseen[self.model.kind].to_numpy(), self._times, self.rules.capacity)

    @property
    def looks_at(self) -> str:
        """Return in words which rows can be reviewed at capacity, or why none can."""
        a_time = "day" if self.unseen.schema[self.task.time] == pl.Date else "time"
        return capacity_in_words(self._times, self.rules.capacity, a_time=a_time)

    @property
    def best(self) -> Evaluation:
        """Return the evaluation of the chosen candidate."""
        return self.of(self.model.kind)


def trained(panel: pl.DataFrame, task: Task, *, rules: Rules = Rules()) -> Training:
    """Return the best candidate model, calibrated and evaluated on time that it had not seen.

    Each fold trains on the past and scores the future after an embargo of the horizon. Its probabilities are calibrated
    on the scores of earlier folds whose outcome was known by then, so the first folds serve for calibration only. The
    candidate that `selection.selected` chooses is fitted again on all known rows and calibrated on all unseen scores.
    Constant predictors are left out.

    Args:
        panel: One row per unit and time, with the columns that the task names.
        task: Names the columns, the horizon and the floors.
        rules: How to train and evaluate.

    Raises:
        NotEnoughEvidence: There are too few points in time, only one class, too few units with a positive label, or no
            predictor that varies.
        PanelError: A column is missing or has unusable values.
    """
    data = _Data.of(panel, task)
    layout = _Layout.of(data, rules)
    places, rows, fold_of, evaluated = layout.places, layout.evaluated_rows, layout.fold_of, layout.evaluated
    logits = {kind: _unseen_logits(kind, data, layout.folds, rules) for kind in rules.candidates}
    probabilities = {kind: _known_then(raw, data, layout) for kind, raw in logits.items()}
    sample = data.sample.picked(rows)
    weights = data.sample.weights(rules.draws, seed=rules.seed)
    found, evaluations = {}, []
    for name, ranking, chance in _competitors(data, rows, {k: p[evaluated] for k, p in probabilities.items()}):
        found[name] = measures(
            ranking, chance, sample, capacity=rules.capacity, threshold=rules.threshold, weights=weights
        )
        evaluations.append(_evaluation(name, ranking, chance, sample, found[name], fold_of[evaluated], rules))
    selection = selected({kind: found[kind] for kind in rules.candidates})
    best = selection.kind
    advantage = {
        name: estimate(found[best]["pr_auc"] - values["pr_auc"]) for name, values in found.items() if name != best
    }
    floor = max(task.floors, key=lambda name: found[name]["pr_auc"][0], default=None)
    model = _fitted(
        best, data, logits[best][places], data.labels[places], weights[1:, data.sample.clusters[places]], rules
    )
    random_recall, random_lead = random_lead_time(sample, capacity=rules.capacity, draws=RANDOM_DRAWS, seed=rules.seed)
    unseen = (
        data.rows[rows]
        .select(task.unit, task.time)
        .with_columns(
            fold=pl.Series(fold_of[evaluated]),
            label=pl.Series(sample.labels),
            **{kind: pl.Series(values[evaluated]) for kind, values in probabilities.items()},
            **{name: data.rows[column][rows].cast(pl.Float64) for name, column in task.floors.items()},
        )
    )
    return Training(
        task=task,
        rules=rules,
        model=model,
        selection=selection,
        evaluations=tuple(evaluations),
        advantage=advantage,
        floor=floor,
        added={kind: estimate(found[kind]["pr_auc"] - found[floor]["pr_auc"]) for kind in rules.candidates}
        if floor
        else {},
        unseen=unseen,
        known_rows=len(data.labels),
        positives=int(data.labels.sum()),
        first_time=data.rows[task.time].min(),
        last_time=data.rows[task.time].max(),
        random_recall=random_recall,
        random_lead=random_lead,
        importance=_importance(model, data.rows[rows]),
    )


@dataclass(frozen=True)
class _Data:
    """The rows with a known label, in order of time and unit."""

    rows: pl.DataFrame
    task: Task
    predictors: tuple[str, ...]

    @classmethod
    def of(cls, panel: pl.DataFrame, task: Task) -> "_Data":
        rows = known_rows(panel, task)
        labels = rows[task.label] if rows.height else pl.Series(dtype=pl.Boolean)
        if labels.n_unique() < 2:
            only = "none" if rows.is_empty() else f"only {'positive' if labels[0] else 'negative'} ones"
            raise NotEnoughEvidence(
                f"label {task.label}",
                f"of {panel.height} rows {rows.height} have a known label, {only}.",
                hint="Both outcomes must have been seen; collect more time, or choose another task.",
            )
        values = values_of(rows, task.predictors)
        predictors = tuple(name for name, column in zip(task.predictors, values.T, strict=True) if _varies(column))
        if not predictors:
            raise NotEnoughEvidence(
                "predictors",
                f"none of the {len(task.predictors)} varies over {rows.height} rows.",
                hint="Collect more days, or give predictors that differ between units.",
            )
        return cls(rows, task, predictors)

    @cached_property
    def times(self) -> np.ndarray:
        return self.rows[self.task.time].to_physical().cast(pl.Int64).to_numpy()

    @cached_property
    def labels(self) -> Bools:
        return self.rows[self.task.label].to_numpy().astype(bool)

    @cached_property
    def sample(self) -> Sample:
        units = self.rows[self.task.unit].rank("dense").to_numpy().astype(np.int64) - 1
        return Sample(units, self.times, self.labels)

    def fitted(self, kind: Kind, chosen: Bools, seed: int) -> RiskModel:
        return ALL_CANDIDATES[kind](
            self.rows.filter(chosen), self.labels[chosen], self.predictors, self.task.directions, seed
        )


def _varies(column: Floats) -> bool:
    known = column[~np.isnan(column)]
    return len(known) > 0 and (len(known) < len(column) or known.min() < known.max())


@dataclass(frozen=True)
class _Layout:
    """Which rows the folds score.

    `places` are the indices of all scored rows, `fold_of` is the fold of each; `evaluated` says which of them count, which are
    those after the folds that serve for calibration only.
    """

    folds: list[Fold]
    places: Ints
    fold_of: Ints
    evaluated: Bools

    @property
    def evaluated_rows(self) -> Ints:
        return self.places[self.evaluated]

    @classmethod
    def of(cls, data: _Data, rules: Rules) -> "_Layout":
        """Return the layout; raises NotEnoughEvidence where the data is too little to train, calibrate and evaluate."""
        folds = _teachable(data, rolling_origin(data.times, horizon=data.task.horizon, folds=rules.folds + 1))
        places = np.flatnonzero(data.times >= folds[0].test_start)
        fold_of = np.searchsorted([fold.test_start for fold in folds], data.times[places], side="right") - 1
        layout = cls(folds, places, fold_of, fold_of >= _first_evaluated(data, folds))
        evaluated = data.sample.picked(layout.evaluated_rows)
        units = len(np.unique(evaluated.units[evaluated.labels]))
        if units < FEWEST_POSITIVE_UNITS:
            raise NotEnoughEvidence(
                "risk training",
                f"{units} units had an onset on unseen time, fewer than {FEWEST_POSITIVE_UNITS}: nothing can be judged.",
                hint="Collect more days; until then health alone is watched.",
            )
        if evaluated.labels.all():
            raise NotEnoughEvidence(
                "risk training",
                f"all {len(evaluated.labels)} rows of unseen time are positive: nothing can be ranked.",
                hint="Collect more days, or choose another task.",
            )
        return layout


def what_is_missing(panel: pl.DataFrame, task: Task, *, rules: Rules) -> str | None:
    """Return why `trained` would raise NotEnoughEvidence for this panel, in a sentence; None where it would not.

    Args:
        panel: One row per unit and time, with the columns that the task names; may be empty.
        task: Names the columns, the horizon and the floors.
        rules: How to train and evaluate.
    """
    try:
        _Layout.of(_Data.of(panel, task), rules)
    except NotEnoughEvidence as error:
        return error.problem
    return None


def _teachable(data: _Data, folds: list[Fold]) -> list[Fold]:
    """Return the folds whose past has enough of both outcomes to train on: at least one to calibrate and one to evaluate."""
    pasts = [(fold, data.labels[data.times < fold.train_end]) for fold in folds]
    found = [fold for fold, past in pasts if past.sum() >= FEWEST_POSITIVES_TO_LEARN and not past.all()]
    if len(found) < FEWEST_FOLDS:
        raise NotEnoughEvidence(
            "risk training",
            f"{data.labels.sum()} of {len(data.labels)} rows with a known label are positive, and too few of them early on"
            f" ({FEWEST_POSITIVES_TO_LEARN} are needed before the time that judges).",
            hint="Collect more days; until then health alone is watched.",
        )
    return found


def _first_evaluated(data: _Data, folds: list[Fold]) -> int:
    """Return the first fold before which enough outcomes are known to calibrate on; the second where there is none."""
    unseen = data.times >= folds[0].test_start
    found = [data.labels[unseen & (data.times < fold.train_end)].sum() for fold in folds]
    return next((n for n, positives in enumerate(found) if positives >= FEWEST_POSITIVES_TO_LEARN), 1)


def _unseen_logits(kind: Kind, data: _Data, folds: list[Fold], rules: Rules) -> Floats:
    logits = np.full(len(data.labels), np.nan)
    for fold in folds:
        past = data.times < fold.train_end
        future = (data.times >= fold.test_start) & (data.times < fold.test_end)
        logits[future] = data.fitted(kind, past, rules.seed).logits(data.rows.filter(future))
    return logits


def _known_then(raw: Floats, data: _Data, layout: _Layout) -> Floats:
    """Return the probabilities of each evaluated fold, calibrated with what was known when it began; NaN for the others.

    The embargo applies to the calibration too. While fewer than FEWEST_POSITIVES_TO_LEARN positive rows that the model had
    not seen are known, the scores are only shifted to the share of positives in the past.
    """
    logits, labels, times = raw[layout.places], data.labels[layout.places], data.times[layout.places]
    known = np.full(len(logits), np.nan)
    for number in np.unique(layout.fold_of[layout.evaluated]):
        fold = layout.folds[number]
        past, present = times < fold.train_end, layout.fold_of == number
        is_enough = labels[past].sum() >= FEWEST_POSITIVES_TO_LEARN
        share = data.labels[data.times < fold.train_end].mean()
        calibration = platt(logits[past], labels[past]) if is_enough else at_level(logits[present], share)
        known[present] = calibration.probabilities(logits[present])
    return known


def _competitors(
    data: _Data, rows: np.ndarray, probabilities: Mapping[Kind, Floats]
) -> list[tuple[str, Floats, Floats | None]]:
    candidates = [(kind, values, values) for kind, values in probabilities.items()]
    floors = [
        (name, np.nan_to_num(data.rows[column].cast(pl.Float64).to_numpy()[rows], nan=LOWEST), None)
        for name, column in data.task.floors.items()
    ]
    return [*candidates, *floors]


def _evaluation(
    name: str,
    ranking: Floats,
    chance: Floats | None,
    sample: Sample,
    found: Mapping[str, Floats],
    fold_of: np.ndarray,
    rules: Rules,
) -> Evaluation:
    lead = lead_time(flagged_at_capacity(ranking, sample.times, rules.capacity), sample)
    by_fold = []
    for fold in np.unique(fold_of):
        chosen = fold_of == fold
        part = measures(
            ranking[chosen],
            None if chance is None else chance[chosen],
            sample.picked(chosen),
            capacity=rules.capacity,
            threshold=rules.threshold,
            weights=np.ones((1, sample.clusters.max() + 1)),
        )
        by_fold.append({"fold": int(fold), **{key: float(values[0]) for key, values in part.items()}})
    return Evaluation(name, estimates(found), tuple(by_fold), lead.onsets, lead.caught, lead.mean_lead)


def _fitted(kind: Kind, data: _Data, logits: Floats, labels: Bools, weights: Floats, rules: Rules) -> RiskModel:
    model = data.fitted(kind, np.ones(len(data.labels), dtype=bool), rules.seed)
    return replace(model, calibration=with_draws(platt(logits, labels), logits, labels, weights))


def _importance(model: RiskModel, rows: pl.DataFrame) -> Mapping[str, float]:
    """Return the mean absolute contribution of each predictor, largest first, over at most a few thousand evenly spaced rows."""
    spaced = rows.gather_every(max(1, rows.height // IMPORTANCE_ROWS))
    mean = np.abs(model.contributions(spaced)).mean(axis=0)
    ranked = sorted(zip(model.predictors, mean, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return {name: float(value) for name, value in ranked}
