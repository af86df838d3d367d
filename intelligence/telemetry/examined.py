"""What a look at a source found, before anything of it is ingested."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExaminedSource:
    """A source, what was found in words, the problem that stops it if there is one, and why rows would be rejected.

    `warnings` are what may be meant, or not: it stops nothing. `rejections` holds (reason, rows, example value), the most frequent first;
    `unmapped` the columns of its files that nothing is made from.
    """

    name: str
    found: str
    problem: str | None = None
    warnings: tuple[str, ...] = ()
    rejections: tuple[tuple[str, int, str | None], ...] = ()
    unmapped: tuple[str, ...] = ()

    @property
    def is_wrong(self) -> bool:
        """Return whether the source needs mending before it delivers everything."""
        return self.problem is not None
