"""The morning paragraph: news is what the weeks before do not let expect, and what cannot be compared says so."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl

from intelligence.catalog.morning import week_sentence

KPIS = ("users_a_day", "conversion_rate", "mean_rating", "crash_free_user_rate", "value_a_day")


def weeks(*newest_first: float | None) -> pl.DataFrame:
    rows: list[dict[str, Any]] = [
        {"weeks_ago": ago, "last_day": date(2026, 8, 1), **dict.fromkeys(KPIS), "users_a_day": value}
        for ago, value in enumerate(newest_first)
    ]
    types = {"weeks_ago": pl.Int64, "last_day": pl.Date} | dict.fromkeys(KPIS, pl.Float64)
    return pl.DataFrame(rows, schema=types)


def test_a_week_beyond_what_the_four_before_let_expect_is_news() -> None:
    said = week_sentence(weeks(400.0, 101.0, 99.0, 100.0, 100.0))
    assert said == "In the week to 2026-08-01, 400 users a day: more than the four weeks before let expect (97 to 103)."
    assert ": less than" in week_sentence(weeks(10.0, 101.0, 99.0, 100.0, 100.0))
    assert ": more than" in week_sentence(weeks(1.0, 0.0, 0.0, 0.0, 0.0)), (
        "after weeks that are all alike any change is news"
    )


def test_a_week_like_the_others_is_no_news_in_nineteen_of_twenty_products() -> None:
    random = np.random.default_rng(3)
    told = sum(" than the four weeks" in week_sentence(weeks(*random.normal(1_000, 30, 5))) for _ in range(600))
    assert 15 <= told <= 48


def test_weeks_that_are_missing_are_said() -> None:
    assert week_sentence(weeks()) == "No week is complete yet."
    assert week_sentence(weeks(400.0, 100.0, 100.0)).endswith("2 of 4 weeks before are known, too few to compare with.")
    assert "with nothing to compare it with" in week_sentence(weeks(400.0, 100.0, None, 100.0, 100.0))
