"""What the guard of the stream decided can be read over HTTP, by Prometheus, on the command line and among the actions."""

import json
import os
import subprocess
import sys
import warnings
from datetime import date
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from intelligence.interfaces.online.app import app_of
from resources.online.asked import AskedDecisions
from resources.online.store import OnlineStore
from resources.processes.front.guard import Guard
from resources.services.guard import done_of
from resources.services.online_answers import OnlineAnswers
from tests.platforms import EXAMPLE
from tests.resources.online.guarded import BAD, NEW, RELEASED, Guarded
from tests.resources.online.test_guard import guarded_in

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    made = guarded_in(tmp_path)
    made.run(range(RELEASED + 3))
    return made


def test_decisions_of_the_guard_are_answered_counted_and_listed(guarded: Guarded, tmp_path: Path) -> None:
    answers = OnlineAnswers(
        guarded.platform.product,
        OnlineStore(tmp_path / "online.db"),
        AskedDecisions(tmp_path / "asked.db"),
        guarded=lambda: done_of(guarded.platform.decisions),
    )
    client = TestClient(Guard(app_of(answers)), base_url="http://127.0.0.1")
    found = client.get("/v1/guard").json()
    assert found["standing"]["fault"] == ""
    made = found["decisions"][0]
    assert (made["action"], made["feature"], made["release"], made["propensity"]) == ("rollback", BAD, NEW, 1.0)
    assert made["actions"]["flags"]["standing"] == "confirmed"
    families = {each.name: each for each in text_string_to_metric_families(client.get("/metrics").text)}
    counts = {
        (each.labels["action"], each.labels["level"]): each.value
        for each in families["intelligence_guard_decisions"].samples
    }
    assert counts[("rollback", "auto")] == 1
    assert families["intelligence_guard_suspended"].samples[0].value == 0
    notes = guarded.platform.actions.shown_actions(limit=5).notes
    assert [note for note in notes if note.startswith("On the stream, 2026-05-04 10:4") and "Roll back quiz" in note]


def test_the_command_says_how_the_guard_stands(guarded: Guarded, tmp_path: Path) -> None:
    guarded.store.close()

    def said(*words: str) -> str:
        command = [sys.executable, "-m", "intelligence.interfaces.cli.commands", "online", "guard", *words]
        known = {"INTELLIGENCE_PRODUCT": str(EXAMPLE), "INTELLIGENCE_DATA": str(tmp_path), "COLUMNS": "200"}
        return subprocess.run(command, env={**os.environ, **known}, capture_output=True, text=True, check=True).stdout

    text = said()
    assert "The guard is watching (minute of the stream: 2026-05-04T10:4" in text
    assert f"rollback {BAD} for {NEW} on ios at the level auto: flags confirmed" in text
    assert json.loads(said("--json"))["decisions"][0]["day"] == date(2026, 5, 4).isoformat()
