"""The matrix of the confounders, with errors in the words of causality; `core.covariates` encodes them."""

from collections.abc import Sequence

import polars as pl

from intelligence.causality.interval import Floats
from intelligence.core import covariates as core
from intelligence.core.covariates import Covariates
from intelligence.core.errors import CausalityError


def present(frame: pl.DataFrame, columns: Sequence[str]) -> None:
    """Do nothing where a frame has all columns.

    Args:
        frame: The frame.
        columns: Names of the columns that it must have.

    Raises:
        CausalityError: Columns are missing, or one is named twice.
    """
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise CausalityError(
            "frame",
            f"has no column {', '.join(missing)}.",
            hint=f"Its columns are {', '.join(frame.columns)}.",
        )
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise CausalityError("question", f"names {', '.join(twice)} twice.", hint="Give each column one part.")


def covariates(frame: pl.DataFrame, confounders: Sequence[str]) -> Covariates:
    """Return the matrix of the confounders of a frame.

    Args:
        frame: One row per unit, or per unit and time zero.
        confounders: Columns of numbers, Booleans or text.

    Raises:
        CausalityError: A column is missing, holds no value at all, infinite values, or a type that cannot be adjusted for.
    """
    present(frame, confounders)
    return core.encoded(frame, confounders, error=CausalityError)


def numbers(column: pl.Series) -> Floats:
    """Return a column of numbers or Booleans as floats, NaN where it has no value.

    Raises:
        CausalityError: It holds something else, or infinite values.
    """
    return core.numbers(column, error=CausalityError)
