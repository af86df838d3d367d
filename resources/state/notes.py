"""The notes that people write about days of the product, for its charts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import insert, select

from resources.state.store import State
from resources.state.tables import NOTES


@dataclass(frozen=True, slots=True)
class Note:
    """A note about a day.

    Attributes:
        day: The day that it is about.
        feature: The product feature; None for the whole product.
        text: What a person wrote.
        actor: Who wrote it.
        at: When, in UTC.
    """

    day: date
    feature: str | None
    text: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True)
class NoteRecord:
    """What the state store records about notes."""

    state: State
    clock: Callable[[], datetime]

    def between(self, first: date, last: date) -> list[Note]:
        """Return the notes about these days, in the order in which they were written.

        Args:
            first: First day.
            last: Last day.
        """
        names = [getattr(NOTES.c, name) for name in Note.__slots__]
        query = select(*names).where(NOTES.c.day >= first, NOTES.c.day <= last).order_by(NOTES.c.sequence)
        with self.state.reading() as connection:
            return [Note(**row) for row in connection.execute(query).mappings()]

    def add(self, day: date, text: str, *, feature: str | None, actor: str) -> None:
        """Record a note.

        Args:
            day: The day that it is about.
            text: The note.
            feature: The product feature; None for the whole product.
            actor: Who writes it.
        """
        values = {"at": self.clock(), "day": day, "feature": feature, "text": text, "actor": actor}
        with self.state.writing() as connection:
            connection.execute(insert(NOTES).values(**values))
