"""The asset graph as people see it: it flows downhill, every asset introduces itself, and a snapshot shows each change."""

import importlib.util
import os
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

import assets.definitions as definitions_of_graph
from assets.definitions import definitions
from assets.graph.checks import SCHEMA_CHECK
from assets.graph.partitions import Calendar
from assets.graph.tables import until_yesterday
from intelligence.catalog.layers import LAYERS, TABLES, VIEWS
from intelligence.core.tables import Days, standard_claims
from resources.config.settings import settings
from resources.intake.delivery import simulation_folder
from resources.platform import Platform
from tests.lakes import lake_in
from tests.platforms import platform_in

SNAPSHOT = Path(__file__).parent / "snapshots" / "graph.txt"
DRAWS = Path(__file__).resolve().parents[1] / ".ci" / "draw_architecture.py"
# At 1,280 pixels the table on an asset's page shows so many columns without scrolling.
MOST_COLUMNS = 5
PLATFORM = Platform.of(settings())
defs = definitions(PLATFORM)
GRAPH = defs.resolve_asset_graph()
LOOKED_BACK_AT = {until_yesterday(table) for table in definitions_of_graph.LOOKED_BACK_AT}
ALL_KEYS = sorted(GRAPH.get_all_asset_keys(), key=lambda key: key.path)
KEYS = [key for key in ALL_KEYS if key not in LOOKED_BACK_AT]


def test_the_definitions_are_valid() -> None:
    dg.Definitions.validate_loadable(defs)
    assert len(KEYS) == len(TABLES)


def test_every_table_of_the_lake_is_an_asset_and_every_asset_a_table() -> None:
    assert {".".join(key.path) for key in KEYS} == {table.path for table in TABLES}


def test_what_is_called_a_view_is_one() -> None:
    assert {table.path for table in TABLES if table.is_view} == set(VIEWS)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.to_user_string())
def test_data_flows_downhill(key: dg.AssetKey) -> None:
    for parent in GRAPH.get(key).parent_keys - LOOKED_BACK_AT:
        assert LAYERS.index(parent.path[0]) <= LAYERS.index(key.path[0]), f"{parent} is below {key}"


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.to_user_string())
def test_every_asset_introduces_itself(key: dg.AssetKey) -> None:
    node = GRAPH.get(key)
    assert node.description
    assert len(node.description) > 40
    assert node.owners
    assert node.kinds
    assert node.group_name == key.path[0]
    schema = node.metadata["dagster/column_schema"]
    assert all(column.description for column in schema.columns)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.path)
def test_every_table_has_a_blocking_schema_check_and_a_claim_of_its_own(table) -> None:
    checks = {
        key.name: GRAPH.asset_check_keys
        for key in GRAPH.asset_check_keys
        if list(key.asset_key.path) == [table.layer, table.name]
    }
    assert SCHEMA_CHECK in checks
    claims = {claim.name for claim in (*standard_claims(table), *table.claims)}
    assert claims
    assert claims <= set(checks)


def test_the_graph_is_the_one_that_was_reviewed() -> None:
    lines = []
    for key in ALL_KEYS:
        node = GRAPH.get(key)
        parents = ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys))
        lines.append(
            f"{key.to_user_string()} <- {parents or '-'} [{', '.join(sorted(node.kinds))}] {', '.join(node.owners)}"
        )
    text = "\n".join(lines) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(text)
    assert SNAPSHOT.read_text() == text, "Review the change and run UPDATE_SNAPSHOTS=1 pytest tests/test_graph.py"


def test_the_picture_of_the_architecture_is_what_the_code_is_now() -> None:
    spec = importlib.util.spec_from_file_location("draw_architecture", DRAWS)
    assert spec is not None
    assert spec.loader is not None
    draws = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draws)
    page = draws.PAGE.read_text()
    assert draws.drawn_into(page, draws.picture(defs)) == page, "Run `make docs` and review docs/architecture.md"


def test_the_first_day_is_the_products() -> None:
    assert str(Calendar.of(PLATFORM).first_day) == "2026-05-04"


def test_days_of_a_demo_that_was_longer_once_still_belong_to_the_product(
    tmp_path: Path,
) -> None:
    platform = platform_in(tmp_path)
    assert str(Calendar.of(platform).end) == "2026-08-02"
    (source,) = platform.product.sources
    assert source.simulate is not None
    folder = simulation_folder(source.name, source.simulate, tmp_path / "landing")
    folder.mkdir(parents=True)
    (folder / "2026-08-07.parquet").touch()
    assert str(Calendar.of(platform).end) == "2026-08-08"


def test_every_automation_says_what_it_does() -> None:
    automations = [*(defs.sensors or ()), *(defs.schedules or ())]
    assert len(automations) >= 10
    assert [each.name for each in automations if not each.description] == []


def test_pages_are_narrow_enough_for_a_laptop_and_numbers_can_be_plotted(tmp_path: Path) -> None:
    lake, day = lake_in(tmp_path), date(2026, 5, 4)
    inspections = {table: lake.inspected(table, (), Days(day, day + timedelta(days=1))) for table in TABLES}
    lake.close()
    wide = {table.path: found.shown.columns for table, found in inspections.items() if found.shown.width > MOST_COLUMNS}
    assert wide == {}
    named = [found.numbers.columns[0] for table, found in inspections.items() if table.numbers]
    assert len(named) >= 4
    assert set(named) == {"event_date", "name"}
