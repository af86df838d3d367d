"""Whether pandas counted in a product's past what the lake holds: users and conversions by day, use and failures by feature."""

import argparse
from pathlib import Path

import duckdb

from intelligence.core.sql import literal
from resources.lake.door import Lake

COUNTED = {
    "kpi_day": (
        "SELECT event_date, dau, converted_users::BIGINT FROM {} {} ORDER BY event_date",
        "metrics.kpi_day",
        "WHERE segment = 'all'",
    ),
    "feature_days": (
        "SELECT event_date, feature, usage_count, users, failed_events::BIGINT FROM {} {} ORDER BY event_date, feature",
        "metrics.fact_feature_metrics",
        "",
    ),
    "user_day": (
        "SELECT event_date, count(*), sum(events)::BIGINT, sum(value)::BIGINT FROM {} {} GROUP BY event_date ORDER BY event_date",
        "metrics.user_day",
        "",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("platform", type=Path, help="folder of the platform's lake")
    parser.add_argument("pandas", type=Path, help="folder that pandas wrote to")
    chosen = parser.parse_args()
    lake = Lake(catalog=f"sqlite:{chosen.platform}/lake/catalog.sqlite", store=f"{chosen.platform}/lake/files")
    for name, (query, table, where) in COUNTED.items():
        mine = lake.frame(query.format(table, where)).rows()
        theirs = duckdb.sql(query.format(literal(str(chosen.pandas / f"{name}.parquet")), "")).pl().rows()
        if [tuple(map(str, row)) for row in mine] != [(str(row[0])[:10], *map(str, row[1:])) for row in theirs]:
            raise SystemExit(f"The lake and {chosen.pandas.name} disagree on {name}.")


if __name__ == "__main__":
    main()
