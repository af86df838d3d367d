"""Burn rates and their bounds, compared with sums and formulas that are written out."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from intelligence.metrics.burn import WILSON_Z, burn_rates, trailing_sums, wilson_lower_bounds

COUNTS = st.integers(0, 10_000_000)
BAD_OF_TOTAL = st.integers(1, 1_000_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


def floats(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=float)


@given(
    counts=arrays(float, st.tuples(st.integers(1, 3), st.integers(1, 40)), elements=COUNTS.map(float)),
    window=st.integers(1, 45),
)
def test_trailing_sums_are_the_sums_of_the_last_days(counts: np.ndarray, window: int) -> None:
    naive = [[sum(row[max(0, t - window + 1) : t + 1]) for t in range(len(row))] for row in counts.tolist()]
    assert trailing_sums(counts, window).tolist() == naive


@given(counts=arrays(float, (2, 3, 9), elements=COUNTS.map(float)), window=st.integers(1, 9))
def test_trailing_sums_run_along_the_last_axis_only(counts: np.ndarray, window: int) -> None:
    together = trailing_sums(counts, window)
    for objective in range(2):
        for feature in range(3):
            assert (together[objective, feature] == trailing_sums(counts[objective, feature], window)).all()


@given(first=BAD_OF_TOTAL, second=BAD_OF_TOTAL, allowed=st.floats(0.001, 1))
def test_the_burn_of_a_whole_is_the_mean_of_its_halves_weighted_by_their_volume(
    first: tuple[int, int], second: tuple[int, int], allowed: float
) -> None:
    (bad_1, total_1), (bad_2, total_2) = first, second
    halves = burn_rates(floats(bad_1, bad_2), floats(total_1, total_2), floats(allowed, allowed))
    whole = burn_rates(floats(bad_1 + bad_2), floats(total_1 + total_2), floats(allowed))
    assert whole[0] == pytest.approx((halves[0] * total_1 + halves[1] * total_2) / (total_1 + total_2))


def test_a_burn_of_one_spends_exactly_what_is_allowed() -> None:
    assert burn_rates(floats(2, 4, 0), floats(100, 100, 100), floats(0.02, 0.02, 0.02)).tolist() == [1.0, 2.0, 0.0]


def test_without_events_there_is_no_burn_and_no_warning() -> None:
    assert np.isnan(burn_rates(floats(0), floats(0), floats(0.02))).all()


@pytest.mark.parametrize(
    ("bad", "total", "z", "bound"),
    [
        # Computed by hand from (2 n p + z² - z sqrt(z² + 4 n p (1 - p))) / (2 (n + z²)); 0.0552, 0.0 and 0.7225 are
        # also the bounds that statsmodels' proportion_confint(method="wilson") gives.
        (10, 100, 1.959964, 0.05522914),
        (0, 50, 1.959964, 0.0),
        (10, 10, 1.959964, 0.72246740),
    ],
)
def test_known_lower_bounds(bad: int, total: int, z: float, bound: float) -> None:
    assert wilson_lower_bounds(floats(bad), floats(total), z=z)[0] == pytest.approx(bound, abs=1e-6)


@given(counts=BAD_OF_TOTAL, z=st.floats(0.5, 4))
def test_the_lower_bound_is_the_smaller_share_whose_score_test_is_just_not_rejected(
    counts: tuple[int, int], z: float
) -> None:
    bad, total = counts
    p = bad / total
    root = (2 * total * p + z**2 - z * sqrt(z**2 + 4 * total * p * (1 - p))) / (2 * (total + z**2))
    bound = wilson_lower_bounds(floats(bad), floats(total), z=z)[0]
    assert bound == pytest.approx(max(root, 0.0), abs=1e-9)
    if bad > 0:
        assert (p - bound) / sqrt(bound * (1 - bound) / total) == pytest.approx(z, rel=1e-3)


@given(counts=BAD_OF_TOTAL)
def test_the_lower_bound_lies_between_nothing_and_the_share(counts: tuple[int, int]) -> None:
    bad, total = counts
    assert 0 <= wilson_lower_bounds(floats(bad), floats(total))[0] <= bad / total


@given(total=st.integers(1, 3_000))
def test_more_bad_events_never_lower_the_bound(total: int) -> None:
    bounds = wilson_lower_bounds(np.arange(total + 1.0), np.full(total + 1, float(total)))
    assert (np.diff(bounds) > 0).all()


@given(counts=BAD_OF_TOTAL, times=st.integers(2, 50))
def test_more_evidence_for_the_same_share_raises_the_bound(counts: tuple[int, int], times: int) -> None:
    bad, total = counts
    less, more = wilson_lower_bounds(floats(bad, bad * times), floats(total, total * times))
    assert more > less or bad == 0


def test_without_events_the_lower_bound_is_nothing() -> None:
    assert wilson_lower_bounds(floats(0, 0), floats(0, 100)).tolist() == [0.0, 0.0]


def test_the_bound_errs_on_one_side_in_about_one_of_a_hundred_cases() -> None:
    share, total = 0.03, 2_000.0
    bad = np.random.default_rng(7).binomial(int(total), share, size=20_000).astype(float)
    exceeded = (wilson_lower_bounds(bad, np.full(bad.shape, total)) > share).mean()
    assert WILSON_Z == 2.33
    assert 0.005 < exceeded < 0.017
