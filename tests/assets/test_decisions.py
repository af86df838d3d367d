"""From the evidence in a lake to a decision, to an action at its target, and back: once, whatever is repeated."""

import json
import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
import sqlalchemy as sa

import assets.acting
import assets.deciding
import assets.steps
from assets.acting import acted, is_left_behind, outcome_rows, shown_actions
from assets.deciding import decisions_of
from assets.definitions import definitions
from assets.explaining import story_of
from assets.house import ALWAYS, PRODUCT, key_of
from intelligence.actions.flags import exposure
from intelligence.actions.tables import ACTION_LOG
from intelligence.decisions.ladder import Level
from intelligence.decisions.tables import FEATURE_DECISIONS
from intelligence.errors import ActionError
from intelligence.layers import ACT
from intelligence.tables import Days
from resources.announcer import Announcer
from resources.drift_reports import DriftReports
from resources.lake import Lake
from resources.product_file import ProductFile
from resources.registry import Registry
from resources.settings import ROOT
from resources.state_tables import OUTBOX
from resources.twins.recorded import recorded_messages
from tests.intelligence.decisions.day_of_evidence import DAY, sources
from tests.programs.models import registry_in

FLAG = "quiz"


class Site:
    """A lake in which release 3.2.0 on ios breaks quiz, with a champion, flags and an outbox."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.folder, self.registry = folder, registry
        self.lake = Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files")
        self.announcer = Announcer(
            product_file=str(ROOT / "product.yaml"), state=f"sqlite:///{folder}/state.db", data=str(folder)
        )
        self._fill()

    def _fill(self) -> None:
        known = sources()
        assert known.metrics is not None
        assert known.quality is not None
        frames: dict[str, Any] = {
            "metrics.feature_health": known.health,
            "metrics.fact_feature_metrics": known.metrics,
            "telemetry.day_quality": known.quality.filter(pl.col("event_date") == DAY),
            "warehouse.dim_feature_metadata": known.features,
            "warehouse.dim_releases": known.releases,
            "risk.feature_risk": known.risk,
            "risk.feature_panel": known.panel,
            "drift.model_watch": pl.DataFrame(
                {"event_date": [DAY], "model": ["feature_risk"], "model_version": [1], "state": ["steady"]}
            ),
        }

        def insert(connection: Any) -> None:
            for name, frame in frames.items():
                connection.register("rows_to_insert", frame)
                connection.execute(f"INSERT INTO {name} BY NAME FROM rows_to_insert")
                connection.unregister("rows_to_insert")
            for row in known.release_days.iter_rows(named=True):  # type: ignore[union-attr]
                connection.execute(
                    "INSERT INTO warehouse.fact_events BY NAME SELECT $event_date AS event_date, $feature AS feature,"
                    " $platform AS platform, $app_version AS app_version, n < $failed_events AS crashed, 0 AS error_count"
                    " FROM range($events) AS rows(n)",
                    row,
                )

        self.lake.commit(insert)

    def decide(self, day: date = DAY) -> pl.DataFrame:
        found = decisions_of(self.lake, self.registry, self.announcer, day)
        self.lake.replace(FEATURE_DECISIONS, Days(day, day + timedelta(days=1)), "FROM found", frames={"found": found})
        return found

    def act(self) -> pl.DataFrame:
        return acted(self.lake, self.announcer)[0]

    def exposure(self) -> float | None:
        file, _ = self.announcer.flags([FLAG])
        return exposure(file.document(), FLAG)


@pytest.fixture
def site(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Site:
    at_level(monkeypatch, "auto")
    return Site(tmp_path, registry)


def at_level(monkeypatch: pytest.MonkeyPatch, level: Level, **changes: Any) -> None:
    decisions = PRODUCT.decisions.at_level(level).model_copy(update=changes)
    product = PRODUCT.model_copy(update={"decisions": decisions})
    for module in (assets.deciding, assets.acting, assets.steps):
        if hasattr(module, "PRODUCT"):
            monkeypatch.setattr(module, "PRODUCT", product)


def of_quiz(decisions: pl.DataFrame) -> dict[str, Any]:
    return decisions.filter(feature="quiz").row(0, named=True)


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


def test_in_shadow_nothing_is_planned_and_nothing_is_touched(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    at_level(monkeypatch, "shadow")
    assert of_quiz(site.decide())["action"] == "rollback"
    assert site.act().is_empty()
    assert site.exposure() == 1.0
    assert recorded_messages(site.folder) == []


def test_what_waits_for_a_person_is_told_with_the_command_and_done_after_consent(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_level(monkeypatch, "approve")
    site.decide()
    waiting = site.act().filter(target="flags").row(0, named=True)
    assert waiting["standing"] == "planned"
    assert site.exposure() == 1.0
    assert f"intelligence approve {waiting['action_id'][:12]}" in recorded_messages(site.folder)[0].text
    site.announcer.outbox().approved(waiting["action_id"][:12], actor="ada", reason="seen")
    assert site.act().filter(target="flags")["standing"].to_list() == ["confirmed"]
    assert site.exposure() == 0.0


def test_a_pause_holds_before_the_next_delivery_and_an_undo_brings_the_flag_back(site: Site) -> None:
    site.announcer.outbox().paused("feature:quiz", actor="ada", reason="a demo")
    site.decide()
    assert site.act().filter(target="flags")["standing"].to_list() == ["approved"]
    assert site.exposure() == 1.0
    assert any("feature:quiz" in note for note in shown_actions(site.announcer, limit=5).notes)
    site.announcer.outbox().resumed("feature:quiz", actor="ada", reason="over")
    done = site.act().filter(target="flags").row(0, named=True)
    assert (done["standing"], site.exposure()) == ("confirmed", 0.0)
    site.announcer.outbox().undo_wanted(done["action_id"], actor="ada", reason="no")
    assert site.act().filter(target="flags")["standing"].to_list() == ["undone"]
    assert site.exposure() == 1.0
    site.decide()
    assert site.act().filter(target="flags")["standing"].to_list() == ["undone"], "what a person took back stays so"


def test_another_policy_on_the_same_day_sends_no_second_action(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    first = of_quiz(site.decide())
    before = site.act().filter(target="flags")
    at_level(monkeypatch, "auto", harm_per_user=2.0)
    site.lake.commit(lambda connection: connection.execute(f"DELETE FROM {FEATURE_DECISIONS.path}"))
    second = of_quiz(site.decide())
    assert second["decision_id"] != first["decision_id"]
    assert site.act().filter(target="flags")["action_id"].to_list() == before["action_id"].to_list()


def test_a_backfill_through_the_graph_writes_records_and_sends_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = DAY + timedelta(days=3)
    site.lake.commit(
        lambda connection: connection.execute(
            "INSERT INTO metrics.feature_health BY NAME SELECT * REPLACE ($later AS event_date, 'healthy' AS state)"
            " FROM metrics.feature_health",
            {"later": later},
        )
    )
    defs = definitions(
        site.lake,
        ProductFile(path=str(ROOT / "product.yaml"), landing=str(site.folder)),
        site.registry,
        DriftReports(root=str(site.folder / "pages")),
        site.announcer,
    )
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
    at_level(monkeypatch, "auto")
    site = Site(tmp_path, registry_in(tmp_path / "empty"))
    assert of_quiz(site.decide())["level"] == "advise", "no champion and so no drift: two doubts, two steps down"


def test_what_waits_on_the_word_of_a_policy_that_was_lowered_meanwhile_is_not_sent(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.decide()
    site.announcer.outbox().paused("everything", actor="ada", reason="a demo")
    assert set(site.act()["standing"]) == {"approved"}
    at_level(monkeypatch, "shadow")
    site.announcer.outbox().resumed("everything", actor="ada", reason="over")
    assert set(site.act()["standing"]) == {"expired"}
    assert (site.exposure(), recorded_messages(site.folder)) == (1.0, [])


def test_what_a_person_has_approved_is_sent_whatever_the_policy_may_do_since(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_level(monkeypatch, "approve")
    site.decide()
    (waits,) = site.act().filter(target="flags")["action_id"]
    site.announcer.outbox().approved(waits, actor="ada", reason="seen")
    at_level(monkeypatch, "shadow")
    assert site.act().filter(action_id=waits)["standing"].to_list() == ["confirmed"]


def test_the_story_of_a_decision_goes_from_the_flag_to_the_raw_rows(site: Site) -> None:
    decision = of_quiz(site.decide())
    site.act()
    story = story_of(site.lake, site.announcer, "quiz")
    assert story["decision"]["decision_id"] == decision["decision_id"]
    assert story == story_of(site.lake, site.announcer, decision["decision_id"][:10])
    assert {each["target"] for each in story["actions"]} == {"flags", "slack"}
    assert [line.event for line in story["history"]][:2] == ["planned", "approved"]
    assert {"lake snapshot", "policy", "risk model", "flag"} <= {name for name, _ in story["origin"]}
    assert story["earlier"] is None
    for nobody in ("nobody", ""):
        with pytest.raises(ActionError, match="no such decision"):
            story_of(site.lake, site.announcer, nobody)
    twin = f"INSERT INTO {FEATURE_DECISIONS.path} BY NAME SELECT * REPLACE (decision_id || 'x' AS decision_id,"
    later = f"{twin} event_date + 1 AS event_date, 'monitor' AS action) FROM {FEATURE_DECISIONS.path} WHERE feature = 'quiz'"
    site.lake.commit(lambda connection: connection.execute(later))
    with pytest.raises(ActionError, match="several decisions begin so"):
        story_of(site.lake, site.announcer, decision["decision_id"][:10])
    assert story_of(site.lake, site.announcer, "quiz")["earlier"]["decision_id"] == decision["decision_id"]


def test_an_outcome_needs_days_and_controls_before_it_says_anything(site: Site) -> None:
    site.decide()
    log = site.act()
    site.lake.commit(
        lambda connection: (
            connection.register("log", log),
            connection.execute("INSERT INTO actions.action_log BY NAME FROM log"),
        )
    )
    found = outcome_rows(site.lake)
    assert found["verdict"].to_list() == ["not enough evidence"] * found.height
    assert found.filter(kind="rollback").height == 1


def test_a_process_that_was_killed_between_deciding_and_planning_leaves_work_for_the_next(site: Site) -> None:
    site.decide()
    assert is_left_behind(site.lake, DAY), "nothing was planned yet"
    kept(site, site.act())
    assert not is_left_behind(site.lake, DAY)
    assert not is_left_behind(site.lake, DAY + timedelta(days=1)), "a day without decisions asks for nothing"


def test_what_waits_to_be_sent_is_taken_up_by_the_next_run(site: Site) -> None:
    site.announcer.outbox().paused("feature:quiz", actor="ada", reason="a demo")
    site.decide()
    kept(site, site.act())
    assert is_left_behind(site.lake, DAY)
    site.announcer.outbox().resumed("feature:quiz", actor="ada", reason="over")
    kept(site, site.act())
    assert not is_left_behind(site.lake, DAY)


def kept(site: Site, log: pl.DataFrame) -> None:
    site.lake.replace(ACTION_LOG, ALWAYS, "FROM log", frames={"log": log})


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
    assert site.act()["target"].to_list() == ["slack"]


def test_what_a_person_did_to_a_flag_while_an_approval_waited_wins_and_locks_the_platform_out(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_level(monkeypatch, "approve")
    site.decide()
    waiting = site.act().filter(target="flags").row(0, named=True)
    file, record = site.announcer.flags([FLAG])
    document = file.document()
    document["flags"][FLAG]["targeting"] = {"fractional": [["on", 90], ["off", 10]]}
    file.path.write_text(json.dumps(document))
    site.announcer.outbox().approved(waiting["action_id"], actor="ada", reason="seen")
    done = site.act().filter(target="flags").row(0, named=True)
    assert (done["standing"], site.exposure()) == ("failed", 0.9)
    assert "changed by a person" in done["reason"]
    assert [lock.flag for lock in record.locks()] == [FLAG]


def next_day(site: Site) -> date:
    """Let the trouble last for another day."""
    tables = [
        "metrics.feature_health", "metrics.fact_feature_metrics", "telemetry.day_quality", "risk.feature_risk",
        "risk.feature_panel", "drift.model_watch", "warehouse.fact_events",
    ]  # fmt: skip
    query = "INSERT INTO {0} BY NAME SELECT * REPLACE (event_date + 1 AS event_date) FROM {0} WHERE event_date = $day"
    site.lake.commit(lambda connection: [connection.execute(query.format(name), {"day": DAY}) for name in tables])
    return DAY + timedelta(days=1)


def test_a_kind_that_may_act_from_today_on_answers_trouble_that_shadow_only_wrote_down(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_level(monkeypatch, "shadow")
    site.decide()
    today = next_day(site)
    assert of_quiz(site.decide(today))["action"] == "monitor", "shadow does not say the same every day"
    at_level(monkeypatch, "auto")
    assert of_quiz(site.decide(today))["action"] == "rollback"
    site.act()
    assert site.exposure() == 0.0


def test_a_backfill_does_not_keep_the_next_day_from_acting(site: Site) -> None:
    today = next_day(site)
    assert of_quiz(site.decide())["level"] == "auto", "a day of the past, of which nothing is planned"
    assert of_quiz(site.decide(today))["action"] == "rollback"


def test_what_nobody_approved_in_time_is_asked_for_again_on_the_next_day_and_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_level(monkeypatch, "approve")
    site.decide()
    site.act()
    outbox = site.announcer.outbox()
    with outbox.state.writing() as connection:
        connection.execute(sa.update(OUTBOX).values(expires_at=outbox.clock() - timedelta(hours=1)))
    today = next_day(site)
    assert site.act().filter(target="flags")["standing"].to_list() == ["expired"]
    assert of_quiz(site.decide(today))["level"] == "approve"
    for _ in range(2):
        assert sorted(site.act().filter(target="flags")["standing"]) == ["expired", "planned"]
    waiting = site.act().filter(standing="planned").row(0, named=True)
    outbox.rejected(waiting["action_id"], actor="ada", reason="no")
    site.decide(today)
    assert sorted(site.act().filter(target="flags")["standing"]) == ["expired", "rejected"]


def test_a_day_that_is_decided_again_counts_what_was_touched_before(site: Site) -> None:
    assert of_quiz(site.decide())["level"] == "auto"
    site.act()
    for table, reach in (("feature_health", ", 0.3 AS reach_28d"), ("fact_feature_metrics", "")):
        break_chat = (
            f"DELETE FROM metrics.{table} WHERE feature = 'chat'",
            f"INSERT INTO metrics.{table} BY NAME SELECT * REPLACE ('chat' AS feature{reach}) FROM metrics.{table}",
        )
        site.lake.commit(lambda connection, queries=break_chat: [connection.execute(query) for query in queries])
    chat = site.decide().filter(feature="chat").row(0, named=True)
    assert chat["action"] == "throttle", "late telemetry tells that chat, which more people use, is broken as well"
    assert (chat["level"], chat["lowered_by"]) == ("approve", ["blast_radius_per_hour"])
