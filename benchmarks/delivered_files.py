"""Simulated events as CSV files, one a day, with rows that break the contract and events that are delivered twice."""

import argparse
import os
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from benchmarks.graph import FIRST_DAY
from benchmarks.measuring import tell
from intelligence.simulation.stream import SimulationPlan, simulated_day

EVENTS_PER_DAY = 50_000
BROKEN_EVERY = 200
REPEATED_EVERY = 100
BREAKAGES: tuple[tuple[str, str | None], ...] = (
    ("event_time", None),
    ("event_time", "yesterday"),
    ("event_time", "1999-12-31 23:59:59"),
    ("event_time", "2999-01-01 00:00:00"),
    ("user_id", None),
    ("user_id", "<script>"),
    ("feature", None),
    ("event_type", None),
    ("latency_ms", "fast"),
    ("latency_ms", "-5"),
    ("error_count", "1.5"),
    ("crashed", "maybe"),
    ("rating", "9"),
    ("duration_s", "90000"),
    ("segment", "s" * 300),
    ("properties", "[1, 2]"),
    ("properties", '{"model":'),
)


def csv_files(events: int, folder: Path) -> list[Path]:
    """Return the day files in `folder` that hold about this many events, after writing those that are not there yet."""
    folder = folder / f"csv-{EVENTS_PER_DAY}-a-day"
    folder.mkdir(parents=True, exist_ok=True)
    days = [FIRST_DAY + timedelta(days=number) for number in range(max(1, round(events / EVENTS_PER_DAY)))]
    plan = SimulationPlan(events_per_day=EVENTS_PER_DAY, first_day=FIRST_DAY)
    files = [folder / f"{day}.csv" for day in days]
    missing = [(day, file) for day, file in zip(days, files, strict=True) if not file.exists()]
    if missing:
        tell(f"writing {len(missing)} day files")
    for day, file in missing:
        half = file.with_suffix(".half")
        delivered_day(plan, day).write_csv(half)
        # The intake leaves out a file that was written just now.
        os.utime(half, (0, 0))
        os.replace(half, file)
    return files


def delivered_day(plan: SimulationPlan, day: date) -> pl.DataFrame:
    """Return what is delivered on a day: its events, one in 100 of the day before once more, one in 200 again, broken."""
    events = _texts(simulated_day(plan, day))
    earlier = _texts(simulated_day(plan, day - timedelta(days=1))) if day > plan.first_day else events.clear()
    return pl.concat([events, earlier.gather_every(REPEATED_EVERY), _broken(events.gather_every(BROKEN_EVERY))])


def _texts(events: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(pl.col("event_time").dt.to_string("%Y-%m-%d %H:%M:%S%.6f")).cast(pl.String)


def _broken(events: pl.DataFrame) -> pl.DataFrame:
    way = pl.int_range(pl.len()) % len(BREAKAGES)
    columns = {"event_id": "x" + pl.col("event_id")}
    for number, (column, value) in enumerate(BREAKAGES):
        kept = columns.get(column, pl.col(column))
        columns[column] = pl.when(way == number).then(pl.lit(value, pl.String)).otherwise(kept)
    return events.with_columns(**columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("listed", type=Path, help="text file to write: the paths in the order of delivery")
    chosen = parser.parse_args()
    files = csv_files(chosen.events, chosen.folder)
    chosen.listed.write_text("".join(f"{file}\n" for file in files), encoding="utf-8")


if __name__ == "__main__":
    main()
