"""Panels with a known truth, and one training that several test files share."""

import numpy as np
import polars as pl
import pytest

from intelligence.risk.task import Task
from intelligence.risk.training import Rules, Training, trained

TASK = Task(
    unit="unit",
    time="time",
    label="label",
    predictors=("signal", "noise", "gappy"),
    horizon=3,
    directions={"signal": 1},
    floors={"noise": "noise", "weak": "weak"},
)
QUICK = Rules(folds=3, draws=40)


def planted(*, units: int = 80, times: int = 50, slope: float = 1.6, seed: int = 3) -> pl.DataFrame:
    """Return a panel whose label follows `signal`; about one row of ten is positive, the last three times unknown."""
    rng = np.random.default_rng(seed)
    shape = (times, units)
    signal = rng.normal(size=shape) + 0.5 * rng.normal(size=units)
    chance = 1 / (1 + np.exp(3.1 - slope * signal))
    label = np.where(np.arange(times)[:, None] < times - 3, rng.random(shape) < chance, np.nan)
    gappy = np.where(rng.random(shape) < 0.2, np.nan, rng.normal(size=shape) + 0.2 * signal)
    return pl.DataFrame(
        {
            "time": np.repeat(np.arange(times), units),
            "unit": [f"u{number:04}" for number in np.tile(np.arange(units), times)],
            "signal": signal.ravel(),
            "noise": rng.normal(size=shape).ravel(),
            "gappy": gappy.ravel(),
            "weak": (signal + 3 * rng.normal(size=shape)).ravel(),
            "truth": chance.ravel(),
        }
    ).with_columns(label=pl.Series(label.ravel()).fill_nan(None).cast(pl.Boolean))


@pytest.fixture(scope="session")
def task() -> Task:
    return TASK


@pytest.fixture(scope="session")
def quick() -> Rules:
    return QUICK


@pytest.fixture(scope="session")
def panel() -> pl.DataFrame:
    return planted()


@pytest.fixture(scope="session")
def training(panel: pl.DataFrame) -> Training:
    return trained(panel, TASK, rules=QUICK)
