"""One training for all tests of what happens to a champion afterwards."""

from collections.abc import Iterator

import pytest

from tests.assets.test_models import Installation, once_trained
from tests.sensors.verdicts import Watched


@pytest.fixture(scope="package")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = once_trained(tmp_path_factory.mktemp("trained"), tmp_path_factory)
    yield made
    made.lake.close()


@pytest.fixture
def watched(trained_once: Installation, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    return Watched(tmp_path_factory.mktemp("watched") / "product", trained_once)
