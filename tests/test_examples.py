"""The examples that are programs do what they say."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def flights() -> ModuleType:
    spec = importlib.util.spec_from_file_location("late_flights", ROOT / "examples" / "flights" / "late_flights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.proof
def test_the_library_reaches_the_published_result_on_flights_and_less_by_time(flights: ModuleType) -> None:
    panel = flights.flights_panel(12_000)
    areas = {time: flights.late_flights(panel, time=time).best.measures["roc_auc"] for time in ("shuffled", "minute")}
    low, high = flights.PUBLISHED
    assert areas["shuffled"].low < high
    assert areas["shuffled"].high > low
    assert areas["minute"].value < areas["shuffled"].value
