"""Promises compared with history: too strict ones are named, and the proposed ones are valid product.yaml."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from intelligence.catalog.product import Product, product_from
from intelligence.metrics.promises import promises_in_history, proposal, rounded_up, warnings

DAY = date(2026, 5, 4)
BASE = "name: Shop\nsources: [{name: app, files: x}]\n"


def days(rates: dict[str, float], *, events: int = 200, count: int = 30, ratings: int = 0) -> pl.DataFrame:
    rows: list[dict[str, Any]] = [
        {
            "event_date": DAY + timedelta(days=number),
            "feature": feature,
            "usage_count": events,
            "failed_events": round(events * rate),
            "crashed_events": 0,
            "timed_events": events,
            "slow_events": round(events * rate / 2),
            "ratings": ratings,
            "bad_ratings": ratings // 4,
        }
        for feature, rate in rates.items()
        for number in range(count)
    ]
    return pl.DataFrame(rows)


def product(more: str = "") -> Product:
    return product_from(BASE + more)


def test_promises_that_were_kept_need_no_word() -> None:
    assert warnings(promises_in_history(days({"a": 0.005, "b": 0.01}), product())) == []


def test_a_promise_that_history_breaks_is_named_with_how_often() -> None:
    (sentence,) = warnings(promises_in_history(days({"a": 0.05, "b": 0.06, "c": 0.001}), product()))
    assert "max_error_rate: 60 of 90 feature-days break it, 2 features again and again" in sentence
    assert "`intelligence check --propose`" in sentence


@pytest.mark.parametrize(
    ("rates", "events"),
    [
        ({"a": 0.05, "b": 0.06}, 200),
        ({"a": 0.5}, 200),
        ({"a": 1.0}, 200),
        ({"a": 0.0}, 200),
        ({"a": 0.001, "b": 0.9}, 200),
        ({f"f{number}": 0.01 for number in range(120)}, 20),
        ({"with space": 0.3, "b": 0.01, "7": 0.4}, 50),
        ({"a": 0.02}, 25),
        ({"a": 0.02}, 12),
        ({"ü": 0.02, "b": 0.0}, 100),
    ],
)
def test_a_proposal_is_understood_and_history_keeps_it(rates: dict[str, float], events: int) -> None:
    history = days(rates, events=events, ratings=events)
    lines = proposal(promises_in_history(history, product()), features={})
    proposed = product(lines + "\n")
    again = promises_in_history(history, proposed)
    assert [kept.promise for kept in again.kept if kept.broken_rate > 0.05 and kept.default < 1] == []
    assert len(lines.splitlines()) < 40


def test_a_product_of_small_volume_names_the_setting_that_silences_it() -> None:
    found = promises_in_history(days({"a": 0.01, "b": 0.01}, events=24), product())
    (sentence,) = warnings(found)
    assert "Only 0% of 60 feature-days have the 50 events" in sentence
    assert "`health: {minimum_events: 24}`" in sentence
    assert "minimum_events: 24" in proposal(found, features={})


def test_where_there_is_nothing_to_compare_that_is_said() -> None:
    empty = promises_in_history(days({"a": 0.1}).clear(), product())
    assert warnings(empty) == []
    assert "too few" in proposal(empty, features={})
    assert "too few" in proposal(promises_in_history(days({"a": 0.1}, events=3), product()), features={})


def test_a_feature_far_from_the_rest_gets_a_promise_of_its_own() -> None:
    rates = {f"f{number}": 0.004 for number in range(40)} | {"flaky": 0.3}
    lines = proposal(promises_in_history(days(rates), product()), features={})
    assert "flaky: {max_error_rate: 0.4" in lines
    assert "f1:" not in lines


@pytest.mark.parametrize(
    ("rate", "rounded"), [(0.0, 0.001), (0.001, 0.0015), (0.02, 0.025), (0.8, 1.0), (0.5, 0.8), (1.0, 1.0)]
)
def test_proposed_promises_are_round(rate: float, rounded: float) -> None:
    assert rounded_up(rate, least=0.001) == rounded
