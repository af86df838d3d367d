"""The store of operational state: made once by many, append-only where it says so, honest when it cannot be used."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from intelligence.actions.action import Action, Kind
from intelligence.core.errors import StateError
from intelligence.online.outcomes import Outcome
from resources.config.settings import ROOT
from resources.outbox.attempts import Attempts
from resources.outbox.door import Outbox
from resources.outbox.leases import LeaseLost, lease_taken, new_owner
from resources.state.feedback import OutcomeRecord
from resources.state.guarded import GuardRecord
from resources.state.rows import inserted_if_new
from resources.state.store import State, state_at
from resources.state.tables import LEASES, PROMOTIONS

PROGRAM = """
import sys
from sqlalchemy import insert
from resources.state.store import state_at
from resources.state.tables import PROMOTIONS
from datetime import UTC, datetime
state = state_at(sys.argv[1])
for number in range(20):
    with state.turn("test"), state.writing() as connection:
        row = {"at": datetime.now(UTC), "model": sys.argv[2], "actor": "a", "cause": "c", "reason": str(number)}
        connection.execute(insert(PROMOTIONS).values(**row))
"""
ROW = {"at": datetime(2026, 7, 1, tzinfo=UTC), "model": "m", "actor": "a", "cause": "c", "reason": "r"}


@pytest.fixture
def state(state_url: str) -> Iterator[State]:
    opened = state_at(state_url)
    yield opened
    opened.close()


def test_two_processes_that_make_the_store_at_once_both_write_into_it(state_url: str) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, state_url, name], env=environment, stderr=subprocess.PIPE, text=True
        )
        for name in ("one", "other")
    ]
    errors = [writer.communicate()[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], errors
    state = state_at(state_url)
    with state.reading() as connection:
        sequences = list(connection.execute(sa.select(PROMOTIONS.c.sequence).order_by(PROMOTIONS.c.sequence)).scalars())
        assert sequences == list(range(1, 41))
        if state.file:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    state.close()


def test_times_come_back_in_utc_from_whatever_zone_they_were_written(state: State) -> None:
    there = ROW["at"].astimezone(timezone(timedelta(hours=9)))
    with state.writing() as connection:
        connection.execute(sa.insert(PROMOTIONS).values(**{**ROW, "at": there}))
    with state.reading() as connection:
        stored = connection.execute(sa.select(PROMOTIONS.c.at)).scalar_one()
    assert stored == ROW["at"]
    assert stored.utcoffset() == timedelta(0)


@pytest.mark.parametrize("change", [sa.update(PROMOTIONS).values(reason="another"), sa.delete(PROMOTIONS)])
def test_the_history_can_only_grow(state: State, change: sa.Update | sa.Delete) -> None:
    with state.writing() as connection:
        connection.execute(sa.insert(PROMOTIONS).values(**ROW))
    with pytest.raises(StateError, match="append-only"), state.writing() as connection:
        connection.execute(change)


def test_a_write_that_fails_leaves_nothing(state: State) -> None:
    one, none = sa.insert(PROMOTIONS).values(**ROW), sa.insert(PROMOTIONS).values(**{**ROW, "actor": None})
    with pytest.raises(StateError, match=r"(?i)not.null"), state.writing() as connection:
        [connection.execute(statement) for statement in (one, none)]
    with state.reading() as connection:
        assert connection.execute(sa.select(PROMOTIONS)).all() == []


def test_only_rows_that_are_new_are_added(state: State) -> None:
    with state.writing() as connection:
        assert inserted_if_new(connection, LEASES, [{"name": "a", "token": 1}, {"name": "b", "token": 1}]) == [0, 1]
        assert inserted_if_new(connection, LEASES, [{"name": "b", "token": 2}, {"name": "c", "token": 2}]) == [1]
    with state.reading() as connection:
        assert dict(connection.execute(sa.select(LEASES.c.name, LEASES.c.token)).all()) == {"a": 1, "b": 1, "c": 2}


def test_an_outbox_plans_once_and_moves_on_under_one_lease_at_a_time(state: State) -> None:
    outbox, now = Outbox(state), datetime.now(UTC)
    action = Action("d", Kind.ALERT, "slack", None, now.date(), "e", "t", "x")
    assert outbox.planned([action], actor="policy", reason="it burns", approved=True) == (action.id,)
    assert outbox.planned([action], actor="policy", reason="it burns", approved=True) == ()
    assert [line.event for line in outbox.history(action.id)] == ["planned", "approved"]
    first = lease_taken(state, "delivery", owner=new_owner(), now=now)
    assert first
    assert lease_taken(state, "delivery", owner=new_owner(), now=now) is None
    second = lease_taken(state, "delivery", owner=new_owner(), now=now + timedelta(hours=1))
    assert second
    assert second.token == first.token + 1
    with pytest.raises(LeaseLost):
        Attempts(outbox, first).begun(outbox.entry(action.id))
    begun = Attempts(outbox, second).begun(outbox.entry(action.id))
    assert begun.state == "sent"
    assert outbox.entry(action.id[:10]) == begun


def test_decisions_of_the_guard_and_outcomes_are_recorded_once(state: State) -> None:
    at = datetime(2026, 5, 4, 12, tzinfo=UTC)
    guard, outcomes = GuardRecord(state, lambda: at), OutcomeRecord(state, lambda: at)
    row = {"decision_id": "d", "event_date": at.date(), "feature": "quiz", "action": "rollback", "level": "auto"}
    for _ in range(2):
        guard.add([row], stream_at=at, releases={"quiz": ("ios", "2.0.0")})
    (made,) = guard.decisions(since=at.date())
    assert (made.stream_at, made.release, made.row["event_date"]) == (at, "2.0.0", at.date())
    said = Outcome("4711", "chargeback", value=25)
    assert [outcomes.add([said], {"4711": {"answer": "allow"}}), outcomes.add([said], {})] == [[True], [False]]
    (known,) = outcomes.known(decision_id="4711", received_by=at)
    assert (known.happened_at, known.value, known.decision) == (at, 25, {"answer": "allow"})
    assert (outcomes.counts(), outcomes.known(received_by=at - timedelta(seconds=1))) == ({"chargeback": 1}, [])


def test_a_file_that_is_no_database_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("this is no database, and it is long enough to be seen as none")
    with pytest.raises(StateError, match=r"it is no database.*INTELLIGENCE_STATE"):
        state_at(f"sqlite:///{tmp_path}/state.db")


@pytest.mark.parametrize("url", ["state.db", "oracle9://here", "mysql+nodriver://here/state"])
def test_an_address_that_cannot_be_used_is_an_error_that_names_the_setting(url: str) -> None:
    with pytest.raises(StateError, match="INTELLIGENCE_STATE"):
        state_at(url)


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StateError, match=f"{tmp_path}/taken"):
        state_at(f"sqlite:///{tmp_path}/taken/state.db")


def test_a_closed_store_is_opened_again_by_its_next_use(state: State, state_url: str) -> None:
    state.close()
    again = state_at(state_url)
    assert again is not state
    with again.reading() as connection:
        assert connection.execute(sa.select(PROMOTIONS)).all() == []
