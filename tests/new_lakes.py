"""Lakes for tests: each begins as a copy of one that was made once, since making the tables costs a second each time."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

from resources.lake import Lake


def new_lake(folder: Path, *, timezone: str = "UTC") -> Lake:
    """Return an empty lake under `folder`, which has its tables and views already."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(_template(), folder, dirs_exist_ok=True)
    return _lake(folder, timezone=timezone)


@cache
def _template() -> Path:
    """Return the folder of a lake that was made and closed in this process; the folder goes with the process."""
    folder = Path(_kept.name)
    made = _lake(folder)
    made.frame("SELECT 1")
    made.close()
    return folder


def _lake(folder: Path, *, timezone: str = "UTC") -> Lake:
    return Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files", timezone=timezone)


_kept = tempfile.TemporaryDirectory(prefix="empty-lake-")
