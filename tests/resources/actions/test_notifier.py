"""What people are told arrives once, in one thread for each episode, recorded where no service is connected."""

from pathlib import Path

import pytest

from intelligence.actions.settings import Actions
from resources.config.settings import ActionSecrets
from resources.messages.notifier import Notifier
from resources.outbox.door import Outbox
from resources.twins.recorded import recorded_messages


@pytest.fixture
def notifier(tmp_path: Path) -> Notifier:
    outbox = Outbox.of(f"sqlite:///{tmp_path}/state.db", Actions())
    return Notifier.of(outbox, Actions(), ActionSecrets(), data=tmp_path)


def test_something_is_told_once(notifier: Notifier, tmp_path: Path) -> None:
    assert notifier.notified("run failed", "Run 1 failed", "disk full", "#ops")
    assert not notifier.notified("run failed", "Run 1 failed", "disk full", "#ops")
    (message,) = recorded_messages(tmp_path)
    assert (message.place, message.text, message.thread) == ("ops", "*Run 1 failed*\ndisk full", None)
    assert [entry.standing for entry in notifier.outbox.entries()] == ["confirmed"]


def test_what_follows_in_an_episode_is_a_reply_and_the_first_message_says_how_things_stand(
    notifier: Notifier, tmp_path: Path
) -> None:
    notifier.notified("drift of errors", "Errors drift", "p = 0.01")
    notifier.notified("drift of errors", "Errors drift no more", "")
    first, reply = recorded_messages(tmp_path)
    assert first.text == "*Errors drift*\np = 0.01\n_Now:_ Errors drift no more"
    assert (reply.text, first.thread, reply.thread is None) == ("*Errors drift no more*", None, False)


def test_a_topic_makes_the_same_of_titles_with_different_figures(notifier: Notifier) -> None:
    assert notifier.notified("e", "3 rows", "", topic="rows")
    assert not notifier.notified("e", "4 rows", "", topic="rows")


def test_paused_alerts_wait(notifier: Notifier, tmp_path: Path) -> None:
    notifier.outbox.paused("kind:alert", actor="ann", reason="noise")
    assert notifier.notified("e", "t", "x")
    assert recorded_messages(tmp_path) == []
    assert [entry.standing for entry in notifier.outbox.entries()] == ["approved"]
