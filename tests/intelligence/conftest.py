"""A lake made by hand, one a module."""

from collections.abc import Iterator

import pytest

from resources.lake import Lake
from tests.intelligence.hand_made_lake import Warehouse


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("warehouse")
    lake = Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files")
    yield Warehouse(lake)
    lake.close()
