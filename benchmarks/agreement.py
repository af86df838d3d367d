"""Whether the two sides of the pipeline benchmark found the same: the fate of every row and every metric."""

import argparse
import json
from pathlib import Path

import duckdb
import polars as pl

from intelligence.metrics.tables import FACT_FEATURE_METRICS
from resources.lake import Lake

CLOSE = 1e-9
FATES = (
    "SELECT sum(accepted)::BIGINT AS accepted, sum(duplicates)::BIGINT AS duplicates, sum(rejected)::BIGINT AS rejected"
)
REJECTED = "SELECT parse_filename(source_file) AS source_file, source_row, column_name"
ORDERED = "ORDER BY source_file, source_row"


def disagreements(lake: Lake, other: Path) -> list[str]:
    """Return one sentence for each thing in which the lake differs from what pandas wrote to `other`."""
    found = []
    fates = lake.frame(f"{FATES} FROM telemetry.batches").row(0, named=True)
    others = json.loads((other / "counts.json").read_text(encoding="utf-8"))
    if fates != others:
        found.append(f"the fates of rows are {fates} and {others}")
    refused = lake.frame(f"{REJECTED} FROM telemetry.rejected_events {ORDERED}")
    others = duckdb.sql(f"{REJECTED} FROM '{other}/rejected.parquet' {ORDERED}").pl()
    if not refused.equals(others):
        found.append("the rejected rows or the columns that they break differ")
    key = list(FACT_FEATURE_METRICS.key)
    metrics = lake.frame(f"FROM {FACT_FEATURE_METRICS.path}").sort(key)
    others = duckdb.sql(f"SELECT * REPLACE (event_date::DATE AS event_date) FROM '{other}/feature_days.parquet'").pl()
    others = others.sort(key)
    if not metrics.select(key).equals(others.select(key)):
        return [*found, f"the feature-days differ: {metrics.height} and {others.height}"]
    for name in (column.name for column in FACT_FEATURE_METRICS.columns if column.name not in key):
        mine, theirs = metrics[name].cast(pl.Float64), others[name].cast(pl.Float64).fill_nan(None)
        largest = pl.select(pl.max_horizontal(mine.abs(), theirs.abs())).to_series()
        apart = (mine - theirs).abs() > CLOSE * largest
        wrong = apart.fill_null(value=False) | (mine.is_null() != theirs.is_null())
        if wrong.any():
            found.append(f"{name} differs on {wrong.sum()} feature-days, such as {metrics.filter(wrong).row(0)[:2]}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("platform", type=Path, help="folder of the platform's lake")
    parser.add_argument("pandas", type=Path, help="folder that pandas wrote to")
    chosen = parser.parse_args()
    lake = Lake(catalog=f"sqlite:{chosen.platform}/lake/catalog.sqlite", store=f"{chosen.platform}/lake/files")
    found = disagreements(lake, chosen.pandas)
    if found:
        raise SystemExit("The two sides disagree: " + "; ".join(found) + ".")


if __name__ == "__main__":
    main()
