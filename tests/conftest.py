"""What holds for every test."""

import os

import pytest

from resources.mlflow_store import quiet_environment

quiet_environment()
# Two workers share the machine: a thread that waits for others must not keep a core busy meanwhile.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

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
