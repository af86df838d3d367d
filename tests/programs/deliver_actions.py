"""Plans, approves and delivers as other processes do, killed or not.

Usage: deliver_actions.py kill FOLDER URL    a process for each fault point, in a folder of its own, and a chain of them
       deliver_actions.py race FOLDER URL COUNT    two processes that deliver the same actions at once, on skewed clocks
"""

import os
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from pydantic import SecretStr

from intelligence.actions.action import Action, Kind
from intelligence.actions.target import Target
from resources.config.faults import ACTION_FAULT_POINTS
from resources.flags.file import FlagFile
from resources.flags.record import FlagRecord
from resources.flags.target import Flags
from resources.outbox.deliverer import delivered
from resources.outbox.door import Outbox, utc_now
from resources.state.store import state_at
from resources.targets.slack import Slack
from resources.targets.slack_calls import SlackOverHttp
from resources.twins.wire import TwinKeys

FLAG = "tutor-answer"
CHAIN = "chain"


def outbox_in(folder: Path, *, ahead: timedelta = timedelta()) -> Outbox:
    return Outbox(state_at(f"sqlite:///{folder}/state.db"), clock=lambda: utc_now() + ahead)


def targets_in(folder: Path, url: str, outbox: Outbox) -> list[Target]:
    slack = Slack(SlackOverHttp(f"{url}/api/", SecretStr(TwinKeys().slack_token)), "#ops")
    return [slack, Flags(FlagFile(folder / "flags.flagd.json"), FlagRecord(outbox.state, outbox.clock))]


def actions_of(name: str, *, more: int = 0) -> list[Action]:
    """Return two messages of one episode, a throttle of a flag, and some messages more."""
    day = date(2026, 7, 1)
    told = [
        Action(
            f"{name}-{number}", Kind.ALERT, "slack", "tutor_answer", day, f"episode {name}", f"It burns {number}", ""
        )
        for number in range(2)
    ]
    payload = {"flag": FLAG, "step": 0.5}
    throttle = Action(
        f"{name}-flag", Kind.THROTTLE, "flags", "tutor_answer", day, f"episode {name}", "Throttle", "", payload
    )
    others = [
        Action(f"{name}-more-{number}", Kind.ALERT, "slack", None, day, f"more {number}", "And this", "")
        for number in range(more)
    ]
    return [*told, throttle, *others]


def carried_out(folder: Path, url: str, name: str, *, more: int = 0, ahead: timedelta = timedelta()) -> None:
    outbox = outbox_in(folder, ahead=ahead)
    actions = actions_of(name, more=more)
    outbox.planned(actions, actor="policy", reason="it burns")
    for action in actions:
        if outbox.entry(action.id).standing == "planned":
            outbox.approved(action.id, actor="ann", reason="yes")
    delivered(outbox, targets_in(folder, url, outbox))


def status_of(work: Callable[[], None], *, kill_at: str = "") -> Callable[[], int]:
    """Begin the work in a process of its own; return what waits for its exit code, -9 where it was killed."""
    process = os.fork()
    if process == 0:
        os.environ["INTELLIGENCE_KILL_AT"] = kill_at
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return lambda: os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def killed(folder: Path, url: str) -> None:
    for name in (*ACTION_FAULT_POINTS, CHAIN):
        FlagFile(folder / name / "flags.flagd.json").declared([FLAG])
    for number, point in enumerate(ACTION_FAULT_POINTS):
        work = lambda: carried_out(folder / point, url, point)  # noqa: B023, E731 - done before the next turn
        print(point, status_of(work, kill_at=point)())
        ahead = timedelta(minutes=5 * number)
        work = lambda: carried_out(folder / CHAIN, url, CHAIN, more=number, ahead=ahead)  # noqa: B023, E731
        print(f"{CHAIN}:{point}", status_of(work, kill_at=point)())


def raced(folder: Path, url: str, count: int) -> None:
    def deliver(ahead: timedelta) -> None:
        outbox = outbox_in(folder, ahead=ahead)
        for _ in range(30):
            delivered(outbox, targets_in(folder, url, outbox))
            if all(entry.standing == "confirmed" for entry in outbox.entries()):
                return

    waits = [status_of(lambda ahead=ahead: deliver(ahead)) for ahead in (timedelta(), timedelta(hours=1))]
    print([wait() for wait in waits], count)


if __name__ == "__main__":
    if sys.argv[1] == "kill":
        killed(Path(sys.argv[2]), sys.argv[3])
    else:
        raced(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
