"""Panels with known properties, for the tests of drift."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from intelligence.drift.history import History
from intelligence.risk.model import Linear, Platt, RiskModel

FIRST = date(2026, 3, 2)


def calm(*, days: int, units: int, columns: int, seed: int, shift: float = 0.0) -> pl.DataFrame:
    """Return a panel without drift: each unit has its own level, each day its own offset, the rest is noise."""
    rng = np.random.default_rng(seed)
    level, offset = rng.normal(size=(1, units, columns)), 0.3 * rng.normal(size=(days, 1, columns))
    values = level + offset + rng.normal(size=(days, units, columns)) + shift
    day, unit = np.divmod(np.arange(days * units), units)
    named = {f"x{place}": values.reshape(-1, columns)[:, place] for place in range(columns)}
    return pl.DataFrame(
        {"event_date": [FIRST + timedelta(days=int(n)) for n in day], "unit": unit.astype(str), **named}
    )


def history_of(rows: pl.DataFrame) -> History:
    """Return the panel as arrays, made without `history`."""
    days = (rows["event_date"] - FIRST).dt.total_days().to_numpy().astype(np.int64)
    columns = {name: rows[name].to_numpy() for name in rows.columns if name.startswith("x")}
    return History(days, rows["unit"].cast(pl.Int64).to_numpy(), columns, int(days.max()) + 1)


def linear_model(columns: int, *, weights: tuple[float, ...] | None = None) -> RiskModel:
    """Return a model whose logit is the weighted sum of the columns minus 2, without further calibration."""
    names = tuple(f"x{place}" for place in range(columns))
    chosen = weights or (1.0,) * columns
    linear = Linear((0.0,) * columns, (0.0,) * columns, (1.0,) * columns, chosen, -2.0)
    return RiskModel("logistic_regression", names, Platt(1.0, 0.0), linear)
