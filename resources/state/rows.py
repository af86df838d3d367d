"""Inserts into the state store that behave the same on SQLite and PostgreSQL."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite


def inserted_if_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Insert the rows that are new, and return their positions in `rows`; rows whose key exists already are skipped.

    Args:
        connection: A connection with an open transaction.
        table: A table with one primary key column.
        rows: Values by column name, one mapping per row.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    (key,) = table.primary_key.columns
    # RETURNING shows whether a row was inserted; the row count of PostgreSQL's driver does not.
    statement = dialect.insert(table).on_conflict_do_nothing().returning(key)
    return [place for place, row in enumerate(rows) if connection.execute(statement.values(**row)).first() is not None]


def inserted_key(connection: Connection, statement: Insert) -> int:
    """Insert one row and return its key, which the database numbers.

    Args:
        connection: A connection with an open transaction.
        statement: An insert of one row into a table whose primary key is an integer.

    Raises:
        AssertionError: Never in practice; an insert of one row returns its key.
    """
    key = connection.execute(statement).inserted_primary_key
    if key is None:
        raise AssertionError("unreachable: a statement that adds one row has its key")
    return int(key[0])
