"""Rows of a panel as arrays: on which day, of which group of units, with which values."""

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
    """Rows of `day_count` days; `groups` are codes from 0 of the unit, or of a bucket of units where they are many."""

    days: Ints
    groups: Ints
    columns: Mapping[str, Floats]
    day_count: int

    @property
    def group_count(self) -> int:
        """Return how many groups there are."""
        return int(self.groups.max()) + 1 if len(self.groups) else 0


def history(rows: pl.DataFrame, columns: Sequence[str], *, unit: str, first_day: date, day_count: int) -> History:
    """Return the rows whose `event_date` lies in the `day_count` days from `first_day` on; NaN where there is no value."""
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
