"""Rows of the state store: added if they are new, changed under guard, told as values."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def inserted_if_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the positions of the rows that were added; those whose key exists already are passed over in silence."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).on_conflict_do_nothing()
    return [place for place, row in enumerate(rows) if connection.execute(statement.values(**row)).rowcount == 1]
