"""A flag is changed as a whole, read back before it counts, and left alone once a person touched it."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from openfeature.evaluation_context import EvaluationContext

from intelligence.actions.action import Action, Kind
from intelligence.actions.flags import exposure
from resources.flags.provider import FlagFileProvider, flag_client
from tests.resources.actions.conftest import Desk, action

FLAG = "tutor-answer"


def flag_action(decision: str, kind: Kind, **payload: Any) -> Action:
    return action(decision, kind, "flags", payload={"flag": FLAG, **payload})


@pytest.fixture
def flags(desk: Desk) -> Desk:
    desk.flags.file.declared([FLAG, "quiz"])
    return desk


def edited(desk: Desk, **rule: Any) -> None:
    """Change the flag as a person with an editor does."""
    document = desk.flags.file.document()
    document["flags"][FLAG].update(rule)
    desk.flags.file.path.write_text(json.dumps(document))


def served(desk: Desk, user: str = "ann") -> bool:
    return flag_client(desk.flags.file.path).get_boolean_value(FLAG, True, EvaluationContext(user))


def test_a_rollback_is_served_to_applications_and_undone_to_the_letter(flags: Desk) -> None:
    rule = {"fractional": [{"cat": ["salt", {"var": "targetingKey"}]}, ["on", 60], ["off", 40]]}
    edited(flags, targeting=rule)
    flags.approve(flag_action("d1", Kind.ROLLBACK))
    flags.deliver()
    assert not served(flags)
    entry = flags.outbox.entry(flag_action("d1", Kind.ROLLBACK).id)
    assert (entry.standing, entry.receipt and entry.receipt.reference) == ("confirmed", f"{FLAG} version 1")
    flags.outbox.undo_wanted(entry.id, actor="ann", reason="it was the network")
    assert flags.deliver().ids("undone") == [entry.id]
    assert flags.flags.file.document()["flags"][FLAG]["targeting"] == rule


def test_a_throttle_is_read_back_as_the_share_that_was_wanted(flags: Desk) -> None:
    flags.approve(flag_action("d1", Kind.THROTTLE, step=0.3), flag_action("d2", Kind.THROTTLE, step=0.3))
    flags.deliver()
    assert flags.standings() == ["confirmed", "confirmed"]
    assert exposure(flags.flags.file.document(), FLAG) == pytest.approx(0.4)
    receipt = flags.outbox.entries()[0].receipt
    assert receipt
    assert receipt.details["served"] == pytest.approx(0.4, abs=0.05)


def test_a_persons_change_wins_and_locks_the_platform_out_until_released(flags: Desk) -> None:
    flags.approve(flag_action("d1", Kind.THROTTLE))
    flags.deliver()
    edited(flags, targeting={"fractional": [["on", 90], ["off", 10]]})
    by_hand = flags.flags.file.text()
    flags.approve(flag_action("d2", Kind.ROLLBACK))
    flags.deliver()
    flags.approve(flag_action("d3", Kind.ROLLBACK))
    flags.deliver()
    assert flags.flags.file.text() == by_hand
    assert flags.standings() == ["confirmed", "failed", "failed"]
    assert "changed by a person" in flags.outbox.entries()[1].reason
    assert "locked" in flags.outbox.entries()[0].reason
    assert [lock.flag for lock in flags.flags.record.locks()] == [FLAG]
    assert flags.flags.record.released(FLAG, actor="ann", reason="done")
    flags.approve(flag_action("d4", Kind.ROLLBACK))
    assert flags.deliver().ids("confirmed")
    assert not served(flags)


def test_a_file_put_back_from_a_backup_is_told_and_left_alone(flags: Desk) -> None:
    before = flags.flags.file.text()
    flags.approve(flag_action("d1", Kind.ROLLBACK))
    flags.deliver()
    flags.flags.file.path.write_text(before)
    flags.approve(flag_action("d2", Kind.ROLLBACK))
    flags.deliver()
    assert flags.standings() == ["unconfirmed", "failed"]
    assert "bears no trace of what the platform did to tutor-answer" in flags.outbox.entries()[0].reason
    assert served(flags)


def test_an_undo_is_refused_once_a_person_or_a_later_action_changed_the_flag(flags: Desk) -> None:
    flags.approve(flag_action("d1", Kind.THROTTLE), flag_action("d2", Kind.THROTTLE, step=0.1))
    flags.deliver()
    first, second = flags.outbox.entries()[::-1]
    flags.outbox.undo_wanted(first.id, actor="ann", reason="no")
    flags.deliver()
    assert "undo the later action" in flags.outbox.entry(first.id).reason
    edited(flags, defaultVariant="off")
    flags.outbox.undo_wanted(second.id, actor="ann", reason="no")
    flags.deliver()
    assert "changed by a person" in flags.outbox.entry(second.id).reason
    assert flags.standings() == ["confirmed", "confirmed"]


@pytest.mark.parametrize(
    ("payload", "told"),
    [({"flag": "nobody"}, "no such flag"), ({"flag": None}, "names no flag"), ({"safe": "of"}, "none of its variants")],
)
def test_an_action_that_cannot_be_done_fails_and_leaves_the_file(
    flags: Desk, payload: dict[str, Any], told: str
) -> None:
    before = flags.flags.file.text()
    flags.approve(flag_action("d1", Kind.ROLLBACK, **payload))
    flags.deliver()
    assert told in flags.outbox.entries()[0].reason
    assert (flags.standings(), flags.flags.file.text()) == (["failed"], before)


@pytest.mark.parametrize("text", ["{", "[]", '{"flags": []}'])
def test_a_broken_file_is_not_touched(flags: Desk, text: str) -> None:
    flags.flags.file.path.write_text(text)
    flags.approve(flag_action("d1", Kind.ROLLBACK))
    flags.deliver()
    assert (flags.standings(), flags.flags.file.text()) == (["failed"], text)


def test_declaring_flags_adds_what_is_missing_and_nothing_else(desk: Desk) -> None:
    assert desk.flags.file.declared([FLAG]) == [FLAG]
    edited(desk, defaultVariant="off")
    assert desk.flags.file.declared([FLAG, "quiz"]) == ["quiz"]
    assert desk.flags.file.document()["flags"][FLAG]["defaultVariant"] == "off"
    assert [path.name for path in desk.folder.glob(".flags*") if not path.name.endswith(".lock")] == []


def test_an_application_keeps_the_last_good_flags_while_the_file_is_broken(
    flags: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    provider = FlagFileProvider(flags.flags.file.path, poll_s=0.0)
    assert provider.resolve_boolean_details(FLAG, False).value
    good = flags.flags.file.text()
    flags.flags.file.path.write_text("{ broken")
    assert provider.resolve_boolean_details(FLAG, False).value
    Path(flags.flags.file.path).write_text(good.replace('"defaultVariant": "on"', '"defaultVariant": "off"'))
    assert not provider.resolve_boolean_details(FLAG, True).value
