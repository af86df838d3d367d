"""Trailing windows equal sums that are written out, and never use a later day."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from intelligence.risk.windows import (
    growth,
    ratio,
    rise,
    share_difference,
    trailing_deviations,
    trailing_ewma,
    trailing_means,
    trailing_sums,
)

VALUES = st.floats(-1e6, 1e6, allow_subnormal=False)
GAPPY = st.one_of(VALUES, st.just(float("nan")))
GRIDS = arrays(float, st.tuples(st.integers(1, 3), st.integers(2, 45)), elements=GAPPY)
FULL_GRIDS = arrays(float, st.tuples(st.integers(1, 3), st.integers(2, 45)), elements=VALUES)
WIDTHS = st.integers(1, 30)
WINDOWS = {
    "sums": lambda grid, width: trailing_sums(np.nan_to_num(grid), width),
    "sums of before": lambda grid, width: trailing_sums(np.nan_to_num(grid), width, behind=3),
    "means": lambda grid, width: trailing_means(grid, width, behind=2, least=2),
    "deviations": lambda grid, width: trailing_deviations(grid, width, least=2),
    "ewma": lambda grid, width: trailing_ewma(grid, width, weight=0.3),
    "rise": lambda grid, width: rise(
        np.abs(np.nan_to_num(grid)), 2 * np.abs(np.nan_to_num(grid)), recent=2, baseline=width
    ),
}


@settings(deadline=None)
@given(grid=FULL_GRIDS, width=WIDTHS, behind=st.integers(0, 9))
def test_sums_are_those_of_the_days_that_end_so_far_behind(grid: np.ndarray, width: int, behind: int) -> None:
    found = trailing_sums(grid, width, behind=behind)
    for row, sums in zip(grid, found, strict=True):
        for day, total in enumerate(sums):
            end = day - behind + 1
            assert total == pytest.approx(row[max(0, end - width) : max(0, end)].sum(), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("name", WINDOWS)
@settings(deadline=None, max_examples=30)
@given(grid=GRIDS, width=WIDTHS, data=st.data())
def test_later_days_change_no_bit_of_an_earlier_one(
    name: str, grid: np.ndarray, width: int, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(1, grid.shape[1] - 1))
    assert WINDOWS[name](grid[:, :cut], width).tobytes() == WINDOWS[name](grid, width)[:, :cut].tobytes()


@pytest.mark.parametrize("name", WINDOWS)
@settings(deadline=None, max_examples=30)
@given(grid=GRIDS, width=st.integers(1, 8), data=st.data())
def test_a_day_with_its_window_before_it_is_to_the_last_bit_what_it_is_in_a_range(
    name: str, grid: np.ndarray, width: int, data: st.DataObject
) -> None:
    day = data.draw(st.integers(0, grid.shape[1] - 1))
    shown = grid[:, max(0, day - 11) : day + 1]
    assert WINDOWS[name](shown, width)[:, -1].tobytes() == WINDOWS[name](grid, width)[:, day].tobytes()


@settings(deadline=None)
@given(grid=GRIDS, width=WIDTHS, least=st.integers(1, 5))
def test_means_and_deviations_are_those_of_the_days_with_a_value(grid: np.ndarray, width: int, least: int) -> None:
    means, deviations = (
        trailing_means(grid, width, least=least),
        trailing_deviations(grid, width, least=least),
    )
    for row, mean_row, deviation_row in zip(grid, means, deviations, strict=True):
        for day in range(len(row)):
            window = row[max(0, day - width + 1) : day + 1]
            known = window[~np.isnan(window)]
            if len(known) < least:
                assert np.isnan(mean_row[day])
                assert np.isnan(deviation_row[day])
            else:
                size = np.abs(known).max()
                assert mean_row[day] == pytest.approx(known.mean(), rel=1e-9, abs=1e-9 * size)
                assert deviation_row[day] == pytest.approx(known.std(), abs=1e-6 * size + 1e-12)


def test_recent_days_weigh_more_in_an_ewma_and_gaps_weigh_nothing() -> None:
    weights = 0.3 * 0.7 ** np.array([2.0, 0.0])
    found = trailing_ewma(np.array([10.0, np.nan, 4.0]), 7, weight=0.3)
    assert found[-1] == pytest.approx((weights * [10.0, 4.0]).sum() / weights.sum())
    assert np.isnan(trailing_ewma(np.array([np.nan]), 7, weight=0.3)[0])


@given(total=st.integers(1, 5_000), usual_total=st.integers(1, 50_000), share=st.floats(0, 1), usual=st.floats(0, 1))
def test_a_difference_of_shares_is_finite_points_the_right_way_and_turns_round_with_its_sides(
    total: int, usual_total: int, share: float, usual: float
) -> None:
    bad, usual_bad = round(share * total), round(usual * usual_total)
    sides = [np.array([float(n)]) for n in (bad, total, usual_bad, usual_total)]
    forth, back = share_difference(*sides)[0], share_difference(*sides[2:], *sides[:2])[0]
    assert np.isfinite(forth)
    assert forth == pytest.approx(-back)
    assert np.sign(forth) == np.sign(bad / total - usual_bad / usual_total)


def test_a_rise_among_equal_shares_looks_like_a_standard_normal_number() -> None:
    rng = np.random.default_rng(5)
    total = np.full((4_000, 35), 300.0)
    found = rise(rng.binomial(300, 0.05, size=total.shape).astype(float), total, recent=7, baseline=28)[:, -1]
    assert abs(found.mean()) < 0.08
    assert 0.93 < found.std() < 1.07


def test_without_events_there_is_no_share_no_ratio_and_no_growth() -> None:
    nothing, something = np.array([0.0]), np.array([3.0])
    assert np.isnan(share_difference(nothing, nothing, something, something))
    assert np.isnan(share_difference(something, something, nothing, nothing))
    assert np.isnan(ratio(something, nothing))
    assert np.isnan(growth(something, nothing))
    assert np.isnan(growth(nothing, something))
