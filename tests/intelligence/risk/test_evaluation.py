"""Measures equal those of scikit-learn, lead times a count by hand, and intervals have their coverage in repeated samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from intelligence.risk.evaluation import (
    Sample,
    calibration_curve,
    calibration_error_by_chance,
    estimate,
    lead_time,
    measures,
    random_lead_time,
)


def sample_of(labels: object, *, units: object = None, times: object = None) -> Sample:
    found = np.asarray(labels, dtype=bool)
    rows = np.arange(len(found))
    return Sample(rows if units is None else np.asarray(units), rows * 0 if times is None else np.asarray(times), found)


def measured(scores: np.ndarray, sample: Sample, weights: np.ndarray, **terms: float) -> dict[str, float]:
    rules = {"capacity": 0.1, "threshold": 0.5, **terms}
    return {
        name: float(v[0]) for name, v in measures(scores, scores, sample, weights=weights[None, :], **rules).items()
    }


@st.composite
def scored_rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores with many ties, labels of both classes, and how often each row counts."""
    rows = draw(st.integers(3, 40))
    scores = draw(st.lists(st.integers(0, 6).map(lambda n: n / 6), min_size=rows, max_size=rows))
    labels = draw(st.lists(st.booleans(), min_size=rows - 2, max_size=rows - 2))
    weights = draw(st.lists(st.integers(0, 4).map(float), min_size=rows - 2, max_size=rows - 2))
    return np.array(scores), np.array([True, False, *labels]), np.array([1.0, 2.0, *weights])


@settings(deadline=None)
@given(rows=scored_rows())
def test_areas_and_brier_are_those_of_scikit_learn_with_ties_and_weights(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    scores, labels, weights = rows
    found = measured(scores, sample_of(labels), weights)
    assert found["pr_auc"] == pytest.approx(average_precision_score(labels, scores, sample_weight=weights))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights))
    assert found["brier"] == pytest.approx(brier_score_loss(labels, scores, sample_weight=weights))
    assert found["lift"] == pytest.approx(found["pr_auc"] / np.average(labels, weights=weights))


@settings(deadline=None)
@given(rows=scored_rows(), data=st.data())
def test_a_unit_that_was_drawn_twice_counts_as_two_units(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    scores, labels, weights = rows
    twice = np.repeat(np.arange(len(scores)), weights.astype(int))
    once = measured(scores, sample_of(labels), weights)
    repeated = measured(scores[twice], sample_of(labels[twice]), np.ones(len(twice)))
    for name in ("pr_auc", "lift", "roc_auc", "precision", "recall", "f1", "brier"):
        assert once[name] == pytest.approx(repeated[name], nan_ok=True)


def test_precision_recall_and_f1_at_the_threshold_are_counted_by_hand() -> None:
    found = measured(np.array([0.9, 0.5, 0.6, 0.2, 0.1]), sample_of([1, 1, 0, 1, 0]), np.ones(5))
    assert (found["precision"], found["recall"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert found["f1"] == pytest.approx(2 / 3)


def test_where_a_class_is_absent_areas_are_unknown_and_not_zero() -> None:
    for labels in ([1, 1, 1], [0, 0, 0]):
        found = measured(np.array([0.2, 0.4, 0.9]), sample_of(labels), np.ones(3))
        assert np.isnan(found["pr_auc"])
        assert np.isnan(found["roc_auc"])
        assert found["brier"] > 0


def test_calibration_error_is_the_mean_gap_over_ten_bins_of_equal_size() -> None:
    chance = np.repeat(np.arange(10) / 10 + 0.05, 10)
    labels = np.concatenate([np.arange(10) < round(10 * share) for share in np.arange(10) / 10])
    assert measured(chance, sample_of(labels), np.ones(100))["calibration_error"] == pytest.approx(0.05)
    curve = calibration_curve(chance, labels)
    assert [point["rows"] for point in curve] == [10.0] * 10
    assert all(point["expected"] - point["observed"] == pytest.approx(0.05) for point in curve)


def lead(flags: str, labels: str, *, step: int = 1) -> tuple[int, int, float | None]:
    """Return onsets, caught and lead of one unit, with two distant units that define the step between times."""
    times = np.arange(len(labels)) * step
    sample = sample_of([letter == "1" for letter in labels], units=np.zeros(len(labels), dtype=int), times=times)
    found = lead_time(np.array([letter == "1" for letter in flags]), sample)
    return found.onsets, found.caught, found.mean_lead


@pytest.mark.parametrize(
    ("flags", "labels", "expected"),
    [
        ("00000", "00110", (1, 0, None)),
        ("00010", "00110", (1, 1, 1.0)),
        ("00100", "00110", (1, 1, 2.0)),
        ("11111", "00110", (1, 1, 2.0)),
        ("11001", "00110", (1, 0, None)),
        ("10010", "11011", (2, 2, 2.0)),
        ("00000", "00000", (0, 0, None)),
        ("11111", "11111", (1, 1, 5.0)),
    ],
)
def test_lead_is_the_time_from_the_first_flag_to_the_onset(flags: str, labels: str, expected: tuple[object]) -> None:
    assert lead(flags, labels) == expected


def test_lead_is_given_in_units_of_time_whatever_the_step_between_looks() -> None:
    assert lead("00100", "00110", step=3) == (1, 1, 6.0)


def test_a_single_point_in_time_has_onsets_of_one_step() -> None:
    sample = sample_of([1, 1, 0], units=[0, 1, 2], times=[5, 5, 5])
    found = lead_time(np.array([True, False, True]), sample)
    assert (found.onsets, found.caught, found.mean_lead, found.recall) == (2, 1, 1.0, 0.5)


def test_runs_of_two_units_and_runs_with_a_gap_are_onsets_of_their_own() -> None:
    sample = sample_of([1, 1, 1, 1, 1], units=[0, 0, 0, 1, 1], times=[0, 1, 3, 3, 4])
    assert lead_time(np.ones(5, dtype=bool), sample).onsets == 3


def test_a_random_ranking_catches_what_its_capacity_lets_expect() -> None:
    units, times = 200, 10
    labels = np.zeros((times, units), dtype=bool)
    labels[4, :40] = True
    sample = sample_of(labels.ravel(), units=np.tile(np.arange(units), times), times=np.repeat(np.arange(times), units))
    recall, mean_lead = random_lead_time(sample, capacity=0.1, draws=200, seed=1)
    assert recall == pytest.approx(0.1, abs=0.02)
    assert mean_lead == 1.0


def clustered(rng: np.random.Generator, units: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and labels, shape (units, rows), whose units differ much and whose rows differ little."""
    score = rng.normal(size=(units, 1)) + 0.2 * rng.normal(size=(units, rows))
    fate = rng.normal(size=(units, 1)) + 0.2 * rng.normal(size=(units, rows))
    return score, score + fate > 0.8


def roc_interval(score: np.ndarray, label: np.ndarray, units: np.ndarray, seed: int) -> tuple[float, float]:
    sample = sample_of(label.ravel(), units=units)
    weights = np.vstack([np.ones((1, units.max() + 1)), sample.draws(60, seed=seed)])
    found = estimate(measures(score.ravel(), None, sample, capacity=0.1, threshold=0.5, weights=weights)["roc_auc"])
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def test_intervals_over_units_cover_the_truth_and_intervals_over_rows_do_not() -> None:
    rng = np.random.default_rng(17)
    score, label = clustered(rng, 200_000, 1)
    truth = roc_auc_score(label.ravel(), score.ravel())
    units, rows, covered = 60, 8, {"units": 0, "rows": 0}
    tries = 120
    for seed in range(tries):
        score, label = clustered(rng, units, rows)
        codes = {"units": np.repeat(np.arange(units), rows), "rows": np.arange(units * rows)}
        for name, code in codes.items():
            low, high = roc_interval(score, label, code, seed)
            covered[name] += low <= truth <= high
    assert 0.85 < covered["units"] / tries <= 1
    assert covered["rows"] / tries < 0.7


def test_estimates_leave_out_draws_without_a_value() -> None:
    found = estimate(np.array([0.5, np.nan, 0.4, 0.6, np.nan]))
    assert (found.value, round(found.low or 0, 3), round(found.high or 0, 3)) == (0.5, 0.405, 0.595)
    assert estimate(np.array([np.nan, 0.4])).value is None
    assert estimate(np.array([0.5, np.nan])).low is None


def test_right_probabilities_stay_below_the_error_by_chance_and_wrong_ones_do_not() -> None:
    rng = np.random.default_rng(2)
    units = np.repeat(np.arange(300), 10)
    chance = np.repeat(rng.beta(1, 9, size=300), 10)
    limit = calibration_error_by_chance(chance, units, draws=200, seed=1)
    errors = []
    for _ in range(100):
        fate = rng.random(300)[units]
        errors.append(measured(chance, sample_of(fate < chance, units=units), np.ones(300))["calibration_error"])
    assert 0.88 < (np.array(errors) <= limit).mean() < 0.995
    spoiled = np.minimum(3 * chance, 1)
    label = rng.random(300)[units] < chance
    error = measured(spoiled, sample_of(label, units=units), np.ones(300))["calibration_error"]
    assert error > calibration_error_by_chance(spoiled, units, draws=200, seed=1)


def test_dependent_rows_excuse_a_larger_error_than_independent_ones() -> None:
    chance = np.random.default_rng(3).beta(1, 9, size=3_000)
    alone = calibration_error_by_chance(chance, np.arange(3_000), draws=60, seed=1)
    assert calibration_error_by_chance(chance, np.arange(3_000) // 30, draws=60, seed=1) > 2 * alone
