"""Where the change of a metric lies, on rows made by hand: the part behind it, what happened at the time, and too little data."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from intelligence.causality.movement import (
    METRICS,
    Movement,
    degradation,
    metric_named,
    movement,
    periods_of,
    since_trouble,
    unexplained,
)
from intelligence.causality.tables import DEGRADATIONS
from intelligence.core.errors import CausalityError, NotEnoughEvidence
from intelligence.core.tables import Days
from tests.assets.test_causality import CLAIM

DAY = date(2026, 7, 30)
NOTHING = pl.DataFrame(schema={"day": pl.Date, "kind": pl.String, "feature": pl.String, "what": pl.String})
AT_THE_TIME = pl.DataFrame(
    {
        "day": [DAY - timedelta(days=4), DAY - timedelta(days=1), DAY, DAY, DAY],
        "kind": ["release", "release", "incident", "action", "experiment"],
        "feature": [None, None, "chat", "quiz", None],
        "what": [
            "release 4.2 on ios", "release 4.2 on web", "chat is degraded", "Roll back quiz (confirmed)",
            "experiment colour begins",
        ],
    }
)  # fmt: skip


def rows(*, bad: dict[str, str], rate: float, seed: int = 1) -> pl.DataFrame:
    """Return nine days of 300 users in which one event of a hundred fails, and on the last day more of those that are `bad`."""
    draw = np.random.default_rng(seed)
    size = 9 * 300
    frame = pl.DataFrame(
        {
            "event_date": [DAY - timedelta(days=each % 9) for each in range(size)],
            "user_id": [f"u{each // 9}" for each in range(size)],
            "segment": draw.choice(["student", "teacher"], size),
            "platform": draw.choice(["ios", "web"], size),
            "release": draw.choice(["4.1", "4.2"], size),
            "region": draw.choice(["emea", "amer"], size),
            "feature": "quiz",
            "variant": draw.choice(["colour: control", "colour: treatment"], size),
            "events": draw.integers(1, 6, size),
        }
    )
    is_bad = pl.all_horizontal(pl.col("event_date") == DAY, *(pl.col(name) == part for name, part in bad.items()))
    chance = frame.select(pl.when(is_bad).then(rate).otherwise(0.01))["literal"].to_numpy()
    return frame.with_columns(failed_events=pl.Series(draw.binomial(frame["events"].to_numpy(), chance)))


def moved(frame: pl.DataFrame, at_the_time: pl.DataFrame = AT_THE_TIME, feature: str = "quiz") -> Movement:
    return movement(frame, METRICS["error_rate"], periods_of(DAY), feature=feature, at_the_time=at_the_time)


def test_a_bad_release_is_named_with_its_platform_and_beside_it_when_it_came() -> None:
    found = moved(rows(bad={"platform": "web", "release": "4.2"}, rate=0.5))
    assert found.parts == {"platform": "web", "release": "4.2"}
    assert found.at_the_time.rows(named=True)[0]["what"] == "release 4.2 on web"
    assert found.at_the_time["names_suspect"].to_list() == [True, False, False, False]
    # What happened to another feature is not told.
    assert "chat" not in found.answer
    assert "Roll back quiz" in found.answer
    assert "grade D" in found.answer
    assert not CLAIM.search(found.answer)
    row = DEGRADATIONS.frame([{"event_date": DAY, **degradation(found, DAY)}]).row(0, named=True)
    assert (row["platform"], row["release"], row["segment"], row["grade"]) == ("web", "4.2", None, "D")
    assert row["accounts_for"] > 0.8
    assert row["low"] < row["change"] < row["high"]
    assert row["change"] == pytest.approx(row["mix"] + row["within"])
    assert row["suspect"] == "platform web × release 4.2"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"variant": "colour: treatment"}, "experiment colour begins"),
        ({"region": "emea"}, ""),
        ({"segment": "teacher"}, ""),
    ],
)
def test_other_parts_are_named_too(bad: dict[str, str], said: str) -> None:
    found = moved(rows(bad=bad, rate=0.3))
    assert found.parts.items() >= bad.items()
    assert found.at_the_time.filter("names_suspect")["what"].to_list() == ([said] if said else [])
    assert found.ranked[0].dimensions == tuple(bad)


def test_a_part_that_is_on_one_platform_in_fact_is_named_with_it() -> None:
    frame = rows(bad={"release": "4.2"}, rate=0.5)
    only = frame.with_columns(platform=pl.when(pl.col("release") == "4.2").then(pl.lit("ios")).otherwise("platform"))
    found = moved(only)
    assert found.parts == {"release": "4.2", "platform": "ios"}
    assert "of failed_events in it are on platform ios" in found.answer


def test_a_metric_that_did_not_move_has_no_suspect() -> None:
    found = moved(rows(bad={}, rate=0.01), NOTHING)
    assert found.parts == {}
    assert found.why.suspect is None
    assert "within chance" in found.answer
    row = degradation(found, DAY)
    assert "suspect" not in row
    assert row["at_the_time"] == ""


def test_a_product_is_split_by_feature_and_a_user_is_not() -> None:
    frame = rows(bad={"feature": "chat"}, rate=0.5).with_columns(
        feature=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("chat")).otherwise("feature")
    )
    assert "feature" in {name for each in moved(frame, feature="").ranked for name in each.dimensions}
    assert "feature" not in {name for each in moved(frame).ranked for name in each.dimensions}
    assert "feature" not in METRICS["conversion_rate"].dimensions


def test_a_dimension_without_two_values_is_left_out() -> None:
    frame = rows(bad={"release": "4.2"}, rate=0.5).with_columns(region=pl.lit(None, pl.String))
    assert {each.dimensions for each in moved(frame).ranked} == {
        ("segment",), ("platform",), ("release",), ("variant",),
    }  # fmt: skip
    bare = frame.with_columns(pl.lit(None, pl.String).alias(name) for name in METRICS["error_rate"].dimensions)
    assert [each.dimensions for each in moved(bare).ranked] == [("segment",)]


def test_a_period_without_rows_is_not_enough_evidence() -> None:
    frame = rows(bad={}, rate=0.01).filter(pl.col("event_date") == DAY)
    with pytest.raises(NotEnoughEvidence, match="whole period"):
        moved(frame)
    row = unexplained("quiz", "error_rate", since_trouble(DAY, DAY), DAY, "Too few.")
    written = DEGRADATIONS.frame([{"event_date": DAY, **row}]).row(0, named=True)
    assert written["change"] is None
    assert all(written[name] is not None for name in DEGRADATIONS.required)


def test_periods_of_trouble_leave_out_the_days_on_which_it_was_not_yet_known() -> None:
    found = since_trouble(DAY, DAY - timedelta(days=1))
    assert found.after == Days(DAY - timedelta(days=1), DAY + timedelta(days=1))
    assert found.before == Days(DAY - timedelta(days=11), DAY - timedelta(days=4))
    long = since_trouble(DAY, DAY - timedelta(days=20))
    assert len(long.after.each) == 7


def test_what_cannot_be_compared_is_refused() -> None:
    refused: list[Any] = [
        lambda: metric_named("nonsense"),
        lambda: periods_of(DAY, before=DAY),
        lambda: periods_of(DAY, days=0),
        lambda: periods_of(DAY, days_before=0),
    ]
    for call in refused:
        with pytest.raises(CausalityError):
            call()
