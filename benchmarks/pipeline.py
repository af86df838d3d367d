"""Delivered CSV files to feature-days: the platform's asset graph against plain pandas, on the same rows.

The two must agree before a ratio is told: on what became of every row, on the column that each rejected row
breaks, and on every metric of every feature-day.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.graph import FIRST_DAY, environment_of
from benchmarks.measuring import MEMORY_LIMIT, Measurement, arguments, demand, measured, median, tell, temporary

LEAST_RATIO = 3.0
PRODUCT = """
name: Pipeline
start: {first_day}
sources:
  - {{name: files, files: {files}}}
"""


def compared(folder: Path, events: int, repeats: int) -> float:
    """Return how many times the platform's wall time pandas takes, after printing both and making sure they agree."""
    listed = folder / f"files-{events}.txt"
    measured("benchmarks.delivered_files", str(events), folder, listed)
    files = listed.read_text(encoding="utf-8").splitlines()
    print(f"about {events:,} events in {len(files)} CSV files; memory limit of DuckDB {MEMORY_LIMIT}", flush=True)
    sides: Mapping[str, list[Measurement]] = {"platform": [], "plain pandas": []}
    for number in range(repeats):
        tell(f"measuring, {number + 1} of {repeats}")
        with temporary("pipeline", folder) as here:
            for name, runs in sides.items():
                runs.append(measure(name, here, listed, files))
                print(f"  run {number + 1}: {name:<14}{runs[-1]}", flush=True)
            measured("benchmarks.agreement", here / "platform", here / "pandas")
    platform, pandas = median(sides["platform"]), median(sides["plain pandas"])
    wall, cpu, peak = (
        pandas.wall_s / platform.wall_s,
        pandas.cpu_s / platform.cpu_s,
        pandas.peak_gib / platform.peak_gib,
    )
    print(f"  pandas takes {wall:.2f} times the platform's wall time, {cpu:.2f} times its CPU time,")
    print(
        f"  {peak:.2f} times its peak memory (demand for wall time: at least {LEAST_RATIO} in the largest)", flush=True
    )
    return wall


def measure(name: str, here: Path, listed: Path, files: Sequence[str]) -> Measurement:
    """Return what one side took, in a folder of its own inside of `here`."""
    if name == "plain pandas":
        return measured("benchmarks.plain_pandas", listed, here / "pandas", "--start", FIRST_DAY.isoformat())
    product = PRODUCT.format(first_day=FIRST_DAY, files=list(files))
    return measured("benchmarks.platform_path", environment=environment_of(here / "platform", product))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--events", type=int, action="append", help="events, may be given more than once; None means 1 and 10 million"
    )
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    sizes = chosen.events or (1_000_000, 10_000_000)
    ratios = {events: compared(chosen.folder, events, chosen.repeats) for events in sizes}
    largest = max(ratios)
    demand(ratios[largest] >= LEAST_RATIO, f"{ratios[largest]:.2f} at {largest:,} events is less than {LEAST_RATIO}")


if __name__ == "__main__":
    main()
