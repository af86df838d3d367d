"""A look into the store without SQLAlchemy, whose import takes longer than most commands need in all."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from intelligence.core.sql import identifier

SQLITE = "sqlite:///"
PATIENCE_S = 30


def holds_nothing(url: str, tables: Sequence[str]) -> bool:
    """Return whether an SQLite store has no row in any of these tables, or is not there at all.

    False also where that cannot be said: for a server, and for a file that cannot be read. The caller then opens the store, which
    raises an error that says what is wrong.

    Args:
        url: The SQLAlchemy URL of the store.
        tables: Names of tables of `resources/state/tables.py`.
    """
    if not url.startswith(SQLITE) or "?" in url:
        return False
    file = Path(url.removeprefix(SQLITE))
    if not file.exists():
        return not file.is_symlink()
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=PATIENCE_S)) as store:
            return not any(store.execute(f"SELECT 1 FROM {identifier(table)} LIMIT 1").fetchone() for table in tables)
    except sqlite3.Error:
        return False
