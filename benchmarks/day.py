"""The cost of one more day, early and late: the runs that extend a lake of n days to n + 1, near day 3 and near day 300.

From files to health and KPIs: later layers, such as scores and drift, do not exist yet on day 3. Each lake gets its
past in one go, or day by day with `--singly`, and then single days with exactly the same number of events. The lakes
take turns, so that noise affects all alike. The start of a process is not measured, except for one more day of each
lake at the end.
"""

import os
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.graph import FIRST_DAY, environment_of, run
from benchmarks.measuring import arguments, demand, measured, tell, temporary

if TYPE_CHECKING:
    import dagster as dg

    from resources.lake.door import Lake

MOST_RATIO = 1.1
MOST_S = 10.0
KEPT_DAYS = 30
MOST_STATE_MB_PER_DAY = 0.25
EVENTS_PER_DAY = 50_000
# A Saturday has half the events of a Friday; with this many times as many events per day, each day has enough to draw from.
SIMULATED_TIMES = 3
SAME_WEEKDAYS = (3, 31, 297)
PRODUCT = """
name: Days
start: {first_day}
sources:
  - {{name: files, files: {files}}}
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A lake that grows day by day, with its files, its code location and its Dagster instance."""

    folder: Path
    events: int
    lake: "Lake"
    definitions: "dg.Definitions"
    instance: "dg.DagsterInstance"

    def grown(self, days: list[date]) -> tuple[float, float]:
        """Return the wall and CPU seconds of the runs that take in and build these days."""
        from intelligence.catalog.layers import DELIVERED
        from intelligence.metrics.tables import TABLES as METRICS
        from intelligence.telemetry.tables import DAY_QUALITY, EVENTS
        from intelligence.warehouse.tables import TABLES as WAREHOUSE

        for day in days:
            os.link(
                simulated_file(day, self.events, self.folder.parents[1]), self.folder / "delivered" / f"{day}.parquet"
            )
        begun = time.perf_counter(), time.process_time()
        run(self.definitions, self.instance, DELIVERED)
        run(self.definitions, self.instance, (EVENTS, DAY_QUALITY, *WAREHOUSE, *METRICS), (days[0], days[-1]))
        taken = time.perf_counter() - begun[0], time.process_time() - begun[1]
        assert self.lake.newest_day().start == days[-1], f"the newest day is {self.lake.newest_day().start}"
        return taken


def site(folder: Path, events: int) -> Site:
    """Return the site in `folder`, new or as it was left."""
    (folder / "delivered").mkdir(parents=True, exist_ok=True)
    product = PRODUCT.format(first_day=FIRST_DAY, files=f"{folder}/delivered/*.parquet")
    os.environ.update(environment_of(folder, product))
    from assets.definitions import definitions
    from resources.config.settings import settings
    from resources.platform import Platform
    from resources.processes.runs import instance_for

    here = settings()
    platform = Platform.of(here)
    return Site(folder, events, platform.lake, definitions(platform), instance_for(here))


def simulated_file(day: date, events: int, folder: Path) -> Path:
    """Return the Parquet file of so many events of the day, inside of `folder`, written where it is not there yet."""
    from intelligence.simulation.stream import SimulationPlan, simulated_day

    file = folder / f"parquet-exactly-{events}-a-day" / f"{day}.parquet"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        plan = SimulationPlan(events_per_day=SIMULATED_TIMES * events, first_day=FIRST_DAY, planted=False)
        half = file.with_suffix(".half")
        simulated_day(plan, day).sample(events, seed=7).sort("event_time").write_parquet(half)
        # The intake leaves out a file that was written just now.
        os.utime(half, (0, 0))
        os.replace(half, file)
    return file


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--day", type=int, action="append", help="day to measure at, in order; None means 3, 31 and 297"
    )
    parser.add_argument("--events", type=int, default=EVENTS_PER_DAY, help="events of each day")
    parser.add_argument("--singly", action="store_true", help="build the past day by day, as a product lives")
    chosen = parser.parse_args()
    with temporary("day", chosen.folder) as folder:
        sites = {day: site(folder / str(day), chosen.events) for day in chosen.day or SAME_WEEKDAYS}
        for day, each in sites.items():
            build_past(each, day, singly=chosen.singly)
        measure(sites, chosen.repeats)


def build_past(each: Site, day: int, *, singly: bool) -> None:
    """Build the days before `day`, and print what that took."""
    tell(f"building the {day - 1} days before day {day}")
    past = [FIRST_DAY + timedelta(days=number) for number in range(day - 1)]
    runs = [each.grown(days) for days in ([[one] for one in past] if singly else [past])]
    wall_s, cpu_s = (sum(run[of] for run in runs) for of in (0, 1))
    how = "one by one" if singly else "in one go"
    print(f"  the {day - 1} days before day {day}, {how}: {wall_s:.1f} s wall, {cpu_s:.1f} s CPU", flush=True)
    if singly:
        tell_state(each, lived=day - 1)


def tell_state(each: Site, *, lived: int) -> None:
    """Print how large Dagster's state is, and demand that it does not grow by more than MOST_STATE_MB_PER_DAY for good.

    The days of the past are lived within minutes: they are taken for as old as they would be, so that the runs of all but
    KEPT_DAYS of them are deleted.
    """
    from resources.processes.retention import forgotten_runs

    before = state_mb(each.folder)
    records = each.instance.get_run_records()
    runs_per_day = len(records) / max(lived, 1)
    kept = round(runs_per_day * KEPT_DAYS)
    if len(records) > kept:
        forgotten_runs(each.instance, keep_days=0, now=records[kept].update_timestamp)
    after = state_mb(each.folder)
    for_good = max(0.0, after - before / max(lived, 1) * min(lived, KEPT_DAYS)) / max(lived, 1)
    print(
        f"  Dagster's state after {lived} days: {before:.1f} MB, {before / max(lived, 1):.2f} MB a day; with {KEPT_DAYS} days"
        f" of runs kept {after:.1f} MB, of which {for_good:.3f} MB a day stay for good: {for_good * 365:.0f} MB a year",
        flush=True,
    )
    if lived > KEPT_DAYS:
        demand(for_good <= MOST_STATE_MB_PER_DAY, f"{for_good:.2f} MB a day is more than {MOST_STATE_MB_PER_DAY}")


def state_mb(folder: Path) -> float:
    """Return the size of Dagster's files of the site."""
    return sum(file.stat().st_size for file in folder.rglob("dagster/**/*") if file.is_file()) / 1e6


def measure(sites: Mapping[int, Site], repeats: int) -> None:
    """Time single days, and print medians and ratios."""
    days = list(sites)
    taken: dict[int, list[tuple[float, float]]] = {day: [] for day in days}
    for more in range(repeats):
        for day, each in sites.items():
            taken[day].append(each.grown([FIRST_DAY + timedelta(days=day - 1 + more)]))
            wall_s, cpu_s = taken[day][-1]
            print(f"  day {day + more}: {wall_s:.2f} s wall, {cpu_s:.2f} s CPU", flush=True)
    wall, cpu = ({day: statistics.median(runs[of] for runs in each) for day, each in taken.items()} for of in (0, 1))
    for earlier, later in pairwise(days):
        ratios = f"{wall[later] / wall[earlier]:.2f} (wall) and {cpu[later] / cpu[earlier]:.2f} (CPU)"
        print(f"  day {later} takes {ratios} times day {earlier}")
    ratio = wall[days[-1]] / wall[days[0]]
    print(
        f"  one more day at day {days[-1]} takes {ratio:.2f} times that at day {days[0]} (demand: at most {MOST_RATIO})"
    )
    started = {}
    for day, each in sites.items():
        next_day = FIRST_DAY + timedelta(days=day - 1 + repeats)
        started[day] = measured("benchmarks.next_day", each.folder, str(each.events), next_day.isoformat())
        run = f"{started[day].wall_s:.2f} s wall, {started[day].cpu_s:.2f} s CPU"
        print(f"  day {day + repeats}, start of its process included: {run} (demand: at most {MOST_S:g} s)")
    slowest = max(run.wall_s for run in started.values())
    demand(ratio <= MOST_RATIO, f"{ratio:.2f} is more than {MOST_RATIO}")
    demand(slowest <= MOST_S, f"{slowest:.1f} s is more than {MOST_S:g}")


if __name__ == "__main__":
    main()
