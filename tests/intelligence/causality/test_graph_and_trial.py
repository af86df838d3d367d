"""Graphs run forward in time and identify by adjustment; trials take nothing from the follow-up but the outcomes."""

from datetime import date, timedelta

import polars as pl
import pytest

from intelligence.causality.graph import (
    BEFORE,
    OUTCOMES,
    TREATMENTS,
    CausalGraph,
    Node,
    checked,
    confounded,
    feature_graph,
    graph_picture,
    identified,
)
from intelligence.causality.trial import arms, eligible, times_zero
from intelligence.core.errors import CausalityError, NotEnoughEvidence

ZERO = date(2026, 6, 1)


def test_the_declared_graphs_identify_their_effects_by_all_of_the_past_but_the_control() -> None:
    for treatment in TREATMENTS:
        for outcome in OUTCOMES:
            graph = feature_graph(treatment, outcome.name)
            assert identified(graph).confounders == tuple(node.name for node in BEFORE)


def test_a_hidden_confounder_is_not_identified_by_adjustment() -> None:
    assert identified(confounded("adopted", "stayed", ["activity"])).is_identified
    found = identified(confounded("adopted", "stayed", ["activity"], hidden="intent"))
    assert not found.is_identified
    assert found.confounders == ()


def test_eighty_confounders_are_identified_quickly() -> None:
    names = [f"x{number}" for number in range(80)]
    assert identified(confounded("adopted", "stayed", names)).confounders == tuple(names)


def test_the_graph_is_drawn_and_written() -> None:
    graph = feature_graph("adopted", "churned")
    assert graph_picture(graph).startswith(b"\x89PNG")
    assert "adopted ← segment, tenure_days" in graph.text


@pytest.mark.parametrize(
    ("edges", "problem"),
    [
        ([("t", "c"), ("t", "y")], "act on c, which is measured earlier"),
        ([("t", "y"), ("z", "y")], "edges of z"),
        ([("c", "d"), ("d", "c"), ("t", "y")], "circle"),
    ],
)
def test_a_graph_that_cannot_be_is_refused(edges: list[tuple[str, str]], problem: str) -> None:
    nodes = (Node("c", "c", "before"), Node("d", "d", "before"), Node("t", "t", "treatment"), Node("y", "y", "after"))
    with pytest.raises(CausalityError, match=problem):
        checked(CausalGraph(nodes, tuple(edges), "t", "y"))
    with pytest.raises(CausalityError, match="no declared outcome"):
        feature_graph("adopted", "happiness")


def days(user: str, *offsets: int) -> list[dict[str, object]]:
    return [
        {
            "user_id": user,
            "event_date": ZERO + timedelta(days=offset),
            "segment": "new" if offset < -5 else "free",
            "events": 2,
        }
        for offset in offsets
    ]


def test_confounders_lie_before_and_outcomes_after_day_zero() -> None:
    frame = pl.DataFrame(
        [*days("a", -40, -28, -7, -1, 0, 1, 22), *days("b", 0), *days("c", -3, 3), *days("d", -29, 0, 28)]
    )
    found = eligible(frame, [ZERO])
    assert found["user_id"].to_list() == ["a", "b", "d"]
    a, b, d = found.to_dicts()
    assert (a["active_days_7d"], a["active_days_28d"], a["events_28d"], a["active_days_earlier"]) == (2, 3, 6, 1)
    assert (a["retained_7d"], a["retained_28d"], a["active_days_after"], a["churned"]) == (True, True, 2, False)
    assert (a["tenure_days"], a["days_since_visit"], a["segment"]) == (40, 1, "free")
    assert (b["active_days_28d"], b["days_since_visit"], b["segment"], b["churned"]) == (0, 29, None, True)
    assert (d["active_days_earlier"], d["retained_7d"], d["retained_28d"]) == (1, False, True)


def test_what_happens_from_day_zero_on_changes_no_confounder_and_what_follows_changes_no_arm() -> None:
    frame = pl.DataFrame([*days("a", -10, -2, 0), *days("b", -5, 0, 4)])
    more = pl.concat([frame, pl.DataFrame(days("a", 1, 2, 3, 9, 27))])
    uses = pl.DataFrame({"user_id": ["a"], "event_date": [ZERO], "errors": [0]})
    later = pl.concat([uses, uses.with_columns(user_id=pl.lit("b"), event_date=ZERO + timedelta(days=4))])
    after = ["retained_7d", "retained_28d", "active_days_after", "churned"]
    assert eligible(frame, [ZERO]).drop(after).equals(eligible(more, [ZERO]).drop(after))
    assert arms(eligible(frame, [ZERO]), uses).equals(arms(eligible(frame, [ZERO]), later))


def test_users_who_knew_the_feature_are_not_eligible_to_adopt_it() -> None:
    trials = eligible(pl.DataFrame([*days("a", -3, 0), *days("b", -3, 0), *days("c", 0), *days("d", -40, 0)]), [ZERO])
    uses = pl.DataFrame(
        {
            "user_id": ["a", "b", "b", "d", "d"],
            "event_date": [ZERO, ZERO - timedelta(days=3), ZERO, ZERO - timedelta(days=40), ZERO],
            "errors": [0, 0, 2, 0, 0],
        }
    )
    found = arms(trials, uses)
    assert found["adopted"].to_list() == [True, None, False, True]
    assert found["met_errors"].to_list() == [False, True, None, False]


def test_times_zero_need_their_whole_windows() -> None:
    found = times_zero(date(2026, 1, 1), date(2026, 6, 30))
    assert found[-1] == date(2026, 6, 2)
    assert found[0] >= date(2026, 2, 26)
    with pytest.raises(NotEnoughEvidence, match="60 days of data are too few"):
        times_zero(date(2026, 1, 1), date(2026, 3, 1))


def test_a_user_with_two_rows_on_a_day_is_refused() -> None:
    with pytest.raises(CausalityError, match="two rows of one user and day"):
        eligible(pl.DataFrame([*days("a", 0), *days("a", 0)]), [ZERO])
