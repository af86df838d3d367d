"""An approved action has one effect, whatever its target answers, and nothing is sent that a person stopped."""

import sqlite3
import time
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from intelligence.actions.action import Kind
from intelligence.actions.target import Receipt
from intelligence.core.errors import ActionError, StateError
from resources.outbox.deliverer import delivered
from resources.outbox.door import Outbox
from resources.state.store import State
from resources.state.tables import LEASES, OUTBOX_EVENTS, PAUSES
from resources.twins.faults import Fault
from resources.twins.pagerduty import incidents
from tests.resources.actions.conftest import Desk, action

EVERYWHERE = [("slack", "slack"), ("jira", "jira"), ("pagerduty", "pagerduty"), ("webhook", "webhook")]


@pytest.mark.parametrize(("target", "service"), EVERYWHERE)
def test_an_action_arrives_once_however_often_it_is_planned_and_delivered(
    desk: Desk, target: str, service: str
) -> None:
    for _ in range(2):
        desk.approve(action(target=target))
        desk.deliver()
    assert desk.standings() == ["confirmed"]
    assert len(desk.taken(service)) == 1
    (entry,) = desk.outbox.entries()
    assert [line.event for line in desk.outbox.history(entry.id)] == ["planned", "approved", "sent", "confirmed"]
    assert entry.receipt


def test_nothing_is_sent_that_nobody_approved(desk: Desk) -> None:
    (new,) = desk.outbox.planned([action()], actor="policy", reason="it burns")
    assert desk.outbox.planned([action()], actor="policy", reason="again") == ()
    assert desk.deliver().results == ()
    desk.outbox.approved(new[:8], actor="ann", reason="I saw it too")
    assert desk.deliver().ids("confirmed") == [new]
    assert [(line.actor, line.reason) for line in desk.outbox.history(new)][1] == ("ann", "I saw it too")


def test_a_rejected_action_is_never_sent_and_cannot_be_approved(desk: Desk) -> None:
    (new,) = desk.outbox.planned([action()], actor="policy", reason="it burns")
    desk.outbox.rejected(new, actor="ann", reason="planned work")
    desk.deliver()
    assert desk.taken() == []
    with pytest.raises(ActionError, match=r"is rejected and cannot become approved"):
        desk.outbox.approved(new, actor="bob", reason="but")


def test_approvals_that_wait_expire(desk: Desk) -> None:
    (new,) = desk.outbox.planned([action()], actor="policy", reason="it burns")
    desk.later(hours=25)
    with pytest.raises(ActionError, match="time for approval is over"):
        desk.outbox.approved(new, actor="ann", reason="late")
    assert desk.deliver().ids("expired") == [new]
    assert desk.standings() == ["expired"]


@pytest.mark.parametrize("scope", ["everything", "feature:tutor_answer", "kind:alert"])
def test_a_pause_holds_for_the_very_next_send_and_ends_when_resumed(desk: Desk, scope: str) -> None:
    desk.approve(action("d1"), action("d2"), action("d3"))
    slack = desk.targets[0]

    class Pausing:
        """Slack, whose first message makes a person stop everything."""

        name, settle_s, rate_per_s, found, undone = "slack", slack.settle_s, None, slack.found, slack.undone

        def sent(self, *arguments: Any) -> Receipt:
            desk.outbox.paused(scope, actor="ann", reason="stop")
            return slack.sent(*arguments)

    report = delivered(desk.outbox, [Pausing()])
    assert (len(report.ids("confirmed")), len(report.ids("paused"))) == (1, 2)
    assert len(desk.taken()) == 1
    assert [str(pause) for pause in desk.outbox.pauses()] == [f"{scope} paused by ann: stop"]
    assert desk.outbox.resumed(scope, actor="ann", reason="go on")
    assert not desk.outbox.resumed(scope, actor="ann", reason="go on")
    desk.deliver()
    assert len(desk.taken()) == 3


def test_a_pause_of_another_feature_stops_nothing_and_an_unknown_scope_is_refused(desk: Desk) -> None:
    desk.outbox.paused("feature:quiz", actor="ann", reason="stop")
    desk.approve(action())
    assert desk.deliver().ids("confirmed")
    with pytest.raises(ActionError, match=r"everything, feature:<name> or kind:<rollback"):
        desk.outbox.paused("tutor_answer", actor="ann", reason="stop")


def test_a_target_that_asks_for_patience_is_left_alone_as_long_as_it_asked(desk: Desk) -> None:
    desk.misbehaviours.add("slack", Fault.TOO_MANY, retry_after_s=120)
    desk.approve(action("d1"), action("d2", episode="e2"), action("d3", target="jira"))
    begun = time.monotonic()
    desk.deliver()
    assert time.monotonic() - begun < 5
    assert desk.standings() == ["approved", "approved", "confirmed"]
    desk.later(seconds=110)
    desk.deliver()
    assert desk.standings() == ["approved", "approved", "confirmed"]
    desk.later(seconds=15)
    desk.deliver()
    assert desk.standings() == ["confirmed"] * 3
    assert len(desk.taken()) == 2


@pytest.mark.parametrize("fault", [Fault.BROKEN, Fault.RESET, Fault.HANG, Fault.TAKEN_THEN_SILENT])
@pytest.mark.parametrize(("target", "service"), EVERYWHERE[:3])
def test_a_lost_answer_is_asked_for_and_never_repeated_blindly(
    desk: Desk, fault: Fault, target: str, service: str
) -> None:
    desk.misbehaviours.add(service, fault)
    desk.approve(action(target=target), action("d2", target=target))
    desk.deliver()
    assert desk.standings()[0] == "sent"
    desk.deliver()
    assert desk.standings()[0] == "sent", "its call may still be on its way"
    desk.later(seconds=90)
    desk.deliver()
    desk.later(seconds=90)
    desk.deliver()
    assert desk.standings() == ["confirmed", "confirmed"]
    if service == "pagerduty":
        assert incidents(desk.twins) == {action().episode_key: True}
    else:
        assert len({record.key for record in desk.taken(service)}) == len(desk.taken(service)) == 2


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.TAKEN_THEN_SILENT])
def test_what_a_target_cannot_tell_is_never_sent_again_and_waits_for_a_person(desk: Desk, fault: Fault) -> None:
    desk.misbehaviours.add("webhook", fault)
    desk.approve(action(target="webhook"))
    desk.deliver()
    for _ in range(3):
        desk.later(hours=10)
        desk.deliver()
    assert len(desk.taken("webhook")) == (fault is Fault.TAKEN_THEN_SILENT)
    (entry,) = desk.outbox.unconfirmed()
    assert "cannot be asked" in entry.reason
    settled = desk.outbox.settled(entry.id, happened=False, actor="ann", reason="their log has no such call")
    assert settled.standing == "failed"
    with pytest.raises(ActionError, match="in no doubt"):
        desk.outbox.settled(entry.id, happened=True, actor="ann", reason="or not")


def test_a_refusal_fails_with_the_words_of_the_target(desk: Desk) -> None:
    desk.approve(action(payload={"channel": "#NOT A CHANNEL"}), action("d2", target="jira", payload={}))
    desk.deliver()
    entry = desk.outbox.entry(action().id)
    assert (entry.standing, entry.reason) == ("failed", "Slack answered 200 channel_not_found to chat.postMessage")
    assert desk.standings() == ["failed", "confirmed"]


def test_a_target_that_is_down_for_an_hour_gets_everything_once_it_is_up(desk: Desk) -> None:
    up, desk.url = desk.url, "http://127.0.0.1:9"
    desk.approve(
        *(action(f"d{number}", episode=f"e{number}", target=target) for target, _ in EVERYWHERE for number in range(2))
    )
    for _ in range(6):
        desk.deliver()
        desk.later(minutes=10)
    assert desk.standings() == ["approved"] * 8
    desk.url = up
    desk.later(minutes=20)
    desk.deliver()
    assert desk.standings() == ["confirmed"] * 8
    assert len(desk.twins.records()) == 8


def test_a_target_that_stays_down_is_given_up_with_its_last_words(desk: Desk) -> None:
    desk.url = "http://127.0.0.1:9"
    desk.approve(action())
    desk.deliver()
    desk.later(hours=25)
    desk.deliver()
    (entry,) = desk.outbox.entries()
    assert entry.standing == "failed"
    assert "could not be sent in time; last: Slack cannot be reached" in entry.reason


def test_messages_of_an_episode_are_one_thread_even_if_the_first_is_in_doubt(desk: Desk) -> None:
    desk.misbehaviours.add("slack", Fault.TAKEN_THEN_SILENT)
    desk.approve(action("d1", title="It burns"), action("d2", title="It burns less"), action("d3", title="It is over"))
    desk.deliver()
    desk.later(seconds=90)
    desk.deliver()
    parent, *replies = desk.taken()
    assert [reply.thread for reply in replies] == [parent.reference] * 2
    assert str(parent.body["text"]).endswith("_Now:_ It is over")


def test_a_database_that_is_locked_for_a_moment_is_waited_for(desk: Desk) -> None:
    desk.approve(action())
    blocker = sqlite3.connect(desk.folder / "state.db", isolation_level=None, check_same_thread=False)
    blocker.execute("BEGIN IMMEDIATE")
    import threading

    threading.Timer(0.7, lambda: blocker.execute("COMMIT")).start()
    assert desk.deliver().ids("confirmed")
    assert len(desk.taken()) == 1


def test_a_database_that_is_locked_when_the_receipt_comes_loses_nothing(desk: Desk) -> None:
    engine = sa.create_engine(f"sqlite:///{desk.folder}/state.db", connect_args={"timeout": 0.1})
    outbox = Outbox(State(engine, desk.outbox.state.file), clock=desk.outbox.clock)
    desk.approve(action())
    slack, blocker = desk.targets[0], sqlite3.connect(desk.folder / "state.db", isolation_level=None)

    class Locking:
        """Slack, whose answer comes when the database is locked."""

        name, settle_s, rate_per_s, found, undone = "slack", slack.settle_s, None, slack.found, slack.undone

        def sent(self, *arguments: Any) -> Receipt:
            receipt = slack.sent(*arguments)
            blocker.execute("BEGIN IMMEDIATE")
            return receipt

    with pytest.raises(StateError, match="locked"):
        delivered(outbox, [Locking()])
    blocker.execute("COMMIT")
    assert desk.standings() == ["sent"]
    for _ in range(3):
        desk.later(seconds=90)
        desk.deliver()
    assert desk.standings() == ["confirmed"]
    assert len(desk.taken()) == 1
    engine.dispose()


def test_a_deliverer_whose_lease_was_taken_over_changes_nothing_more(desk: Desk) -> None:
    desk.approve(action("d1"), action("d2"))
    slack, ahead = desk.targets[0], Outbox(desk.outbox.state, clock=lambda: desk.outbox.clock() + timedelta(hours=1))

    class Slow:
        """Slack, so slow that another, by whose clock an hour has passed, takes over meanwhile."""

        name, settle_s, rate_per_s, found, undone = "slack", slack.settle_s, None, slack.found, slack.undone

        def sent(self, *arguments: Any) -> Receipt:
            receipt = slack.sent(*arguments)
            self.other = delivered(ahead, [slack])
            return receipt

    slow = Slow()
    report = delivered(desk.outbox, [slow])
    assert "another deliverer has taken over" in str(report.held_up)
    assert "still be on its way" in slow.other.results[0].reason
    desk.later(hours=2)
    desk.deliver()
    assert desk.standings() == ["confirmed", "confirmed"]
    assert len(desk.taken()) == 2


def test_tokens_only_grow(desk: Desk) -> None:
    desk.approve(action("d1"), action("d2"))
    for _ in range(3):
        desk.deliver()
    with desk.outbox.state.reading() as connection:
        assert connection.execute(sa.select(LEASES.c.token)).scalar_one() == 3
        tokens = connection.execute(sa.select(OUTBOX_EVENTS.c.token)).scalars().all()
    assert {token for token in tokens if token} == {1}


def test_an_undo_takes_back_what_was_done_even_while_everything_is_paused(desk: Desk) -> None:
    desk.approve(action("d1"), action("d2", target="pagerduty"), action("d3", target="jira"))
    desk.deliver()
    desk.outbox.paused("everything", actor="ann", reason="stop")
    for entry in desk.outbox.entries():
        desk.outbox.undo_wanted(entry.id, actor="ann", reason="a false alarm")
    desk.deliver()
    assert desk.standings() == ["undone", "undone", "confirmed"]
    assert "Withdrawn" in str(desk.taken()[0].body["text"])
    assert incidents(desk.twins) == {action().episode_key: False}
    assert "close OPS-" in desk.outbox.entries(states=None)[0].reason


def test_an_undo_of_what_was_not_begun_rejects_it_and_of_what_is_over_is_refused(desk: Desk) -> None:
    desk.approve(action())
    assert desk.outbox.undo_wanted(action().id, actor="ann", reason="no").standing == "rejected"
    with pytest.raises(ActionError, match="nothing to take back"):
        desk.outbox.undo_wanted(action().id, actor="ann", reason="no")
    with pytest.raises(ActionError, match="there is none"):
        desk.outbox.undo_wanted("", actor="ann", reason="no")


def test_what_was_confirmed_and_did_not_show_is_unconfirmed_until_a_person_settles_it(desk: Desk) -> None:
    desk.approve(action())
    desk.deliver()
    desk.outbox.doubted(action().id, actor="exposure", reason="nobody saw it")
    desk.later(hours=1)
    desk.deliver()
    assert [entry.reason for entry in desk.outbox.unconfirmed()] == ["nobody saw it"]
    assert desk.outbox.settled(action().id, happened=True, actor="ann", reason="I did").standing == "confirmed"


@pytest.mark.parametrize("table", [OUTBOX_EVENTS, PAUSES])
def test_the_histories_only_grow(desk: Desk, table: sa.Table) -> None:
    desk.approve(action())
    desk.outbox.paused("everything", actor="ann", reason="stop")
    with pytest.raises(StateError, match="append-only"), desk.outbox.state.writing() as connection:
        connection.execute(sa.update(table).values(actor="nobody"))


def test_one_action_of_each_kind_can_be_told_apart() -> None:
    keys = {action("d", kind, target).id for kind in Kind for target in ("slack", "jira")}
    assert len(keys) == 2 * len(Kind)


def test_a_delivery_that_is_interrupted_lets_the_next_begin_at_once(desk: Desk) -> None:
    class Interrupted:
        """A target whose call a person breaks off."""

        name, settle_s, rate_per_s = "slack", 0.0, None

        def sent(self, *arguments: Any) -> Receipt:
            raise KeyboardInterrupt

    desk.approve(action("d1"), action("d2", target="jira"))
    with pytest.raises(KeyboardInterrupt):
        delivered(desk.outbox, [Interrupted()])
    report = desk.deliver()
    assert (report.held_up, report.ids("confirmed")) == (None, [action("d2", target="jira").id])
    desk.later(minutes=2)
    desk.deliver()
    assert desk.standings() == ["confirmed", "confirmed"]


def test_a_target_that_fails_in_a_way_nobody_foresaw_is_in_doubt_and_tells_no_more_than_the_kind(desk: Desk) -> None:
    class Surprising:
        """A target with a mistake in it."""

        name, settle_s, rate_per_s = "slack", 0.0, None

        def sent(self, *arguments: Any) -> Receipt:
            raise ZeroDivisionError("the token is xoxb-1")

    desk.approve(action())
    delivered(desk.outbox, [Surprising()])
    assert [(entry.standing, entry.reason) for entry in desk.outbox.entries()] == [
        ("sent", "ZeroDivisionError while sending")
    ]


def test_deliveries_keep_to_the_rate_of_a_target(desk: Desk) -> None:
    from dataclasses import replace

    slack, slept = replace(desk.targets[0], rate_per_s=2.0), []
    desk.approve(*(action(f"d{number}", episode=f"e{number}") for number in range(3)))
    delivered(desk.outbox, [slack], sleep=slept.append)
    assert len(slept) == 2
    assert 0 < slept[0] <= 0.5 < slept[1] <= 1.0
