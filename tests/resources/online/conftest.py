"""The stream of a small product, without a broker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from intelligence.catalog.product import product_from
from resources.online.processor import Processor
from resources.online.store import OnlineStore
from tests.lakes import lake_in
from tests.resources.online.streamed import PRODUCT, Online


@pytest.fixture
def online(tmp_path: Path) -> Iterator[Online]:
    product, lake = product_from(PRODUCT), lake_in(tmp_path / "lake")
    store = OnlineStore(tmp_path / "online.db")
    yield Online(tmp_path, product, lake, store, Processor(product, lake, store))
    lake.close()
