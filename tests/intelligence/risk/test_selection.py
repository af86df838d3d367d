"""The challenger is chosen by a proper score with its paired interval, then by calibration, then for its simplicity."""

import re
from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest

from intelligence.risk.candidates import CANDIDATES
from intelligence.risk.card import card, report, summary
from intelligence.risk.evaluation import Sample, estimate
from intelligence.risk.selection import Selection, selected
from intelligence.risk.task import Task
from intelligence.risk.training import Rules, Training, trained

BOOSTED, FOREST, LINEAR = "xgboost", "random_forest", "logistic_regression"
DRAWS = 300


def measured(
    numbers: Mapping[str, tuple[float, ...]], *, noise: Mapping[str, float]
) -> dict[str, dict[str, np.ndarray]]:
    """Return measures of candidates (PR-AUC, log loss, calibration error, ROC-AUC), whose differences vary by the share `noise` of each."""
    rng = np.random.default_rng(5)
    names = tuple(STEADY)
    shared = {name: rng.normal(0, 0.1, DRAWS) for name in names}
    found = {}
    for kind, values in numbers.items():
        own = {name: np.append(0.0, shared[name] + rng.normal(0, noise[name], DRAWS)) for name in names}
        found[kind] = {name: value + own[name] for name, value in zip(names, (*values, 0.75)[:4], strict=True)}
    return found


STEADY = {"pr_auc": 0.01, "log_loss": 0.002, "calibration_error": 0.003, "roc_auc": 0.005}
# PR-AUC, log loss, calibration error of boosted trees, forest and logistic regression; who is chosen, and by what.
CASES = {
    "the lead in PR-AUC is chance and all else is worse": (
        *((0.603, 0.42, 0.043), (0.58, 0.46, 0.099), (0.616, 0.46, 0.090)),
        *(BOOSTED, "log loss"),
    ),
    "one is best by all": (
        *((0.7, 0.30, 0.01), (0.6, 0.40, 0.05), (0.6, 0.40, 0.05)),
        *(BOOSTED, "ranking"),
    ),
    "the forest is best by all": (
        *((0.5, 0.40, 0.05), (0.7, 0.30, 0.01), (0.5, 0.40, 0.05)),
        *(FOREST, "ranking"),
    ),
    "all are the same": (
        *((0.5, 0.40, 0.02), (0.5, 0.40, 0.02), (0.5, 0.40, 0.02)),
        *(LINEAR, "simplicity"),
    ),
    "all are within chance": (
        *((0.505, 0.399, 0.021), (0.5, 0.4, 0.022), (0.495, 0.401, 0.020)),
        *(LINEAR, "simplicity"),
    ),
    "two are alike, the third worse": (
        *((0.505, 0.399, 0.021), (0.5, 0.4, 0.022), (0.3, 0.5, 0.1)),
        *(BOOSTED, "simplicity"),
    ),
    "within chance the better calibrated": (
        *((0.505, 0.400, 0.02), (0.5, 0.401, 0.08), (0.51, 0.399, 0.08)),
        *(BOOSTED, "calibration"),
    ),
    "the forest is better calibrated": (
        *((0.505, 0.400, 0.08), (0.5, 0.401, 0.02), (0.51, 0.399, 0.08)),
        *(FOREST, "calibration"),
    ),
    "a clear lead in ranking wins over better probabilities": (
        *((0.70, 0.41, 0.06), (0.5, 0.40, 0.01), (0.5, 0.39, 0.01)),
        *(BOOSTED, "ranking"),
    ),
    "a clear lead of the simplest": (
        *((0.5, 0.40, 0.02), (0.5, 0.40, 0.02), (0.7, 0.30, 0.02)),
        *(LINEAR, "ranking"),
    ),
    "who ranks worse cannot win by its log loss": (
        *((0.60, 0.40, 0.02), (0.60, 0.42, 0.02), (0.50, 0.30, 0.01)),
        *(BOOSTED, "log loss"),
    ),
    "the worst calibrated within chance in both": (
        *((0.51, 0.4005, 0.02), (0.505, 0.45, 0.02), (0.515, 0.4000, 0.05)),
        *(BOOSTED, "calibration"),
    ),
    "the simplest ranks clearly worse over all": (
        *((0.51, 0.4005, 0.02, 0.78), (0.505, 0.45, 0.02, 0.70), (0.515, 0.4, 0.022, 0.72)),
        *(BOOSTED, "ranking over all"),
    ),
    "calibration within chance leaves it to simplicity": (
        *((0.51, 0.4005, 0.020), (0.505, 0.45, 0.02), (0.515, 0.4, 0.024)),
        *(LINEAR, "simplicity"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_choice_follows_from_the_paired_intervals(name: str) -> None:
    *numbers, kind, by = CASES[name]
    found = selected(measured(dict(zip((BOOSTED, FOREST, LINEAR), numbers, strict=True)), noise=STEADY))
    assert (found.kind, found.by) == (kind, by)
    assert_worded(found)


@pytest.mark.parametrize("order", [(LINEAR, FOREST, BOOSTED), (FOREST, BOOSTED, LINEAR)])
@pytest.mark.parametrize("name", CASES)
def test_the_order_of_the_candidates_decides_nothing(name: str, order: tuple[str, ...]) -> None:
    *numbers, kind, _ = CASES[name]
    found = measured(dict(zip((BOOSTED, FOREST, LINEAR), numbers, strict=True)), noise=STEADY)
    assert selected({each: found[each] for each in order}).kind == kind


@pytest.mark.parametrize("noise", [0.2, 1.0, 5.0])
def test_where_nothing_is_certain_the_simplest_is_chosen(noise: float) -> None:
    numbers = {BOOSTED: (0.7, 0.3, 0.01), FOREST: (0.68, 0.33, 0.02), LINEAR: (0.6, 0.4, 0.03)}
    found = selected(measured(numbers, noise=dict.fromkeys(STEADY, noise)))
    assert (found.kind, found.by) == (LINEAR, "simplicity")


def test_without_draws_nothing_is_beyond_chance() -> None:
    alone = {
        kind: {name: np.array([value]) for name in STEADY}
        for kind, value in ((BOOSTED, 0.5), (FOREST, 0.4), (LINEAR, 0.3))
    }
    assert selected(alone).by == "simplicity"


_COMPARISON = r"(better|worse|no differently)[^:;]*: [^;]*?\(95 % interval ([+-][\d.]+) to ([+-][\d.]+)\)"


def assert_worded(selection: Selection) -> None:
    """Assert that "better" and "worse" describe only intervals on one side of 0, and "no differently" only the others."""
    comparisons = re.findall(_COMPARISON, selection.words)
    assert comparisons
    for word, low, high in comparisons:
        assert (float(low) > 0 or float(high) < 0) == (word != "no differently") or 0 in (float(low), float(high))


def growing(rows: int = 3_000, seed: int = 16) -> tuple[pl.DataFrame, Task]:
    """Return changes to code on which trees learn more, with a predictor that keeps growing after it has lost its effect."""
    draw = np.random.default_rng(seed)
    number = np.arange(rows)
    size, depth, spread = draw.normal(size=(3, rows))
    growth = 4 * number / rows + draw.normal(0, 0.15, rows)
    either = ((depth > 0) ^ (spread > 0)) & (size < 0.5)
    logit = -8 + 3.2 * np.maximum(size, 0) + 2.5 * either + 2.5 * np.minimum(growth, 1.6)
    faulty = draw.random(rows) < 1 / (1 + np.exp(-logit))
    panel = pl.DataFrame(
        {"change": number, "number": number, "size": size, "depth": depth, "spread": spread, "growth": growth}
    )
    task = Task(
        unit="change", time="number", label="faulty", predictors=("size", "depth", "spread", "growth"), horizon=0
    )
    return panel.with_columns(faulty=faulty), task


@pytest.fixture(scope="module")
def grown() -> Training:
    panel, task = growing()
    return trained(panel, task, rules=Rules(folds=3, draws=100))


def test_a_lead_in_pr_auc_by_chance_does_not_choose_the_worse_calibrated(grown: Training) -> None:
    best = {
        name: max(CANDIDATES, key=lambda kind: grown.of(kind).measures[name].value or 0)
        for name in ("pr_auc", "roc_auc")
    }
    assert best == {"pr_auc": LINEAR, "roc_auc": BOOSTED}
    assert (grown.model.kind, grown.selection.by) == (BOOSTED, "log loss")
    assert (grown.advantage[LINEAR].low or 0) < 0 < (grown.advantage[LINEAR].high or 0)


def test_card_report_and_registry_describe_the_choice_in_the_same_words(grown: Training) -> None:
    words = grown.selection.words
    assert_worded(grown.selection)
    text = card(grown, title="Faulty", asks="Is it?", use="Looking.", limits=(), origin={})
    assert words in text
    assert words in summary(grown, what="faulty changes")
    assert report(grown)["choice"] == words
    assert "No better" not in text
    assert "won" not in text


def test_single_rows_are_resampled_in_blocks_of_time_and_units_as_they_are() -> None:
    times = np.arange(1_000)
    single, again = Sample(times, times, times > 3), Sample(times % 40, times, times > 3)
    assert (single.clusters == times).all()
    assert (again.clusters == times % 40).all()
    drawn = single.draws(50, seed=1)
    assert drawn.shape == (50, 1_000)
    assert np.abs(np.diff(drawn, axis=1)).mean() < 0.35
    assert (drawn.sum(axis=1) == 1_000).all()


def test_intervals_over_blocks_of_time_cover_what_persists_and_those_over_rows_do_not() -> None:
    covered = {"stretches": 0, "rows": 0}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        level = np.repeat(rng.normal(size=60), 10)
        values = level + 0.3 * rng.normal(size=600)
        sample = Sample(np.arange(600), np.arange(600), np.arange(600) < 2)
        rows = rng.multinomial(600, np.full(600, 1 / 600), size=150)
        for name, weights in (("stretches", sample.draws(150, seed=seed)), ("rows", rows)):
            found = estimate(np.append(values.mean(), weights @ values / weights.sum(axis=1)))
            covered[name] += (found.low or 0) <= 0 <= (found.high or 0)
    assert covered["stretches"] >= 46
    assert covered["rows"] <= 40


def commits(rows: int, predictors: int, seed: int) -> tuple[pl.DataFrame, Task]:
    """Return changes to code, one a time: heavy-tailed measures of size, a drifting share of faulty ones, and thresholds."""
    draw = np.random.default_rng(seed)
    time = np.linspace(0, 1, rows)
    z = draw.normal(size=(rows, predictors))
    z[:, 1:] = 0.6 * z[:, :1] + 0.8 * z[:, 1:]
    values = np.exp(z * draw.uniform(0.4, 1.2, predictors))
    values[:, draw.integers(predictors)] *= np.exp(2 * time)
    logit = z @ draw.normal(0, 1 / np.sqrt(predictors), predictors) - 1.8 + 0.5 * np.sin(7 * time + seed)
    logit += draw.uniform(0, 1.2) * ((z[:, 0] > 0) ^ (z[:, 1] > 0.3))
    names = tuple(f"measure_{number}" for number in range(predictors))
    panel = pl.DataFrame(values, schema=list(names)).with_columns(
        change=pl.Series(range(rows)),
        at=pl.Series(range(rows)),
        faulty=pl.Series(draw.random(rows) < 1 / (1 + np.exp(-logit))),
    )
    return panel, Task(unit="change", time="at", label="faulty", predictors=names, horizon=0)


@pytest.mark.parametrize(("rows", "predictors", "seed"), [(700, 3, 1), (900, 8, 2), (1_200, 14, 3)])
def test_the_chosen_one_never_ranks_clearly_worse_over_all(rows: int, predictors: int, seed: int) -> None:
    training = trained(*commits(rows, predictors, seed), rules=Rules(folds=2, draws=60))
    chosen = training.best.measures["roc_auc"].value or 0
    assert max(training.of(kind).measures["roc_auc"].value or 0 for kind in CANDIDATES) - chosen < 0.05
