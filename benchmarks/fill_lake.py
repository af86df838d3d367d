"""Fills a lake with simulated events through the asset graph, up to `fact_events`; it is not part of what is timed."""

import argparse
import json
from pathlib import Path

from benchmarks.graph import FIRST_DAY, materialize, spans
from benchmarks.measuring import tell

FILES = "SELECT data_file, delete_file FROM ducklake_list_files('lake', '{name}', schema => '{layer}')"


def listed_files(features: Path) -> dict[str, object]:
    """Return the Parquet files that stand for the tables of the feature-days' query, and the range of days.

    The events are the lake's own files; the features are written to `features`.
    """
    from intelligence.telemetry.tables import RAW_EVENTS
    from intelligence.warehouse.tables import DIM_FEATURE_METADATA, DIM_USERS, FACT_VISIT_EVENTS
    from resources.config.settings import settings
    from resources.lake.door import Lake

    lake = Lake.of(settings())
    span = lake.span()
    assert span is not None
    files = {}
    for table in (RAW_EVENTS, FACT_VISIT_EVENTS):
        found = lake.frame(FILES.format(name=table.name, layer=table.layer))
        assert found["delete_file"].null_count() == found.height, (
            f"files of {table.path} hold rows that were deleted since"
        )
        files[table.path] = found["data_file"].to_list()
    lake.frame(f"FROM {DIM_FEATURE_METADATA.path}").write_parquet(features)
    return {
        "events": lake.frame("SELECT count(*) FROM warehouse.fact_events").item(),
        "start": span.start.isoformat(),
        "end": span.end.isoformat(),
        "tables": {**files, DIM_FEATURE_METADATA.path: [str(features)], DIM_USERS.path: []},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("listed", type=Path, help="JSON file to write: the Parquet files by table, and the days.")
    parser.add_argument("--days", type=int, required=True)
    parser.add_argument("--days-at-once", type=int, default=10)
    chosen = parser.parse_args()
    from intelligence.catalog.layers import DELIVERED
    from intelligence.telemetry.tables import EVENTS
    from intelligence.warehouse.tables import (
        DIM_FEATURE_METADATA,
        DIM_RELEASES,
        DIM_USERS,
        FACT_EVENTS,
        FACT_VISIT_EVENTS,
    )

    tell("simulating and taking in")
    materialize(DELIVERED)
    for first, last in spans(FIRST_DAY, chosen.days, chosen.days_at_once):
        tell(f"facts of {first} to {last}")
        dims = (DIM_USERS, DIM_FEATURE_METADATA, DIM_RELEASES)
        materialize((EVENTS, *dims, FACT_VISIT_EVENTS, FACT_EVENTS), (first, last))
    listed = listed_files(chosen.listed.with_name("features.parquet"))
    chosen.listed.write_text(json.dumps(listed), encoding="utf-8")


if __name__ == "__main__":
    main()
