"""The only way to print to a terminal: consoles that escape text from outside."""

import sys
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from typing_extensions import override

from intelligence.core.foreign import harmless

# Wide enough that output to a pipe or a file is never wrapped, for the programs that read it.
PIPE_WIDTH = 100_000


class TerminalConsole(Console):
    """A console that escapes every text; its own colours and the cursor movements of a progress bar are kept."""

    @override
    def print(self, *objects: Any, crop: bool = False, **others: Any) -> None:
        """Print as rich does, but without cropping lines: a name that is wider than the terminal is shown completely."""
        super().print(*objects, crop=crop, **others)

    @override
    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of the renderable with escaped text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=harmless(segment.text, lines=True))


def terminal_console(
    *, stderr: bool = False, file: IO[str] | None = None, columns: str | None = None
) -> TerminalConsole:
    """Return a console on standard output or error, as wide as the terminal.

    Args:
        stderr: Whether it writes to standard error.
        file: Where it writes instead of a standard stream.
        columns: Width for output that does not go to a terminal, from the variable COLUMNS; without it nothing is wrapped.
    """
    console = TerminalConsole(highlight=False, stderr=stderr, file=file)
    if not console.is_terminal:
        console.width = int(columns) if columns and columns.isdigit() and int(columns) else PIPE_WIDTH
    return console


def show_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback as Python does, but escaped, since the message of an error may contain delivered text.

    Args:
        kind: Class of the error.
        error: The error.
        trace: Its traceback.
    """
    sys.stderr.write(harmless("".join(traceback.format_exception(kind, error, trace)), lines=True))
