"""Outcomes of decisions: counted once, joined to their decision."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from intelligence.catalog.product import product_from
from intelligence.core.errors import OnlineError, PlatformError
from intelligence.online.outcomes import Outcome
from resources.config.faults import OUTCOME_FAULT_POINTS
from resources.config.settings import ROOT
from resources.messages.announcer import Announcer
from resources.online.processor import Message, Processor
from resources.online.store import OnlineStore
from resources.services.feedback import FeedbackService, Settling
from tests.lakes import lake_in
from tests.resources.online.streamed import NOW, NOW_MS, PRODUCT, Online, said

TEXT = PRODUCT + "  outcomes: {topics: [outcomes]}\n"
AT = NOW.replace(tzinfo=UTC)


def online_in(folder: Path, state_url: str = "") -> tuple[Online, FeedbackService]:
    folder.mkdir(exist_ok=True)
    product, lake, store = product_from(TEXT), lake_in(folder / "lake"), OnlineStore(folder / "online.db")
    file = folder / "product.yaml"
    file.write_text(TEXT)
    announcer = Announcer(product_file=str(file), state=state_url or f"sqlite:///{folder}/state.db", data=str(folder))
    return Online(folder, product, lake, store, Processor(product, lake, store)), FeedbackService(product, announcer)


def by_topic(online: Online, *payloads: bytes, first: int = 0) -> None:
    messages = [Message("outcomes", 0, first + place, NOW_MS, each) for place, each in enumerate(payloads)]
    online.processor.process(messages, now=NOW)


def test_an_outcome_is_joined_to_its_decision_and_counts_once(tmp_path: Path, state_url: str) -> None:
    online, feedback = online_in(tmp_path, state_url)
    online.process(said(0, event_id="e0", value=25))
    chargeback = Outcome("e0", "chargeback", happened_at=AT + timedelta(days=3), value=25)
    known = {"decision_id": "e0", "kind": "chargeback", "decision_is_known": True}
    late = Outcome("e0", "chargeback", happened_at=AT, value=25)
    assert feedback.taken([late, Outcome("e9", "recovered")], online.store.trace) == [
        {**known, "is_new": True},
        {"decision_id": "e9", "kind": "recovered", "decision_is_known": False, "is_new": True},
    ]
    assert feedback.taken([late], online.store.trace) == [{**known, "is_new": False}]
    assert chargeback.key == late.key
    (found,) = feedback.of("e0")
    assert found.decision is not None
    assert (found.decision["answer"], found.decision["propensity"], found.value) == ("allow", 1.0, 25)
    assert feedback.counts() == {"chargeback": 1, "recovered": 1}


@pytest.mark.parametrize(
    ("outcome", "problem"),
    [
        (Outcome("e0", "regret"), "the kind regret is not one of chargeback"),
        (Outcome("e0", "complaint", happened_at=datetime(2999, 1, 1)), "it lies ahead"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_of_the_request_is_taken(
    tmp_path: Path, outcome: Outcome, problem: str
) -> None:
    _, feedback = online_in(tmp_path)
    with pytest.raises(OnlineError, match=problem):
        feedback.taken([Outcome("e1", "complaint"), outcome], lambda _: None)
    assert feedback.counts() == {}


def test_outcomes_of_a_topic_come_with_their_offsets_and_broken_ones_are_dead_letters(tmp_path: Path) -> None:
    online, feedback = online_in(tmp_path)
    online.process(said(0, event_id="e0"))
    whole, many = b'{"decision_id":"e0","kind":"complaint"}', b'[{"decision_id":"e1","kind":"abuse"}]'
    impossible = b'{"decision_id":"e0","kind":"abuse","happened_at":"0001-01-01T00:00:00+23:59"}'
    by_topic(online, impossible, first=100)
    assert "out of range" in online.store.dead_letters()[0].reason
    online.store.forget_dead_letters(online.store.dead_letters())
    by_topic(online, b'{"decision_id":"e0","kind":"abuse","happened_at":"9999-01-01T00:00:00Z"}', first=101)
    assert online.store.dead_letters()[0].reason == "it lies ahead"
    online.store.forget_dead_letters(online.store.dead_letters())
    online, feedback = online_in(tmp_path / "other")
    online.process(said(0, event_id="e0"))
    by_topic(online, whole, b"junk", many, b'{"decision_id":"e0","kind":"regret"}', whole)
    reasons = [each.reason for each in online.store.dead_letters()]
    assert [reason.split(":")[0] for reason in reasons] == [
        "no outcome",
        "the kind regret is not one of chargeback, complaint, abuse, recovered, false_alarm",
    ]
    assert online.processor.offsets["outcomes", 0].next_offset == 5
    by_topic(online, whole)  # passed over by its offset
    assert Settling(feedback, online.store)(now=True) == 3
    assert Settling(feedback, online.store)(now=True) == 0
    assert feedback.counts() == {"abuse": 1, "complaint": 1}
    assert feedback.of("e0")[0].decision is not None
    assert online.store.tallies()["outcomes", "outcome"] == 3
    online.processor.store_windows()
    assert online.store.decision("e0") is not None


def test_outcomes_wait_while_the_record_cannot_be_written(tmp_path: Path, state_url: str) -> None:
    online, feedback = online_in(tmp_path, state_url)
    by_topic(online, b'{"decision_id":"e0","kind":"complaint"}')
    elsewhere = Announcer(
        product_file=feedback.announcer.product_file, state="sqlite:////proc/none/state.db", data="/proc/none"
    )
    assert Settling(FeedbackService(feedback.product, elsewhere), online.store)(now=True) == 0
    assert Settling(feedback, online.store)(now=True) == 1


@pytest.mark.parametrize("point", OUTCOME_FAULT_POINTS)
def test_killed_between_record_and_stream_an_outcome_is_recorded_once(
    tmp_path: Path, point: str, state_url: str
) -> None:
    online, feedback = online_in(tmp_path, state_url)
    by_topic(online, b'{"decision_id":"e0","kind":"complaint"}')
    program = (
        "import sys; from pathlib import Path; from tests.resources.services.test_feedback import online_in;"
        " from resources.services.feedback import Settling;"
        " online, feedback = online_in(Path(sys.argv[1]), sys.argv[2]); Settling(feedback, online.store)(now=True)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "INTELLIGENCE_KILL_AT": point}
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path), state_url], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert Settling(feedback, online.store)(now=True) == 1
    assert feedback.counts() == {"complaint": 1}


def test_kinds_are_named_once_and_a_topic_is_read_for_one_thing() -> None:
    with pytest.raises((PlatformError, ValidationError), match="more than once"):
        product_from(PRODUCT + "  outcomes: {harmful: [abuse], harmless: [abuse]}\n")
    with pytest.raises((PlatformError, ValidationError), match="more than once"):
        product_from(PRODUCT + "  outcomes: {topics: [events]}\n")
