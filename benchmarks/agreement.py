"""Whether a candidate of the pipeline benchmark found what the lake contains: the result for every row, every number of every table."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import duckdb
import polars as pl

from intelligence.core.sql import literal
from intelligence.core.tables import Table
from intelligence.metrics.tables import FACT_FEATURE_METRICS, KPI_DAY, USER_DAY
from intelligence.warehouse.tables import FACT_SESSIONS
from resources.lake.door import Lake

CLOSE = 1e-9
FATES = (
    "SELECT sum(accepted)::BIGINT AS accepted, sum(duplicates)::BIGINT AS duplicates, sum(rejected)::BIGINT AS rejected"
)
REJECTED = "SELECT parse_filename(source_file) AS source_file, source_row, column_name"
ORDERED = "ORDER BY source_file, source_row"
COMPARED = {
    "sessions": FACT_SESSIONS,
    "feature_days": FACT_FEATURE_METRICS,
    "user_day": USER_DAY,
    "kpi_day": KPI_DAY,
}
# Names are compared as text, whatever type each side uses for them.
TEXTS = ("feature", "user_id", "session_id", "segment", "platform", "app_version")


def disagreements(lake: Lake, other: Path, tables: Sequence[str]) -> list[str]:
    """Return one sentence for each thing in which the lake differs from what pandas wrote to `other`."""
    found = []
    fates = lake.frame(f"{FATES} FROM telemetry.batches").row(0, named=True)
    others = json.loads((other / "counts.json").read_text(encoding="utf-8"))
    if fates != others:
        found.append(f"the fates of rows are {fates} and {others}")
    refused = lake.frame(f"{REJECTED} FROM telemetry.rejected_events {ORDERED}")
    others = duckdb.sql(f"{REJECTED} FROM {literal(str(other / 'rejected.parquet'))} {ORDERED}").pl()
    if not refused.equals(others):
        found.append("the rejected rows or the columns that they break differ")
    for name in tables:
        found += _differences(lake, COMPARED[name], other / f"{name}.parquet")
    return found


def _differences(lake: Lake, table: Table, file: Path) -> list[str]:
    key = list(table.key)
    mine = _sorted(lake.frame(f"FROM {table.path}"), key)
    columns = ", ".join(column.name for column in table.columns)
    theirs = _sorted(duckdb.sql(f"SELECT {columns} FROM {literal(str(file))}").pl(), key)
    if not mine.select(key).equals(theirs.select(key)):
        return [f"the rows of {table.path} differ: {mine.height:,} and {theirs.height:,}"]
    found = []
    for name in (column.name for column in table.columns if column.name not in key):
        if name in TEXTS:
            wrong = mine[name].ne_missing(theirs[name])
        elif mine[name].dtype.is_temporal():
            wrong = mine[name] != theirs[name].cast(mine[name].dtype)
        else:
            wrong = _apart(mine[name].cast(pl.Float64), theirs[name].cast(pl.Float64).fill_nan(None))
        if wrong.any():
            found.append(
                f"{name} of {table.path} differs in {wrong.sum()} rows, such as {mine.filter(wrong).row(0)[:3]}"
            )
    return found


def _sorted(frame: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    texts = [pl.col(name).cast(pl.String) for name in TEXTS if name in frame.columns]
    return frame.with_columns(pl.col("event_date").cast(pl.Date), *texts).sort(key)


def _apart(mine: pl.Series, theirs: pl.Series) -> pl.Series:
    largest = pl.select(pl.max_horizontal(mine.abs(), theirs.abs())).to_series()
    apart = (mine - theirs).abs() > CLOSE * largest
    return apart.fill_null(value=False) | (mine.is_null() != theirs.is_null())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("platform", type=Path, help="folder of the platform's lake")
    parser.add_argument("pandas", type=Path, help="folder that pandas wrote to")
    parser.add_argument("tables", nargs="+", choices=COMPARED, help="what that rival computes")
    chosen = parser.parse_args()
    lake = Lake(catalog=f"sqlite:{chosen.platform}/lake/catalog.sqlite", store=f"{chosen.platform}/lake/files")
    found = disagreements(lake, chosen.pandas, chosen.tables)
    if found:
        raise SystemExit(f"The lake and {chosen.pandas.name} disagree: {'; '.join(found)}.")


if __name__ == "__main__":
    main()
