"""Sparklines: a series of numbers as one word of bars, such as ▁▂▃▅▇, for tables that people skim."""

from collections.abc import Sequence
from typing import Final

BARS: Final = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None]) -> str:
    """Return one bar per value, scaled from 0 to the largest value; a missing value is a space.

    >>> sparkline([1, 4, None, 8])
    '▂▅ █'
    """
    top = max((value for value in values if value is not None), default=0)
    return "".join(" " if value is None else BARS[min(7, int(8 * value / top)) if top > 0 else 0] for value in values)
