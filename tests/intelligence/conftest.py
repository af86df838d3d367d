"""A lake made by hand, one a module."""

from collections.abc import Iterator

import pytest

from tests.intelligence.hand_made_lake import Warehouse
from tests.lakes import lake_in


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    folder = tmp_path_factory.mktemp("warehouse")
    lake = lake_in(folder)
    yield Warehouse(lake)
    lake.close()
