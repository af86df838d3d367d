"""Pages: what a reader is told about one question, as sentences first and then the rows that show why.

The dashboard and every other reader of the lake take their pages from `ReadService`, so that two of them never disagree. A page
carries the snapshot that it was read from, and each part of it the period, the definition of its numbers and the tables behind it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import polars as pl

from intelligence.core.marks import Mark


@dataclass(frozen=True, slots=True)
class AsOf:
    """What a page was read from.

    Attributes:
        product: Name of the product.
        snapshot: Id of the lake's snapshot; None where there is no lake.
        first_day: First day with figures; None where there is none.
        day: Newest day with figures; None where there is none.
        verdict: Verdict on the telemetry of that day: `whole`, `partial`, `empty` or `unknown`.
        delivered_day: Newest day with events, whether its figures are computed or not.
        taken_in_at: When the newest events were taken in, in UTC.
    """

    product: str
    snapshot: int | None = None
    first_day: date | None = None
    day: date | None = None
    verdict: str | None = None
    delivered_day: date | None = None
    taken_in_at: datetime | None = None

    @property
    def is_behind(self) -> bool:
        """Return whether events of later days than the newest figures were taken in."""
        return self.delivered_day is not None and (self.day is None or self.delivered_day > self.day)

    def sentence(self) -> str:
        """Return what the page was read from, in words."""
        if self.snapshot is None or self.delivered_day is None:
            return "Nothing was taken in yet."
        if self.day is None:
            return f"Events up to {self.delivered_day} were taken in; no figures are computed from them yet."
        whole = {"whole": "telemetry whole", "unknown": "telemetry not judged yet"}.get(
            self.verdict or "unknown", f"telemetry {self.verdict}"
        )
        taken = f", taken in {self.taken_in_at:%Y-%m-%d %H:%M} UTC" if self.taken_in_at else ""
        return f"{self.first_day} to {self.day} ({whole}){taken}; lake snapshot {self.snapshot}"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a page: rows, and in words what they say.

    Attributes:
        finding: What the rows say, which is the title of their chart; why there are none where there are none.
        rows: The rows; none is an answer.
        period: The days that they are about.
        meaning: Definition, unit and uncertainty of the numbers.
        source: The tables that they come from.
        marks: What happened in these days, at most three things.
    """

    finding: str
    rows: pl.DataFrame = field(default_factory=pl.DataFrame)
    period: str = ""
    meaning: str = ""
    source: str = ""
    marks: tuple[Mark, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Return whether there are no rows."""
        return self.rows.is_empty()


@dataclass(frozen=True, slots=True)
class Page:
    """A page: sentences, and the parts that show why.

    Attributes:
        as_of: What it was read from.
        sentences: What a reader is told first; never empty.
        parts: The parts by name, in order.
        facts: Single values that a page shows on their own.
        told: The same sentences by heading, where there are headings.
    """

    as_of: AsOf
    sentences: tuple[str, ...]
    parts: Mapping[str, Part] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Return whether the page has nothing but words."""
        return all(part.is_empty for part in self.parts.values())

    def __getitem__(self, name: str) -> Part:
        return self.parts[name]


def days_in_words(first: date | None, last: date | None) -> str:
    """Return a range of days in words.

    Args:
        first: First day; None where there is none.
        last: Last day.

    >>> days_in_words(date(2026, 5, 4), date(2026, 5, 4)), days_in_words(date(2026, 5, 4), date(2026, 8, 1))
    ('2026-05-04', '2026-05-04 to 2026-08-01')
    """
    if first is None or last is None:
        return ""
    return str(last) if first == last else f"{first} to {last}"
