"""The expected performance comes true, as long as the probabilities are calibrated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import average_precision_score

from intelligence.drift.expected import average_precision, expected_performance

NO_TIMES = np.zeros(0, np.int64)


@settings(max_examples=60, deadline=None)
@given(labels=st.lists(st.booleans(), min_size=2, max_size=60), seed=st.integers(0, 999))
def test_average_precision_is_that_of_scikit_learn(labels: list[bool], seed: int) -> None:
    hits = np.array([True, *labels])
    scores = np.random.default_rng(seed).permutation(len(hits)).astype(float)
    order = np.argsort(-scores)
    assert float(average_precision(hits[order].astype(float))) == pytest.approx(average_precision_score(hits, scores))


def test_rows_that_count_twice_are_two_rows() -> None:
    hits, weights = np.array([0.0, 1.0, 0.0, 1.0]), np.array([1.0, 2.0, 0.0, 1.0])
    scores = np.array([4.0, 3.0, 2.0, 1.0])
    exact = average_precision_score(hits, scores, sample_weight=weights)
    assert float(average_precision(hits, weights)) == pytest.approx(exact, abs=0.02)


def test_without_any_hit_there_is_no_average_precision() -> None:
    assert np.isnan(average_precision(np.zeros(4)))


def test_what_comes_true_of_calibrated_probabilities_lies_in_the_interval_about_as_often_as_it_says() -> None:
    repeats, inside = 80, {"pr_auc": 0, "precision": 0, "rate": 0}
    rng = np.random.default_rng(11)
    times = np.repeat(np.arange(7), 60)
    for _ in range(repeats):
        probabilities = rng.beta(0.5, 3, size=420)
        labels = rng.random(420) < probabilities
        found = expected_performance(probabilities, probabilities, probabilities, times, capacity=0.1)
        order = np.argsort(-probabilities)
        flagged = np.concatenate(
            [np.flatnonzero(times == day)[np.argsort(-probabilities[times == day])[:6]] for day in range(7)]
        )
        true = {
            "pr_auc": float(average_precision(labels[order].astype(float))),
            "precision": labels[flagged].mean(),
            "rate": labels.mean(),
        }
        estimates = {"pr_auc": found.pr_auc, "precision": found.precision_at_capacity, "rate": found.rate}
        for name, value in true.items():
            inside[name] += estimates[name].low <= value <= estimates[name].high
    assert all(count >= binom.ppf(0.0001, repeats, 0.9) for count in inside.values()), inside


def test_an_unsure_calibration_widens_the_interval() -> None:
    probabilities, times = np.linspace(0.01, 0.6, 200), np.zeros(200, np.int64)
    sure = expected_performance(probabilities, probabilities, probabilities, times, capacity=0.1)
    unsure = expected_performance(probabilities, probabilities * 0.5, probabilities * 1.5, times, capacity=0.1)
    assert unsure.rate.high - unsure.rate.low > 2 * (sure.rate.high - sure.rate.low)
    assert unsure.rate.value == sure.rate.value


def test_certain_probabilities_expect_a_perfect_ranking() -> None:
    certain, times = np.array([1.0, 0.0, 1.0, 0.0]), np.zeros(4, np.int64)
    found = expected_performance(certain, certain, certain, times, capacity=0.5)
    assert (found.pr_auc.value, found.pr_auc.low, found.pr_auc.high) == (1.0, 1.0, 1.0)
    assert found.precision_at_capacity.value == 1.0


def test_rows_that_are_harder_to_separate_lower_the_expectation() -> None:
    times = np.zeros(300, np.int64)
    apart, alike = np.where(np.arange(300) < 30, 0.9, 0.02), np.full(300, 0.108)
    clear = expected_performance(apart, apart, apart, times, capacity=0.1)
    blurred = expected_performance(alike, alike, alike, times, capacity=0.1)
    assert clear.rate.value == pytest.approx(blurred.rate.value, abs=0.001)
    assert clear.pr_auc.low > blurred.pr_auc.high


def test_no_rows_expect_nothing() -> None:
    empty = np.zeros(0)
    found = expected_performance(empty, empty, empty, NO_TIMES, capacity=0.1)
    assert (found.rows, found.pr_auc.value, found.rate.value) == (0, None, None)


def test_the_same_rows_give_the_same_numbers_bit_for_bit() -> None:
    probabilities, times = np.random.default_rng(5).random(100), np.zeros(100, np.int64)
    first, again = (
        expected_performance(probabilities, probabilities, probabilities, times, capacity=0.1) for _ in "ab"
    )
    assert first == again
