"""The morning paragraph: news is what the weeks before do not let expect, and what cannot be compared says so."""

import copy
import pickle
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from intelligence.briefs.morning import (
    coming_sentence,
    losing_sentence,
    staying_sentences,
    unjudged_sentence,
    unusual_sentences,
    week_sentence,
    wrong_sentences,
)
from intelligence.metrics.tables import FUNNEL_DAY
from tests.intelligence.metrics.test_usage_findings import cohorts, funnel_days

TYPICAL = {
    "users_a_day": 1_000.0,
    "conversion_rate": 0.3,
    "mean_rating": 3.0,
    "crash_free_user_rate": 0.5,
    "value_a_day": 100.0,
}
KPIS = tuple(TYPICAL)


def weeks(*newest_first: float | None) -> pl.DataFrame:
    rows: list[dict[str, Any]] = [
        {"weeks_ago": ago, "last_day": date(2026, 8, 1), **dict.fromkeys(KPIS), "users_a_day": value}
        for ago, value in enumerate(newest_first)
    ]
    types = {"weeks_ago": pl.Int64, "last_day": pl.Date} | dict.fromkeys(KPIS, pl.Float64)
    return pl.DataFrame(rows, schema=types)


def test_a_week_beyond_what_the_four_before_let_expect_is_news() -> None:
    said = week_sentence(weeks(400.0, 101.0, 99.0, 100.0, 100.0))
    assert said == "In the week to 2026-08-01, 400 users a day: more than the four weeks before let expect (95 to 105)."
    assert ": less than" in week_sentence(weeks(10.0, 101.0, 99.0, 100.0, 100.0))
    assert ": more than" in week_sentence(weeks(1.0, 0.0, 0.0, 0.0, 0.0)), (
        "after weeks that are all alike any change is news"
    )


def test_a_week_like_the_others_is_no_news_in_nineteen_of_twenty_products() -> None:
    random = np.random.default_rng(3)
    told = 0
    for _ in range(600):
        columns = {name: random.normal(1, 0.03, 5) * TYPICAL[name] for name in KPIS}
        told += " than the four weeks" in week_sentence(weeks(*columns["users_a_day"]).with_columns(**columns))
    assert 15 <= told <= 48, "five KPIs are looked at, and all of them together are to be silent"


def test_a_figure_that_varies_widely_is_not_said_to_be_as_before_without_its_range() -> None:
    said = week_sentence(
        weeks(100.0, 100.0, 100.0, 100.0, 100.0).with_columns(conversion_rate=pl.Series([0.5, 0.9, 0.95, 0.99, 0.8]))
    )
    assert "which vary widely: conversion 50.0% (3" in said
    assert said.endswith("% to 100.0%).")


def test_given_back_value_is_compared_as_it_is_and_no_rate_is_beyond_all() -> None:
    refunds = weeks(100.0, 100.0, 100.0, 100.0, 100.0).with_columns(
        value_a_day=pl.Series([-500.0, -50.0, -20.0, 30.0, 10.0])
    )
    said = week_sentence(refunds)
    assert "value -500.00 a day: less than the four weeks before let expect (-" in said


def test_what_cannot_be_judged_is_not_called_usual() -> None:
    whole = {"event_date": date(2026, 8, 1), "verdict": "whole", "reason": "", "days_before": 40}
    assert unjudged_sentence(whole, least_days=28) == ""
    assert "no day is complete" in unjudged_sentence(None, least_days=28)
    young = unjudged_sentence({**whole, "days_before": 6}, least_days=28)
    assert young.endswith("6 sound days are known before 2026-08-01, and 28 are needed.")
    faulty = unjudged_sentence({**whole, "verdict": "partial", "reason": "no event in 12 hours"}, least_days=28)
    assert faulty.endswith("its telemetry is at fault (no event in 12 hours).")
    assert unusual_sentences(pl.DataFrame(), faulty) == [faulty]


def test_cohorts_that_are_too_few_or_too_small_are_not_said_to_be_alike() -> None:
    small = with_interval(cohorts(3)).with_columns(users=pl.lit(11), retained=pl.lit(4))
    few = with_interval(cohorts(3, number=8)).filter(pl.col("cohort") < date(2026, 5, 25))
    for rows in (small, few):
        (said,) = staying_sentences(rows)
        assert said.endswith("to say whether one week's stay less than the others.")


def test_weeks_that_are_missing_are_said() -> None:
    assert week_sentence(weeks()) == "No week is complete yet."
    assert week_sentence(weeks(400.0, 100.0, 100.0)).endswith("2 of 4 weeks before are known, too few to compare with.")
    assert "with nothing to compare it with" in week_sentence(weeks(400.0, 100.0, None, 100.0, 100.0))


def test_what_is_unusual_is_named_with_what_came_at_the_same_time() -> None:
    assert unusual_sentences(pl.DataFrame()) == ["Nothing is unusual for the worse."]
    row = {
        "episode": "2026-07-01-quiz",
        "title": "Error rate of quiz is 0.1",
        "likely_cause": "release 3",
        "features": ["quiz"],
        "first_day": date(2026, 7, 1),
        "suspect": None,
        "accounts_for": None,
    }
    said = "since 2026-07-01 error rate of quiz is 0.1; at the same time release 3."
    assert unusual_sentences(pl.DataFrame([row])) == ["Unusual:", f"(1) {said}"]
    assert unusual_sentences(pl.DataFrame([row] * 4)) == [
        "Unusual, the first 3 of 4:",
        *(f"({place}) {said}" for place in (1, 2, 3)),
    ]


def test_what_lies_in_the_same_part_and_began_together_is_one_trouble() -> None:
    def episode(feature: str, day: int, suspect: str | None) -> dict[str, Any]:
        found = {
            "episode": f"2026-07-{day}-{feature}",
            "title": f"Error rate of {feature} is 0.1",
            "likely_cause": None,
            "features": [feature],
        }
        return {**found, "first_day": date(2026, 7, day), "suspect": suspect, "accounts_for": 0.92}

    rows = [
        episode("quiz", 1, "release 3 × ios"),
        episode("chat", 2, None),
        episode("map", 3, "release 3 × ios"),
        episode("poll", 20, "release 3 × ios"),
    ]
    assert unusual_sentences(pl.DataFrame(rows)) == [
        "Unusual:",
        "(1) since 2026-07-01 error rate of quiz is 0.1; 92% of the change lies in release 3 × ios; so does that of map.",
        "(2) since 2026-07-02 error rate of chat is 0.1.",
        "(3) since 2026-07-20 error rate of poll is 0.1; 92% of the change lies in release 3 × ios.",
    ]


def test_a_forecast_that_was_wrong_for_days_is_told() -> None:
    assert wrong_sentences(None) == []
    assert wrong_sentences({"answer": "dau: less.", "forecasts": 3}) == [
        "A forecast was wrong for days (2 more): dau: less."
    ]


def test_a_forecast_comes_with_its_interval_and_how_often_such_intervals_held() -> None:
    row = {"forecast_date": date(2026, 8, 29), "value": 3000.0, "low_80": 2800.0, "high_80": 3200.0, "note": None}
    held = {"coverage_80": 0.56, "coverage_80_low": 0.16, "coverage_80_high": 0.89}
    assert coming_sentence({**row, **held}) == (
        "On 2026-08-29, 3,000 daily users are expected (2,800 to 3,200); such 80 % intervals held 56% of the time so far (16% to 89%)."
    )
    assert "not known yet" in coming_sentence({**row, **dict.fromkeys(held)})
    assert coming_sentence({**row, "value": None, "note": "20 days are too few."}).endswith("20 days are too few.")
    assert coming_sentence(None) == "No forecast was made."


def test_a_rate_of_what_the_product_never_says_is_left_out() -> None:
    rows = weeks(400.0, 101.0, 99.0, 100.0, 100.0).with_columns(
        conversion_rate=pl.lit(0.0), crash_free_user_rate=pl.lit(1.0), value_a_day=pl.lit(0.0)
    )
    assert "users without a crash 100.0%" in week_sentence(rows)
    said = week_sentence(rows, unknown={"conversion", "crashed"})
    assert said == "In the week to 2026-08-01, 400 users a day: more than the four weeks before let expect (95 to 105)."


def test_what_is_expected_of_a_count_is_never_below_zero() -> None:
    assert "(0 to 1,5" in week_sentence(weeks(2_000.0, 500.0, 100.0, 200.0, 50.0))


def with_interval(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(low=pl.col("rate") - 0.07, high=pl.col("rate") + 0.07)


def test_newcomers_are_told_beside_those_of_the_weeks_before() -> None:
    rows = with_interval(cohorts(3, number=8))
    (said,) = staying_sentences(rows)
    newest = rows.filter("is_mature", first_age=4)["cohort"].max()
    assert f"who began in the week from {newest} on" in said
    assert "were there 4 weeks later (" in said
    assert said.endswith("No week's newcomers stay less than those of the others beyond chance.")
    assert said.partition("of the weeks before ")[2].partition(".")[0].count("%") == 3
    worse = staying_sentences(with_interval(cohorts(3, worse=4)))
    assert any("the week from 2026-06-01 on stay less" in sentence for sentence in worse[1:])
    young = staying_sentences(rows.with_columns(is_mature=pl.lit(False)))
    assert young == ["Who stays is not known yet: no newcomers came four weeks ago or earlier."]


def test_the_widest_drop_of_the_funnels_is_told_and_where_one_broke() -> None:
    assert losing_sentence(FUNNEL_DAY.frame([])) == "No funnel is declared, or nobody has entered one."
    assert losing_sentence(funnel_days(1, breaks_on=35)).startswith("The widest drop is in ")
    open_ones = funnel_days(1).with_columns(is_complete=pl.lit(False))
    assert losing_sentence(open_ones) == "No funnel has enough entries whose time is over."


def test_a_sentence_keeps_its_facts_where_it_is_copied_or_stored() -> None:
    said = week_sentence(weeks(400.0, 101.0, 99.0, 100.0, 100.0))
    for same in (pickle.loads(pickle.dumps(said)), copy.deepcopy(said)):
        assert (same, same.facts, same.template) == (said, said.facts, said.template)
