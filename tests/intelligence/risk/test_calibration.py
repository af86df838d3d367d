"""Platt scaling compared with scikit-learn, in extreme cases, and the coverage of its intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from intelligence.risk.calibration import at_level, platt, with_draws
from intelligence.risk.model import Platt, sigmoid


def drawn(
    rows: int, *, slope: float, intercept: float, spread: float = 1.5, seed: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = spread * rng.normal(size=rows)
    return logits, rng.random(rows) < sigmoid(slope * logits + intercept)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.4, -2.0), (2.5, 1.0), (0.0, -1.0)])
@pytest.mark.parametrize("spread", [0.3, 1.5, 8.0])
def test_the_curve_is_that_of_an_unpenalized_logistic_regression(slope: float, intercept: float, spread: float) -> None:
    logits, labels = drawn(20_000, slope=slope / spread, intercept=intercept, spread=spread)
    found = platt(logits, labels)
    fitted = LogisticRegression(C=1e9, tol=1e-8).fit(logits[:, None], labels)
    expected = max(float(fitted.coef_[0, 0]), 0.0)
    assert found.slope * spread == pytest.approx(expected * spread, rel=0.01, abs=0.01)
    assert found.intercept == pytest.approx(float(fitted.intercept_[0]), abs=0.02)


def test_weights_count_rows() -> None:
    logits, labels = drawn(3_000, slope=0.7, intercept=-1.0)
    weights = np.random.default_rng(4).integers(0, 4, size=3_000)
    twice = np.repeat(np.arange(3_000), weights)
    weighted, repeated = platt(logits, labels, weights.astype(float)), platt(logits[twice], labels[twice])
    assert weighted.slope == pytest.approx(repeated.slope, rel=0.01)
    assert weighted.intercept == pytest.approx(repeated.intercept, abs=0.01)


@settings(deadline=None, max_examples=60)
@given(
    logits=st.lists(st.floats(-60, 60), min_size=1, max_size=50),
    data=st.data(),
)
def test_whatever_is_calibrated_stays_finite_between_nought_and_one_and_in_order(
    logits: list[float], data: st.DataObject
) -> None:
    raw = np.array(logits)
    labels = np.array(data.draw(st.lists(st.booleans(), min_size=len(raw), max_size=len(raw))))
    found = platt(raw, labels)
    assert np.isfinite([found.slope, found.intercept]).all()
    assert found.slope >= 0
    chance = found.probabilities(np.sort(raw))
    assert (np.diff(chance) >= 0).all()
    assert ((chance >= 0) & (chance <= 1)).all()


@pytest.mark.parametrize("scale", [0.01, 1.0, 50.0])
def test_a_perfect_separation_keeps_finite_numbers_that_are_sure_of_themselves(scale: float) -> None:
    logits = scale * np.concatenate([np.linspace(-2, -1, 500), np.linspace(1, 2, 500)])
    found = platt(logits, logits > 0)
    assert np.isfinite([found.slope, found.intercept]).all()
    chance = found.probabilities(logits)
    assert chance[:500].max() < 0.05
    assert chance[500:].min() > 0.95


def test_a_ranking_that_is_upside_down_is_not_turned_but_says_the_base_rate() -> None:
    logits, labels = drawn(2_000, slope=-1.0, intercept=-2.0)
    found = platt(logits, labels)
    assert found.slope == 0
    assert found.probabilities(logits) == pytest.approx(labels.mean(), abs=0.005)


def test_without_any_row_the_logits_stay_as_they_are() -> None:
    assert platt(np.empty(0), np.empty(0, dtype=bool)) == Platt(1.0, 0.0)


@given(share=st.floats(0.001, 0.999), logits=st.lists(st.floats(-15, 15), min_size=1, max_size=40))
def test_scores_are_shifted_to_the_requested_level(share: float, logits: list[float]) -> None:
    found = at_level(np.array(logits), share)
    assert found.slope == 1
    assert found.probabilities(np.array(logits)).mean() == pytest.approx(share, rel=1e-6)


@pytest.mark.proof
def test_intervals_cover_the_true_probability_in_about_nine_of_ten_data_sets_with_clusters() -> None:
    rng = np.random.default_rng(8)
    units, rows, looks = 120, 12, np.array([-2.0, -0.5, 1.0])
    population = 400_000
    offset = 0.8 * rng.normal(size=(population, 1))
    truth = sigmoid(0.8 * looks[None, :] - 1.5 + offset).mean(axis=0)
    covered, by_rows = [], []
    for _ in range(90):
        logits = rng.normal(size=(units, 1)) + 0.5 * rng.normal(size=(units, rows))
        labels = rng.random((units, rows)) < sigmoid(0.8 * logits - 1.5 + 0.8 * rng.normal(size=(units, 1)))
        flat, fate = logits.ravel(), labels.ravel()
        point = platt(flat, fate)
        for found, codes, count in (
            (covered, np.repeat(np.arange(units), rows), units),
            (by_rows, np.arange(units * rows), units * rows),
        ):
            weights = rng.multinomial(count, np.full(count, 1 / count), size=50).astype(float)[:, codes]
            low, high = with_draws(point, flat, fate, weights).intervals(looks)
            found.append((low <= truth) & (truth <= high))
    assert 0.82 < np.mean(covered) < 0.97
    assert np.mean(by_rows) < np.mean(covered) - 0.1


@settings(deadline=None, max_examples=30)
@given(
    draws=st.lists(st.tuples(st.floats(0, 3), st.floats(-4, 4)), max_size=12),
    logits=st.lists(st.floats(-8, 8), min_size=1, max_size=12),
)
def test_intervals_lie_around_the_probability_and_rise_with_the_logit(
    draws: list[tuple[float, float]], logits: list[float]
) -> None:
    found, raw = Platt(1.0, -0.5, tuple(draws)), np.sort(np.array(logits))
    low, high = found.intervals(raw)
    chance = found.probabilities(raw)
    assert ((low <= chance) & (chance <= high)).all()
    assert (np.diff(low) >= -1e-12).all()
    assert (np.diff(high) >= -1e-12).all()


def test_many_rows_have_the_intervals_that_each_has_alone() -> None:
    found = Platt(1.0, 0.0, ((0.5, 0.1), (1.5, -0.2), (1.0, 0.3)))
    raw = np.linspace(-3, 3, 100_003)
    low, high = found.intervals(raw)
    for place in (0, 49_999, 50_000, 100_002):
        alone = found.intervals(raw[place : place + 1])
        assert (low[place], high[place]) == (alone[0][0], alone[1][0])
