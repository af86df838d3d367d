"""Detects files that another process still writes: by name, by time stamps, and by changes while the file is read."""

import os
import re
import time
from pathlib import Path
from typing import Final

# A file that was changed less than this many seconds ago may change again.
SETTLED_S = 3.0
STILL_WRITTEN: Final = "it is still being written"
# Names that editors, browsers, copying programs and exporters give to a file until it is complete.
_UNFINISHED: Final = re.compile(
    r"[.~#].*|.*[~#]"
    r"|.*\.(tmp|temp|part|partial|filepart|crdownload|download|opdownload|inprogress|incomplete|writing|swp|swx|lock)",
    re.IGNORECASE | re.DOTALL,
)


def has_unfinished_name(name: str) -> bool:
    """Return whether the name is one that programs give to unfinished files.

    >>> [has_unfinished_name(name) for name in ("a.csv", "a.csv.part", ".a.csv.Xy3", "a.csv~", "a.partial.csv")]
    [False, True, True, True, False]
    """
    return _UNFINISHED.fullmatch(name) is not None


def quiet_s(state: os.stat_result) -> float:
    """Return the seconds since the file was last written.

    A modification time in the future comes from another clock; then the time of the last change of the inode counts.
    """
    now = time.time()
    return now - (state.st_mtime if state.st_mtime <= now else state.st_ctime)


def why_left(path: Path) -> str | None:
    """Return why the file must not be read now; None if it may be read. Raises OSError if it does not exist."""
    if has_unfinished_name(path.name):
        return "its name is that of an unfinished file"
    return STILL_WRITTEN if quiet_s(path.stat()) < SETTLED_S else None


def marks(path: Path) -> tuple[int, ...]:
    """Return properties that change with the file: size, times, inode and device. Raises OSError if it does not exist."""
    state = path.stat()
    return (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino, state.st_dev)
