"""The guard of the stream: a bad release is rolled back within minutes, by the policy, and only by a stream that can be trusted."""

import os
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from intelligence.core.errors import StateError
from intelligence.decisions.settings import Decisions, Limits
from intelligence.warehouse.settings import Promises
from resources.config.faults import ACTION_FAULT_POINTS, GUARD_FAULT_POINTS
from resources.config.settings import ROOT
from resources.services.actions import ActionService
from resources.twins.recorded import recorded_messages
from tests.platforms import platform_in, ruled_by
from tests.resources.online.guarded import BAD, NEW, RELEASED, SOUND, USERS, Guarded

DAY = date(2026, 5, 4)
ANY_NUMBER = Limits(share_per_hour=1, share_per_day=1)


def guarded_in(folder: Path, state_url: str = "", **changes: object) -> Guarded:
    decisions = Decisions(limits=ANY_NUMBER).at_level("auto").model_copy(update=changes)
    platform = ruled_by(
        platform_in(folder, state_url=state_url), decisions=decisions, feature_defaults=Promises(flag_key="{feature}")
    )
    return Guarded(platform, folder, DAY)


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    return guarded_in(tmp_path)


def test_a_bad_release_is_rolled_back_and_read_back_within_two_minutes_and_nothing_else_is_touched(
    tmp_path: Path, state_url: str
) -> None:
    guarded = guarded_in(tmp_path, state_url)
    guarded.run(range(RELEASED + 10))
    (done,) = guarded.done()
    made = done.decision
    assert (made.action, made.level, made.feature, made.platform, made.release) == ("rollback", "auto", BAD, "ios", NEW)
    assert made.stream_at - guarded.at(RELEASED) <= timedelta(minutes=2)
    assert done.standings["flags"][0] == "confirmed"
    assert (guarded.exposure(BAD), guarded.exposure(SOUND)) == (0.0, 1.0)
    assert any("confirmed and read back" in text for text in guarded.told)
    assert "events fail on the stream" in made.row["reasons"]


def test_a_release_that_does_not_fail_touches_nothing(guarded: Guarded) -> None:
    guarded.fails = lambda minute, user: (minute + user) % 60 == 0
    guarded.run(range(RELEASED + 30))
    assert guarded.done() == []
    assert guarded.standing()["fault"] == ""


def test_one_user_who_fails_again_and_again_is_one_user(guarded: Guarded) -> None:
    guarded.run(range(RELEASED))
    for minute in range(RELEASED, RELEASED + 5):
        guarded.run([minute], users=range(1, USERS, 2))
        events = list(guarded._events(minute, [0], 0))
        failed = [
            {**events[0], "event_id": f"{minute}-{n}", "error_count": 1, "user_id": "u0", "app_version": NEW}
            for n in range(500)
        ]
        guarded.send(failed)
        guarded.guard()
    assert guarded.done() == []


def test_users_who_came_only_now_do_not_roll_back_what_all_others_use(guarded: Guarded) -> None:
    guarded.run(range(RELEASED))
    for minute in range(RELEASED, RELEASED + 5):
        guarded.run([minute], users=range(1, USERS, 2))
        invented = range(1000, 1060, 2)
        guarded.send(guarded._events(minute, invented, 0))
        guarded.guard()
    (done,) = guarded.done()
    assert (done.decision.action, "harmed_users" in done.decision.row["lowered_by"]) == ("alert", True)
    assert guarded.exposure() == 1.0


def test_where_older_releases_fail_as_often_no_release_is_to_blame(guarded: Guarded) -> None:
    guarded.run(range(RELEASED))
    for minute in range(RELEASED, RELEASED + 5):
        guarded.send({**each, "error_count": 1} for each in guarded._events(minute, range(USERS), 0))
        guarded.guard()
    assert guarded.done() == []


def test_a_release_that_was_there_when_the_stream_began_is_not_new(guarded: Guarded) -> None:
    guarded.run(range(RELEASED, RELEASED + 40))
    assert guarded.done() == []


def test_while_a_part_of_the_producers_is_gone_the_guard_is_suspended_and_says_so(guarded: Guarded) -> None:
    guarded.run(range(RELEASED - 5))
    some = [user for user in range(USERS) if user % 4 in (0, 3)][: USERS // 3]
    guarded.run(range(RELEASED - 5, RELEASED + 8), users=some)
    assert guarded.done() == []
    assert "a part of the producers is gone" in guarded.standing()["fault"]
    assert any(text.startswith("The guard is suspended") for text in guarded.told)


def test_where_clocks_disagree_the_guard_is_suspended(guarded: Guarded) -> None:
    guarded.run(range(RELEASED))
    for minute in range(RELEASED, RELEASED + 3):
        guarded.run([minute])
        guarded.send(
            {**each, "event_id": f"old-{minute}-{place}", "event_time": guarded.at(minute - 120).isoformat()}
            for place, each in enumerate(guarded._events(minute, range(USERS), 0))
        )
        guarded.guard()
    assert "clocks disagree" in guarded.standing()["fault"]


def test_after_a_jump_of_the_clock_nothing_is_judged_until_the_stream_is_known_again(guarded: Guarded) -> None:
    guarded.run(range(RELEASED - 1))
    guarded.run(range(RELEASED + 200, RELEASED + 204))
    assert guarded.done() == []
    assert guarded.standing()["fault"]


def test_a_partition_that_runs_ahead_is_not_taken_for_a_loss_of_users(guarded: Guarded) -> None:
    for start in range(0, RELEASED - 4, 4):
        # What two partitions hold of the same minutes comes one after the other, as when a reader catches up.
        for partition in (0, 1):
            guarded.partition = partition
            guarded.run(range(start, start + 4), users=range(partition, USERS, 2))
    assert not [text for text in guarded.told if "a part of the producers is gone" in text]
    assert guarded.standing()["fault"] == ""


def test_a_lag_suspends_the_guard(guarded: Guarded) -> None:
    guarded.guard._guard._by_stream = False  # the day is long past
    guarded.run(range(RELEASED + 5))
    assert guarded.done() == []
    assert "the stream lags or is silent" in guarded.standing()["fault"]


def test_a_lock_of_a_person_and_a_pause_hold(tmp_path: Path) -> None:
    locked = guarded_in(tmp_path / "locked")
    locked.exposure()
    locked.platform.announcer.flags([])[1].lock(BAD, actor="ada", reason="mine")
    locked.run(range(RELEASED + 5))
    assert locked.exposure() == 1.0
    assert all(each.decision.action not in ("rollback", "throttle", "hold") for each in locked.done())
    paused = guarded_in(tmp_path / "paused")
    paused.platform.announcer.outbox().paused("everything", actor="ada", reason="a demo")
    paused.run(range(RELEASED + 5))
    assert paused.exposure() == 1.0
    assert [each.standings["flags"][0] for each in paused.done()] == ["approved"]
    paused.platform.announcer.outbox().resumed("everything", actor="ada", reason="over")
    paused.run([RELEASED + 5])
    assert paused.exposure() == 0.0


def test_the_blast_radius_leaves_it_to_a_person(tmp_path: Path) -> None:
    guarded = guarded_in(tmp_path, limits=Limits(share_per_hour=0.25))
    guarded.run(range(RELEASED + 5))
    (done,) = guarded.done()
    assert (done.decision.level, done.standings["flags"][0]) == ("approve", "planned")
    assert any("waits for a person: `" in text for text in guarded.told)
    assert guarded.exposure() == 1.0


def test_in_shadow_it_is_recorded_once_and_nothing_is_done(tmp_path: Path) -> None:
    guarded = guarded_in(tmp_path)
    guarded.platform = ruled_by(guarded.platform, decisions=Decisions(limits=ANY_NUMBER))
    guarded.start()
    guarded.run(range(RELEASED + 10))
    (done,) = guarded.done()
    assert (done.decision.action, done.decision.level, dict(done.standings)) == ("rollback", "shadow", {})
    assert guarded.exposure() == 1.0


@pytest.mark.parametrize("step", ["planned", "delivered"])
def test_what_could_not_be_done_because_of_a_store_is_done_later(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    guarded.run(range(RELEASED))

    def fails(*_: object, **__: object) -> None:
        raise StateError("state", "it does not answer.", hint="Look at it.")

    with monkeypatch.context() as broken:
        broken.setattr(ActionService, step, fails)
        guarded.run(range(RELEASED, RELEASED + 3))
        assert guarded.exposure() == 1.0
        assert "it does not answer" in guarded.standing()["trouble"]
    guarded.run([RELEASED + 3])
    assert guarded.exposure() == 0.0
    assert [each.standings["flags"][0] for each in guarded.done()] == ["confirmed"]
    assert any("could not act and tries again" in text for text in guarded.told)


def test_people_hear_of_it(guarded: Guarded) -> None:
    guarded.run(range(RELEASED + 3))
    (message,) = recorded_messages(guarded.folder)
    assert "rollback: quiz: confirmed" in message.text
    assert "intelligence undo" in message.text


PROGRAM = ROOT / "tests" / "programs" / "guard_stream.py"


@pytest.mark.proof
@pytest.mark.parametrize("point", [*GUARD_FAULT_POINTS, *ACTION_FAULT_POINTS, "online.written", "online.committed"])
def test_killed_at_any_point_the_release_is_rolled_back_once(tmp_path: Path, point: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(PROGRAM), str(tmp_path)]
    first = subprocess.run(command, env={**environment, "INTELLIGENCE_KILL_AT": point}, check=False, timeout=120)
    assert first.returncode == (0 if point == "action.approved" else -signal.SIGKILL)
    assert subprocess.run(command, env=environment, check=False, timeout=120).returncode == 0
    guarded = guarded_in(tmp_path)
    (done,) = guarded.done()
    assert (done.decision.action, done.standings["flags"][0]) == ("rollback", "confirmed")
    assert guarded.exposure() == 0.0
    (entry,) = [each for each in guarded.platform.announcer.outbox().entries() if each.action.target == "flags"]
    sent = [line for line in guarded.platform.announcer.outbox().history(entry.id) if line.event == "confirmed"]
    assert len(sent) == 1
    assert ["rollback: quiz: confirmed" in each.text for each in recorded_messages(tmp_path)] == [True]


@pytest.mark.parametrize("ahead", [4, 8, -15])
def test_one_client_with_a_wrong_clock_does_not_suspend_the_guard(guarded: Guarded, ahead: int) -> None:
    for minute in range(RELEASED + 5):
        guarded.run([minute])
        (event,) = list(guarded._events(minute, [1], 0))[:1]
        at = guarded.at(minute)
        guarded.send(
            {
                **event,
                "event_id": f"odd-{minute}-{n}",
                "event_time": (at + timedelta(minutes=ahead)).isoformat(),
                "user_id": "odd",
            }
            for n in range(50)
        )
        guarded.guard()
        assert minute <= 20 or guarded.standing()["fault"] == ""
    (done,) = guarded.done()
    assert (done.decision.action, done.decision.release) == ("rollback", NEW)
    assert done.decision.stream_at - guarded.at(RELEASED) <= timedelta(minutes=2)


def test_an_old_version_that_shows_up_late_is_not_new(guarded: Guarded, monkeypatch) -> None:
    monkeypatch.setattr("tests.resources.online.guarded.NEW", "0.1.0")
    guarded.run(range(RELEASED + 6))
    assert (guarded.done(), guarded.standing()["fault"]) == ([], "")
