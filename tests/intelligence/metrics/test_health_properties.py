"""A day assessed alone is assessed as within a range, and more failures never look better, whatever the history."""

from dataclasses import replace
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from intelligence.metrics.health import STATES
from intelligence.metrics.settings import Health
from tests.intelligence.metrics.health_cases import BAD, CALM, Case, Used

COUNT = st.integers(0, 120)


@st.composite
def used_days(draw: st.DrawFn) -> Used:
    usage, timed, ratings = draw(COUNT), draw(COUNT), draw(COUNT)
    return Used(
        usage=usage,
        failed=draw(st.integers(0, usage)) if draw(st.booleans()) else 0,
        crashed=draw(st.integers(0, min(2, usage))),
        timed=timed,
        slow=draw(st.integers(0, timed)) if draw(st.integers(0, 3)) == 0 else 0,
        ratings=ratings,
        bad_ratings=draw(st.integers(0, ratings)) if draw(st.integers(0, 3)) == 0 else 0,
        users=draw(st.integers(0, 40)),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    length = draw(st.integers(2, 40))
    one_day = st.one_of(st.none(), used_days(), st.just(CALM), st.just(BAD))
    histories = {
        name: draw(st.lists(one_day, min_size=length, max_size=length))
        for name in draw(st.sampled_from([("a",), ("a", "b"), ("a", "b", "c")]))
    }
    return Case(
        histories,
        faulty=draw(st.frozensets(st.integers(0, length - 1), max_size=5)),
        rules=Health(
            recovery_days=draw(st.integers(1, 3)), stale_after_days=draw(st.integers(1, 8)), minimum_events=30
        ),
    )


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort("event_date", "feature")


@pytest.mark.proof
@settings(max_examples=15, deadline=None)
@given(case=cases(), data=st.data())
def test_days_assessed_one_by_one_are_assessed_as_in_one_run(case: Case, data: st.DataObject) -> None:
    together = in_order(case.whole())
    cut = data.draw(st.integers(1, case.length - 1))
    assert_frame_equal(in_order(case.in_runs_of([cut, case.length - cut])), together, check_exact=True)
    assert_frame_equal(in_order(case.in_runs_of([1] * case.length)), together, check_exact=True)


@settings(max_examples=10, deadline=None)
@given(case=cases(), data=st.data())
def test_more_failures_never_make_a_feature_look_better(case: Case, data: st.DataObject) -> None:
    worse = {
        name: [
            used and replace(used, failed=data.draw(st.integers(used.failed, used.usage))) if number % 3 == 0 else used
            for number, used in enumerate(history)
        ]
        for name, history in case.histories.items()
    }
    before, after = (in_order(rows.whole()) for rows in (case, replace(case, histories=worse)))
    for one, other in zip(before["state"], after["state"], strict=True):
        assert STATES.index(other) >= STATES.index(one)
        assert (one == "unknown") == (other == "unknown")


@settings(max_examples=25, deadline=None)
@given(case=cases())
def test_each_row_keeps_the_books_of_its_state(case: Case) -> None:
    for (_,), rows in in_order(case.whole()).group_by("feature", maintain_order=True):
        for before, after in pairwise(rows.iter_rows(named=True)):
            changed = before["state"] != after["state"]
            assert after["since"] == (after["event_date"] if changed else before["since"])
            if after["evidence"] == "enough":
                assert after["unjudged_days"] == 0
                assert after["calm_days"] in (0, before["calm_days"] + 1)
            else:
                assert after["state"] in (before["state"], "unknown")
                assert after["unjudged_days"] == before["unjudged_days"] + 1
                assert after["calm_days"] == before["calm_days"]
            assert after["peak_share_7d"] >= before["peak_share_7d"]
