"""Effects on quantiles: their errors on simulated data, and that a unit with many values is one unit."""

import math

import numpy as np
import pytest

from intelligence.core.errors import NotEnoughEvidence
from intelligence.experiments.quantiles import quantile_effect


@pytest.mark.parametrize("quantile", [0.5, 0.9])
def test_the_error_is_the_spread_over_repetitions(quantile: float) -> None:
    random = np.random.default_rng(1)
    found = [
        quantile_effect(random.gamma(2, size=800), random.gamma(2, size=1_200), quantile=quantile) for _ in range(300)
    ]
    assert np.std([each.effect for each in found]) == pytest.approx(
        np.mean([each.standard_error for each in found]), rel=0.1
    )
    assert 0.9 < np.mean([each.low < 0 < each.high for each in found]) < 0.99


def test_values_of_the_same_unit_are_no_new_evidence() -> None:
    random = np.random.default_rng(2)
    control, treated = random.gamma(2, size=500), random.gamma(2, size=500)
    once = quantile_effect(control, treated, quantile=0.5)
    units = np.repeat(np.arange(500), 20)
    often = quantile_effect(
        np.repeat(control, 20), np.repeat(treated, 20), quantile=0.5, control_units=units, treated_units=units
    )
    blind = quantile_effect(np.repeat(control, 20), np.repeat(treated, 20), quantile=0.5)
    assert often.n_control == 500
    assert often.standard_error == pytest.approx(once.standard_error, rel=0.1)
    assert blind.standard_error < 0.4 * once.standard_error


def test_a_scale_shows_as_a_relative_effect() -> None:
    random = np.random.default_rng(3)
    values = random.gamma(2, size=2_000)
    found = quantile_effect(values, 1.2 * values, quantile=0.9)
    assert found.relative == pytest.approx(0.2)
    assert found.relative_low is not None
    assert found.relative_high is not None
    assert found.relative_low < 0.2 < found.relative_high


def test_values_that_are_no_numbers_are_left_out() -> None:
    values = np.arange(100.0)
    with_gaps = np.r_[values, [math.nan, math.inf]]
    assert quantile_effect(values, with_gaps, quantile=0.5).n_variant == 100


@pytest.mark.parametrize(
    ("control", "treated", "quantile", "words"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 0.5, "3 values of 3 units of the control are too few"),
        (np.arange(100.0), np.arange(100.0), 0.99, "too few for the quantile 0.99"),
        (np.ones(100), np.ones(100), 0.5, "do not differ around the quantile"),
        ([], [], 0.5, "0 values of 0 units"),
    ],
)
def test_where_nothing_can_be_known_there_is_no_number(control, treated, quantile, words) -> None:
    with pytest.raises(NotEnoughEvidence, match=words):
        quantile_effect(control, treated, quantile=quantile)
