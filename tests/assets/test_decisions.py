"""From the evidence in a lake to a decision, to an action at its target, and back: once, whatever is repeated."""

import os
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.definitions import definitions
from assets.graph.tables import key_of
from intelligence.catalog.layers import ACT
from intelligence.decisions.tables import FEATURE_DECISIONS
from resources.twins.recorded import recorded_messages
from tests.assets.site import FLAG, Site, at_level, of_quiz
from tests.intelligence.decisions.day_of_evidence import DAY
from tests.programs.models import registry_in


@pytest.mark.proof
def test_a_bad_release_is_rolled_back_read_back_and_told_once(site: Site) -> None:
    decision = of_quiz(site.decide())
    assert (decision["action"], decision["level"]) == ("rollback", "auto"), decision["why_not"]
    log = site.act()
    assert log.filter(target="flags")["standing"].to_list() == ["confirmed"]
    assert site.exposure() == 0.0
    told = recorded_messages(site.folder)
    assert len(told) == 1
    assert "Roll back quiz" in told[0].text
    for _ in range(2):
        assert of_quiz(site.decide())["decision_id"] == decision["decision_id"], "the flag that it moved is no reason"
        again = site.act()
        assert again.select("action_id", "standing").equals(log.select("action_id", "standing"))
    assert len(recorded_messages(site.folder)) == 1


def test_in_shadow_nothing_is_planned_and_nothing_is_touched(site: Site) -> None:
    at_level(site, "shadow")
    assert of_quiz(site.decide())["action"] == "rollback"
    assert site.act().is_empty()
    assert site.exposure() == 1.0
    assert recorded_messages(site.folder) == []


def test_another_policy_on_the_same_day_sends_no_second_action(site: Site) -> None:
    first = of_quiz(site.decide())
    before = site.act().filter(target="flags")
    at_level(site, "auto", harm_per_user=2.0)
    site.lake.commit(lambda connection: connection.execute(f"DELETE FROM {FEATURE_DECISIONS.path}"))
    second = of_quiz(site.decide())
    assert second["decision_id"] != first["decision_id"]
    assert site.act().filter(target="flags")["action_id"].to_list() == before["action_id"].to_list()


@pytest.mark.proof
def test_a_backfill_through_the_graph_writes_records_and_sends_nothing(site: Site) -> None:
    later = DAY + timedelta(days=3)
    site.lake.commit(
        lambda connection: connection.execute(
            "INSERT INTO metrics.feature_health BY NAME SELECT * REPLACE ($later AS event_date, 'healthy' AS state)"
            " FROM metrics.feature_health",
            {"later": later},
        )
    )
    defs = definitions(site.platform)
    done = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=dg.DagsterInstance.ephemeral(),
        asset_selection=[key_of(table) for table in ACT],
        tags={
            "dagster/asset_partition_range_start": str(DAY - timedelta(days=30)),
            "dagster/asset_partition_range_end": str(DAY),
        },
    )
    assert done.success
    assert of_quiz(site.lake.frame(f"FROM {FEATURE_DECISIONS.path}"))["action"] == "rollback"
    assert site.announcer.outbox().entries() == []
    assert site.exposure() == 1.0
    assert recorded_messages(site.folder) == []


def test_faulty_telemetry_touches_nothing_and_is_told_once(site: Site) -> None:
    site.lake.commit(lambda connection: connection.execute("UPDATE telemetry.day_quality SET verdict = 'partial'"))
    found = site.decide()
    assert set(found.filter(scope="feature")["action"]) == {"monitor"}
    assert found.filter(scope="pipeline")["action"].to_list() == ["alert"]
    for _ in range(2):
        assert site.act()["target"].to_list() == ["slack"]
    assert len(recorded_messages(site.folder)) == 1
    assert site.exposure() == 1.0


def test_without_a_champion_nothing_is_touched_without_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path, registry_in(tmp_path / "empty"))
    at_level(site, "auto")
    assert of_quiz(site.decide())["level"] == "advise", "no champion and so no drift: two doubts, two steps down"


@pytest.mark.parametrize("broken", ["no JSON", "a folder", "not to be written"])
def test_a_file_of_flags_that_cannot_be_used_touches_nothing_and_people_are_told_all_the_same(
    site: Site, broken: str
) -> None:
    path = site.announcer.flags([FLAG])[0].path
    if broken == "no JSON":
        path.write_text("{ broken")
    elif broken == "a folder":
        path.unlink()
        path.mkdir()
    else:
        path.unlink()
        path.with_name(f".{path.name}.{os.getpid()}.new").mkdir()
    decision = of_quiz(site.decide())
    assert (decision["action"], decision["missing"]) == ("alert", ["flag"])
    told = site.act()
    assert set(told["target"]) == {"slack"}
    lost = told.filter(title="The feature flags cannot be relied on")
    assert lost.height == (broken != "not to be written"), "what was on for everybody may begin anew"
    assert site.act().height == told.height, "it is told once"


def test_a_kind_that_may_act_from_today_on_answers_trouble_that_shadow_only_wrote_down(site: Site) -> None:
    at_level(site, "shadow")
    site.decide()
    today = site.next_day()
    assert of_quiz(site.decide(today))["action"] == "monitor", "shadow does not say the same every day"
    at_level(site, "auto")
    assert of_quiz(site.decide(today))["action"] == "rollback"
    site.act()
    assert site.exposure() == 0.0


def test_a_backfill_does_not_keep_the_next_day_from_acting(site: Site) -> None:
    today = site.next_day()
    assert of_quiz(site.decide())["level"] == "auto", "a day of the past, of which nothing is planned"
    assert of_quiz(site.decide(today))["action"] == "rollback"


def test_a_day_that_is_decided_again_counts_what_was_touched_before(site: Site) -> None:
    assert of_quiz(site.decide())["level"] == "auto"
    site.act()
    for table, reach in (("feature_health", ", 0.3 AS reach_28d"), ("fact_feature_metrics", "")):
        break_chat = (
            f"DELETE FROM metrics.{table} WHERE feature = 'chat'",
            f"INSERT INTO metrics.{table} BY NAME SELECT * REPLACE ('chat' AS feature{reach}) FROM metrics.{table}",
        )
        site.lake.commit(lambda connection, queries=break_chat: [connection.execute(query) for query in queries])
    same_users = (
        "INSERT INTO telemetry.raw_events BY NAME SELECT * REPLACE ('chat' AS feature, NULL AS app_version)"
        " FROM telemetry.raw_events WHERE feature = 'quiz'"
    )
    site.lake.commit(lambda connection: connection.execute(same_users))
    chat = site.decide().filter(feature="chat").row(0, named=True)
    assert chat["action"] == "throttle", "late telemetry tells that chat, which more people use, is broken as well"
    assert (chat["level"], chat["lowered_by"]) == ("approve", ["blast_radius_per_hour"])
