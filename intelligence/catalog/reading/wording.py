"""Words that several pages share: how numbers, lists and intervals are written."""

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from intelligence.catalog.pages import days_in_words
from intelligence.core.errors import NotEnoughEvidence, PlatformError

# What the objectives are called, whose promises a feature keeps or breaks.
OBJECTIVE_WORDS: Final = {
    "errors": "Failed events",
    "crashes": "Crashes",
    "latency": "Slow events",
    "ratings": "Bad ratings",
    "answers": "Bad answers",
}
MOST_NAMED: Final = 3


def percent(share: float | None, *, digits: int = 1) -> str:
    """Return a share in per cent; `unknown` where there is none.

    Args:
        share: The share; None where it is not known.
        digits: Digits after the point, one more for what would be 0.

    >>> percent(0.1234), percent(None), percent(0.00041)
    ('12.3%', 'unknown', '0.04%')
    """
    if share is None:
        return "unknown"
    more = int(0 < abs(share) < 10 ** -(digits + 2))
    return f"{share:.{digits + more}%}"


def between(low: float | None, high: float | None, *, digits: int = 1) -> str:
    """Return the interval of a share in words.

    Args:
        low: Its lower end.
        high: Its upper end.
        digits: Digits after the point.

    >>> between(0.1, 0.25)
    '10.0% to 25.0%'
    """
    return f"{percent(low, digits=digits)} to {percent(high, digits=digits)}"


def named(names: Sequence[str], *, most: int = MOST_NAMED) -> str:
    """Return names in a sentence, the first few of them.

    Args:
        names: The names.
        most: How many of them are told.

    >>> named(["a", "b"]), named(["a", "b", "c", "d", "e"])
    ('a and b', 'a, b, c and 2 more')
    """
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most:,} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else "none"


def counted(number: int, one: str, several: str = "") -> str:
    """Return a number with its noun.

    Args:
        number: The number.
        one: The noun for one.
        several: The noun for all other numbers; with an `s` where it is empty.

    >>> counted(1, "feature"), counted(2_000, "feature")
    ('1 feature', '2,000 features')
    """
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def sentence(text: str) -> str:
    """Return the text as a sentence: with a capital and a full stop.

    >>> sentence("no day is judged")
    'No day is judged.'
    """
    said = f"{text[:1].upper()}{text[1:]}"
    return said if said.endswith((".", ":", "?")) else f"{said}."


def refusal_sentence(why: PlatformError) -> str:
    """Return why a question has no answer, and the next step: too little evidence, or a question that makes no sense.

    Args:
        why: The error.

    >>> refusal_sentence(NotEnoughEvidence("polls", "nobody used it.", hint="Name another feature."))
    'Not enough evidence: polls: nobody used it. Name another feature.'
    """
    is_evidence = isinstance(why, NotEnoughEvidence)
    return f"{'Not enough evidence' if is_evidence else 'Not answered'}: {why.culprit}: {why.problem} {why.hint}"


def latest(column: pl.Series) -> Any:
    """Return the last day, or the greatest value, of a column; None where it has none."""
    return column.max()


def mean_of(column: pl.Series) -> float:
    """Return the mean of a column that has values."""
    return float(column.cast(pl.Float64).mean() or 0.0)  # type: ignore[arg-type] # numbers have a number as mean


def period_of(rows: pl.DataFrame, column: str = "event_date") -> str:
    """Return the first and the last day of rows in words; empty without rows.

    Args:
        rows: The rows.
        column: Column with the day.
    """
    return "" if rows.is_empty() else days_in_words(rows[column].min(), rows[column].max())  # type: ignore[arg-type]
