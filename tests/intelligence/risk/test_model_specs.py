"""The two model specs, the training days of users, and when a training is due."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelligence.risk.due import RETRY_DAYS, training_due
from intelligence.risk.model_specs import (
    LONGEST_TRAINING_DAYS,
    USER_ROWS,
    USER_STRIDE_DAYS,
    USER_WINDOW_DAYS,
    feature_spec,
    user_spec,
    user_training_days,
    users_per_thousand,
)
from intelligence.risk.settings import Risk
from intelligence.risk.tables import FEATURE_PANEL

START = date(2026, 1, 1)


@given(length=st.integers(0, 600), horizon=st.integers(1, 90))
def test_users_are_trained_on_with_a_whole_month_behind_and_a_known_outcome_ahead(length: int, horizon: int) -> None:
    last = START + timedelta(days=length)
    days = user_training_days(START, last, horizon_days=horizon)
    assert days == sorted(set(days))
    for day in days:
        assert day >= START + timedelta(days=USER_WINDOW_DAYS - 1)
        assert day >= last - timedelta(days=LONGEST_TRAINING_DAYS)
        assert day + timedelta(days=horizon) <= last
    assert {(after - before).days for before, after in pairwise(days)} <= {USER_STRIDE_DAYS}
    if days:
        assert days[-1] == last - timedelta(days=horizon)


@pytest.mark.parametrize(("length", "horizon"), [(0, 14), (20, 14), (39, 14), (10, 90), (60, 60)])
def test_a_history_shorter_than_month_and_horizon_has_no_training_day(length: int, horizon: int) -> None:
    assert user_training_days(START, START + timedelta(days=length), horizon_days=horizon) == []


def test_the_first_history_that_is_long_enough_has_one_day() -> None:
    assert user_training_days(START, START + timedelta(days=41), horizon_days=14) == [START + timedelta(days=27)]


@given(users=st.integers(0, 10**8), days=st.integers(0, 200))
def test_a_sample_of_users_is_never_empty_never_more_than_all_and_about_as_large_as_intended(
    users: int, days: int
) -> None:
    found = users_per_thousand(users, days)
    assert 1 <= found <= 1000
    if 1 < found < 1000:
        assert 0.5 * USER_ROWS < users * days * found / 1000 <= USER_ROWS


def test_questions_follow_what_the_product_asks_for() -> None:
    risk = Risk(horizon_days=3, capacity=0.2, medium=0.2, high=0.5, churn={"window_days": 7, "horizon_days": 30})
    features, users = feature_spec(risk), user_spec(risk)
    assert (features.task.horizon, features.rules.capacity, features.rules.threshold) == (3, 0.2, 0.5)
    assert "within 3 days" in features.asks
    assert users.task.horizon == 30
    assert "in the last 7 days" in users.asks
    assert "within 30 days" in users.asks


def test_floors_and_predictors_of_features_are_columns_of_their_panel() -> None:
    columns = {column.name for column in FEATURE_PANEL.columns}
    task = feature_spec(Risk()).task
    assert {*task.predictors, *task.floors.values(), task.unit, task.time} <= columns
    assert set(task.directions) <= set(task.predictors)
    users = user_spec(Risk()).task
    assert set(users.floors.values()) <= set(users.predictors)


NEWEST = date(2026, 6, 30)


@pytest.mark.parametrize(
    ("age", "decision", "reason"),
    [
        (None, None, "no model was trained yet"),
        (0, "promote", None),
        (27, "hold", None),
        (28, "hold", "the last one is 28 days old"),
        (28, None, "the last one is 28 days old"),
        (RETRY_DAYS - 1, "not_enough_evidence", None),
        (RETRY_DAYS, "not_enough_evidence", "the last one, 7 days ago, had not enough evidence"),
        (90, "not_enough_evidence", "the last one, 90 days ago, had not enough evidence"),
        (-3, "promote", None),
    ],
)
def test_a_training_is_due_by_age_and_sooner_where_evidence_lacked(
    age: int | None, decision: str | None, reason: str | None
) -> None:
    last = None if age is None else NEWEST - timedelta(days=age)
    assert training_due(last, NEWEST, decision=decision, retrain_after_days=28) == reason


def test_a_rule_of_a_day_is_kept_although_evidence_lacked() -> None:
    due = training_due(NEWEST - timedelta(days=1), NEWEST, decision="not_enough_evidence", retrain_after_days=1)
    assert due == "the last one is 1 days old"
