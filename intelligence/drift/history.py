"""The rows of a panel as arrays: day, group of units and values of each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.risk.model import Floats, values_of

Ints = NDArray[np.int64]
MOST_GROUPS: Final = 256


@dataclass(frozen=True, slots=True)
class History:
    """The rows of `day_count` consecutive days.

    Attributes:
        days: Day of each row, counted from 0, shape (rows,).
        groups: Code of each row's unit, counted from 0, shape (rows,); with more than 256 units several share a code.
        columns: Values by column name, shape (rows,) each; NaN where a value is missing.
        day_count: Number of days, also where some have no row.
    """

    days: Ints
    groups: Ints
    columns: Mapping[str, Floats]
    day_count: int

    @property
    def group_count(self) -> int:
        """Return how many groups there are."""
        return int(self.groups.max()) + 1 if len(self.groups) else 0


def history(rows: pl.DataFrame, columns: Sequence[str], *, unit: str, first_day: date, day_count: int) -> History:
    """Return the rows of `day_count` days from `first_day` as arrays.

    Args:
        rows: One row per unit and day: `event_date`, `unit` and the columns.
        columns: Numeric columns to keep; missing values become NaN.
        unit: Column that identifies the feature or user.
        first_day: First day to keep.
        day_count: Number of days to keep.
    """
    day = (pl.col("event_date") - pl.lit(first_day)).dt.total_days()
    chosen = rows.with_columns(day=day).filter(pl.col("day") >= 0, pl.col("day") < day_count).sort("day", unit)
    values = values_of(chosen, columns)
    return History(
        chosen["day"].to_numpy().astype(np.int64),
        _groups(chosen[unit]),
        {name: values[:, place] for place, name in enumerate(columns)},
        day_count,
    )


def _groups(units: pl.Series) -> Ints:
    codes: Ints = units.rank("dense").to_numpy().astype(np.int64) - 1
    return codes % MOST_GROUPS
