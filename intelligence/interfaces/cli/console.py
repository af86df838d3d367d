"""The one way to a terminal: consoles that print nothing from outside as it came."""

import sys
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from intelligence.core.foreign import harmless

# Wide enough that what goes to a pipe or a file is never wrapped, for the programs that read it.
PIPE_WIDTH = 100_000


class TerminalConsole(Console):
    """A console whose every text is harmless; its own colours and the movements of a progress bar stay."""

    def print(self, *objects: Any, crop: bool = False, **others: Any) -> None:
        """Print as rich does, but never cut a line off: a name that is wider than the terminal is shown whole."""
        super().print(*objects, crop=crop, **others)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of what is to be shown, each text harmless."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=harmless(segment.text, lines=True))


def terminal_console(
    *, stderr: bool = False, file: IO[str] | None = None, columns: str | None = None
) -> TerminalConsole:
    """Return a console on standard output or error, as wide as the terminal.

    Without a terminal nothing is wrapped, unless `columns`, the variable COLUMNS, says how wide to be.
    """
    console = TerminalConsole(highlight=False, stderr=stderr, file=file)
    if not console.is_terminal:
        console.width = int(columns) if columns and columns.isdigit() and int(columns) else PIPE_WIDTH
    return console


def show_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback as Python does, its texts harmless: an error's message may hold what somebody delivered."""
    sys.stderr.write(harmless("".join(traceback.format_exception(kind, error, trace)), lines=True))
