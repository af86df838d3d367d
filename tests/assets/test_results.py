"""What every asset's page shows, for a run of one day and for one of several."""

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from assets.graph.building import Graph
from assets.graph.partitions import Calendar, days_of
from assets.graph.tables import key_of
from intelligence.warehouse.tables import FACT_VISIT_EVENTS
from resources.intake.product_file import product_at
from resources.lake.door import Lake
from tests.lakes import lake_in
from tests.platforms import EXAMPLE

DAYS = [date(2026, 5, day) for day in (4, 5, 6)]
ONE_EVENT_A_DAY = """
    SELECT CAST(event_date AS VARCHAR) AS event_id, CAST(event_date AS DATE) AS event_date, event_date AS event_time,
           'u' AS user_id, 's' AS session_id, 'quiz' AS feature, 'use' AS event_type, 'app' AS source
    FROM generate_series(CAST($start AS TIMESTAMP), $end - INTERVAL 1 DAY, INTERVAL 1 DAY) AS series (event_date)
"""


GRAPH = Graph(product_at(EXAMPLE), Calendar(DAYS[0], date(2026, 8, 2), "UTC"))


@dg.asset(**GRAPH.table_asset(FACT_VISIT_EVENTS, kinds={"duckdb"}))
def visits(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
    days = days_of(context)
    written = lake.replace(FACT_VISIT_EVENTS, days, ONE_EVENT_A_DAY)
    return GRAPH.materialized(
        lake, FACT_VISIT_EVENTS, days, written=written, picture=dg.MetadataValue.md("a picture"), note="a note"
    )


def pages(folder: Path, **how: Any) -> dict[str | None, dict[str, Any]]:
    """Return what the page of each day shows after a run."""
    lake = lake_in(folder)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([visits], resources={"lake": lake}, instance=instance, **how)
        records = instance.fetch_materializations(key_of(FACT_VISIT_EVENTS), limit=10).records
    lake.close()
    assert result.success
    found = [record.asset_materialization for record in records]
    return {each.partition: {name: each.metadata[name].value for name in each.metadata} for each in found if each}


def test_a_run_of_one_day_shows_all_on_its_page(tmp_path: Path) -> None:
    ((day, page),) = pages(tmp_path, partition_key=str(DAYS[1])).items()
    assert day == str(DAYS[1])
    assert [record.data["visits"] for record in page["at_a_glance"].records] == [1]
    assert page["picture"] == "a picture"
    assert (page["dagster/row_count"], page["dagster/partition_row_count"]) == (1, 1)


def test_of_several_days_the_newest_shows_what_the_others_point_to(tmp_path: Path) -> None:
    ends = dict(zip(("start", "end"), map(str, (DAYS[0], DAYS[-1])), strict=True))
    found = pages(tmp_path, tags={f"dagster/asset_partition_range_{end}": day for end, day in ends.items()})
    assert sorted(found, key=str) == [str(day) for day in DAYS]
    *others, newest = (found[str(day)] for day in DAYS)
    assert [record.data["event_date"] for record in newest["at_a_glance"].records] == [str(day) for day in DAYS[::-1]]
    assert newest["picture"] == "a picture"
    for page in others:
        assert page["at_a_glance"] == page["picture"] == "shown with 2026-05-06, the newest day of this run"
    for page in found.values():
        assert page["note"] == "a note"
        assert (page["dagster/row_count"], page["rows_written"]) == (3, 3), "of all days, so not of the partition"
        assert "dagster/partition_row_count" not in page
