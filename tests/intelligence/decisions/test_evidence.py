"""Evidence: everything known of a feature at the end of a day, and what is missing by its name."""

from dataclasses import fields
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from intelligence.decisions.evidence import Sources, evidence
from intelligence.decisions.facts import FACT_SCHEMA
from intelligence.decisions.record import decided
from intelligence.decisions.settings import Decisions
from tests.intelligence.decisions.day_of_evidence import DAY, NO_ACTIONS, back, health, sources
from tests.intelligence.decisions.facts_of_a_day import AUTO


def rows(**other: Any) -> dict[str, dict[str, Any]]:
    found = evidence(sources(**other), day=DAY, settings=AUTO)
    assert found.schema == FACT_SCHEMA
    return {row["feature"]: row for row in found.to_dicts()}


def acted(*acts: tuple[str, str, date, str]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"feature": "quiz", "kind": kind, "episode": e, "day": d, "state": s} for kind, e, d, s in acts],
        schema=NO_ACTIONS.schema,
    )


def test_a_whole_day_misses_nothing() -> None:
    found = rows()
    assert sorted(found) == ["chat", "quiz"]
    assert [row["missing"] for row in found.values()] == [[], []]
    quiz = found["quiz"]
    assert (quiz["bad_1d"], quiz["total_1d"], quiz["bad_3d"], quiz["total_3d"]) == (54, 800, 162, 2400)
    assert (quiz["quality"], quiz["drift"], quiz["model_age_days"]) == ("whole", "steady", 9)
    assert (quiz["allowed"], quiz["share_of_users"], quiz["users_7d"]) == (0.02, 0.15, 400.0)
    assert found["chat"]["risk_reason"] == "slow"


def test_the_release_that_fails_most_is_set_beside_all_else_in_use() -> None:
    quiz = rows()["quiz"]
    assert (quiz["release"], quiz["platform"], quiz["has_earlier_release"]) == ("3.2.0", "ios", True)
    assert (quiz["release_events"], quiz["release_failed"]) == (400, 100)
    assert (quiz["other_events"], quiz["other_failed"]) == (1200, 8)
    assert rows()["chat"]["release"] is None


def test_an_old_release_is_not_blamed_and_the_first_of_all_has_none_before_it() -> None:
    old = AUTO.model_copy(update={"signs": AUTO.signs.model_copy(update={"blamed_release_days": 1})})
    assert evidence(sources(), day=DAY, settings=old)["release"].null_count() == 2
    first_ones = sources().releases
    assert first_ones is not None
    quiz = rows(releases=first_ones.filter(app_version="3.2.0"))["quiz"]
    assert quiz["has_earlier_release"] is False


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("metrics", {"chat": ["figures"], "quiz": ["figures"]}),
        ("quality", {"chat": ["quality"], "quiz": ["quality"]}),
        ("risk", {"chat": ["risk"], "quiz": []}),
        ("panel", {"chat": ["panel"], "quiz": ["panel"]}),
        ("releases", {"chat": ["releases"], "quiz": ["releases"]}),
        ("release_days", {"chat": ["release_counts"], "quiz": ["release_counts"]}),
        ("signals", {"chat": ["signals"], "quiz": ["signals"]}),
        ("drift", {"chat": ["drift"], "quiz": ["drift"]}),
        ("flags", {"chat": ["flag"], "quiz": ["flag"]}),
        ("previous_actions", {"chat": ["previous_actions"], "quiz": ["previous_actions"]}),
        ("model_version", {"chat": ["model"], "quiz": ["model"]}),
        ("trained_through", {"chat": ["model"], "quiz": ["model"]}),
    ],
)
def test_a_source_that_is_not_there_is_missed_by_name(source: str, named: dict[str, list[str]]) -> None:
    assert {name: row["missing"] for name, row in rows(**{source: None}).items()} == named


def test_rows_that_are_not_there_are_missed_by_name() -> None:
    whole = sources()
    lost = {
        field.name: frame.filter(pl.lit(False))
        for field in fields(Sources)
        if field.name not in ("health", "previous_actions", "releases", "release_days")
        and isinstance(frame := getattr(whole, field.name), pl.DataFrame)
    }
    assert rows(**lost)["chat"]["missing"] == ["metadata", "figures", "risk", "panel", "quality", "drift"]


def test_an_unknown_state_is_missing_health() -> None:
    assert rows(health=pl.DataFrame([health("chat", "unknown")]))["chat"]["missing"] == ["health"]


def test_with_nothing_but_health_everything_is_still_decided() -> None:
    bare = Sources(health=sources().health, features=sources().features)
    found = decided(evidence(bare, day=DAY, settings=AUTO), settings=AUTO)
    assert set(found["action"]) == {"monitor"}
    assert evidence(bare, day=DAY + timedelta(days=1), settings=AUTO).is_empty()


def test_nothing_from_after_the_day_is_looked_at() -> None:
    whole, later = sources(), DAY + timedelta(days=1)
    longer = {}
    for field in fields(Sources):
        frame = getattr(whole, field.name)
        if isinstance(frame, pl.DataFrame) and "event_date" in frame.columns:
            longer[field.name] = pl.concat([frame, frame.with_columns(event_date=pl.lit(later))])
    longer["previous_actions"] = acted(("rollback", "quiz@x", DAY, "confirmed"), ("alert", "quiz@x", later, "sent"))
    assert_frame_equal(evidence(sources(**longer), day=DAY, settings=AUTO), evidence(whole, day=DAY, settings=AUTO))


def test_trouble_that_lasts_stays_in_its_episode() -> None:
    known = rows(previous_actions=acted(("alert", "quiz@2026-07-14", back(6), "confirmed")))["quiz"]
    assert (known["episode"], known["told_in_episode"], known["touched_in_episode"]) == (
        "quiz@2026-07-14",
        "alert",
        False,
    )
    long_ago = rows(previous_actions=acted(("alert", "quiz@2026-07-01", back(19), "confirmed")))["quiz"]
    assert (long_ago["episode"], long_ago["told_in_episode"]) == ("quiz@2026-07-19", None)


def test_what_was_touched_is_counted_and_what_failed_is_not() -> None:
    acts = [("throttle", "quiz@a", back(20), "undone"), ("rollback", "quiz@2026-07-19", back(1), "approved")]
    known = rows(previous_actions=acted(*acts, ("hold", "quiz@b", back(40), "confirmed")))["quiz"]
    assert (known["touches_lately"], known["last_touch_days"], known["touched_in_episode"]) == (2, 1, True)
    failed = rows(previous_actions=acted(("rollback", "quiz@2026-07-19", back(1), "failed")))["quiz"]
    assert (failed["touches_lately"], failed["last_touch_days"], failed["touched_in_episode"]) == (0, None, False)


def test_the_order_of_rows_does_not_matter() -> None:
    whole = sources(previous_actions=acted(("alert", "a", back(2), "sent"), ("ticket", "b", back(2), "sent")))
    turned = {
        field.name: frame.reverse()
        for field in fields(Sources)
        if isinstance(frame := getattr(whole, field.name), pl.DataFrame)
    }
    assert_frame_equal(evidence(sources(**turned), day=DAY, settings=AUTO), evidence(whole, day=DAY, settings=AUTO))


def test_the_whole_day_decides_as_expected() -> None:
    found = decided(evidence(sources(), day=DAY, settings=AUTO), settings=AUTO)
    assert dict(found.select("feature", "action").iter_rows()) == {"quiz": "rollback", "chat": "monitor"}
    assert set(decided(evidence(sources(), day=DAY, settings=Decisions()), settings=Decisions())["level"]) == {
        "shadow",
        None,
    }


# State, since when, and of this feature and of the others the first day assessed and whether they were in trouble on it.
BEGINNINGS: dict[str, tuple[str, int, list[tuple[int, bool]], bool]] = {
    "all from the first day on": ("degraded", 9, [(9, True), (9, True), (9, True)], True),
    "half of them": ("degraded", 9, [(9, True), (9, False)], True),
    "at risk all the time": ("at_risk", 9, [(9, True), (9, True)], True),
    "first seen later, in trouble as the others": ("degraded", 4, [(4, True), (9, True)], True),
    "alone in the product": ("degraded", 9, [(9, True)], True),
    "sound in between": ("degraded", 2, [(9, True), (9, True), (9, True)], False),
    "healthy today": ("healthy", 9, [(9, True), (9, True)], False),
    "one of three": ("degraded", 9, [(9, True), (9, False), (9, False)], False),
    "a new one among sound ones": ("degraded", 1, [(1, True), (9, False), (9, False)], False),
    "sound at first": ("degraded", 8, [(9, False), (9, True), (9, True)], False),
    "sound, as the others": ("healthy", 9, [(9, False), (9, False)], False),
    "unknown today": ("unknown", 9, [(9, True), (9, True)], False),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_what_was_so_from_the_first_day_on_in_most_features_is_told_from_what_became_so(name: str) -> None:
    state, since, first_days, expected = BEGINNINGS[name]
    beginning = pl.DataFrame(
        {
            "feature": ["quiz", *(f"other_{place}" for place in range(1, len(first_days)))],
            "first_day": [DAY - timedelta(days=ago) for ago, _ in first_days],
            "was_in_trouble": [was for _, was in first_days],
        }
    )
    mine = pl.col("feature") == "quiz"
    known = sources().health.with_columns(
        state=pl.when(mine).then(pl.lit(state)).otherwise("state"),
        since=pl.when(mine).then(pl.lit(DAY - timedelta(days=since))).otherwise("since"),
    )
    assert rows(health=known, beginning=beginning)["quiz"]["began_in_trouble"] is expected
