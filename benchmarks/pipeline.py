"""Delivered CSV files to feature-days, user-days and KPIs: the platform's asset graph compared with pandas, on the same rows.

There are two candidates: pandas as its documentation teaches it, doing the same work, and pandas tuned by an expert,
doing a part of it. All must agree before a ratio is printed: on the result for every row, on the column that each
rejected row breaks, and on every number of every table that a candidate computes.

With `--seed` the file is a product's past, of many users with one or two events each and without event ids, compared with a
plain pandas script that does less.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.graph import FIRST_DAY, environment_of
from benchmarks.measuring import MEMORY_LIMIT, Measurement, arguments, demand, measured, median, tell, temporary

LEAST_RATIO = 3.0
PLATFORM, PLAIN, TUNED = "platform", "plain pandas", "tuned pandas"
# The module of each candidate, and which of the lake's tables it computes.
RIVALS = {
    PLAIN: ("plain_pandas", ("sessions", "feature_days", "user_day", "kpi_day")),
    TUNED: ("tuned_pandas", ("feature_days",)),
}
# How much of the CPU time of the plain script the platform may take on a product's past, by events.
SEED_DEMANDS = {1_000_000: 1.0, 10_000_000: 0.5}
SEED_MAPPING = "event_time: timestamp"
PRODUCT = """
name: Pipeline
start: {first_day}
sources:
  - {{name: files, files: {files}, mapping: {{{mapping}}}}}
"""


def compared(folder: Path, events: int, repeats: int) -> float:
    """Return how many times the platform's wall time plain pandas takes, after printing all sides and making sure they agree."""
    listed = folder / f"files-{events}.txt"
    measured("benchmarks.delivered_files", str(events), folder, listed)
    files = listed.read_text(encoding="utf-8").splitlines()
    print(f"about {events:,} events in {len(files)} CSV files; memory limit of DuckDB {MEMORY_LIMIT}", flush=True)
    sides: Mapping[str, list[Measurement]] = {PLATFORM: [], **{name: [] for name in RIVALS}}
    for number in range(repeats):
        tell(f"measuring, {number + 1} of {repeats}")
        with temporary("pipeline", folder) as here:
            for name, runs in sides.items():
                runs.append(measure(name, here, listed, files))
                print(f"  run {number + 1}: {name:<14}{runs[-1]}", flush=True)
            for rival, (module, tables) in RIVALS.items():
                measured("benchmarks.agreement", here / PLATFORM, here / module, *tables)
                tell(f"{rival} agrees with the lake on {', '.join(tables)}")
    platform = median(sides[PLATFORM])
    for rival in RIVALS:
        found = median(sides[rival])
        print(
            f"  {rival} takes {found.wall_s / platform.wall_s:.2f} times the platform's wall time,"
            f" {found.cpu_s / platform.cpu_s:.2f} times its CPU time, {found.peak_gib / platform.peak_gib:.2f} times its peak",
            flush=True,
        )
    print(f"  (demand: at least {LEAST_RATIO} times the wall time for plain pandas in the largest)", flush=True)
    return median(sides[PLAIN]).wall_s / platform.wall_s


def measure(name: str, here: Path, listed: Path, files: Sequence[str]) -> Measurement:
    """Return what one side took, in a folder of its own inside of `here`."""
    if name in RIVALS:
        module, _ = RIVALS[name]
        return measured(f"benchmarks.{module}", listed, here / module, "--start", FIRST_DAY.isoformat())
    return by_platform(here, files)


def by_platform(here: Path, files: Sequence[str], *, mapping: str = "") -> Measurement:
    """Return what the platform took from the files to KPIs, in a lake of its own inside of `here`."""
    product = PRODUCT.format(first_day=FIRST_DAY, files=list(files), mapping=mapping)
    return measured("benchmarks.platform_path", environment=environment_of(here / PLATFORM, product))


def seeded(folder: Path, events: int, repeats: int) -> float:
    """Return how many times the CPU time of a plain script the platform takes on a product's past, where both agree."""
    listed = folder / f"seed-{events}.txt"
    measured("benchmarks.seed_files", str(events), folder, listed)
    files = listed.read_text(encoding="utf-8").splitlines()
    print(f"a past of {events:,} events without ids in {len(files)} CSV file", flush=True)
    mine, theirs = [], []
    for number in range(repeats):
        tell(f"measuring, {number + 1} of {repeats}")
        with temporary("seed", folder) as here:
            mine.append(by_platform(here, files, mapping=SEED_MAPPING))
            theirs.append(measured("benchmarks.seed_pandas", listed, here / "seed_pandas"))
            for name, run in ((PLATFORM, mine[-1]), (PLAIN, theirs[-1])):
                print(f"  run {number + 1}: {name:<14}{run}", flush=True)
            measured("benchmarks.seed_agreement", here / PLATFORM, here / "seed_pandas")
    ratio = median(mine).cpu_s / median(theirs).cpu_s
    print(f"  the platform takes {ratio:.2f} times the CPU time of {PLAIN}, which does less", flush=True)
    return ratio


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--events", type=int, action="append", help="events, may be given more than once; None means 1 and 10 million"
    )
    parser.add_argument(
        "--seed", action="store_true", help="a product's past without event ids, against a plain script"
    )
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    if chosen.seed:
        for events in chosen.events or tuple(SEED_DEMANDS):
            found, most = seeded(chosen.folder, events, chosen.repeats), SEED_DEMANDS.get(events, 1.0)
            demand(found <= most, f"{found:.2f} times the CPU time at {events:,} events is more than {most}")
        return
    sizes = chosen.events or (1_000_000, 10_000_000)
    ratios = {events: compared(chosen.folder, events, chosen.repeats) for events in sizes}
    largest = max(ratios)
    demand(ratios[largest] >= LEAST_RATIO, f"{ratios[largest]:.2f} at {largest:,} events is less than {LEAST_RATIO}")


if __name__ == "__main__":
    main()
