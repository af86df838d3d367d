"""The pictures of experiments are drawn for any results, and say so where there is nothing to draw."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from intelligence.experiments.pictures import forest_picture, path_picture
from intelligence.experiments.tables import EXPERIMENT_RESULTS

PNG = b"\x89PNG"


def row(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "event_date": date(2026, 5, 4) + timedelta(days=number),
        "experiment": "checklist",
        "variant": "treatment",
        "metric": "conversion_rate",
        "segment": "all",
        "role": "goal",
        "direction": "increase",
        "effect": 0.02,
        "low": 0.01 - 0.1 / (number + 1),
        "high": 0.03 + 0.1 / (number + 1),
        "watched_low": -0.2,
        "watched_high": 0.2,
        "relative": 0.1,
        "relative_low": 0.05,
        "relative_high": 0.15,
        "margin": 0.0,
        "scale": "relative",
        "grade": "A",
        **changed,
    }


@pytest.mark.parametrize("draw", [forest_picture, path_picture])
@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row(3)],
        [row(0, low=None, high=None, relative_low=None, relative_high=None), row(1)],
        [row(2), row(2, metric="feature_error_rate", role="guardrail", margin=0.1, direction="decrease")],
        [row(2, experiment=f"e{number}") for number in range(9)],
        [row(2, effect=None, low=None, high=None, relative=None, note="too few units")],
    ],
    ids=["none", "one", "no interval at first", "a guardrail", "many", "no evidence"],
)
def test_any_results_are_drawn(draw: Any, rows: list[dict[str, Any]]) -> None:
    assert draw(EXPERIMENT_RESULTS.frame(rows)).startswith(PNG)


def test_an_experiment_that_has_become_unhealthy_shows_nothing_of_its_earlier_days() -> None:
    healthy, without = row(0), row(1, effect=None, low=None, high=None, relative=None, note="not healthy")
    for draw in (forest_picture, path_picture):
        assert draw(EXPERIMENT_RESULTS.frame([healthy, without])) == draw(EXPERIMENT_RESULTS.frame([]))


def test_the_newest_day_of_each_experiment_is_drawn() -> None:
    old, new = [row(0, relative=0.5)], [row(9, relative=-0.2)]
    assert forest_picture(EXPERIMENT_RESULTS.frame([*old, *new])) == forest_picture(EXPERIMENT_RESULTS.frame(new))
    assert forest_picture(pl.concat([EXPERIMENT_RESULTS.frame(old)])) != forest_picture(EXPERIMENT_RESULTS.frame(new))
