"""Plain tables for a terminal, in which no name is broken across lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from intelligence.core.foreign import harmless

GAP = "  "
INDENT = "    "
LEAST_TEXT_WIDTH = 32


@dataclass(slots=True)
class Listing:
    """A table: rows under a title.

    Where sentences would have too little room next to the other columns, each is printed below its row with its column name.

    Attributes:
        title: Title above the table; may be empty.
        columns: Names of the columns.
        numbers: Columns that are aligned to the right.
        texts: Columns of sentences, which wrap between words; all others are never wrapped.
        rows: Cells of each row, in the order of the columns.
    """

    title: str
    columns: tuple[str, ...]
    numbers: frozenset[str]
    texts: frozenset[str]
    rows: list[tuple[Text, ...]] = field(default_factory=list)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines of the table for the available width."""
        widths = [
            max([len(name), *(row[place].cell_len for row in self.rows)]) for place, name in enumerate(self.columns)
        ]
        if self.title:
            yield Text(self.title, "bold", overflow="ignore", no_wrap=True)
        side_by_side = self._widths_side_by_side(widths, options.max_width)
        for line in (
            self._lines(console, side_by_side) if side_by_side else self._stacked(console, widths, options.max_width)
        ):
            line.no_wrap, line.overflow = True, "ignore"
            yield line

    def _widths_side_by_side(self, widths: Sequence[int], room: int) -> list[int] | None:
        """Return the widths of the columns where all fit next to each other; None where the sentences have too little room."""
        texts = [place for place, name in enumerate(self.columns) if name in self.texts]
        shared = room - sum(widths) - len(GAP) * (len(widths) - 1) + sum(widths[place] for place in texts)
        if not texts or sum(widths[place] for place in texts) <= shared:
            return list(widths)
        found = list(widths)
        for rank, place in enumerate(sorted(texts, key=lambda place: widths[place])):
            found[place] = min(widths[place], shared // (len(texts) - rank))
            shared -= found[place]
            if found[place] < min(widths[place], max(LEAST_TEXT_WIDTH, self._longest_word(place))):
                return None
        return found

    def _longest_word(self, place: int) -> int:
        return max((cell_len(word) for row in self.rows for word in row[place].plain.split()), default=0)

    def _lines(self, console: Console, widths: Sequence[int]) -> Iterator[Text]:
        yield self._line([Text(name, "dim") for name in self.columns], widths)
        for row in self.rows:
            cells = [
                list(cell.wrap(console, width)) if name in self.texts and cell.cell_len > width else [cell]
                for name, cell, width in zip(self.columns, row, widths, strict=True)
            ]
            for number in range(max(map(len, cells), default=0)):
                yield self._line([cell[number] if number < len(cell) else Text() for cell in cells], widths)

    def _stacked(self, console: Console, widths: Sequence[int], room: int) -> Iterator[Text]:
        fixed = [place for place, name in enumerate(self.columns) if name not in self.texts]
        texts = [place for place, name in enumerate(self.columns) if name in self.texts]
        label = max(len(self.columns[place]) for place in texts)
        yield self._line([Text(self.columns[place], "dim") for place in fixed], widths, fixed)
        for row in self.rows:
            yield self._line([row[place] for place in fixed], widths, fixed)
            for place in texts:
                width = max(LEAST_TEXT_WIDTH, self._longest_word(place), room - len(INDENT) - label - len(GAP))
                for number, part in enumerate(row[place].wrap(console, width) if row[place].plain else ()):
                    name = self.columns[place] if number == 0 else ""
                    part.rstrip()
                    yield Text.assemble(INDENT, (name.ljust(label), "dim"), GAP, part)

    def _line(self, cells: Sequence[Text], widths: Sequence[int], places: Sequence[int] | None = None) -> Text:
        line = Text()
        for place, cell in zip(places or range(len(cells)), cells, strict=True):
            blank = " " * max(0, widths[place] - cell.cell_len)
            line.append_text(Text.assemble(*((blank, cell) if self.columns[place] in self.numbers else (cell, blank))))
            line.append(GAP)
        line.rstrip()
        return line


def table(title: str, *columns: str, numbers: Sequence[str] = (), texts: Sequence[str] = ()) -> Listing:
    """Return an empty table.

    Args:
        title: Title above the table; may be empty.
        *columns: Names of the columns.
        numbers: Columns that are aligned to the right.
        texts: Columns of sentences, which wrap between words.
    """
    return Listing(harmless(title), columns, frozenset(numbers), frozenset(texts))


def add(shown: Listing, *cells: str | Text) -> None:
    """Add a row whose texts are shown literally: names and values come from data, and rich reads `[x]` as a style.

    Args:
        shown: The table.
        *cells: One cell per column; a `Text` keeps its style.
    """
    shown.rows.append(
        tuple(
            Text(harmless(cell.plain), cell.style) if isinstance(cell, Text) else Text(harmless(cell)) for cell in cells
        )
    )
