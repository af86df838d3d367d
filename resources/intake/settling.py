"""Whether somebody still writes a file: told by its name, by its times, and by whether it changes while it is read."""

import os
import re
import time
from pathlib import Path
from typing import Final

# A file that was touched less than this ago may be touched again.
SETTLED_S = 3.0
STILL_WRITTEN: Final = "it is still being written"
# What editors, browsers, copying programs and exporters call a file until it is whole.
_UNFINISHED: Final = re.compile(
    r"[.~#].*|.*[~#]"
    r"|.*\.(tmp|temp|part|partial|filepart|crdownload|download|opdownload|inprogress|incomplete|writing|swp|swx|lock)",
    re.IGNORECASE | re.DOTALL,
)


def has_unfinished_name(name: str) -> bool:
    """Return whether a file of this name is one that a program has not finished.

    >>> [has_unfinished_name(name) for name in ("a.csv", "a.csv.part", ".a.csv.Xy3", "a.csv~", "a.partial.csv")]
    [False, True, True, True, False]
    """
    return _UNFINISHED.fullmatch(name) is not None


def quiet_s(state: os.stat_result) -> float:
    """Return for how many seconds nobody wrote the file.

    A time of change in the future comes from another clock: then the time at which the file came to its place counts.
    """
    now = time.time()
    return now - (state.st_mtime if state.st_mtime <= now else state.st_ctime)


def why_left(path: Path) -> str | None:
    """Return why the file is not to be read now; None where it may. Raises OSError where it is not there."""
    if has_unfinished_name(path.name):
        return "its name is that of an unfinished file"
    return STILL_WRITTEN if quiet_s(path.stat()) < SETTLED_S else None


def marks(path: Path) -> tuple[int, ...]:
    """Return what changes with the file: size, times and which file bears the name. Raises OSError where it is not there."""
    state = path.stat()
    return (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino, state.st_dev)
