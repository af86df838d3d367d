"""Declared segments are compared as differences with intervals that hold what they say, or not at all."""

import numpy as np
import polars as pl
import pytest

from intelligence.metrics.registry import UNIT_VALUES, metric_named
from intelligence.metrics.segments import COMPARED, FEWEST_USERS, difference_sentence, segment_differences

SESSIONS = metric_named("sessions_per_user")


def users(random: np.random.Generator, sizes: dict[str, int], *, more: float = 0.0) -> pl.DataFrame:
    """Return users whose sessions a day differ from each other, and by `more` in the first segment."""
    parts = []
    for place, (name, size) in enumerate(sizes.items()):
        days = 1 + random.binomial(20, 0.4, size)
        rate = random.gamma(2, 1, size) + (more if place == 0 else 0.0)
        parts.append(
            pl.DataFrame({"segment": [name] * size, "active_days": days, "sessions": random.poisson(rate * days)})
        )
    return pl.concat(parts)


def test_an_interval_holds_the_true_difference_in_nineteen_of_twenty_samples() -> None:
    random, held = np.random.default_rng(5), 0
    for _ in range(400):
        (row,) = segment_differences(users(random, {"b": 80, "a": 300}, more=0.5), [SESSIONS])
        held += row["low"] <= 0.5 <= row["high"]
    assert 0.92 <= held / 400 <= 0.975


def test_values_and_their_difference_are_those_of_a_plain_computation() -> None:
    frame = users(np.random.default_rng(1), {"b": 50, "a": 70})
    (row,) = segment_differences(frame, [SESSIONS])
    plain = {name: rows["sessions"].sum() / rows["active_days"].sum() for (name,), rows in frame.group_by("segment")}
    assert (row["segment"], row["users"], row["other_users"]) == ("b", 50, 70), "of two the smaller one is compared"
    assert row["value"] == pytest.approx(plain["b"])
    assert row["difference"] == pytest.approx(plain["b"] - plain["a"])


def test_each_of_three_segments_is_compared_with_all_other_users() -> None:
    frame = users(np.random.default_rng(2), {"a": 40, "b": 50, "c": 60})
    found = {row["segment"]: row for row in segment_differences(frame, [SESSIONS])}
    assert {name: (row["users"], row["other_users"]) for name, row in found.items()} == {
        "a": (40, 110), "b": (50, 100), "c": (60, 90),
    }  # fmt: skip


def test_too_few_users_and_users_who_are_all_alike_give_a_note_and_no_interval() -> None:
    frame = users(np.random.default_rng(2), {"a": FEWEST_USERS - 1, "b": 60})
    (row,) = segment_differences(frame, [SESSIONS])
    assert "value" not in row
    assert (
        row["note"]
        == f"not enough evidence: {FEWEST_USERS - 1} users with active_days on one side, {FEWEST_USERS} are needed"
    )
    alike = pl.DataFrame({"segment": ["a"] * 40 + ["b"] * 60, "active_days": [2] * 100, "sessions": [3] * 100})
    (row,) = segment_differences(alike, [SESSIONS])
    assert (row["low"], row["note"][:20]) == (None, "all users are alike:")
    assert "p" not in row


@pytest.mark.parametrize(
    "segments", [[None] * 60, ["a"] * 60, ["a"] * 40 + [None] * 20], ids=["none", "one", "one of some"]
)
def test_one_segment_has_nothing_to_be_compared_with(segments: list[str | None]) -> None:
    frame = pl.DataFrame({"segment": pl.Series(segments, dtype=pl.String), "active_days": 2, "sessions": 3})
    assert segment_differences(frame, [SESSIONS]) == []


def test_of_segments_that_do_not_differ_hardly_any_is_told_as_different() -> None:
    random, told = np.random.default_rng(9), 0
    for _ in range(60):
        size = 600
        frame = pl.DataFrame({"segment": random.choice(["a", "b", "c"], size), **{
            name: random.poisson(random.gamma(2, 2, size)) + 1 for name in UNIT_VALUES
        }}).with_columns(has_converted=pl.Series(random.integers(0, 2, size)))  # fmt: skip
        told += any(row["q"] <= 0.05 for row in segment_differences(frame))
    assert told <= 8, f"{told} of 60 products without any difference were told of one"
    assert len(COMPARED) >= 8


def test_a_sentence_never_shows_two_bare_numbers() -> None:
    (row,) = segment_differences(users(np.random.default_rng(3), {"b": 400, "a": 900}, more=1.0), [SESSIONS])
    said = difference_sentence({**row, "note": None})
    assert "95 % interval +" in said
    assert "beyond chance" not in said
    (row,) = segment_differences(users(np.random.default_rng(3), {"b": 5, "a": 900}), [SESSIONS])
    assert difference_sentence(row).endswith("30 are needed.")
