"""What decisions share is counted over the hour and the day, not over one run."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from intelligence.decisions.limits import used_before
from intelligence.decisions.record import decided
from tests.intelligence.decisions.facts_of_a_day import AUTO, BROKEN_BY_A_RELEASE, DAY, SLOWLY_DECAYING, SOUND, frame

QUIZ = BROKEN_BY_A_RELEASE
CHAT = replace(QUIZ, feature="chat", episode="chat@2026-07-19")


def lowered(**done: float) -> tuple[str, list[str]]:
    row = decided(frame(replace(QUIZ, **done)), settings=AUTO).row(0, named=True)  # type: ignore[arg-type]
    return row["level"], row["lowered_by"]


def test_what_an_earlier_run_touched_counts_for_the_hour_and_for_the_day() -> None:
    assert lowered() == ("auto", [])
    assert lowered(share_this_hour=0.2) == ("approve", ["blast_radius_per_hour"])
    assert lowered(share_this_day=0.2) == ("auto", [])
    assert lowered(share_this_day=0.4) == ("approve", ["blast_radius_per_day"])
    assert lowered(touches_this_day=3) == ("approve", ["action_budget"])


def test_a_record_counts_with_what_it_touched_and_for_its_hour_and_its_day() -> None:
    records = decided(frame(QUIZ, replace(SLOWLY_DECAYING, feature="chat", episode="chat@x")), settings=AUTO)
    assert dict(records.select("feature", "action").iter_rows()) == {"quiz": "rollback", "chat": "throttle"}
    ids = dict(records.select("feature", "decision_id").iter_rows())
    used = used_before(records, day=DAY, lately={ids["chat"]}, settings=AUTO)
    assert used.share_now == pytest.approx(0.075), "a throttle takes half of its users"
    assert used.share_today == pytest.approx(0.225)
    assert (used.touches_today, used.messages_today) == (2, 0)
    next_day = used_before(records, day=DAY + timedelta(days=1), lately=set(ids.values()), settings=AUTO)
    assert (next_day.share_today, next_day.touches_today) == (0.0, 0)
    assert next_day.share_now == pytest.approx(0.225), "an hour may reach over two days"


def test_what_waits_for_a_person_has_used_nothing_up_and_a_message_has() -> None:
    waiting = decided(frame(QUIZ), settings=AUTO.at_level("approve"))
    assert used_before(waiting, day=DAY, lately=set(waiting["decision_id"]), settings=AUTO).share_now == 0.0
    alerts = waiting.with_columns(action=pl.lit("alert"))
    assert used_before(alerts, day=DAY, lately=set(), settings=AUTO).messages_today == 1


def test_what_was_used_up_stands_in_the_records_that_it_bears_on_and_leaves_all_others() -> None:
    sound = replace(SOUND, feature="calm")
    before = decided(frame(CHAT, sound), settings=AUTO)
    after = decided(frame(*(replace(each, share_this_hour=0.2) for each in (CHAT, sound))), settings=AUTO)
    same = dict(zip(before["feature"], before["decision_id"] == after["decision_id"], strict=True))
    assert same == {"chat": False, "calm": True}
    assert '"share_this_hour":0.2' in after.filter(feature="chat")["evidence"][0]
