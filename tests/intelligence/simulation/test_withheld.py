"""Events on a feature that is hidden from a user do not happen, and nothing else changes."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from intelligence.simulation.withheld import shown_events

FEATURES, USERS = ("quiz", "chat", "video"), ("ada", "ben", "eve", "kim")
EVENTS = st.lists(st.tuples(st.sampled_from(FEATURES), st.sampled_from(USERS)), max_size=40)
HIDDEN = st.dictionaries(st.sampled_from(FEATURES), st.lists(st.sampled_from(USERS)))


def day(pairs: list[tuple[str, str]]) -> pl.DataFrame:
    rows = [(number, *pair) for number, pair in enumerate(pairs)]
    return pl.DataFrame(rows, schema={"n": pl.Int64, "feature": pl.String, "user_id": pl.String}, orient="row")


@given(pairs=EVENTS, hidden=HIDDEN)
def test_an_event_stays_in_its_place_unless_its_feature_is_hidden_from_its_user(
    pairs: list[tuple[str, str]], hidden: dict[str, list[str]]
) -> None:
    expected = [row for row in day(pairs).rows() if row[2] not in hidden.get(row[1], [])]
    assert shown_events(day(pairs), hidden).rows() == expected


@given(pairs=EVENTS, hidden=HIDDEN)
def test_hiding_twice_hides_no_more(pairs: list[tuple[str, str]], hidden: dict[str, list[str]]) -> None:
    once = shown_events(day(pairs), hidden)
    assert shown_events(once, hidden).equals(once)
