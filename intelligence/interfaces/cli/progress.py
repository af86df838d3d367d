"""The progress of a run: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from intelligence.core.progress import Listener, Progress

# Without a terminal a line is written at each step, and within a long step at most this often.
LEAST_S_BETWEEN_LINES = 5.0


@contextmanager
def progress_on(console: Console) -> Iterator[Listener]:
    """Yield a listener for the messages of a run (see `intelligence/core/progress.py`), whose progress the console shows."""
    with _bar(console) if console.is_terminal else _lines(console) as listener:
        yield listener


@contextmanager
def _bar(console: Console) -> Iterator[Listener]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(30),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=console) as bar:
        task, progress = bar.add_task("starting", total=1.0), Progress()

        def listen(kind: str, what: Any) -> None:
            progress.listen(kind, what)
            description = _shown(what)[:48] if kind in ("start", "note") else None
            bar.update(task, completed=progress.share(), description=description)

        yield listen
        bar.update(task, completed=1.0, description="done")


@contextmanager
def _lines(console: Console) -> Iterator[Listener]:
    progress, started = Progress(), console.get_time()
    last = -LEAST_S_BETWEEN_LINES

    def listen(kind: str, what: Any) -> None:
        nonlocal last
        progress.listen(kind, what)
        elapsed = console.get_time() - started
        if kind == "start" or (kind == "note" and elapsed - last >= LEAST_S_BETWEEN_LINES):
            last = elapsed
            console.print(f"{elapsed:5.0f} s  {progress.share():3.0%}  {_shown(what)}", markup=False, soft_wrap=True)

    yield listen


def _shown(step: str) -> str:
    return step.replace("__", "/", 1)
