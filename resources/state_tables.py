"""The tables of the store for operational state: what many small transactions add to. One place for all of them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DDL, Column, DateTime, Dialect, Integer, MetaData, Table, Text, TypeDecorator, event


class UtcTime(TypeDecorator[datetime]):
    """A time with its zone in Python, UTC in every database."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the time as it is stored."""
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the stored time with its zone."""
        return value.replace(tzinfo=UTC) if value else None


METADATA = MetaData()


def _move_columns() -> list[Column[Any]]:
    return [
        Column("at", UtcTime, nullable=False),
        Column("model", Text, nullable=False, index=True),
        Column("from_version", Text),
        Column("to_version", Text),
        Column("actor", Text, nullable=False),
        Column("cause", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("run_id", Text),
    ]


# The history of the alias `champion`. MLflow keeps none.
PROMOTIONS = Table(
    "promotions", METADATA, Column("sequence", Integer, primary_key=True), *_move_columns(), sqlite_autoincrement=True
)
# A promotion that is under way, so that one that is killed half-way is finished, or forgotten, by the next look.
INTENDED_PROMOTIONS = Table("intended_promotions", METADATA, Column("id", Integer, primary_key=True), *_move_columns())

APPEND_ONLY = (PROMOTIONS,)


def _guards(table: str) -> Iterator[tuple[str, str]]:
    """Yield, by dialect, the statements that let a table only grow."""
    for change in ("UPDATE", "DELETE"):
        refusal = f"SELECT RAISE(ABORT, '{table} is append-only');"
        yield "sqlite", f"CREATE TRIGGER {table}_no_{change} BEFORE {change} ON {table} BEGIN {refusal} END"
    refusal = f"BEGIN RAISE EXCEPTION '{table} is append-only'; END"
    yield "postgresql", f"CREATE FUNCTION {table}_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$ {refusal} $$"
    yield (
        "postgresql",
        (
            f"CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {table}_only_grows()"
        ),
    )


for _table in APPEND_ONLY:
    for _dialect, _statement in _guards(_table.name):
        event.listen(_table, "after_create", DDL(_statement).execute_if(dialect=_dialect))
