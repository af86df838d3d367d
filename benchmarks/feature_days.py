"""One side of the scale benchmark: the feature-days of a filled lake, by the platform or by a bare group-by.

The bare group-by runs the platform's own SQL over the same Parquet files, all days in one statement, without a lake.
"""

import argparse
import json
import os
from pathlib import Path


def by_platform() -> None:
    """Replace all days of metrics.fact_feature_metrics, as its asset does."""
    from intelligence.core.sql import sql
    from intelligence.metrics.tables import FACT_FEATURE_METRICS
    from resources.config.settings import settings
    from resources.lake.door import Lake

    lake = Lake.of(settings())
    lake.replace(FACT_FEATURE_METRICS, lake.span(), sql("metrics/fact_feature_metrics.sql"))


def by_bare_group_by(files: Path) -> None:
    """Run the same query over the Parquet files that `files` lists by table, into a temporary table."""
    import duckdb

    from intelligence.catalog.layers import TABLES, VIEWS
    from intelligence.core.sql import identifier, literal, literals, sql

    listed = json.loads(files.read_text(encoding="utf-8"))
    columns = {table.path: table.columns for table in TABLES}
    scratch = Path(os.environ["INTELLIGENCE_DATA"]) / "scratch"
    connection = duckdb.connect(config={"memory_limit": os.environ["INTELLIGENCE_MEMORY_LIMIT"]})
    connection.execute(
        f"SET temp_directory = {literal(str(scratch))}; CREATE SCHEMA telemetry; CREATE SCHEMA warehouse"
    )
    for table, paths in listed["tables"].items():
        if paths:
            connection.execute(f"CREATE VIEW {table} AS FROM read_parquet({literals(paths)})")
        else:
            typed = ", ".join(f"{identifier(column.name)} {column.type}" for column in columns[table])
            connection.execute(f"CREATE TABLE {table} ({typed})")
    for view, query in VIEWS.items():
        connection.execute(f"CREATE VIEW {view} AS {query}")
    query = sql("metrics/fact_feature_metrics.sql")
    connection.execute(f"CREATE TEMP TABLE feature_days AS {query}", {"start": listed["start"], "end": listed["end"]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=Path, help="JSON of Parquet files: the bare group-by; else the platform.")
    chosen = parser.parse_args()
    if chosen.files:
        by_bare_group_by(chosen.files)
    else:
        by_platform()


if __name__ == "__main__":
    main()
