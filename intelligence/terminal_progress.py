"""The progress of a run at the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def progress_on(console: Console) -> Iterator[Callable[[str, str], None]]:
    """Yield what is to be told of a run: "plan" with a number of steps, "done" of a step, anything else with its name."""
    columns = (TextColumn("{task.description:<44}"), BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
        task = progress.add_task("starting", total=1)

        def listen(kind: str, text: str) -> None:
            if kind == "plan":
                done = progress.tasks[0].completed
                progress.update(task, total=done + int(text))
            elif kind == "done":
                progress.advance(task)
            else:
                progress.update(task, description=text.replace("__", "/")[:44])

        yield listen
        progress.update(task, description="done")
