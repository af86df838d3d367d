"""Facts and sentences: a number is said by citing the fact that holds it, so that no sentence can hold one that nobody can trace.

>>> weeks = Origin("metrics.kpi_day", "briefs/weeks.sql", ("weeks_ago",))
>>> users = weeks.fact({"weeks_ago": 0, "users_a_day": 3058.4}, "users_a_day", "{:,.0f}", unit="users a day")
>>> told = said("{} users a day", users)
>>> told, told.template, told.facts[0].source
('3,058 users a day', '{weeks/0/users_a_day} users a day', 'metrics.kpi_day')
>>> [Origin("t", "q").fact({"sure": sure}, "sure", AT_LEAST).text for sure in (0.95, 0.999987, 1.0)]
['95%', '99.9%', '99.9%']
>>> said("3,058 users a day")
Traceback (most recent call last):
    ...
ValueError: '3,058 users a day' holds a number that no fact does: cite one instead
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Self

from intelligence.core.grades import Grade

Value = str | int | float | date
# Columns of a row that say what days it is about, the first that there is.
_FIRST_DAY: Final = ("first_day", "cohort")
_LAST_DAY: Final = ("last_day", "forecast_date", "event_date", "known_on")
# Written as it is, but for the first letter.
LOWER: Final = "lower"
# A lower bound of a share, in percent: it is rounded down, since evidence never gives the certainty that rounding would.
AT_LEAST: Final = "at least"
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that may be said, and where it comes from.

    Attributes:
        id: Query, row and field; the same of the same thing.
        value: A number, a day, or words that the data hold.
        shape: How it is written: a format, `lower` for words within a sentence, or `at least` for a share rounded down to a tenth of a
            percent, and to 99.9 % at most.
        unit: Unit of the number; empty where it has none.
        low: Lower bound of its interval; None without one.
        high: Upper bound.
        first_day: First day that it is about; None where it is about none.
        last_day: Last day.
        grade: Evidence grade of a claim about an effect; None for a count or a measurement.
        source: Tables that it comes from; `definition` for a constant of the method.
        query: SQL file that reads it, or the function that computes it from what was read.
        row: Values of the key of the row in the query.
        field: Column of the query; with a dot and what was computed from it, where it is no column itself.
    """

    id: str
    value: Value
    shape: str = "{}"
    unit: str = ""
    low: float | None = None
    high: float | None = None
    first_day: date | None = None
    last_day: date | None = None
    grade: Grade | None = None
    source: str
    query: str
    row: str = ""
    field: str = ""

    @property
    def text(self) -> str:
        """Return the value as a sentence writes it."""
        if self.shape == LOWER:
            words = str(self.value)
            return f"{words[:1].lower()}{words[1:]}"
        if self.shape == AT_LEAST and self.number is not None:
            return f"{min(999, math.floor(self.number * 1_000 + _ROUNDING)) / 10:g}%"
        return self.shape.format(self.value)

    @property
    def number(self) -> float | None:
        """Return the value as a number; None where it is a day or words."""
        return float(self.value) if isinstance(self.value, int | float) else None


@dataclass(frozen=True, slots=True)
class Origin:
    """A query or a function, from whose rows facts are taken.

    Attributes:
        source: Tables behind it.
        query: SQL file under `intelligence/`, or a function.
        key: Columns that tell its rows apart.
    """

    source: str
    query: str
    key: tuple[str, ...] = ()

    def fact(self, row: Mapping[str, Any], field: str, shape: str = "{}", **others: Any) -> Fact:
        """Return the fact of a row's field, about the days that the row says, where nothing else is given.

        Args:
            row: A row of the query.
            field: Name of the column.
            shape: How the value is written.
            **others: Further attributes of the fact; `value` where it is computed from the row.
        """
        which = ",".join(str(row[name]) for name in self.key)
        stem = self.query.rpartition("/")[2].rpartition(":")[2].removesuffix(".sql")
        value = others.pop("value", None)
        last = _day_in(row, _LAST_DAY)
        first = _day_in(row, _FIRST_DAY) or last
        others = {"first_day": first, "last_day": last or first, **others}
        return Fact(
            id="/".join(filter(None, (stem, which, field))).replace("{", "(").replace("}", ")"),
            value=row[field] if value is None else value,
            shape=shape,
            source=self.source,
            query=self.query,
            row=which,
            field=field,
            **others,
        )


def _day_in(row: Mapping[str, Any], names: Iterable[str]) -> date | None:
    return next((row[name] for name in names if isinstance(row.get(name), date)), None)


def constant(name: str, value: Value, shape: str = "{}", *, unit: str = "") -> Fact:
    """Return a fact that is part of a method, such as the level of an interval or a place in a list.

    Args:
        name: What it is.
        value: Its value.
        shape: How it is written.
        unit: Its unit.

    >>> constant("level", 80).id
    'level/80'
    """
    return Fact(id=f"{name}/{value}", value=value, shape=shape, unit=unit, source="definition", query=name, field=name)


class Said(str):
    """A sentence, or a part of one, that knows which facts it cites; as a string it is the text with the values in it.

    Attributes:
        pieces: Words without numbers, and facts, in their order.
    """

    __slots__ = ("pieces",)
    pieces: tuple[str | Fact, ...]

    def __new__(cls, pieces: Iterable[str | Fact] = ()) -> Self:
        """Return the sentence of these pieces; raises ValueError where words hold a number."""
        kept = tuple(pieces)
        for piece in kept:
            if isinstance(piece, str) and any(sign.isdigit() for sign in piece):
                raise ValueError(f"{piece!r} holds a number that no fact does: cite one instead")
        made = super().__new__(cls, "".join(piece if isinstance(piece, str) else piece.text for piece in kept))
        made.pieces = kept
        return made

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[str | Fact, ...]]]:
        return (type(self), (self.pieces,))

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Return the facts that it cites, in their order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Fact))

    @property
    def template(self) -> str:
        """Return the words with the ids of the facts in braces."""
        return "".join(piece if isinstance(piece, str) else f"{{{piece.id}}}" for piece in self.pieces)

    @property
    def grades(self) -> tuple[Grade, ...]:
        """Return the evidence grades of the facts that it cites, without repetition."""
        return tuple(dict.fromkeys(fact.grade for fact in self.facts if fact.grade))

    def sentence(self) -> "Said":
        """Return it with a capital letter and a full stop."""
        first, *rest = self.pieces or ("",)
        if isinstance(first, str):
            first = f"{first[:1].upper()}{first[1:]}"
        end = () if self.endswith((".", "!", "?", ":")) else (".",)
        return Said((first, *rest, *end))


def said(words: str, *given: "Fact | Said") -> Said:
    """Return the words with facts, or parts that cite some, in the place of each `{}`.

    Args:
        words: The words, which hold no number.
        *given: As many facts or parts as there are places.

    Raises:
        ValueError: The words hold a number, or have another number of places.
    """
    between = words.split("{}")
    if len(between) != len(given) + 1:
        raise ValueError(f"{words!r} has {len(between) - 1} places and is given {len(given)} facts")
    pieces: list[str | Fact] = [between[0]]
    for one, after in zip(given, between[1:], strict=True):
        pieces += [one] if isinstance(one, Fact) else one.pieces
        pieces.append(after)
    return Said(piece for piece in pieces if piece != "")


def joined(between: str, parts: Iterable["Fact | Said"]) -> Said:
    """Return the parts with the same words between them.

    Args:
        between: The words between.
        parts: The parts.

    >>> joined(", ", [said("one"), said("two")])
    'one, two'
    """
    listed = list(parts)
    return said(between.join("{}" for _ in listed), *listed)
