"""Rows of the state store that are added if they are new, whichever database it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite


def inserted_if_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the positions of the rows that were added; those whose key exists already are passed over in silence."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    (key,) = table.primary_key.columns
    # What comes back tells whether a row was added; PostgreSQL's driver counts none.
    statement = dialect.insert(table).on_conflict_do_nothing().returning(key)
    return [place for place, row in enumerate(rows) if connection.execute(statement.values(**row)).first() is not None]


def inserted_key(connection: Connection, statement: Insert) -> int:
    """Return the key of the row that the statement adds, where the database numbers its rows."""
    key = connection.execute(statement).inserted_primary_key
    if key is None:
        raise AssertionError("unreachable: a statement that adds one row has its key")
    return int(key[0])
