"""Folds train on the past only, before an embargo as long as the horizon."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelligence.core.errors import NotEnoughEvidence
from intelligence.risk.folds import rolling_origin


@given(
    gaps=st.lists(st.integers(1, 5), min_size=20, max_size=120),
    horizon=st.integers(1, 30),
    folds=st.integers(1, 6),
    repeats=st.integers(1, 3),
)
def test_no_training_label_looks_into_the_time_of_the_test(
    gaps: list[int], horizon: int, folds: int, repeats: int
) -> None:
    times = np.cumsum(gaps)
    found = rolling_origin(np.repeat(times, repeats), horizon=horizon, folds=folds)
    assert len(found) == folds
    for fold in found:
        teaching = times[times < fold.train_end]
        assert (teaching + horizon < fold.test_start).all()
        assert fold.test_start - fold.train_end == horizon
        assert ((times >= fold.test_start) & (times < fold.test_end)).any()
    for one, next_one in pairwise(found):
        assert one.test_end == next_one.test_start
    assert found[-1].test_end == times[-1] + 1


def test_the_order_of_times_and_the_number_of_units_do_not_matter() -> None:
    times = np.arange(60)
    shuffled = np.random.default_rng(1).permutation(np.repeat(times, 4))
    assert rolling_origin(shuffled, horizon=7, folds=4) == rolling_origin(times, horizon=7, folds=4)


@pytest.mark.parametrize("times", [0, 1, 2, 5])
def test_too_few_points_in_time_are_reported_with_their_number(times: int) -> None:
    with pytest.raises(NotEnoughEvidence, match=f"{times} points in time .* too few for 5 folds") as refusal:
        rolling_origin(range(times), horizon=7, folds=5)
    assert "Collect more days" in refusal.value.hint
