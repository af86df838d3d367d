"""Moments: they add up, and means and covariances from them are those of the values."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from intelligence.core.errors import ExperimentError
from intelligence.experiments.moments import KEY, MOMENTS, added, arm_of, arms, moments
from intelligence.metrics.registry import Metric
from tests.intelligence.experiments.frames import ALL, CONVERTED, MEDIAN, ORDERS, REVENUE, users


def test_moments_have_their_columns_and_keep_values_of_quantiles_alone() -> None:
    frame = users(200)
    found = moments(frame, ALL, experiment="e")
    assert found.schema == MOMENTS
    assert set(found["metric"]) == {metric.name for metric in ALL}
    assert found.select(KEY).is_unique().all()
    assert set(found.drop_nulls("unit_values")["metric"]) == {MEDIAN.name}
    for name, arm in arms(found, MEDIAN).items():
        assert arm.values.tolist() == frame.filter(variant=name)["revenue"].sort().to_list()


def test_an_arm_can_be_made_of_sums_alone() -> None:
    row = added(moments(users(200), [REVENUE], experiment="e")).drop("unit_values").row(0, named=True)
    arm = arm_of(row)
    assert (arm.n, arm.values.size) == (row["n"], 0)
    assert arm.means[0] == row["sum_x"] / row["n"]


@settings(deadline=None, max_examples=20)
@given(split=st.integers(0, 300), seed=st.integers(0, 5))
def test_moments_of_two_halves_add_up_to_the_whole(split: int, seed: int) -> None:
    frame = users(300, seed=seed)
    halves = [moments(part, ALL, experiment="e") for part in (frame.head(split), frame.tail(300 - split))]
    by = ("experiment", "variant", "metric", "exposed_on")
    whole = added(moments(frame, ALL, experiment="e"), by=by)
    assert_frame_equal(added(pl.concat(halves), by=by), whole, check_exact=False, rel_tol=1e-12)


def test_means_and_covariances_are_those_of_the_values() -> None:
    frame = users(500)
    found = arms(moments(frame, [ORDERS], experiment="e"), ORDERS)
    for name, arm in found.items():
        values = (
            frame.filter(pl.col("variant") == name)
            .select("orders", "sessions", "pre_orders", "pre_sessions")
            .to_numpy()
        )
        assert arm.n == arm.units == arm.n_covariate == len(values)
        np.testing.assert_allclose(arm.means, values.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(arm.covariances, np.cov(values.T), rtol=1e-9)


def test_a_unit_without_an_outcome_is_counted_and_has_no_part_in_the_mean() -> None:
    frame = pl.DataFrame(
        {
            "variant": ["a"] * 4,
            "revenue": [1.0, 3.0, None, float("nan")],
            "pre_revenue": [1.0, None, 2.0, 2.0],
            "exposed_on": ["2026-05-04"] * 4,
        }
    ).with_columns(pl.col("exposed_on").str.to_date())
    (arm,) = arms(moments(frame, [REVENUE], experiment="e"), REVENUE).values()
    assert (arm.units, arm.n, arm.n_covariate) == (4, 2, 1)
    assert arm.means[0] == 2.0
    assert arm.means[2] == 0.5


@pytest.mark.parametrize("value", [0.1, 1e9 + 0.1, -3.7, 0.0])
def test_a_constant_has_no_variance_however_it_is_rounded(value: float) -> None:
    frame = pl.DataFrame({"variant": ["a"] * 1_001, "x": [value] * 1_001})
    metric = Metric(name="m", kind="mean", column="x")
    found = moments(frame, [metric], experiment="e", exposed_on=users(1)["exposed_on"][0])
    assert arms(found, metric)["a"].variance("x") == 0


def test_missing_columns_are_named_with_those_that_are_there() -> None:
    with pytest.raises(ExperimentError, match=r"lacks `revenue`, `pre_revenue`.*it has variant"):
        moments(users(10).select("variant", "exposed_on"), [REVENUE], experiment="e")


def test_text_is_no_number() -> None:
    with pytest.raises(ExperimentError, match=r"converted: is of type String"):
        moments(users(10).with_columns(converted=pl.lit("yes")), [CONVERTED], experiment="e")


@pytest.mark.parametrize("value", [10.0, 0.5, -1.0, float("inf"), float("nan")])
def test_a_proportion_of_anything_but_0_and_1_is_an_error_and_no_number(value: float) -> None:
    frame = users(50).with_columns(has_converted=pl.lit(value))
    metric = Metric(name="done", kind="proportion", column="has_converted")
    with pytest.raises(ExperimentError, match="is a proportion, and `has_converted` has the value"):
        moments(frame, [metric], experiment="e")


def test_values_whose_squares_overflow_are_no_outcomes() -> None:
    frame = pl.DataFrame({"variant": ["a", "b"] * 20, "x": [1e301, 1.0] * 20})
    found = moments(frame, [Metric(name="m", kind="mean", column="x")], experiment="e", exposed_on=date(2026, 5, 4))
    assert dict(found.select("variant", "n").iter_rows()) == {"a": 0, "b": 20}
    assert found.select(pl.col("sum_xx").is_finite().all()).item()
