"""A change that came with a version is told with its day; chance, a version without a before and too few answers are not."""

from datetime import date, timedelta
from math import isclose

import numpy as np
import polars as pl
import pytest

from intelligence.answers.cards import Card
from intelligence.answers.changes import version_changes
from intelligence.answers.intervals import Counts, corrected, difference, wilson
from intelligence.answers.tables import QUALITY_DAY
from intelligence.core.tables import Days

START = date(2026, 7, 1)


def counted(day: int, version: str, hits: int, total: int = 40, measure: str = "bad") -> dict[str, object]:
    return {
        "event_date": START + timedelta(days=day), "feature": "tutor", "model_version": "m", "prompt_version": version,
        "segment": "student", "measure": measure, "total": total, "hits": hits, "rate": hits / total, "users": total,
        "hit_users": hits, "hit_square_sum": hits, "cross_sum": hits, "total_square_sum": total,
    }  # fmt: skip


def told(*rows: dict[str, object], day: int = 20) -> list[dict[str, object]]:
    on = START + timedelta(days=day)
    return version_changes(QUALITY_DAY.frame(rows), days=Days(on, on + timedelta(days=1))).to_dicts()


def history(after: int, measure: str = "bad") -> list[dict[str, object]]:
    return [counted(n, "3", 2, measure=measure) for n in range(15)] + [
        counted(n, "4", after, measure=measure) for n in range(15, 21)
    ]


def test_a_bad_prompt_is_told_with_its_first_day_and_a_harmless_one_is_not() -> None:
    (row,) = told(*history(12))
    assert (row["changed"], row["version"], row["since"], row["verdict"], row["grade"]) == (
        "prompt_version", "4", START + timedelta(days=15), "worse", "D",
    )  # fmt: skip
    assert row["difference"] == pytest.approx(0.25)
    assert row["low"] < 0.25 < row["high"]  # type: ignore[operator]
    (row,) = told(*history(3))
    assert row["verdict"] == "none shown"


def test_fewer_good_ratings_are_worse_and_more_are_better() -> None:
    assert [told(*[{**r, "hits": 40 - r["hits"]} for r in history(n, "good_rating")])[0]["verdict"] for n in (14, 2)] == [  # type: ignore[operator]
        "worse", "none shown",
    ]  # fmt: skip


def test_without_a_before_or_with_few_answers_nothing_is_told() -> None:
    assert told(*[counted(n, "4", 12) for n in range(21)]) == []
    assert told(counted(18, "3", 1), counted(19, "3", 1), counted(20, "4", 20)) == []
    assert told(*history(12), day=14) == []
    assert told(*history(12), day=60) == []


def test_answers_of_a_single_user_are_no_evidence() -> None:
    alone = [
        {**row, "users": 1, "hit_square_sum": int(row["hits"]) ** 2, "total_square_sum": 1600}  # type: ignore[call-overload]
        for row in history(30)
    ]
    assert all(row["verdict"] == "none shown" for row in told(*alone))


def test_chance_alone_tells_of_no_change() -> None:
    random = np.random.default_rng(20)
    for _ in range(300):
        rows = [counted(n, "3" if n < 15 else "4", int(random.binomial(40, 0.1))) for n in range(21)]
        assert all(row["verdict"] == "none shown" for row in told(*rows))


def test_clustered_answers_widen_the_interval() -> None:
    alone = Counts(100, 20, 100, 20, 20, 100)
    together = Counts(100, 20, 20, 80, 100, 500)
    narrow, wide = wilson(alone), wilson(together)
    assert narrow
    assert wide
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
    assert wilson(Counts(0, 0, 0, 0, 0, 0)) is wilson(Counts(9, 3, 1, 9, 27, 81)) is None


def test_the_interval_of_a_corrected_rate_covers_the_truth() -> None:
    random, covered = np.random.default_rng(7), 0
    truth, sensitivity, specificity = 0.1, 0.8, 0.97
    for _ in range(400):
        found = int(random.binomial(200, sensitivity))
        false = int(random.binomial(400, 1 - specificity))
        card = Card(found, 200 - found, false, 400 - false)
        faulty = int(random.binomial(1_000, truth))
        hits = int(random.binomial(faulty, sensitivity) + random.binomial(1_000 - faulty, 1 - specificity))
        interval = corrected(Counts(1_000, hits, 1_000, hits, hits, 1_000), card)
        assert interval
        covered += interval.low <= truth <= interval.high
    assert 0.92 <= covered / 400 <= 0.99


def test_a_score_that_tells_nothing_corrects_nothing() -> None:
    assert corrected(Counts(100, 10, 100, 10, 10, 100), Card(5, 95, 10, 90)) is None
    perfect = corrected(Counts(100, 10, 100, 10, 10, 100), Card(1_000, 0, 0, 1_000))
    assert perfect
    assert isclose(perfect.rate, 0.1)


def test_flags_that_no_rate_of_faults_explains_correct_nothing() -> None:
    # Fewer are flagged than the score's own false alarms would be, or more than its misses allow.
    assert corrected(Counts(10_000, 20, 5_000, 20, 40, 20_000), Card(1_000, 0, 50, 950)) is None
    assert corrected(Counts(10_000, 9_990, 5_000, 19_960, 19_980, 20_000), Card(800, 200, 0, 1_000)) is None
    for hits in (1, 20, 300, 700):
        found = corrected(Counts(10_000, hits, 5_000, hits, 2 * hits, 20_000), Card(1_000, 0, 50, 950))
        assert found is None or found.low < found.high


def test_no_difference_has_an_interval_around_zero() -> None:
    same = Counts(100, 10, 100, 10, 10, 100)
    found = difference(same, same)
    assert found.low < 0 == found.rate < found.high


def test_a_day_without_answers_has_no_rows() -> None:
    assert version_changes(
        pl.DataFrame(schema=QUALITY_DAY.schema()), days=Days(START, START + timedelta(days=2))
    ).is_empty()
