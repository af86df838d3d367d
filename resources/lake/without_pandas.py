"""Reading the lake without pandas, which DuckDB imports as soon as a statement has a parameter."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Polars looks for pandas once, when it is imported. So that it finds it, it is imported before pandas is hidden.
import polars  # noqa: F401

PANDAS = "pandas"


@contextmanager
def without_pandas() -> Iterator[None]:
    """Hide pandas while the context lasts, unless it is imported already.

    DuckDB compares each parameter with the missing values of pandas where pandas can be imported, and importing it takes half a
    second. Where it cannot be imported, DuckDB works without it, and it asks again with the next parameter. No value that is
    given to DuckDB here comes from pandas.

    This is for a command that reads the lake with one thread and ends; another thread would not find pandas either.
    """
    if PANDAS in sys.modules:
        yield
        return
    sys.modules[PANDAS] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[PANDAS]
