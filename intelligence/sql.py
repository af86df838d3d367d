"""The SQL files of the layers, as text."""

from functools import cache
from importlib import resources


@cache
def sql(path: str) -> str:
    """Return the text of `intelligence/<path>`, such as `metrics/user_day.sql`."""
    return resources.files("intelligence").joinpath(path).read_text(encoding="utf-8")
