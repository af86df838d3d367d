"""The databases in which Dagster records runs, looked at without importing Dagster, which takes two seconds."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from resources.config.settings import ROOT, Settings
from resources.config.store_failures import database_failure

RUNS = "history/runs.db"
DATABASES = (RUNS, "history/runs/index.db", "schedules/schedules.db")
PATIENCE_S = 30


def storage_of(settings: Settings) -> Path:
    """Return the folder of Dagster's databases."""
    home = ROOT / ".dagster" if settings.data == ROOT / "data" else settings.data / "dagster"
    return home / "storage"


def broken_databases(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Yield each database that cannot be used, with the problem."""
    for file in (storage_of(settings) / name for name in DATABASES):
        problem = "it is a folder" if file.is_dir() else database_failure(file)
        if problem:
            yield file, problem


def every_run_has_ended(settings: Settings) -> bool:
    """Return whether all databases are whole and no run is unfinished.

    False also where that cannot be said, since Dagster may change its tables: the caller then asks Dagster.
    """
    if next(broken_databases(settings), None):
        return False
    query = "SELECT count(*) FROM runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')"
    address = f"file:{quote(str(storage_of(settings) / RUNS))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE_S)) as connection:
            return not connection.execute(query).fetchone()[0]
    except sqlite3.Error:
        return False
