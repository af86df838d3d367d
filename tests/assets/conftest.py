"""What tests of several assets begin with."""

import pytest

from resources.registry import Registry
from tests.programs.models import promote, registered, registry_in


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Return a registry with a champion."""
    found = registry_in(tmp_path_factory.mktemp("registry"))
    promote(found, registered(found))
    return found
