"""Labels compared with their definition, and what they must never contain."""

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.risk.labels import onset_labels

START = date(2026, 3, 1)
LETTERS = {"h": "healthy", "a": "at_risk", "d": "degraded", "u": "unknown", ".": None}


def health(**histories: str) -> pl.DataFrame:
    """Return states by feature, one letter a day; `.` stands for a day without a row."""
    rows = [
        (name, START + timedelta(days=number), LETTERS[letter])
        for name, history in histories.items()
        for number, letter in enumerate(history)
        if letter != "."
    ]
    return pl.DataFrame(rows, schema={"feature": pl.String, "event_date": pl.Date, "state": pl.String}, orient="row")


def labels(history: str, *, horizon: int, until: int | None = None) -> dict[int, bool | None]:
    """Return the label of each day of feature `a`; another feature is assessed until the given day."""
    states = health(a=history, other="h" * ((until if until is not None else len(history) - 1) + 1))
    found = onset_labels(states, horizon_days=horizon).filter(feature="a")
    return {(day - START).days: label for day, label in found.select("event_date", "label").iter_rows()}


def expected(history: str, day: int, *, horizon: int, last: int) -> bool | None:
    """Return the label by its definition."""
    coming = history[day + 1 : day + 1 + horizon].ljust(horizon, ".")
    if day + horizon > last:
        return None
    if "d" in coming:
        return True
    return None if set(coming) & {"u", "."} else False


@settings(deadline=None, max_examples=60)
@given(history=st.text("hadu.", min_size=1, max_size=15), horizon=st.integers(1, 6), more=st.integers(0, 5))
def test_labels_follow_their_definition(history: str, horizon: int, more: int) -> None:
    last = len(history) - 1 + more
    found = labels(history, horizon=horizon, until=last)
    assert found == {
        day: expected(history, day, horizon=horizon, last=last) for day, letter in enumerate(history) if letter in "ha"
    }


def test_an_onset_counts_for_each_day_of_the_horizon_before_it_and_a_degraded_day_has_no_label() -> None:
    assert labels("hhhhhdhh", horizon=2) == {0: False, 1: False, 2: False, 3: True, 4: True, 6: None, 7: None}


def test_an_onset_within_an_unfinished_horizon_is_not_known_yet() -> None:
    assert labels("hhd", horizon=3) == {0: None, 1: None}
    assert labels("hhd", horizon=3, until=3) == {0: True, 1: None}


def test_silence_makes_no_negative_but_hides_no_onset() -> None:
    assert labels("huhh", horizon=2)[0] is None
    assert labels("h.hh", horizon=2)[0] is None
    assert labels("hudh", horizon=2)[0] is True


@settings(deadline=None, max_examples=40)
@given(history=st.text("hadu", min_size=3, max_size=12), horizon=st.integers(1, 4), data=st.data())
def test_a_label_says_nothing_of_its_own_day(history: str, horizon: int, data: st.DataObject) -> None:
    day = data.draw(st.integers(0, len(history) - 1))
    as_healthy, as_warned = (f"{history[:day]}{letter}{history[day + 1 :]}" for letter in "ha")
    assert labels(as_healthy, horizon=horizon)[day] == labels(as_warned, horizon=horizon)[day]


@settings(deadline=None, max_examples=40)
@given(history=st.text("hadu", min_size=1, max_size=10), later=st.text("hadu", min_size=1, max_size=8))
def test_more_days_settle_labels_but_change_none_that_was_known(history: str, later: str) -> None:
    before, after = labels(history, horizon=3), labels(history + later, horizon=3)
    for day, label in before.items():
        assert day in after
        assert label is None or after[day] == label


def test_without_any_day_there_are_no_labels() -> None:
    assert onset_labels(health(), horizon_days=7).is_empty()
