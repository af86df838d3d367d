"""The matrix of covariates that models read: encoded, standardised, without a gap, as 32-bit floats.

A number with more than `FEW_VALUES` different values is clipped to its 0.5th and 99.5th percentile and gets a bend at its
terciles, so that linear models on the matrix can follow a curve. A missing number becomes the mean and is marked in a column of
its own, missing text is a level of its own, and levels beyond the most frequent ones are one level.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from intelligence.core.errors import PlatformError

FEW_VALUES: Final = 8
MOST_LEVELS: Final = 20
CLIPPED_AT: Final = (0.005, 0.995)
OTHER: Final = "\x00other"
MISSING: Final = "\x00missing"

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Covariates:
    """The encoded covariates.

    Attributes:
        values: Standardised columns, shape (rows, columns).
        owners: The covariate that each column belongs to.
        constant: Covariates that have one value only and therefore no column.
    """

    values: Floats32
    owners: tuple[str, ...]
    constant: tuple[str, ...]


def encoded(frame: pl.DataFrame, names: Sequence[str], *, error: type[PlatformError]) -> Covariates:
    """Return the matrix of some columns of a frame.

    Args:
        frame: One row per unit; it has all the columns.
        names: Columns of numbers, Booleans or text.
        error: What is raised where a column holds no value at all, infinite values, or a type that cannot be encoded.
    """
    columns, owners, constant = list[Floats](), list[str](), list[str]()
    for name in names:
        made = [each for each in _encoded(frame[name], error) if each.std() > 1e-6]
        columns += made
        owners += [name] * len(made)
        constant += [] if made else [name]
    values = np.empty((len(frame), len(columns)), np.float32)
    for place, column in enumerate(columns):
        values[:, place] = (column - column.mean()) / column.std()
    return Covariates(values, tuple(owners), tuple(constant))


def numbers(column: pl.Series, *, error: type[PlatformError]) -> Floats:
    """Return a column of numbers or Booleans as floats, NaN where it has no value.

    Args:
        column: The column.
        error: What is raised where it holds something else, or infinite values.
    """
    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
        raise error(column.name, f"holds {column.dtype}, not numbers.", hint="Cast or encode it first.")
    found: Floats = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    if np.isinf(found).any():
        raise error(column.name, "holds infinite values.", hint="Replace them, or leave their rows out.")
    return found


def _encoded(column: pl.Series, error: type[PlatformError]) -> list[Floats]:
    if column.null_count() == len(column):
        raise _empty(column.name, error)
    if column.dtype in (pl.String, pl.Categorical) or isinstance(column.dtype, pl.Enum):
        return _levels(column.cast(pl.String))
    found = numbers(column, error=error)
    missing = np.isnan(found)
    if missing.all():
        raise _empty(column.name, error)
    filled = np.where(missing, found[~missing].mean(), found)
    gaps = [missing.astype(np.float64)] if missing.any() else []
    return [*_bent(filled), *gaps]


def _empty(name: str, error: type[PlatformError]) -> PlatformError:
    return error(name, "holds no value at all, so that it cannot be adjusted for.", hint="Leave it out, or fill it.")


def _bent(values: Floats) -> list[Floats]:
    if len(np.unique(values[:1_000])) <= FEW_VALUES and len(np.unique(values)) <= FEW_VALUES:
        return [values]
    low, high = np.quantile(values, CLIPPED_AT)
    clipped = np.clip(values, low, high)
    bends = np.unique(np.quantile(clipped, (1 / 3, 2 / 3)))
    return [clipped, *(np.maximum(clipped - bend, 0.0) for bend in bends if low < bend < high)]


def _levels(column: pl.Series) -> list[Floats]:
    filled = column.fill_null(MISSING)
    counts = filled.value_counts(name="rows").sort(["rows", column.name], descending=[True, False])
    frequent = counts[column.name].head(MOST_LEVELS).to_list()
    known = filled.is_in(frequent)
    named = filled.to_frame("level").select(pl.when(known).then("level").otherwise(pl.lit(OTHER)).alias("level"))[
        "level"
    ]
    # The most frequent level is the one that the others are compared with.
    others = [*frequent[1:], *([OTHER] if len(counts) > MOST_LEVELS else [])]
    return [(named == level).cast(pl.Float64).to_numpy() for level in others]
