"""A product's past as one CSV file, as teams export it: many users with one or two events each, and no event ids."""

import argparse
import os
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.graph import FIRST_DAY
from benchmarks.measuring import tell

# Drawn with replacement, 587 of 1,000 events are then of users of their own.
USERS_PER_EVENT = 0.8473
DAYS = 90
FEATURES = 40
SEED = 7


def seed_file(events: int, folder: Path) -> Path:
    """Return the file in `folder` that holds this many events, after writing it if it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"seed-{events}.csv"
    if not file.exists():
        tell(f"writing {events:,} events")
        half = file.with_suffix(".half")
        seed_rows(events).write_csv(half)
        # The intake leaves out a file that was written just now.
        os.utime(half, (0, 0))
        os.replace(half, file)
    return file


def seed_rows(events: int) -> pl.DataFrame:
    """Return the rows in the order of time: when, who, what, how long it took, whether it failed, what it was worth."""
    random = np.random.default_rng(SEED)
    start = datetime.combine(FIRST_DAY, datetime.min.time())
    moments = np.sort(random.choice(DAYS * 86_400_000, size=events, replace=False))
    times = pl.lit(start) + pl.Series("timestamp", moments).cast(pl.Duration("ms"))
    return pl.DataFrame(
        {
            "timestamp": pl.select(times.dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")).to_series(),
            "user_id": [f"u{number}" for number in random.integers(0, round(events * USERS_PER_EVENT), events)],
            "feature": [f"feature_{number}" for number in random.integers(0, FEATURES, events)],
            "event_type": random.choice(["view", "use", "complete"], events, p=[0.6, 0.35, 0.05]),
            "latency_ms": random.lognormal(5, 0.7, events).round(),
            "error_count": (random.random(events) < 0.01).astype(np.int64),
            "value": np.where(random.random(events) < 0.02, random.integers(1, 50, events), 0),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("listed", type=Path, help="text file to write: the path of the file")
    chosen = parser.parse_args()
    chosen.listed.write_text(f"{seed_file(chosen.events, chosen.folder)}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
