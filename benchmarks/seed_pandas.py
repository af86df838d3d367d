"""What a script does with a product's past in pandas: read it, drop repeated rows, count by day, user and feature.

It does less than the platform: no row is checked or kept with a reason, nobody is put into sessions, there are no segments,
windows or quantiles, and nothing is written in transactions.
"""

import argparse
from pathlib import Path

import pandas as pd

CONVERSIONS = ("complete", "subscribe")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, help="text file that names the CSV files")
    parser.add_argument("out", type=Path, help="folder to write to")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    files = chosen.files.read_text(encoding="utf-8").splitlines()
    events = pd.concat([pd.read_csv(file, parse_dates=["timestamp"]) for file in files], ignore_index=True)
    events = events.drop_duplicates(ignore_index=True)
    events["event_date"] = events["timestamp"].dt.tz_localize(None).dt.normalize()
    events["failed"] = events["error_count"] > 0
    events["converted"] = events["event_type"].isin(CONVERSIONS)
    events.to_parquet(chosen.out / "events.parquet", index=False)
    features = events.groupby(["event_date", "feature"]).agg(
        usage_count=("user_id", "size"), users=("user_id", "nunique"), failed_events=("failed", "sum")
    )
    features.reset_index().to_parquet(chosen.out / "feature_days.parquet", index=False)
    users = events.groupby(["event_date", "user_id"]).agg(
        events=("feature", "size"), conversions=("converted", "sum"), value=("value", "sum")
    )
    users.reset_index().to_parquet(chosen.out / "user_day.parquet", index=False)
    users["converted"] = users["conversions"] > 0
    days = users.groupby("event_date").agg(dau=("events", "size"), converted_users=("converted", "sum"))
    days.reset_index().to_parquet(chosen.out / "kpi_day.parquet", index=False)


if __name__ == "__main__":
    main()
