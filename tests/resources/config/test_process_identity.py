"""A number alone does not identify a process: its start, boot and machine distinguish it from earlier ones with that number."""

import os
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from resources.config import process_identity
from resources.config.process_identity import Machine, ProcessIdentity, this_machine, this_process
from resources.outbox.leases import is_gone, lease_taken, new_owner
from resources.processes.runs import BIRTH_TAG, PROCESS_TAG, close_orphaned_runs, process_tags
from resources.state.store import state_at

ON_LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
BEGAN = {1: 1_000.0, 7: 5_000.0, 9: 9_000.0}


def machine(host: str = "shop", boot: str = "b1/n1", *, hidden: int = 0) -> Machine:
    """Return a machine on which 1, 7 and 9 run; what `hidden` bears may not be looked at."""
    return Machine(
        host,
        boot,
        lambda number: (
            ("", 0.0) if number == hidden else (str(number * 10), BEGAN[number]) if number in BEGAN else None
        ),
    )


@pytest.mark.parametrize(
    ("noted", "here", "noted_at", "gone"),
    [
        (ProcessIdentity("shop", 7, "b1/n1/70"), machine(), None, False),  # it still runs
        (ProcessIdentity("shop", 7, "b1/n1/69"), machine(), None, True),  # its number went to another
        (ProcessIdentity("shop", 8, "b1/n1/80"), machine(), None, True),  # nothing bears its number
        (ProcessIdentity("shop", 7, "b0/n1/70"), machine(), None, True),  # the machine was started again
        (ProcessIdentity("shop", 1, "b1/n0/10"), machine(), None, True),  # the container was, where it is 1 each time
        (ProcessIdentity("renamed", 7, "b1/n1/70"), machine(), None, False),  # the machine got another name
        (ProcessIdentity("renamed", 7, "b1/n1/69"), machine(), None, True),
        (ProcessIdentity("elsewhere", 7, "b2/n1/70"), machine(), None, False),  # another machine: unknown
        (ProcessIdentity("elsewhere", 7, "b1/n2/70"), machine(), None, False),  # another container
        (ProcessIdentity("shop", 7, "b1/n1/70"), machine(hidden=7), None, False),  # another user's: it may be that one
        (ProcessIdentity("shop", 7, "/70"), machine(boot=""), None, False),  # no boot is named: the start is a moment
        (ProcessIdentity("shop", 7, "/69"), machine(boot=""), None, True),
        (ProcessIdentity("elsewhere", 7, "/69"), machine(boot=""), None, False),
        (ProcessIdentity("shop", 7), machine(), 6_000.0, False),  # only a number was noted, when it had begun
        (ProcessIdentity("shop", 7), machine(), 4_000.0, True),  # it began after it was noted: a stranger
        (ProcessIdentity("shop", 8), machine(), 6_000.0, True),
        (ProcessIdentity("shop", 0), machine(), 6_000.0, True),  # no number was noted
        (ProcessIdentity("shop", -1), machine(), None, True),
        (ProcessIdentity("elsewhere", 8), machine(), 6_000.0, False),
        (ProcessIdentity("shop", 7), machine(hidden=7), 4_000.0, False),
    ],
)
def test_a_process_is_gone_only_where_that_is_known(
    noted: ProcessIdentity, here: Machine, noted_at: float | None, gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_identity, "this_machine", lambda: here)
    assert noted.is_gone(noted_at=noted_at) is gone


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def identity_of(number: int) -> ProcessIdentity:
    here = this_machine()
    return ProcessIdentity(here.host, number, here.birth(number))


@pytest.mark.parametrize("has_proc", [pytest.param(True, marks=ON_LINUX), False])
def test_a_process_is_itself_until_it_ends_and_nobody_afterwards(
    has_proc: bool, sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not has_proc:
        pytest.importorskip("psutil")
        monkeypatch.setattr(process_identity, "PROC", tmp_path)
    noted, me = identity_of(sleeper.pid), this_process()
    assert (noted.birth is not None, noted.is_gone(), me.is_gone()) == (True, False, False)
    assert not ProcessIdentity(noted.host, noted.number).is_gone(noted_at=time.time())
    assert ProcessIdentity(noted.host, noted.number).is_gone(noted_at=time.time() - 600)
    assert ProcessIdentity(me.host, noted.number, me.birth).is_gone()
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert noted.is_gone()  # nobody has asked for its end yet: a container's first process may never do so
    sleeper.wait()
    assert noted.is_gone()
    assert ProcessIdentity(noted.host, 2**70).is_gone()


def test_the_start_of_a_process_is_known_exactly(sleeper: subprocess.Popen[bytes]) -> None:
    began = this_machine().began_at(sleeper.pid)
    assert began is not None
    assert abs(began - time.time()) < 5
    assert began < time.time() + process_identity.EXACT_S


@pytest.mark.parametrize("is_old", [False, True])
def test_a_stranger_under_a_killed_intakes_number_stops_nothing(is_old: bool) -> None:
    tags = {**process_tags(), BIRTH_TAG: f"{os.getpid()} {identity_of(os.getpid()).birth}0"}
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.add_run(dg.DagsterRun(job_name="everything", status=dg.DagsterRunStatus.STARTED, tags=tags))
        time.sleep(2 * process_identity.EXACT_S)
        stranger = subprocess.Popen(["sleep", "60"])
        instance.add_run_tags(run.run_id, {PROCESS_TAG: str(stranger.pid)} | ({BIRTH_TAG: ""} if is_old else {}))
        assert close_orphaned_runs(instance) == 1
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("number", ["", "none", "²", "-1", "1e9"])
def test_a_tag_that_names_no_process_is_of_none_that_runs(number: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        tags = {**process_tags(), PROCESS_TAG: number}
        instance.add_run(dg.DagsterRun(job_name="everything", status=dg.DagsterRunStatus.STARTED, tags=tags))
        assert close_orphaned_runs(instance) == 1


def test_a_lease_of_a_process_whose_number_went_to_another_is_free(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    state, now, me = state_at(f"sqlite:///{tmp_path}/state.db"), datetime.now(UTC), this_process()
    former = now - timedelta(seconds=30)
    owners = {
        new_owner(): False,
        f"{me.host} {sleeper.pid} {me.birth} 1": True,
        f"{me.host}:{sleeper.pid}:1": True,  # as former versions noted it; the sleeper began later
        f"{me.host}:1:1": False,
        f"elsewhere:{sleeper.pid}:1": False,
    }
    for owner, gone in owners.items():
        assert is_gone(owner, noted_at=former) is gone, owner
        assert lease_taken(state, owner, owner=owner, now=former)
        assert (lease_taken(state, owner, owner="next", now=now) is not None) is gone, owner
    state.close()
