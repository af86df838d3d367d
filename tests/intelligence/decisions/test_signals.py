"""What is unusual is a reason to tell somebody once, and never one to touch the product."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intelligence.decisions.autonomy import TOUCHING
from intelligence.decisions.choice import choice
from intelligence.decisions.evidence import evidence
from intelligence.decisions.settings import Decisions
from intelligence.decisions.wording import reasons
from tests.intelligence.decisions.day_of_evidence import DAY, OPEN_EPISODES, sources
from tests.intelligence.decisions.facts_of_a_day import CASES
from tests.intelligence.decisions.test_experiments import AUTO, HEALTHY

UNUSUAL = replace(
    HEALTHY,
    signal="Error rate of quiz is 0.015 where 0.003 (0 to 0.006) is expected",
    signal_severity="severe",
    signal_since=DAY - timedelta(days=2),
)


def open_episodes(*rows: tuple[list[str], bool, str, float, int, str]) -> pl.DataFrame:
    dated = [(*row[:4], DAY - timedelta(days=row[4]), row[5]) for row in rows]
    return pl.DataFrame(dated, schema=OPEN_EPISODES.schema, orient="row")


def test_a_severe_episode_alerts_the_owner_with_its_sentence_and_grade() -> None:
    made = choice(UNUSUAL, AUTO)
    assert made.action == "alert", made.why_not
    assert "unusual since" in reasons(made)
    assert "Error rate of quiz is 0.015" in reasons(made)
    assert "evidence grade D" in reasons(made)
    assert choice(HEALTHY, AUTO).action == "monitor"


@pytest.mark.parametrize("severity", ["mild", "notable", None])
def test_what_is_less_than_severe_tells_nobody(severity: str | None) -> None:
    assert choice(replace(UNUSUAL, signal_severity=severity), AUTO).action == "monitor"


def test_it_is_told_once_and_not_at_all_where_the_policy_leaves_signals_out() -> None:
    assert choice(replace(UNUSUAL, told_in_episode="alert"), AUTO).action == "monitor"
    silent = Decisions.model_validate({"signs": {"severe_signal": 0}}).at_level("auto")
    assert choice(UNUSUAL, silent).action == "monitor"


def test_without_a_champion_it_is_a_ticket() -> None:
    young = replace(
        UNUSUAL, risk_score=None, risk_low=None, risk_high=None, model_version=None, missing=("risk", "model")
    )
    assert choice(young, AUTO).action == "ticket"


def test_nothing_is_told_on_a_day_whose_telemetry_is_at_fault() -> None:
    assert choice(replace(UNUSUAL, quality="partial"), AUTO).action == "monitor"


@settings(max_examples=150, deadline=None)
@given(case=st.sampled_from(CASES), severity=st.sampled_from(["mild", "notable", "severe"]), sure=st.floats(0, 1))
def test_a_signal_alone_never_touches_the_product(case, severity: str, sure: float) -> None:
    policy = Decisions.model_validate({"signs": {"severe_signal": sure}}).at_level("auto")
    before = choice(case, policy)
    after = choice(replace(case, signal="x", signal_severity=severity, signal_since=DAY), policy)
    if after.action in TOUCHING:
        assert (before.action, before.level) == (after.action, after.level)


def test_the_worst_open_episode_of_a_feature_is_its_evidence() -> None:
    rows = open_episodes(
        (["quiz", "exam"], True, "notable", 9.0, 3, "notable"),
        (["quiz"], True, "severe", 5.0, 2, "severe"),
        (["quiz"], False, "severe", 14.0, 1, "for the better"),
        ([], True, "severe", 14.0, 1, "of the product"),
    )
    found = evidence(replace(sources(), signals=rows), day=DAY, settings=Decisions())
    quiz = found.filter(feature="quiz").row(0, named=True)
    assert (quiz["signal"], quiz["signal_severity"], quiz["signal_since"]) == (
        "severe",
        "severe",
        DAY - timedelta(days=2),
    )
    assert "signals" not in quiz["missing"]


def test_signals_that_were_not_read_are_named_as_missing() -> None:
    found = evidence(sources(signals=None), day=DAY, settings=Decisions())
    assert all("signals" in missing for missing in found["missing"])
    assert found["signal"].null_count() == found.height


def test_what_is_unusual_is_one_trouble_with_what_follows_from_it() -> None:
    rows = open_episodes((["quiz"], True, "severe", 5.0, 2, "severe"))
    base = sources()
    healthy = replace(base, health=base.health.with_columns(state=pl.lit("healthy"), since=pl.lit(DAY)))
    found = evidence(replace(healthy, signals=rows), day=DAY, settings=Decisions()).filter(feature="quiz")
    assert found["episode"].to_list() == [f"quiz@{DAY - timedelta(days=2)}"]
