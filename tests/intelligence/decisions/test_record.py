"""The record: the same bytes for the same evidence, an id that follows the raw rows, and what becomes an action."""

import json
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from intelligence.decisions.facts import FeatureFacts
from intelligence.decisions.record import EvidenceError, decided, replayed
from intelligence.decisions.requested import changed, previous_actions, requested_actions
from intelligence.decisions.settings import Decisions
from intelligence.decisions.tables import FEATURE_DECISIONS
from tests.intelligence.decisions.facts_of_a_day import AUTO, BROKEN_BY_A_RELEASE, CASES, DAY, frame

MANY = tuple(replace(CASES[number % len(CASES)], feature=f"feature_{number:02}") for number in range(24))


def ids(facts: FeatureFacts, policy: Decisions = AUTO) -> list[str]:
    return decided(frame(facts), settings=policy)["decision_id"].to_list()


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(len(MANY))))
def test_the_order_of_the_evidence_does_not_matter(order: list[int]) -> None:
    expected = decided(frame(*MANY), settings=AUTO)
    assert_frame_equal(decided(frame(*(MANY[number] for number in order)), settings=AUTO), expected)


def test_the_record_has_the_shape_of_its_table() -> None:
    found = decided(frame(*MANY), settings=AUTO, lake_snapshot=7)
    assert found.columns == [column.name for column in FEATURE_DECISIONS.columns]
    assert all(found[name].null_count() == 0 for name in FEATURE_DECISIONS.required)
    assert found["decision_id"].is_unique().all()
    assert set(found["lake_snapshot"]) == {7}
    assert set(found["propensity"]) == {1.0}


def test_no_evidence_gives_no_decision() -> None:
    assert decided(frame(), settings=AUTO).is_empty()


def test_the_snapshot_is_no_part_of_the_id() -> None:
    one, other = (decided(frame(*MANY), settings=AUTO, lake_snapshot=number) for number in (1, 2))
    assert_frame_equal(one.drop("lake_snapshot"), other.drop("lake_snapshot"))


def test_the_id_follows_the_evidence_the_day_and_the_policy() -> None:
    facts = BROKEN_BY_A_RELEASE
    versions = [
        ids(facts),
        ids(replace(facts, failed_events=61)),
        ids(replace(facts, mean_latency_ms=120.0)),
        ids(replace(facts, event_date=DAY + timedelta(days=1))),
        ids(replace(facts, feature="quizz")),
        ids(facts, AUTO.model_copy(update={"throttle_step": 0.25})),
    ]
    assert len({tuple(each) for each in versions}) == len(versions)
    assert ids(facts) == ids(facts)


def test_a_record_is_replayed_from_its_own_evidence() -> None:
    found = decided(frame(*MANY, replace(BROKEN_BY_A_RELEASE, quality="partial")), settings=AUTO)
    assert_frame_equal(replayed(found, settings=AUTO), found)


def test_numbers_that_are_none_are_not_known() -> None:
    for broken in (float("nan"), float("inf")):
        (row,) = decided(frame(replace(BROKEN_BY_A_RELEASE, users_7d=broken)), settings=AUTO).to_dicts()
        assert row["action"] == "monitor"
        assert json.loads(row["evidence"])["users_7d"] is None


def test_evidence_without_a_column_is_refused() -> None:
    with pytest.raises(EvidenceError, match="has no column drift, missing"):
        decided(frame(*MANY).drop("drift", "missing"), settings=AUTO)


def test_a_day_of_faulty_telemetry_acts_on_no_feature_and_tells_of_the_pipeline_once() -> None:
    faulty = [replace(each, quality="partial") for each in MANY]
    found = decided(frame(*faulty), settings=AUTO)
    assert set(found.filter(scope="feature")["action"]) == {"monitor"}
    (alert,) = found.filter(scope="pipeline").to_dicts()
    assert (alert["action"], alert["level"], alert["feature"]) == ("alert", "auto", "telemetry")
    assert "partial" in alert["reasons"]
    (requested,) = requested_actions(found, settings=AUTO, is_newest_day=True)
    assert (requested.kind, requested.scope, requested.flag_key) == ("alert", "pipeline", None)


def test_only_approved_levels_of_the_newest_day_become_actions() -> None:
    found = decided(frame(*MANY), settings=AUTO)
    requested = requested_actions(found, settings=AUTO, is_newest_day=True)
    assert {each.kind for each in requested} == {"rollback", "throttle", "hold", "alert", "ticket"}
    assert requested_actions(found, settings=AUTO, is_newest_day=False) == ()
    for quiet in (AUTO.at_level("shadow"), AUTO.at_level("advise")):
        assert requested_actions(decided(frame(*MANY), settings=quiet), settings=quiet, is_newest_day=True) == ()


def test_an_action_carries_what_its_target_needs() -> None:
    requested = requested_actions(decided(frame(*CASES[:1]), settings=AUTO), settings=AUTO, is_newest_day=True)
    (rollback,) = requested
    assert (rollback.flag_key, dict(rollback.payload)) == ("quiz", {"variant": "safe"})
    throttled = replace(CASES[1], exposure=0.7)
    (throttle,) = requested_actions(decided(frame(throttled), settings=AUTO), settings=AUTO, is_newest_day=True)
    assert dict(throttle.payload) == {"exposure": 0.2}
    assert "degraded since 2026-07-19" in throttle.text


def test_what_changed_is_a_new_action_or_level() -> None:
    before, after = decided(frame(*MANY), settings=AUTO), decided(frame(*MANY), settings=AUTO.at_level("advise"))
    assert changed(before, before).is_empty()
    assert set(changed(before, after)["action"]) == {"rollback", "throttle", "hold", "alert", "ticket"}
    assert changed(before.clear(), before).height == before.height


def test_decisions_are_remembered_as_actions() -> None:
    found = previous_actions(decided(frame(*MANY), settings=AUTO))
    assert found.columns == ["feature", "kind", "episode", "day", "state"]
    assert "monitor" not in found["kind"]


def test_names_from_telemetry_stay_text() -> None:
    hostile = replace(BROKEN_BY_A_RELEASE, feature='{x}<b>"\n\u0000', owner="a")
    (row,) = decided(frame(hostile), settings=AUTO).to_dicts()
    assert json.loads(row["evidence"])["feature"] == hostile.feature
    assert hostile.feature in row["reasons"]


def test_the_table_names_its_days_and_key() -> None:
    assert FEATURE_DECISIONS.newest_day_only
    assert pl.Series(FEATURE_DECISIONS.key).to_list() == ["event_date", "scope", "feature"]
