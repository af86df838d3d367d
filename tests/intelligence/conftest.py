"""A lake made by hand, one a module."""

from collections.abc import Iterator

import pytest

from tests.intelligence.hand_made_lake import Warehouse
from tests.new_lakes import new_lake


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("warehouse")
    lake = new_lake(folder)
    yield Warehouse(lake)
    lake.close()
