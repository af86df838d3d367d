"""Experiments in the summary: each variant with its verdict, its effect and, where it was planted, the truth beside it."""

from datetime import date
from typing import Any

import polars as pl
from rich.console import Console

from intelligence.interfaces.cli.experiments import experiments_table


def text(rows: list[dict[str, Any]], truths: dict[str, str]) -> str:
    console = Console(width=240)
    with console.capture() as captured:
        console.print(experiments_table(pl.DataFrame(rows, schema_overrides={"until": pl.Date}), truths))
    return captured.get()


ROW: dict[str, Any] = {
    "event_date": date(2026, 6, 10),
    "experiment": "checklist",
    "variant": "treatment",
    "verdict": "ship",
    "until": None,
    "reason": "conversion_rate is better, and no goal or guardrail is harmed",
    "problems": [],
    "is_declared": True,
    "grade": "A",
    "metric": "conversion_rate",
    "relative": 0.12,
    "relative_low": 0.05,
    "relative_high": 0.19,
}


def test_the_effect_stands_with_its_interval_its_grade_and_the_truth() -> None:
    found = text([ROW], {"checklist": "the treatment completes 12% more often"})
    assert "conversion_rate +12.0% (+5.0% to +19.0%)" in found
    assert "planted" in found
    assert "the treatment completes 12% more often" in found
    assert "not declared" not in found


def test_an_unhealthy_experiment_shows_no_effect_and_what_is_wrong_once() -> None:
    wrong = "control has 900 units (60.0%, planted 50.0%): p = 1e-09"
    changed = {"relative": None, "relative_low": None, "relative_high": None, "verdict": "review", "grade": "D"}
    found = text([{**ROW, **changed, "problems": [wrong], "reason": f"not healthy: {wrong}", "is_declared": False}], {})
    assert "none shown" in found
    assert found.count("p = 1e-09") == 1
    assert "(not declared)" in found
    assert "planted" not in found.splitlines()[1]


def test_a_verdict_with_a_day_names_it() -> None:
    found = text([{**ROW, "verdict": "keep_running", "until": date(2026, 8, 1), "relative_low": None}], {})
    assert "keep running until 2026-08-01" in found
    assert "no interval at this look" in found
