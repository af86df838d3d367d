"""Killed at every named point between planning and confirmation, or delivered by two at once: exactly one effect."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from intelligence.actions.flags import exposure, version_of
from resources.config.faults import ACTION_FAULT_POINTS
from resources.config.settings import ROOT
from resources.flags.file import FlagFile
from resources.outbox.deliverer import delivered
from resources.processes.front.twins import twins_served
from resources.twins.store import TwinStore
from tests.programs.deliver_actions import CHAIN, FLAG, actions_of, outbox_in, targets_in

pytestmark = pytest.mark.proof

PROGRAM = ROOT / "tests" / "programs" / "deliver_actions.py"


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TwinStore, str]]:
    store = TwinStore(tmp_path_factory.mktemp("twins") / "twins.db")
    with twins_served(store) as (url, _):
        yield store, url


def program(*arguments: str | Path) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, twins: tuple[TwinStore, str]) -> Path:
    """Folders in each of which a process was killed at one point, and one in which one was at each."""
    folder = tmp_path_factory.mktemp("killed")
    told = program("kill", folder, twins[1])
    assert [line.split() for line in told] == [
        [name, "-9"] for point in ACTION_FAULT_POINTS for name in (point, f"{CHAIN}:{point}")
    ], "every point must be reached"
    return folder


@pytest.mark.parametrize("point", [*ACTION_FAULT_POINTS, CHAIN])
def test_the_deliveries_after_a_kill_end_with_exactly_one_effect(
    point: str, killed: Path, twins: tuple[TwinStore, str]
) -> None:
    store, url = twins
    folder, more = killed / point, len(ACTION_FAULT_POINTS) - 1 if point == CHAIN else 0
    actions = actions_of(point, more=more)
    for hours in (2, 3):
        outbox = outbox_in(folder, ahead=timedelta(hours=hours))
        outbox.planned(actions, actor="policy", reason="it burns")
        for entry in outbox.entries():
            if entry.standing == "planned":
                outbox.approved(entry.id, actor="ann", reason="yes")
        delivered(outbox, targets_in(folder, url, outbox))
        outbox.state.close()
    assert {entry.id: entry.standing for entry in outbox.entries()} == {each.id: "confirmed" for each in actions}
    messages = [each.id for each in actions if each.target == "slack"]
    taken = Counter(record.key for record in store.records("slack"))
    assert {key: taken[key] for key in messages} == dict.fromkeys(messages, 1)
    parent, reply = (store.records("slack", key=key)[0] for key in messages[:2])
    assert (parent.thread, reply.thread) == (None, parent.reference)
    document = FlagFile(folder / "flags.flagd.json").document()
    assert (version_of(document, FLAG), exposure(document, FLAG)) == (1, 0.5)
    assert list(folder.glob(".*.new")) == []
    outbox.state.close()


def test_two_deliverers_at_once_on_clocks_an_hour_apart_send_each_message_once(
    tmp_path: Path, twins: tuple[TwinStore, str]
) -> None:
    store, url = twins
    outbox = outbox_in(tmp_path)
    actions = [each for each in actions_of("race", more=20) if each.target == "slack"]
    outbox.planned(actions, actor="policy", reason="it burns", approved=True)
    assert program("race", tmp_path, url, 20) == ["[0, 0] 20"]
    for hours in (2, 3):
        ahead = outbox_in(tmp_path, ahead=timedelta(hours=hours))
        delivered(ahead, targets_in(tmp_path, url, ahead))
    assert {entry.standing for entry in outbox.entries()} == {"confirmed"}
    taken = Counter(record.key for record in store.records("slack"))
    assert {taken[each.id] for each in actions} == {1}
    outbox.state.close()
