"""One episode for each trouble, the same whether its future is known or not."""

from datetime import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.core.tables import Days
from intelligence.signals.tables import ANOMALIES
from tests.intelligence.signals.products import NO_RELEASES, day, episodes_of, span


def row(number: int, feature: str = "quiz", metric: str = "error_rate", **other: Any) -> dict[str, Any]:
    return {
        "event_date": day(number),
        "metric": metric,
        "feature": feature,
        "segment": "" if feature else "all",
        "kind": "point",
        "value": 0.06,
        "expected": 0.003,
        "low": 0.0,
        "high": 0.01,
        "direction": "up",
        "is_adverse": True,
        "severity": "notable",
        "surprise": 6.0,
        "needed_surprise": 4.0,
        "suppressed": False,
        **other,
    }


def found(*rows: dict[str, Any], days: int = 30, releases: pl.DataFrame = NO_RELEASES) -> pl.DataFrame:
    return episodes_of(ANOMALIES.frame(rows), span(days), releases)


def release(number: int) -> pl.DataFrame:
    at = datetime(2026, 3, 2 + number, 9)
    return pl.DataFrame([("3.1.0", "ios", at)], schema=NO_RELEASES.schema, orient="row")


def test_days_and_metrics_of_a_feature_are_one_episode_until_five_calm_days() -> None:
    rows = found(row(3), row(4), row(4, metric="crash_rate", surprise=5.0), row(7))
    assert rows["episode"].unique().to_list() == [f"{day(3)}-quiz"]
    assert rows["event_date"].to_list() == [day(number) for number in range(3, 13)]
    assert rows["is_open"].to_list() == [True] * 9 + [False]
    last = rows.row(-1, named=True)
    assert (last["first_day"], last["last_day"], last["anomalous_days"], last["days"]) == (day(3), day(7), 3, 10)
    assert last["metrics"] == ["crash_rate", "error_rate"]
    assert rows["severity"].to_list()[:4] == ["notable"] * 4, "two notable days are no severe trouble"
    assert last["severity"] == "severe"
    assert last["title"].startswith(
        f"Error rate of quiz came to 0.06 on {day(7)} where 0.003 (0 to 0.01) was expected; with it crash rate up"
    )
    newest = rows.filter(event_date=day(7))["title"].item()
    assert newest.startswith("Error rate of quiz is 0.06 where 0.003 (0 to 0.01) is expected"), "on the day itself"


def test_another_trouble_after_calm_days_is_another_episode() -> None:
    rows = found(row(3), row(15))
    assert rows["episode"].unique().sort().to_list() == [f"{day(3)}-quiz", f"{day(15)}-quiz"]


def test_a_suppressed_anomaly_is_no_episode_and_a_day_that_is_not_judged_is_not_calm() -> None:
    guarded = {"suppressed": True, "suppressed_by": "too small"}
    unjudged = {"suppressed": True, "suppressed_by": "telemetry"}
    assert found(row(3, **guarded)).is_empty()
    assert found(row(3), row(5, **unjudged)).filter(pl.col("is_open")).height == 6
    assert found(row(3), row(5, **guarded)).filter(pl.col("is_open")).height == 5


def test_the_way_back_is_no_new_trouble() -> None:
    better = {"is_adverse": False, "direction": "down", "severity": "mild", "surprise": 9.0, "value": 0.003}
    rows = found(row(3), row(4), row(6, **better), row(14, **better))
    assert rows["episode"].n_unique() == 1
    assert all("0.06" in title for title in rows["title"]), "the trouble is what it is named by"
    assert found(row(14, **better))["severity"].unique().to_list() == ["mild"], "without a trouble before it is news"


def test_the_way_back_does_not_prolong_the_trouble_that_it_ends() -> None:
    back = {"direction": "down", "is_adverse": False, "kind": "shift"}
    rows = found(row(3), row(4), *(row(number, **back) for number in range(5, 20)))
    assert rows["last_day"].max() == day(4)
    assert rows.filter("is_open")["event_date"].max() == day(8)


def test_features_that_begin_to_fail_with_a_release_are_one_episode() -> None:
    both = (row(10, "exam"), row(10, "quiz", surprise=7.0))
    apart = found(*both)
    assert apart["episode"].n_unique() == 2
    assert apart["likely_cause"].null_count() == apart.height
    together = found(*both, releases=release(9))
    assert together["episode"].unique().to_list() == [f"{day(10)}-exam"]
    assert together["features"].to_list()[0] == ["exam", "quiz"]
    assert together["likely_cause"][0] == f"release 3.1.0 on ios, first seen on {day(9)}"
    other = found(row(10, "exam"), row(10, "quiz", metric="p95_latency_ms"), releases=release(9))
    assert other["episode"].n_unique() == 2, "another metric is another trouble"


def test_the_segments_of_the_product_are_one_episode_of_it() -> None:
    rows = found(row(3, "", "dau"), row(3, "", "dau", segment="student"), row(4, "", "conversion_rate"))
    assert rows["episode"].unique().to_list() == [f"{day(3)}-product"]
    assert rows["segments"].to_list()[0] == ["all", "student"]
    assert rows["features"].list.len().sum() == 0


_ANY = st.lists(
    st.builds(
        row,
        st.integers(0, 24),
        st.sampled_from(["quiz", "exam", ""]),
        st.sampled_from(["mean_rating"]),
        is_adverse=st.booleans(),
        surprise=st.floats(4, 14),
        severity=st.sampled_from(["mild", "notable", "severe"]),
        suppressed_by=st.sampled_from([None, None, "telemetry", "too small"]),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(rows=_ANY, last=st.integers(0, 24))
def test_a_day_is_told_from_what_was_known_at_its_end(rows: list[dict[str, Any]], last: int) -> None:
    unique = {(each["event_date"], each["feature"]): each for each in rows}
    frame = ANOMALIES.frame([{**each, "suppressed": each["suppressed_by"] is not None} for each in unique.values()])
    whole = episodes_of(frame, span(25), release(9))
    then = episodes_of(frame.filter(pl.col("event_date") <= day(last)), Days(day(0), day(last + 1)), release(9))
    assert then.filter(event_date=day(last)).equals(whole.filter(event_date=day(last)))
    of_a_feature = whole.filter(pl.col("is_open")).explode("features").drop_nulls("features")
    assert of_a_feature.height == of_a_feature.select("event_date", "features").n_unique()


@pytest.mark.parametrize(
    ("number", "expected"), [(9, True), (12, False), (7, False)], ids=["the day before", "after", "long before"]
)
def test_only_a_release_of_the_time_is_named(number: int, expected: bool) -> None:
    rows = found(row(10), releases=release(number))
    assert (rows["likely_cause"][0] is not None) is expected
