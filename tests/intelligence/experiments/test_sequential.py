"""Boundaries and confidence sequences, compared with published values and with simulated paths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from intelligence.core.errors import ExperimentError
from intelligence.experiments.boundaries import (
    boundaries,
    crossing_probability,
    even_spending,
    needed_drift,
    obrien_fleming,
)
from intelligence.experiments.sequences import always_valid_p, always_valid_z, confidence_of, mixture

FIVE = [0.2, 0.4, 0.6, 0.8, 1.0]


def test_the_default_boundaries_are_those_that_are_published() -> None:
    """Lan and DeMets' O'Brien-Fleming type at five equal looks, two-sided 5 %: 4.877, 3.357, 2.680, 2.290, 2.031."""
    np.testing.assert_allclose(boundaries(FIVE), [4.877, 3.357, 2.680, 2.290, 2.031], atol=1e-3)


def test_equal_boundaries_at_five_looks_are_pococks() -> None:
    """Pocock (1977): 2.413 at five looks."""

    def missing(z: float) -> float:
        return float(crossing_probability([z] * 5, FIVE).sum()) - 0.05

    assert optimize.brentq(missing, 2, 3) == pytest.approx(2.413, abs=1e-3)


def test_obrien_and_flemings_own_boundary_at_five_looks() -> None:
    """Jennison and Turnbull (2000), table 2.3: C = 2.040 for five looks, with z = C sqrt(5 / k)."""

    def missing(c: float) -> float:
        return float(crossing_probability([c / share**0.5 for share in FIVE], FIVE).sum()) - 0.05

    assert optimize.brentq(missing, 1.5, 3) == pytest.approx(2.040, abs=1e-3)


@settings(deadline=None)
@given(
    steps=st.lists(st.floats(0.02, 1.0), min_size=1, max_size=8),
    alpha=st.sampled_from([0.01, 0.05, 0.1]),
)
def test_what_is_spent_is_crossed_whatever_the_looks(steps: list[float], alpha: float) -> None:
    information = np.cumsum(steps) / sum(steps)
    z = boundaries(information.tolist(), alpha=alpha)
    assert crossing_probability(z.tolist(), information.tolist()).sum() == pytest.approx(alpha, abs=1e-6)


def test_one_look_at_the_end_is_a_plain_test() -> None:
    assert boundaries([1.0])[0] == pytest.approx(stats.norm.isf(0.025), abs=1e-9)


def test_a_look_too_early_allows_nothing_and_costs_nothing() -> None:
    z = boundaries([0.001, 1.0])
    assert np.isinf(z[0])
    assert z[1] == pytest.approx(stats.norm.isf(0.025), abs=1e-9)


def test_a_look_after_the_end_allows_nothing_more() -> None:
    assert np.isinf(boundaries([0.5, 1.0, 1.2])[-1])


def test_days_may_be_spent_while_units_are_counted() -> None:
    """The same shares of alpha at other information give other boundaries, and still alpha in all."""
    information, days = [0.5, 0.8, 0.9, 1.0], [0.25, 0.5, 0.75, 1.0]
    z = boundaries(information, spent_at=days)
    assert crossing_probability(z.tolist(), information).sum() == pytest.approx(0.05, abs=1e-9)


def test_even_spending_finds_more_early() -> None:
    assert boundaries(FIVE, spending=even_spending)[0] < boundaries(FIVE)[0]
    assert (obrien_fleming(-1, 0.05), obrien_fleming(2, 0.05), even_spending(2, 0.05)) == (0.0, 0.05, 0.05)


@pytest.mark.parametrize("wrong", [[], [0.5, 0.5], [0.6, 0.5], [0.0, 1.0]])
def test_information_that_does_not_grow_is_refused(wrong: list[float]) -> None:
    with pytest.raises(ExperimentError, match="one increasing number"):
        boundaries(wrong)


def test_simulated_paths_cross_as_often_as_the_recursion_says() -> None:
    random = np.random.default_rng(5)
    looks = np.arange(1, 15) / 14
    paths = random.normal(0, np.sqrt(1 / 14), (40_000, 14)).cumsum(axis=1)
    z = boundaries(looks.tolist())
    drift = needed_drift(z.tolist(), looks.tolist(), power=0.8)
    for effect, expected in ((0.0, 0.05), (drift, 0.8)):
        crossed = (np.abs(paths + effect * looks) >= z * np.sqrt(looks)).any(axis=1).mean()
        assert crossed == pytest.approx(expected, abs=0.008)


def test_an_always_valid_interval_is_missed_at_no_time_more_often_than_allowed() -> None:
    random = np.random.default_rng(6)
    units = np.arange(100, 5_001, 50)
    steps = np.sqrt(np.diff(units, prepend=0))
    z = (random.normal(size=(20_000, len(units))) * steps).cumsum(axis=1) / np.sqrt(units)
    width = np.array([always_valid_z(float(n), planned_units=2_000) for n in units])
    assert 0.005 < (np.abs(z) > width).any(axis=1).mean() < 0.05


def test_the_interval_is_narrowest_where_it_is_planned_to_be() -> None:
    units = np.geomspace(100, 1e6, 200)
    chosen = [always_valid_z(5_000, planned_units=each) for each in units]
    assert units[int(np.argmin(chosen))] == pytest.approx(5_000, rel=0.05)


@settings(deadline=None)
@given(z=st.floats(0, 8), units=st.integers(1, 10**7), alpha=st.sampled_from([0.01, 0.05, 0.2]))
def test_the_always_valid_p_value_is_below_alpha_where_the_interval_leaves_zero_out(
    z: float, units: int, alpha: float
) -> None:
    width = always_valid_z(units, alpha=alpha)
    if abs(z - width) > 1e-6:
        assert (always_valid_p(z, units, alpha=alpha) < alpha) == (z > width)


def test_before_the_first_unit_nothing_is_known() -> None:
    assert confidence_of(always_valid_z(0)) == 1.0


@pytest.mark.parametrize(("units", "alpha"), [(0, 0.05), (100, 0), (100, 1), (float("nan"), 0.05)])
def test_a_mixture_out_of_range_is_refused(units: float, alpha: float) -> None:
    with pytest.raises(ExperimentError, match="planned units"):
        mixture(units, alpha)
