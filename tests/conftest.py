"""What holds for every test."""

import gc
import os
from collections.abc import Iterator

import pytest

from resources.intake import settling
from resources.models.mlflow_store import quiet_environment

quiet_environment()
# Two workers share the machine: each gets along with one core, and a thread that waits must not keep one busy meanwhile.
for variable, value in {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1", "INTELLIGENCE_THREADS": "1"}.items():
    os.environ.setdefault(variable, value)

# Workers take whole files in this order: those that run for minutes begin first, so that none is left waiting for one.
LONGEST_FIRST = (
    "test_kill.py",
    "test_readme.py",
    "test_late_events.py",
    "test_models.py",
    "test_by_itself.py",
    "test_drift.py",
    "test_registry.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_collection_finish() -> None:
    """Leave out of garbage collection what was imported: it stays, and looking at it again takes a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(autouse=True, scope="session")
def settled_at_once() -> Iterator[None]:
    """Let files count as settled when they are written, for fixtures of modules too; tests of settling set the time back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settling, "SETTLED_S", 0.0)
        yield
