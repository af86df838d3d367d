"""The verdict: every way to each of the five words, and that nothing is shipped against a doubt."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.experiments.health import Problem
from intelligence.experiments.inference import Effect
from intelligence.experiments.verdict import Reading, Verdict, verdict

FIRST, LAST = date(2026, 5, 4), date(2026, 5, 31)
MIDDLE = date(2026, 5, 20)


def interval(low: float, high: float) -> Effect:
    return Effect(
        metric="m", variant="b", n_control=500, n_variant=500, control=1.0, value=1 + (low + high) / 2,
        effect=(low + high) / 2, standard_error=(high - low) / 4, low=low, high=high, relative=(low + high) / 2,
        relative_low=low, relative_high=high, p=0.5, confidence=0.95, is_adjusted=False,
    )  # fmt: skip


def goal(low: float, high: float, **options) -> Reading:
    found = interval(low, high)
    return Reading(metric="goal", role="goal", smallest_effect=0.02, planned=found, watched=found, **options)


def guardrail(low: float, high: float, **options) -> Reading:
    found = interval(low, high)
    options = {"margin": 0.02, **options}
    return Reading(metric="guardrail", role="guardrail", planned=found, watched=found, **options)


def told(*readings: Reading, problems=(), day: date = MIDDLE) -> Verdict:
    return verdict(readings, problems, day=day, start=FIRST, horizon=LAST)


BETTER, UNSURE, WORSE = goal(0.01, 0.05), goal(-0.02, 0.05), goal(-0.05, -0.01)
KEPT, OPEN, HARMED = guardrail(-0.01, 0.01), guardrail(-0.03, 0.03), guardrail(-0.09, -0.03)


@pytest.mark.parametrize(
    ("readings", "day", "word"),
    [
        ((BETTER, KEPT), MIDDLE, "ship"),
        ((BETTER,), MIDDLE, "ship"),
        ((BETTER, KEPT), FIRST, "keep_running"),
        ((BETTER, OPEN), MIDDLE, "keep_running"),
        ((BETTER, OPEN), LAST, "review"),
        ((BETTER, HARMED), MIDDLE, "roll_back"),
        ((BETTER, HARMED), FIRST, "roll_back"),
        ((BETTER, WORSE, KEPT), MIDDLE, "review"),
        ((WORSE, KEPT), MIDDLE, "roll_back"),
        ((UNSURE, KEPT), MIDDLE, "keep_running"),
        ((UNSURE, KEPT), LAST, "not_enough_evidence"),
        ((goal(-0.01, 0.01), KEPT), LAST, "review"),
        ((UNSURE, HARMED), FIRST, "roll_back"),
        ((), LAST, "not_enough_evidence"),
        ((Reading(metric="goal", role="goal"),), LAST, "not_enough_evidence"),
        ((Reading(metric="goal", role="goal"), KEPT), LAST, "not_enough_evidence"),
        ((BETTER, Reading(metric="guardrail", role="guardrail", margin=0.02)), LAST, "review"),
    ],
)
def test_every_case_has_its_word(readings: tuple[Reading, ...], day: date, word: str) -> None:
    assert told(*readings, day=day).word == word


def test_one_more_is_kept_running_until_the_week_is_full_or_the_horizon_is_reached() -> None:
    assert told(BETTER, KEPT, day=FIRST).until == date(2026, 5, 10)
    assert told(UNSURE, KEPT).until == LAST
    assert str(told(UNSURE, KEPT)) == "keep running until 2026-05-31: goal is not decided yet"


def test_an_unhealthy_experiment_is_reviewed_whatever_its_effects() -> None:
    found = told(BETTER, HARMED, problems=[Problem("sample_ratio", "control has too many")])
    assert str(found) == "review: the experiment is not healthy: control has too many"


def test_a_warning_keeps_from_shipping() -> None:
    warning = Problem("novelty", "the effect wears off", blocking=False)
    assert told(BETTER, KEPT, problems=[warning]).word == "keep_running"
    assert told(BETTER, KEPT, problems=[warning], day=LAST).word == "review"


def test_a_decrease_may_be_wanted() -> None:
    assert told(goal(-0.05, -0.01, direction="decrease"), KEPT).word == "ship"
    assert told(guardrail(0.03, 0.09, direction="decrease")).word == "roll_back"


def test_a_margin_without_a_relative_effect_is_never_shown_to_be_kept() -> None:
    bare = interval(-0.01, 0.01)
    unknown = Effect(
        **{**{name: getattr(bare, name) for name in Effect.__slots__}, "relative_low": None, "relative_high": None}
    )
    reading = Reading(metric="guardrail", role="guardrail", margin=0.5, planned=unknown, watched=unknown)
    assert told(BETTER, reading, day=LAST).word == "review"
    absolute = Reading(metric="g", role="guardrail", margin=0.5, scale="absolute", planned=unknown, watched=unknown)
    assert told(BETTER, absolute, day=LAST).word == "ship"


ENDS = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(sorted)
READINGS = st.lists(
    st.one_of(
        ENDS.map(lambda ends: goal(*ends)),
        ENDS.map(lambda ends: guardrail(*ends)),
        st.sampled_from([Reading(metric="goal", role="goal"), Reading(metric="guardrail", role="guardrail")]),
    ),
    max_size=5,
)


@settings(deadline=None)
@given(readings=READINGS, day=st.dates(FIRST, date(2026, 6, 10)), is_doubted=st.booleans())
def test_it_is_shipped_only_as_the_rule_says(readings: list[Reading], day: date, is_doubted: bool) -> None:
    problems = [Problem("telemetry", "a day is missing", blocking=False)] if is_doubted else []
    goals = [each for each in readings if each.role == "goal"]
    rule = (
        any(each.is_better for each in goals)
        and not any(each.is_worse for each in goals)
        and all(each.is_kept and not each.is_harmed for each in readings if each.role == "guardrail")
        and not is_doubted
        and (day - FIRST).days >= 6
    )
    assert (told(*readings, problems=problems, day=day).word == "ship") == rule


@settings(deadline=None)
@given(readings=READINGS)
def test_losing_evidence_never_ships(readings: list[Reading]) -> None:
    """Taking the numbers of a guardrail away leads to no verdict that does more."""
    blind = [
        Reading(metric=each.metric, role=each.role, margin=each.margin) if each.role == "guardrail" else each
        for each in readings
    ]
    if any(each.role == "guardrail" for each in readings):
        assert told(*blind, day=LAST).word != "ship"
