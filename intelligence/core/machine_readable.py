"""Output of commands for other programs: the same values as for people, as plain JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum

import polars as pl


def plain(value: object) -> object:
    """Return the value in types of JSON: records for frames, values for enumerations, null for NaN and infinity.

    >>> plain({"day": date(2026, 5, 4), "rate": float("nan"), "rows": pl.DataFrame({"a": [1]})})
    {'day': '2026-05-04', 'rate': None, 'rows': [{'a': 1}]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    return _converted(value)


def _converted(value: object) -> object:
    if isinstance(value, pl.DataFrame):
        return [plain(row) for row in value.iter_rows(named=True)]
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, Enum):
        return [plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else str(value.value if isinstance(value, Enum) else value)
