"""What tests of several assets begin with."""

from pathlib import Path

import pytest

from resources.models.registry import Registry
from tests.assets.site import Site, at_level
from tests.programs.models import promote, registered, registry_in


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Return a registry with a champion."""
    found = registry_in(tmp_path_factory.mktemp("registry"))
    promote(found, registered(found))
    return found


@pytest.fixture
def site(tmp_path: Path, registry: Registry) -> Site:
    """Return an installation with a bad release, where the policy may do everything by itself."""
    made = Site(tmp_path, registry)
    at_level(made, "auto")
    return made
