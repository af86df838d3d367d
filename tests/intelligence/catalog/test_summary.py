"""What was planted is compared with what was found, without flattery."""

from datetime import date, timedelta

import polars as pl

from intelligence.catalog.summary import false_alarms, found_truths
from intelligence.core.truths import PlantedTruth
from intelligence.simulation.stream import SimulationPlan, planted_truths

FIRST = date(2026, 5, 4)
END = FIRST + timedelta(days=89)


def on(number: int) -> date:
    return FIRST + timedelta(days=number)


def degraded(*days: tuple[str, int]) -> pl.DataFrame:
    rows = [(on(number), feature) for feature, number in days]
    return pl.DataFrame(rows, schema={"event_date": pl.Date, "feature": pl.String}, orient="row")


def truth(kind: str, feature: str | None, first: int, last: int, precursor: int | None = None) -> PlantedTruth:
    return PlantedTruth(kind, feature, on(first), on(last), None if precursor is None else on(precursor), "", 0.1)


RELEASE = truth("bad_release", "quiz", 10, 14)
DECAY = truth("slow_decay", "chat", 30, 60, precursor=20)
FAULT = truth("pipeline_fault", None, 50, 50)
EXPERIMENT = truth("experiment", "search", 5, 33)


def test_a_trouble_is_found_on_the_first_degraded_day_of_its_feature() -> None:
    (found,) = found_truths([RELEASE], degraded(("chat", 10), ("quiz", 12), ("quiz", 11)), [], last_day=END)
    assert (found.found_on, found.delay_days) == (on(11), 1)


def test_a_day_outside_the_trouble_is_no_find() -> None:
    assert found_truths([RELEASE], degraded(("quiz", 9)), [], last_day=END)[0].found_on is None
    assert found_truths([RELEASE], degraded(("quiz", 15)), [], last_day=END)[0].found_on == on(15)
    missed = found_truths([RELEASE], degraded(("quiz", 16)), [], last_day=END)[0]
    assert (missed.found_on, missed.delay_days) == (None, None)


def test_a_decay_found_by_its_early_signs_is_found_early() -> None:
    (found,) = found_truths([DECAY], degraded(("chat", 22), ("chat", 40)), [], last_day=END)
    assert (found.found_on, found.delay_days) == (on(22), -8)
    assert found_truths([DECAY], degraded(("chat", 19)), [], last_day=END)[0].found_on is None


def test_a_pipeline_fault_is_found_by_a_faulty_day_and_not_by_a_degraded_feature() -> None:
    assert found_truths([FAULT], degraded(("quiz", 50)), [], last_day=END)[0].found_on is None
    assert found_truths([FAULT], degraded(), [on(3), on(50)], last_day=END)[0].found_on == on(50)


def test_a_trouble_on_a_feature_is_not_found_by_a_faulty_day() -> None:
    assert found_truths([RELEASE], degraded(), [on(10), on(11)], last_day=END)[0].found_on is None


def test_experiments_and_what_has_not_begun_are_left_out() -> None:
    everything = [RELEASE, DECAY, FAULT, EXPERIMENT]
    found = found_truths(everything, degraded(), [], last_day=on(30))
    assert [item.truth for item in found] == [RELEASE, DECAY]
    assert [item.truth for item in found_truths(everything, degraded(), [], last_day=on(29))] == [RELEASE]


def test_a_degraded_feature_without_trouble_is_a_false_alarm() -> None:
    days = degraded(("search", 8), ("quiz", 11), ("seating", 70), ("search", 9), ("chat", 31))
    assert false_alarms([RELEASE, DECAY, FAULT, EXPERIMENT], days) == ["search", "seating"]
    assert false_alarms([RELEASE, DECAY], degraded()) == []


def test_the_simulators_own_truths_are_all_found_by_a_perfect_watcher() -> None:
    truths = planted_truths(SimulationPlan())
    troubles = [item for item in truths if item.is_trouble]
    watched = [(item.feature, (item.starts_on - FIRST).days) for item in troubles if item.feature]
    faulty = [item.starts_on for item in troubles if item.feature is None]
    found = found_truths(truths, degraded(*watched), faulty, last_day=END)
    assert len(found) == len(troubles) > 3
    assert {item.delay_days for item in found} == {0}
    assert false_alarms(truths, degraded(*watched)) == []
