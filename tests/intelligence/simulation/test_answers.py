"""Simulated answers are the same each time, of the users of the stream, and have the faults that are planted in them."""

from datetime import date, timedelta

import polars as pl
import pytest

from intelligence.simulation.answers import (
    ANSWER_SCHEMA,
    FEATURES,
    HONEST,
    AnswerPlan,
    delivered_answers,
    planted_quality,
    simulated_answers,
    truths_of_answers,
)

PLAN = AnswerPlan(answers_per_day=1_200)
LATE = PLAN.first_day + timedelta(days=80)


def shares(day: date) -> dict[str, float]:
    answers = simulated_answers(PLAN, day).filter(pl.col("rater").is_null())
    rows = answers.group_by("feature").agg(pl.col("planted").is_not_null().mean())
    return dict(rows.iter_rows())


def test_a_day_is_the_same_whenever_it_is_made_and_its_labels_are_not_delivered() -> None:
    one, other = (simulated_answers(PLAN, LATE) for _ in range(2))
    assert one.equals(other)
    delivered = delivered_answers(PLAN, LATE)
    assert delivered.schema == ANSWER_SCHEMA
    assert delivered.equals(one.drop("planted"))
    assert delivered.filter(pl.col("rater").is_null())["answer_id"].is_unique().all()


def test_three_features_become_worse_with_a_version_and_one_does_not() -> None:
    early, late = shares(PLAN.first_day), shares(LATE)
    assert max(early.values()) < 0.06
    assert late[HONEST] < 0.06
    for each in planted_quality(PLAN.first_day, PLAN.days):
        assert late[each.feature] == pytest.approx(each.share, abs=0.1)
        rows = simulated_answers(PLAN, LATE).filter(feature=each.feature)
        assert rows[each.changed].unique().to_list() == [each.version]


def test_what_is_planted_after_the_last_day_is_no_truth() -> None:
    assert truths_of_answers(AnswerPlan(days=30)) == ()
    assert {truth.feature for truth in truths_of_answers(PLAN)} == {*FEATURES} - {HONEST}
    assert all(truth.is_trouble for truth in truths_of_answers(PLAN))
