"""What one more day costs, early and late: the runs that bring a lake of n days to n + 1, near day 3 and near day 300.

From files to health and KPIs: what stands behind them, as scores and drift, is not there yet on day 3. Each lake gets its
past in one go and then single days, all of exactly as many events. The lakes take turns, so that noise meets all alike. The
start of a process is left out.
"""

import os
import statistics
import time
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.graph import FIRST_DAY, environment_of, run
from benchmarks.measuring import arguments, demand, tell, temporary

if TYPE_CHECKING:
    import dagster as dg

    from resources.lake import Lake

MOST_RATIO = 1.1
EVENTS_PER_DAY = 50_000
# A Saturday has half the events of a Friday; of this many a day, each day has EVENTS_PER_DAY to draw from.
SIMULATED_PER_DAY = 150_000
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
    lake: "Lake"
    definitions: "dg.Definitions"
    instance: "dg.DagsterInstance"

    def grown(self, days: list[date]) -> tuple[float, float]:
        """Return the wall and CPU seconds of the runs that take in and build these days."""
        from intelligence.layers import DELIVERED
        from intelligence.metrics.tables import TABLES as METRICS
        from intelligence.telemetry.tables import DAY_QUALITY, EVENTS
        from intelligence.warehouse.tables import TABLES as WAREHOUSE

        for day in days:
            os.link(simulated_file(day, self.folder.parents[1]), self.folder / "delivered" / f"{day}.parquet")
        begun = time.perf_counter(), time.process_time()
        run(self.definitions, self.instance, DELIVERED)
        run(self.definitions, self.instance, (EVENTS, DAY_QUALITY, *WAREHOUSE, *METRICS), (days[0], days[-1]))
        taken = time.perf_counter() - begun[0], time.process_time() - begun[1]
        assert self.lake.newest_day().start == days[-1], f"the newest day is {self.lake.newest_day().start}"
        return taken


def site(folder: Path) -> Site:
    """Return a new site in `folder`; the first one sets the environment that the code location is loaded with."""
    (folder / "delivered").mkdir(parents=True)
    product = PRODUCT.format(first_day=FIRST_DAY, files=f"{folder}/delivered/*.parquet")
    environment = environment_of(folder, product)
    os.environ.update(environment)
    from assets.definitions import definitions
    from assets.house import PRODUCT as LOADED
    from resources.announcer import Announcer
    from resources.builds import definition_version
    from resources.drift_reports import DriftReports
    from resources.lake import Lake
    from resources.product_file import ProductFile
    from resources.registry import Registry
    from resources.runs import instance_for
    from resources.settings import settings

    lake = Lake.of(settings(), version=definition_version(LOADED))
    product_file = ProductFile(path=environment["INTELLIGENCE_PRODUCT"], landing=str(folder / "landing"))
    here = settings()
    defs = definitions(lake, product_file, Registry.of(here), DriftReports.of(here), Announcer.of(here))
    return Site(folder, lake, defs, instance_for(here))


def simulated_file(day: date, folder: Path) -> Path:
    """Return the Parquet file of EVENTS_PER_DAY events of the day, inside of `folder`, written where it is not there yet."""
    from intelligence.telemetry.simulation import SimulationPlan, simulated_day

    file = folder / f"parquet-exactly-{EVENTS_PER_DAY}-a-day" / f"{day}.parquet"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        plan = SimulationPlan(events_per_day=SIMULATED_PER_DAY, first_day=FIRST_DAY, planted=False)
        half = file.with_suffix(".half")
        simulated_day(plan, day).sample(EVENTS_PER_DAY, seed=7).sort("event_time").write_parquet(half)
        os.replace(half, file)
    return file


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--day", type=int, action="append", help="day to measure at, in order; None means 3, 31 and 297"
    )
    chosen = parser.parse_args()
    with temporary("day", chosen.folder) as folder:
        measure(folder, chosen.day or list(SAME_WEEKDAYS), chosen.repeats)


def measure(folder: Path, days: list[int], repeats: int) -> None:
    """Build the lakes, time single days and print medians and ratios."""
    sites = {day: site(folder / str(day)) for day in days}
    for day, each in sites.items():
        tell(f"building the {day - 1} days before day {day}")
        wall_s, cpu_s = each.grown([FIRST_DAY + timedelta(days=number) for number in range(day - 1)])
        print(f"  the {day - 1} days before day {day}, in one go: {wall_s:.1f} s wall, {cpu_s:.1f} s CPU", flush=True)
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
    demand(ratio <= MOST_RATIO, f"{ratio:.2f} is more than {MOST_RATIO}")


if __name__ == "__main__":
    main()
