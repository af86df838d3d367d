"""The SQL files of the layers as text, and quoting for names and texts that cannot be bound parameters.

No other module quotes SQL: `tests/test_sql_quoting.py` finds each statement into which something is pasted in another way.
"""

from collections.abc import Iterable
from functools import cache
from importlib import resources


@cache
def sql(path: str) -> str:
    """Return the text of `intelligence/<path>`, such as `metrics/user_day.sql`."""
    return resources.files("intelligence").joinpath(path).read_text(encoding="utf-8")


def identifier(name: str) -> str:
    """Return `name` quoted as an SQL identifier.

    >>> print(identifier('a "quoted" name'))
    "a ""quoted"" name"
    """
    return '"' + name.replace('"', '""') + '"'


def identifiers(names: Iterable[str]) -> str:
    """Return `names` as quoted SQL identifiers, separated by commas."""
    return ", ".join(map(identifier, names))


def literal(text: str) -> str:
    """Return `text` quoted as an SQL string.

    >>> print(literal("o'brien"))
    'o''brien'
    """
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """Return `texts` as an SQL list of strings."""
    return "[" + ", ".join(map(literal, texts)) + "]"
