"""Waits grow, are never shorter than the target asked for, and states only go where they may."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelligence.actions.action import key_of
from intelligence.actions.backoff import Backoff
from intelligence.actions.states import PERMITTED, ActionState, demand_permitted
from intelligence.core.errors import ActionError


@given(st.integers(1, 10_000), st.floats(0, 1), st.none() | st.floats(0, 1e6))
def test_a_wait_is_capped_and_honours_the_target(attempt: int, jitter: float, retry_after_s: float | None) -> None:
    backoff = Backoff()
    wait_s = backoff.wait_s(attempt, jitter=jitter, retry_after_s=retry_after_s)
    assert wait_s >= (retry_after_s or 0)
    assert wait_s <= max(backoff.cap_s, retry_after_s or 0)
    assert backoff.wait_s(attempt + 1, jitter=jitter) >= backoff.wait_s(attempt, jitter=jitter)


@pytest.mark.parametrize(("before", "after"), list(product(ActionState, ActionState)))
def test_a_state_goes_only_where_the_table_lets_it(before: ActionState, after: ActionState) -> None:
    if after in PERMITTED[before]:
        demand_permitted("a", before, after)
        return
    with pytest.raises(ActionError, match=f"it is {before} and cannot become {after}"):
        demand_permitted("a", before, after)


def test_nothing_is_sent_again_without_having_been_found_missing() -> None:
    assert ActionState.SENT not in PERMITTED[ActionState.SENT]
    assert ActionState.SENT not in PERMITTED[ActionState.PLANNED]


@given(st.lists(st.text(), min_size=1), st.lists(st.text(), min_size=1))
def test_keys_of_different_parts_differ(one: list[str], other: list[str]) -> None:
    assert (key_of(*one) == key_of(*other)) == (one == other)
