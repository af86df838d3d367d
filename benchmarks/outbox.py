"""How long the outbox takes to deliver many actions to the loopback twin, with rate limits off.

For every action an attempt is recorded, a message goes over HTTP through slack-sdk to the twin in a process of its own,
and the receipt is recorded. The program ends with 1 if an action did not arrive exactly once, or if it took too long.
"""

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.measuring import arguments, demand, temporary
from intelligence.actions.action import Action, Kind
from resources.outbox.deliverer import Pace, delivered
from resources.outbox.door import Outbox
from resources.processes.front.twins import twins_served
from resources.state.store import state_at
from resources.targets.slack import Slack
from resources.targets.slack_calls import SlackOverHttp
from resources.twins.store import TwinStore
from resources.twins.wire import TwinKeys


def actions(count: int, per_episode: int) -> list[Action]:
    """Return alerts, some to an episode, as a bad day would bring."""
    return [
        Action(
            f"d{number}",
            Kind.ALERT,
            "slack",
            None,
            date(2026, 7, 1),
            f"e{number // per_episode}",
            f"Alert {number}",
            "Why",
        )
        for number in range(count)
    ]


@contextmanager
def twin_beside(kept: Path) -> Iterator[str]:
    """Yield the address of the twins, which are served by a process of their own and keep what they take in `kept`."""
    spawning = multiprocessing.get_context("spawn")
    here, there = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(kept, there))
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("enough")
        process.join()


def _serve(kept: Path, caller: Connection) -> None:
    with twins_served(TwinStore(kept)) as (url, _):
        caller.send(url)
        caller.recv()


def seconds_to_deliver(wanted: list[Action], folder: Path) -> float:
    """Return how long it took from planning to the last receipt; ends the program if one did not arrive once."""
    from pydantic import SecretStr

    outbox = Outbox(state_at(f"sqlite:///{folder}/state.db"))
    with twin_beside(folder / "twins.db") as url:
        slack = Slack(SlackOverHttp(f"{url}/api/", SecretStr(TwinKeys().slack_token)), "#bench")
        begun = time.perf_counter()
        outbox.planned(wanted, actor="benchmark", reason="to be measured", approved=True)
        report = delivered(outbox, [slack], pace=Pace(longest_s=600))
        took_s = time.perf_counter() - begun
    demand(len(report.ids("confirmed")) == len(wanted), f"only {len(report.ids('confirmed'))} were confirmed")
    taken = Counter(record.key for record in TwinStore(folder / "twins.db").records("slack"))
    demand(all(taken[each.id] == 1 for each in wanted), "some did not arrive exactly once")
    outbox.state.close()
    return took_s


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--actions", type=int, default=1_000, help="how many are delivered")
    parser.add_argument("--per-episode", type=int, default=1, help="how many share a thread")
    parser.add_argument("--limit-s", type=float, default=30.0, help="what each run has to stay below")
    given = parser.parse_args()
    wanted, figures = actions(given.actions, given.per_episode), []
    for _ in range(given.repeats):
        with temporary("outbox", given.folder) as folder:
            busy_s = sum(os.times()[:4])
            figures.append((seconds_to_deliver(wanted, folder), sum(os.times()[:4]) - busy_s))
    for took_s, cpu_s in figures:
        print(
            f"{given.actions:,} actions: {took_s:.1f} s, {cpu_s:.1f} s CPU with the twin, {took_s / given.actions * 1e3:.1f} ms each"
        )
    demand(max(took_s for took_s, _ in figures) < given.limit_s, f"a run took {given.limit_s:g} s or more")


if __name__ == "__main__":
    main()
