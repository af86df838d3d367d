"""Plain tables for a terminal."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text


def table(title: str, *columns: str, numbers: Sequence[str] = ()) -> Table:
    """Return an empty table without lines; `numbers` are the columns that stand to the right."""
    shown = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for column in columns:
        shown.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return shown


def add(shown: Table, *cells: str | Text) -> None:
    """Add a row whose texts are shown as they are: names and values come from data, and rich reads `[x]` as a style."""
    shown.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in cells))
