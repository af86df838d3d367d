"""Lakes for tests: an empty one begins as a copy of one that was made once, since making the tables takes a second."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

from resources.lake.door import Lake


def lake_in(folder: Path) -> Lake:
    """Return the lake under `folder`: an empty one with its tables and views, or the one that is there already."""
    if not (folder / "catalog.sqlite").exists():
        shutil.copytree(_template(), folder, dirs_exist_ok=True)
    return _lake(folder)


@cache
def _template() -> Path:
    """Return the folder of a lake that was made and closed in this process; the folder goes with the process."""
    folder = Path(_kept.name)
    made = _lake(folder)
    made.frame("SELECT 1")
    made.close()
    return folder


def _lake(folder: Path) -> Lake:
    return Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files")


_kept = tempfile.TemporaryDirectory(prefix="empty-lake-")
