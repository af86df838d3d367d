"""The registry of metrics: the definitions that kpi_day has too are the same, and nonsense is refused."""

import re

import duckdb
import pytest

from intelligence.core.errors import ExperimentError
from intelligence.core.sql import sql
from intelligence.metrics.registry import (
    ANSWER_VALUES,
    FEATURE_VALUES,
    METRICS,
    PRE,
    UNIT_VALUES,
    VALUES,
    Metric,
    metric_named,
    required_columns,
)

KPIS = ("conversion_rate", "crash_free_user_rate", "sessions_per_user", "session_depth", "mean_rating")


def test_every_metric_is_computed_from_known_values_of_a_unit() -> None:
    known = {*VALUES, *(f"{PRE}{name}" for name in VALUES), "retained_7d", "retained_28d"}
    assert set(required_columns(METRICS.values())) <= known


@pytest.mark.parametrize("name", KPIS)
def test_a_metric_with_the_name_of_a_kpi_is_that_kpi(name: str) -> None:
    """On the rows of one day, the ratio of the sums over all users is what the last step of kpi_day.sql makes of them."""
    metric = METRICS[name]
    rows = """
        CREATE TABLE user_day AS SELECT * FROM (VALUES
            (1, 5, 2, 0, 0, 2, 1, 5.0), (2, 3, 1, 1, 1, 0, 0, 0.0), (3, 9, 4, 0, 2, 1, 2, 7.0))
            AS t (user_id, events, sessions, errors, crashed_events, conversions, ratings, rating_sum)"""
    connection = duckdb.connect()
    connection.execute(rows)
    totals = """SELECT count(*) AS dau, sum(events) AS events, sum(sessions) AS sessions, sum(ratings) AS ratings,
        count(*) FILTER (crashed_events > 0) AS crashed_users, count(*) FILTER (conversions > 0) AS converted_users,
        sum(rating_sum) AS rating_sum FROM user_day"""
    (formula,) = re.findall(rf"^    (.*) AS {name},$", sql("metrics/kpi_day.sql"), re.MULTILINE)
    expected = connection.execute(f"SELECT {formula} FROM ({totals})").fetchone()
    per_user = ", ".join(f"{UNIT_VALUES[column]} AS {column}" for column in metric.columns)
    ours = connection.execute(
        f"SELECT sum({metric.column}) / sum({metric.denominator}) FROM (SELECT {per_user} FROM user_day GROUP BY user_id)"
    ).fetchone()
    assert ours == pytest.approx(expected)


def test_the_condition_of_a_conversion_stands_in_kpi_day_word_for_word() -> None:
    assert UNIT_VALUES["converted_days"] in sql("metrics/kpi_day.sql")


def test_the_values_of_a_unit_are_those_of_the_query_word_for_word() -> None:
    query = " ".join(sql("experiments/unit_values.sql").split()).replace(" OVER since", "")
    others = ("experiments/history_values", "experiments/unit_outcomes", "decisions/rollout_units")
    for text in (query, *(" ".join(sql(f"{name}.sql").split()) for name in others)):
        for name, value in {**UNIT_VALUES, **FEATURE_VALUES, **ANSWER_VALUES}.items():
            assert f"{value} AS {name}" in text, name


def test_an_unknown_metric_is_named_with_those_that_exist() -> None:
    with pytest.raises(ExperimentError, match=r"conversions.*Use one of conversion_rate"):
        metric_named("conversions")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "ratio"},
        {"kind": "mean", "denominator": "y"},
        {"kind": "quantile", "quantile": 1.0},
        {"kind": "quantile", "quantile": 0.5, "covariate": "a"},
        {"kind": "retention"},
        {"kind": "ratio", "denominator": "y", "covariate": "a"},
    ],
)
def test_a_definition_that_cannot_be_computed_is_refused(wrong: dict) -> None:
    with pytest.raises(ExperimentError, match="Correct the definition"):
        Metric(name="m", column="x", **wrong)


def test_retention_matures_when_its_window_has_passed() -> None:
    assert METRICS["retention_7d"].matures_after_days == 14
    assert METRICS["value_per_unit"].matures_after_days == 0
