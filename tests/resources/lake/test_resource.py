"""The lake that Dagster hands to assets: a new one for each run, which any asset for DuckDB can use too."""

import dagster as dg
from dagster_duckdb import DuckDBResource

from resources.lake.door import Lake
from resources.lake.resource import LakeResource


def test_the_assets_of_a_run_share_one_lake_and_the_next_run_gets_another(own_lake: Lake) -> None:
    seen: list[Lake] = []

    @dg.asset
    def first(lake: dg.ResourceParam[Lake]) -> None:
        seen.append(lake)

    @dg.asset(deps=[first])
    def second(lake: dg.ResourceParam[Lake]) -> None:
        seen.append(lake)

    for _ in range(2):
        assert dg.materialize([first, second], resources={"lake": LakeResource(lake=own_lake)}).success
    assert seen[0] is seen[1]
    assert seen[2] is seen[3] is not seen[0]
    assert all(lake == own_lake and lake.is_of_a_run for lake in seen)
    assert not own_lake.is_of_a_run


def test_an_asset_written_for_dagster_duckdb_reads_the_lake(own_lake: Lake) -> None:
    own_lake.snapshot_id()

    @dg.asset
    def number_of_events(lake: DuckDBResource) -> int:
        with lake.get_connection() as connection:
            return int(connection.execute("SELECT count(*) FROM warehouse.fact_events").fetchall()[0][0])

    resource = LakeResource(lake=own_lake)
    assert dg.materialize([number_of_events], resources={"lake": resource}).output_for_node("number_of_events") == 0
    with resource.get_connection() as connection:
        assert connection.execute("SELECT count(*) FROM telemetry.batches").fetchall() == [(0,)]
