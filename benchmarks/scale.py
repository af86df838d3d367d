"""Simulated events to feature-days, up to 100 million: the platform compared with DuckDB's bare group-by of the same files."""

import json
from pathlib import Path

from benchmarks.graph import FIRST_DAY, environment_of
from benchmarks.measuring import MEMORY_LIMIT, Measurement, arguments, demand, measured, median, tell, temporary

MOST_RATIO = 2.0
MOST_PEAK_GIB = 6.0
PRODUCT = """
name: Scale
sources:
  - name: simulator
    simulate: {{features: 120, days: {days}, events_per_day: {events_per_day}, seed: 7, first_day: {first_day}}}
"""


def compared(folder: Path, *, events: int, days: int, repeats: int) -> None:
    """Time both sides over a lake in `folder`, which is filled first where it is empty, and print them."""
    product = PRODUCT.format(days=days, events_per_day=round(events / days), first_day=FIRST_DAY)
    environment, listed = environment_of(folder, product), folder / "files.json"
    if not listed.exists():
        filled = measured("benchmarks.fill_lake", listed, "--days", str(days), environment=environment)
        print(f"  filling the lake (not compared)  {filled}", flush=True)
    facts = json.loads(listed.read_text(encoding="utf-8"))["events"]
    print(f"{facts:,} events on {days} days; memory limit of DuckDB {MEMORY_LIMIT}", flush=True)
    sides: dict[str, list[Measurement]] = {"platform": [], "bare group-by": []}
    for number in range(repeats):
        tell(f"measuring, {number + 1} of {repeats}")
        sides["platform"].append(measured("benchmarks.feature_days", environment=environment))
        sides["bare group-by"].append(measured("benchmarks.feature_days", "--files", listed, environment=environment))
        for name, runs in sides.items():
            print(f"  run {number + 1}: {name:<14}{runs[-1]}", flush=True)
    platform, bare = median(sides["platform"]), median(sides["bare group-by"])
    ratio = platform.wall_s / bare.wall_s
    print(f"  the platform takes {ratio:.2f} times the bare group-by's wall time (demand: at most {MOST_RATIO})")
    print(f"  and {platform.peak_gib:.2f} GiB at its peak (demand: under {MOST_PEAK_GIB})", flush=True)
    demand(ratio <= MOST_RATIO, f"{ratio:.2f} is more than {MOST_RATIO}")
    demand(platform.peak_gib < MOST_PEAK_GIB, f"{platform.peak_gib:.2f} GiB is not less than {MOST_PEAK_GIB}")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=100_000_000, help="events in all")
    parser.add_argument("--days", type=int, default=100, help="days that they are spread over")
    parser.add_argument("--keep", action="store_true", help="leave the filled lake there, and use it where it is there")
    chosen = parser.parse_args()
    size = {"events": chosen.events, "days": chosen.days, "repeats": chosen.repeats}
    if chosen.keep:
        compared(chosen.folder / f"scale-{chosen.events}-{chosen.days}", **size)
    else:
        with temporary("scale", chosen.folder) as folder:
            compared(folder, **size)


if __name__ == "__main__":
    main()
