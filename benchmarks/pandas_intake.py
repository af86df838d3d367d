"""The part that both pandas candidates share: delivered files in, each event once, rejected rows and counts written."""

import argparse
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd

Judged = Callable[[Path, date], tuple[pd.DataFrame, pd.DataFrame]]


def taken_in(judged: Judged, description: str | None) -> tuple[pd.DataFrame, Path]:
    """Return the events and the folder to write to, both as the command line asks, after writing what became of each row.

    `judged` returns a file's accepted and its rejected rows.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("files", type=Path, help="text file that names the CSV files, in the order of delivery")
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--start", type=date.fromisoformat, required=True, help="first day of the product")
    chosen = parser.parse_args()
    files = [Path(line) for line in chosen.files.read_text(encoding="utf-8").splitlines()]
    chosen.out.mkdir(parents=True, exist_ok=True)
    accepted, refused = zip(*(judged(file, chosen.start) for file in files), strict=True)
    delivered = pd.concat(accepted, ignore_index=True)
    del accepted
    rejected = pd.concat(refused, ignore_index=True)
    rejected.to_parquet(chosen.out / "rejected.parquet", index=False)
    events = delivered.drop_duplicates("event_id", ignore_index=True)
    counts = {"accepted": len(events), "duplicates": len(delivered) - len(events), "rejected": len(rejected)}
    (chosen.out / "counts.json").write_text(json.dumps(counts), encoding="utf-8")
    del delivered
    events.to_parquet(chosen.out / "events.parquet", index=False)
    return events, chosen.out
