"""The policy on a past whose truth is known."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import polars as pl

from intelligence.core.truths import PlantedTruth
from intelligence.decisions.backtest import backtest, decided_day_by_day
from intelligence.decisions.evidence import Sources
from tests.intelligence.decisions.day_of_evidence import DAY, back, sources
from tests.intelligence.decisions.facts_of_a_day import AUTO

LAST = 3
DAYS = [DAY + timedelta(days=number) for number in range(LAST + 1)]


def truth(kind: Any, feature: str | None, first: date, days: int = 3) -> PlantedTruth:
    return PlantedTruth(kind, feature, first, first + timedelta(days=days - 1), None, "planted", 0.3)


def later(day: date, *, verdict: str = "whole") -> Sources:
    """Return the hand-made day moved to another one; the trouble began on the same day as before."""
    whole, moved = sources(), {}
    by = pl.duration(days=(day - DAY).days)
    for name in ("health", "metrics", "risk", "panel", "release_days", "drift"):
        moved[name] = getattr(whole, name).with_columns(pl.col("event_date") + by)
    return replace(whole, **moved, quality=pl.DataFrame({"event_date": [day], "verdict": [verdict]}))


def decisions(faulty: date | None = None) -> pl.DataFrame:
    def on(day: date) -> Sources:
        return later(day, verdict="partial" if day == faulty else "whole")

    return decided_day_by_day(on, DAYS, settings=AUTO)


def test_a_trouble_is_answered_once_however_long_it_lasts() -> None:
    acts = decisions().filter(pl.col("action") != "monitor")
    assert acts.select("event_date", "feature", "action").rows() == [(DAY, "quiz", "rollback")]


def test_a_day_of_faulty_telemetry_puts_the_answer_off_to_the_next() -> None:
    acts = decisions(faulty=DAY).filter(pl.col("action") != "monitor")
    assert acts.select("event_date", "feature", "action").rows() == [
        (DAY, "telemetry", "alert"),
        (DAY + timedelta(days=1), "quiz", "rollback"),
    ]


def test_what_was_planted_is_set_beside_its_first_right_answer() -> None:
    planted = [
        truth("bad_release", "quiz", DAY - timedelta(days=0)),
        truth("slow_decay", "chat", DAY),
        truth("pipeline_fault", None, DAY + timedelta(days=2), days=1),
        truth("experiment", "chat", DAY),
        truth("bad_release", "chat", back(9)),
    ]
    found = backtest(decisions(faulty=DAY + timedelta(days=2)), planted)
    answers = [(each.truth.kind, each.answer, each.delay_days, each.strongest) for each in found.truths]
    assert answers == [
        ("bad_release", "rollback", 0, "rollback"),
        ("slow_decay", None, None, "monitor"),
        ("pipeline_fault", "alert", 0, "alert"),
    ]
    assert (found.precision, found.recall, found.false_touches) == (1.0, 2 / 3, 0)


def test_an_action_where_nothing_was_planted_is_false() -> None:
    found = backtest(decisions(), [truth("slow_decay", "chat", DAY)])
    assert (found.precision, found.recall, found.false_touches) == (0.0, 0.0, 1)
    assert found.false_actions["feature"].to_list() == ["quiz"]


def test_with_nothing_planted_and_nothing_done_there_is_nothing_to_tell() -> None:
    calm = decisions().with_columns(action=pl.lit("monitor"))
    found = backtest(calm, [])
    assert (found.precision, found.recall, found.actions) == (None, None, 0)
