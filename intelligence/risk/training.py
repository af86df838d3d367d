"""Trains, calibrates and judges risk models on any time-ordered panel.

A panel has one row per unit and time: columns for the unit, the time (a date or a whole number), a Boolean label that is
null while it cannot be known, and predictors that hold nothing from after that time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl

from intelligence.core.errors import NotEnoughEvidence
from intelligence.risk.calibration import at_level, platt, with_draws
from intelligence.risk.candidates import RIVALS, Bools
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
from intelligence.risk.task import Question, known_rows

FEWEST_POSITIVE_UNITS: Final = 5
FEWEST_POSITIVES_TO_LEARN: Final = 8
FEWEST_FOLDS: Final = 2
RANDOM_DRAWS: Final = 50
IMPORTANCE_ROWS: Final = 2_000
LOWEST: Final = -1e300  # an unknown floor ranks last


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How to train and judge: folds, share of units that can be looked at per time, threshold of a high risk, draws."""

    folds: int = 5
    capacity: float = 0.05
    threshold: float = 0.3
    draws: int = 200
    seed: int = 7


@dataclass(frozen=True)
class Judgement:
    """How one rival or floor did on unseen time."""

    name: str
    measures: Mapping[str, Estimate]
    by_fold: tuple[Mapping[str, float], ...]
    onsets: int
    caught: int | None
    mean_lead: float | None


@dataclass(frozen=True)
class Training:
    """The result: every rival judged, the chosen one fitted on all known rows, and its scores on unseen time.

    `unseen` has one row per unit and time of the folds that judge: fold, label, the floors, and for each rival its
    probability by what was known then. `selection` says by what it was chosen, `advantage` is the paired difference in
    PR-AUC of the chosen one over each rival and floor.
    """

    question: Question
    rules: Rules
    model: RiskModel
    selection: Selection
    judgements: tuple[Judgement, ...]
    advantage: Mapping[str, Estimate]
    unseen: pl.DataFrame
    known_rows: int
    positives: int
    first_time: object
    last_time: object
    random_recall: float | None
    random_lead: float | None
    importance: Mapping[str, float]

    def of(self, name: str) -> Judgement:
        """Return the judgement of one rival or floor."""
        return next(each for each in self.judgements if each.name == name)

    @property
    def _times(self) -> Ints:
        return self.unseen[self.question.time].to_physical().cast(pl.Int64).to_numpy()

    @cached_property
    def flagged(self) -> Bools | None:
        """Return which rows of `unseen` could be looked at by the chosen one's scores; None where they are too few."""
        return flagged_at_capacity(self.unseen[self.model.kind].to_numpy(), self._times, self.rules.capacity)

    @property
    def looks_at(self) -> str:
        """Return in words what is looked at of the rows at capacity, or why nothing is."""
        a_time = "day" if self.unseen.schema[self.question.time] == pl.Date else "time"
        return capacity_in_words(self._times, self.rules.capacity, a_time=a_time)

    @property
    def best(self) -> Judgement:
        """Return the judgement of the rival that was chosen."""
        return self.of(self.model.kind)


def trained(panel: pl.DataFrame, question: Question, *, rules: Rules = Rules()) -> Training:
    """Return the best of the rivals, calibrated and judged on time that it had not seen.

    Each fold trains on the past and scores the future behind an embargo of the horizon; its probabilities are
    calibrated on the scores of earlier folds whose outcome was known by then, so that the first ones only calibrate. The
    rival that `selection.selected` chooses by log loss is fitted again on all known rows and calibrated on all unseen
    scores. Predictors that never vary are left out.

    Raises NotEnoughEvidence, with what is missing, where there are too few points in time, one class only, or too few
    units with a positive label; PanelError where a column is missing or cannot be what it is meant to be.
    """
    data = _Data.of(panel, question)
    layout = _Layout.of(data, rules)
    places, rows, fold_of, judged = layout.places, layout.judged_rows, layout.fold_of, layout.judged
    logits = {kind: _unseen_logits(kind, data, layout.folds, rules) for kind in RIVALS}
    probabilities = {kind: _known_then(raw, data, layout) for kind, raw in logits.items()}
    sample = data.sample.picked(rows)
    weights = data.sample.weights(rules.draws, seed=rules.seed)
    found, judgements = {}, []
    for name, ranking, chance in _competitors(data, rows, {k: p[judged] for k, p in probabilities.items()}):
        found[name] = measures(
            ranking, chance, sample, capacity=rules.capacity, threshold=rules.threshold, weights=weights
        )
        judgements.append(_judgement(name, ranking, chance, sample, found[name], fold_of[judged], rules))
    selection = selected({kind: found[kind] for kind in RIVALS})
    best = selection.kind
    advantage = {
        name: estimate(found[best]["pr_auc"] - values["pr_auc"]) for name, values in found.items() if name != best
    }
    model = _fitted(
        best, data, logits[best][places], data.labels[places], weights[1:, data.sample.clusters[places]], rules
    )
    random_recall, random_lead = random_lead_time(sample, capacity=rules.capacity, draws=RANDOM_DRAWS, seed=rules.seed)
    unseen = (
        data.rows[rows]
        .select(question.unit, question.time)
        .with_columns(
            fold=pl.Series(fold_of[judged]),
            label=pl.Series(sample.labels),
            **{kind: pl.Series(values[judged]) for kind, values in probabilities.items()},
            **{name: data.rows[column][rows].cast(pl.Float64) for name, column in question.floors.items()},
        )
    )
    return Training(
        question=question,
        rules=rules,
        model=model,
        selection=selection,
        judgements=tuple(judgements),
        advantage=advantage,
        unseen=unseen,
        known_rows=len(data.labels),
        positives=int(data.labels.sum()),
        first_time=data.rows[question.time].min(),
        last_time=data.rows[question.time].max(),
        random_recall=random_recall,
        random_lead=random_lead,
        importance=_importance(model, data.rows[rows]),
    )


@dataclass(frozen=True)
class _Data:
    """The rows with a known label, in order of time and unit."""

    rows: pl.DataFrame
    question: Question
    predictors: tuple[str, ...]

    @classmethod
    def of(cls, panel: pl.DataFrame, question: Question) -> "_Data":
        rows = known_rows(panel, question)
        labels = rows[question.label] if rows.height else pl.Series(dtype=pl.Boolean)
        if labels.n_unique() < 2:
            only = "none" if rows.is_empty() else f"only {'positive' if labels[0] else 'negative'} ones"
            raise NotEnoughEvidence(
                f"label {question.label}",
                f"of {panel.height} rows {rows.height} have a known label, {only}.",
                hint="Both outcomes must have been seen; collect more time, or ask another question.",
            )
        values = values_of(rows, question.predictors)
        predictors = tuple(name for name, column in zip(question.predictors, values.T, strict=True) if _varies(column))
        if not predictors:
            raise NotEnoughEvidence(
                "predictors",
                f"none of the {len(question.predictors)} varies over {rows.height} rows.",
                hint="Collect more days, or give predictors that differ between units.",
            )
        return cls(rows, question, predictors)

    @cached_property
    def times(self) -> np.ndarray:
        return self.rows[self.question.time].to_physical().cast(pl.Int64).to_numpy()

    @cached_property
    def labels(self) -> Bools:
        return self.rows[self.question.label].to_numpy().astype(bool)

    @cached_property
    def sample(self) -> Sample:
        units = self.rows[self.question.unit].rank("dense").to_numpy().astype(np.int64) - 1
        return Sample(units, self.times, self.labels)

    def fitted(self, kind: Kind, chosen: Bools, seed: int) -> RiskModel:
        return RIVALS[kind](
            self.rows.filter(chosen), self.labels[chosen], self.predictors, self.question.directions, seed
        )


def _varies(column: Floats) -> bool:
    known = column[~np.isnan(column)]
    return len(known) > 0 and (len(known) < len(column) or known.min() < known.max())


@dataclass(frozen=True)
class _Layout:
    """Which rows the folds score: `places` all of them, `judged` those of them behind the folds that only calibrate."""

    folds: list[Fold]
    places: Ints
    fold_of: Ints
    judged: Bools

    @property
    def judged_rows(self) -> Ints:
        return self.places[self.judged]

    @classmethod
    def of(cls, data: _Data, rules: Rules) -> "_Layout":
        """Return the layout; raises NotEnoughEvidence where the folds could not learn, calibrate and judge."""
        folds = _teachable(data, rolling_origin(data.times, horizon=data.question.horizon, folds=rules.folds + 1))
        places = np.flatnonzero(data.times >= folds[0].test_start)
        fold_of = np.searchsorted([fold.test_start for fold in folds], data.times[places], side="right") - 1
        layout = cls(folds, places, fold_of, fold_of >= _first_judged(data, folds))
        judged = data.sample.picked(layout.judged_rows)
        units = len(np.unique(judged.units[judged.labels]))
        if units < FEWEST_POSITIVE_UNITS:
            raise NotEnoughEvidence(
                "risk training",
                f"{units} units had an onset on unseen time, fewer than {FEWEST_POSITIVE_UNITS}: nothing can be judged.",
                hint="Collect more days; until then health alone is watched.",
            )
        if judged.labels.all():
            raise NotEnoughEvidence(
                "risk training",
                f"all {len(judged.labels)} rows of unseen time are positive: nothing can be ranked.",
                hint="Collect more days, or ask another question.",
            )
        return layout


def what_is_missing(panel: pl.DataFrame, question: Question, *, rules: Rules) -> str | None:
    """Return why `trained` would refuse this panel, in a sentence; None where it would not."""
    try:
        _Layout.of(_Data.of(panel, question), rules)
    except NotEnoughEvidence as error:
        return error.problem
    return None


def _teachable(data: _Data, folds: list[Fold]) -> list[Fold]:
    """Return the folds whose past holds enough of both outcomes to learn from; at least one to calibrate, one to judge."""
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


def _first_judged(data: _Data, folds: list[Fold]) -> int:
    """Return the first fold that finds enough known outcomes to calibrate on; the second where none does."""
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
    """Return each judged fold's probabilities by what was known when it began; NaN for the others.

    The embargo holds for the calibration too. While it knows fewer outcomes than FEWEST_POSITIVES_TO_LEARN of rows that
    the model had not seen, the scores are only brought to the level of the past.
    """
    logits, labels, times = raw[layout.places], data.labels[layout.places], data.times[layout.places]
    known = np.full(len(logits), np.nan)
    for number in np.unique(layout.fold_of[layout.judged]):
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
    rivals = [(kind, values, values) for kind, values in probabilities.items()]
    floors = [
        (name, np.nan_to_num(data.rows[column].cast(pl.Float64).to_numpy()[rows], nan=LOWEST), None)
        for name, column in data.question.floors.items()
    ]
    return [*rivals, *floors]


def _judgement(
    name: str,
    ranking: Floats,
    chance: Floats | None,
    sample: Sample,
    found: Mapping[str, Floats],
    fold_of: np.ndarray,
    rules: Rules,
) -> Judgement:
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
    return Judgement(name, estimates(found), tuple(by_fold), lead.onsets, lead.caught, lead.mean_lead)


def _fitted(kind: Kind, data: _Data, logits: Floats, labels: Bools, weights: Floats, rules: Rules) -> RiskModel:
    model = data.fitted(kind, np.ones(len(data.labels), dtype=bool), rules.seed)
    return replace(model, calibration=with_draws(platt(logits, labels), logits, labels, weights))


def _importance(model: RiskModel, rows: pl.DataFrame) -> Mapping[str, float]:
    """Return the mean absolute contribution of each predictor, the largest first, over rows that lie evenly apart."""
    looked_at = rows.gather_every(max(1, rows.height // IMPORTANCE_ROWS))
    mean = np.abs(model.contributions(looked_at)).mean(axis=0)
    ranked = sorted(zip(model.predictors, mean, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return {name: float(value) for name, value in ranked}
