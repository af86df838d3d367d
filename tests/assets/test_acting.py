"""What becomes of a decision: planned, approved by a person, paused, lowered, killed half-way, taken back, measured."""

import json
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from intelligence.actions.tables import ACTION_LOG
from intelligence.core.tables import ALWAYS, Days
from resources.state.tables import OUTBOX
from resources.twins.recorded import recorded_messages
from tests.assets.site import FLAG, Site, at_level, of_quiz
from tests.intelligence.decisions.day_of_evidence import DAY


@pytest.fixture
def waiting(site: Site) -> dict[str, Any]:
    """Return the action on the flag that waits for a person."""
    at_level(site, "approve")
    site.decide()
    return site.act().filter(target="flags").row(0, named=True)


@pytest.mark.proof
def test_what_waits_for_a_person_is_told_with_the_command_and_done_after_consent(
    site: Site, waiting: dict[str, Any]
) -> None:
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
    assert any("feature:quiz" in note for note in site.platform.actions.shown_actions(limit=5).notes)
    site.announcer.outbox().resumed("feature:quiz", actor="ada", reason="over")
    done = site.act().filter(target="flags").row(0, named=True)
    assert (done["standing"], site.exposure()) == ("confirmed", 0.0)
    site.announcer.outbox().undo_wanted(done["action_id"], actor="ada", reason="no")
    assert site.act().filter(target="flags")["standing"].to_list() == ["undone"]
    assert site.exposure() == 1.0
    site.decide()
    assert site.act().filter(target="flags")["standing"].to_list() == ["undone"], "what a person took back stays so"


def test_what_waits_on_the_word_of_a_policy_that_was_lowered_meanwhile_is_not_sent(site: Site) -> None:
    site.decide()
    site.announcer.outbox().paused("everything", actor="ada", reason="a demo")
    assert set(site.act()["standing"]) == {"approved"}
    at_level(site, "shadow")
    site.announcer.outbox().resumed("everything", actor="ada", reason="over")
    assert set(site.act()["standing"]) == {"expired"}
    assert (site.exposure(), recorded_messages(site.folder)) == (1.0, [])


def test_what_a_person_has_approved_is_sent_whatever_the_policy_may_do_since(
    site: Site, waiting: dict[str, Any]
) -> None:
    site.announcer.outbox().approved(waiting["action_id"], actor="ada", reason="seen")
    at_level(site, "shadow")
    assert site.act().filter(target="flags")["standing"].to_list() == ["confirmed"]


def test_a_process_that_was_killed_between_deciding_and_planning_leaves_work_for_the_next(site: Site) -> None:
    site.decide()
    assert site.platform.actions.is_left_behind(DAY), "nothing was planned yet"
    kept(site, site.act())
    assert not site.platform.actions.is_left_behind(DAY)
    assert not site.platform.actions.is_left_behind(DAY + timedelta(days=1)), "a day without decisions asks for nothing"


def test_what_waits_to_be_sent_is_taken_up_by_the_next_run(site: Site) -> None:
    site.announcer.outbox().paused("feature:quiz", actor="ada", reason="a demo")
    site.decide()
    kept(site, site.act())
    assert site.platform.actions.is_left_behind(DAY)
    site.announcer.outbox().resumed("feature:quiz", actor="ada", reason="over")
    kept(site, site.act())
    assert not site.platform.actions.is_left_behind(DAY)


def test_a_store_of_actions_that_was_lost_beside_the_lake_sends_nothing_again(site: Site) -> None:
    site.decide()
    kept(site, site.act())
    sent = len(recorded_messages(site.folder))
    assert sent
    site.announcer.outbox().state.close()
    for file in site.folder.glob("state.db*"):
        file.unlink()
    kept(site, site.act())
    assert len(recorded_messages(site.folder)) == sent
    (pause,) = site.announcer.outbox().pauses()
    assert "not in the store of actions: it was lost" in pause.reason
    site.announcer.outbox().resumed("everything", actor="ada", reason="looked at")
    site.act()
    assert site.announcer.outbox().pauses() == [], "it is asked once"


def kept(site: Site, log: pl.DataFrame) -> None:
    site.lake.replace(ACTION_LOG, ALWAYS, "FROM log", frames={"log": log})


def test_what_a_person_did_to_a_flag_while_an_approval_waited_wins_and_locks_the_platform_out(
    site: Site, waiting: dict[str, Any]
) -> None:
    file, record = site.announcer.flags([FLAG])
    document = file.document()
    document["flags"][FLAG]["targeting"] = {"fractional": [["on", 90], ["off", 10]]}
    file.path.write_text(json.dumps(document))
    site.announcer.outbox().approved(waiting["action_id"], actor="ada", reason="seen")
    done = site.act().filter(target="flags").row(0, named=True)
    assert (done["standing"], site.exposure()) == ("failed", 0.9)
    assert "changed by a person" in done["reason"]
    assert [lock.flag for lock in record.locks()] == [FLAG]


def test_what_nobody_approved_in_time_is_asked_for_again_on_the_next_day_and_once(site: Site) -> None:
    at_level(site, "approve")
    site.decide()
    site.act()
    outbox = site.announcer.outbox()
    with outbox.state.writing() as connection:
        connection.execute(sa.update(OUTBOX).values(expires_at=outbox.clock() - timedelta(hours=1)))
    today = site.next_day()
    assert site.act().filter(target="flags")["standing"].to_list() == ["expired"]
    assert of_quiz(site.decide(today))["level"] == "approve"
    for _ in range(2):
        assert sorted(site.act().filter(target="flags")["standing"]) == ["expired", "planned"]
    waiting = site.act().filter(standing="planned").row(0, named=True)
    outbox.rejected(waiting["action_id"], actor="ada", reason="no")
    site.decide(today)
    assert sorted(site.act().filter(target="flags")["standing"]) == ["expired", "rejected"]


def test_an_outcome_needs_days_and_controls_before_it_says_anything(site: Site) -> None:
    site.decide()
    log = site.act()
    site.lake.commit(
        lambda connection: (
            connection.register("log", log),
            connection.execute("INSERT INTO actions.action_log BY NAME FROM log"),
        )
    )
    found = site.platform.outcomes.rows()
    assert found["verdict"].to_list() == ["not enough evidence"] * found.height
    assert found.filter(kind="rollback").height == 1


def test_a_day_that_was_decided_anew_by_another_policy_is_not_decided_again_for_what_was_acted_on(site: Site) -> None:
    newest = Days(DAY, DAY + timedelta(days=1))
    site.decide()
    kept(site, site.act())
    assert not site.platform.due.decided_by_another_policy(newest)
    at_level(site, "shadow")
    assert site.platform.due.decided_by_another_policy(newest)
    versions = set(site.decide()["policy_version"])
    assert len(versions) == 2, "the decision that was acted on stays as it was made"
    assert not site.platform.due.decided_by_another_policy(newest)
