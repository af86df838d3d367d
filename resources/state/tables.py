"""All tables of the store for operational state."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    DDL,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    event,
    false,
)
from typing_extensions import override

from intelligence.core.sql import literal


class UtcTime(TypeDecorator[datetime]):
    """A time that has its zone in Python and is stored as UTC without a zone in every database."""

    impl = DateTime
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time as it is stored."""
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
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


# The history of the alias `champion`, which MLflow does not record.
PROMOTIONS = Table(
    "promotions", METADATA, Column("sequence", Integer, primary_key=True), *_move_columns(), sqlite_autoincrement=True
)
# The gate's verdict on each version that became champion without passing the gate: one row per such row of PROMOTIONS.
OVERRULED_VERDICTS = Table(
    "overruled_verdicts",
    METADATA,
    Column("promotion", Integer, primary_key=True, autoincrement=False),
    Column("overruled", Text, nullable=False),
    Column("gate_reason", Text, nullable=False),
)
# A promotion in progress: if its process is killed, the next reader of the history completes or discards it.
INTENDED_PROMOTIONS = Table("intended_promotions", METADATA, Column("id", Integer, primary_key=True), *_move_columns())

# Actions to be delivered to other systems: one row per action with its present state. Times of an attempt come from the clock
# of the deliverer that made it.
OUTBOX = Table(
    "outbox",
    METADATA,
    Column("sequence", Integer, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("decision_id", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("feature", Text, index=True),
    Column("day", Date, nullable=False),
    Column("episode", Text, nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("unconfirmed", Boolean, nullable=False, server_default=false()),
    Column("undo_wanted", Boolean, nullable=False, server_default=false()),
    Column("reason", Text, nullable=False),
    Column("planned_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("not_before", UtcTime),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("attempted_at", UtcTime),
    Column("attempted_by", Text),
    Column("ask_after", UtcTime),
    Column("receipt", Text),
    Index("outbox_by_state", "state", "sequence"),
    sqlite_autoincrement=True,
)


def _history(name: str, *columns: Column[Any]) -> Table:
    return Table(
        name,
        METADATA,
        Column("sequence", Integer, primary_key=True),
        Column("at", UtcTime, nullable=False),
        *columns,
        Column("actor", Text, nullable=False),
        Column("reason", Text, nullable=False),
        sqlite_autoincrement=True,
    )


# Every event in the life of an action; `token` is that of the deliverer's lease if a deliverer caused it.
OUTBOX_EVENTS = _history(
    "outbox_events",
    Column("action_id", Text, nullable=False, index=True),
    Column("event", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("token", Integer),
)
# Who paused and resumed which scope, and when; the last row of a scope is its present state.
PAUSES = _history("pauses", Column("scope", Text, nullable=False), Column("paused", Boolean, nullable=False))
# Flags that the platform may not change because a person changed them; the last row of a flag is its present state.
FLAG_LOCKS = _history(
    "flag_locks",
    Column("flag", Text, nullable=False, index=True),
    Column("locked", Boolean, nullable=False),
    Column("after_change", Integer, nullable=False),
)
# Each change of a flag that the platform made, with the rule before it: one row before the file is written, and another once the
# change was read back from the file.
FLAG_CHANGES = _history(
    "flag_changes",
    Column("flag", Text, nullable=False, index=True),
    Column("action_id", Text, nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("base_digest", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("former", Text, nullable=False),
    Column("done", Boolean, nullable=False),
)
# Rollouts that a person started or stopped; the last row of a flag is its present state. `exposure` is the share of users who had
# the feature at that time, and `declaration` the settings given by the command as JSON, NULL for those of product.yaml.
ROLLOUTS = _history(
    "rollouts",
    Column("flag", Text, nullable=False, index=True),
    Column("event", Text, nullable=False),
    Column("exposure", Float, nullable=False),
    Column("declaration", Text),
)
# The file of flags as it was last read, from which a person can restore it; one row.
FLAG_COPY = Table(
    "flag_copy",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("path", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("digest", Text, nullable=False),
)
# When the file of flags was lost, reappeared, was restored or was accepted as it is, and who decided that.
FLAG_LOSSES = _history("flag_losses", Column("event", Text, nullable=False), Column("path", Text, nullable=False))
# Notes that people wrote about days of the product, or about a feature on these days.
NOTES = Table(
    "notes",
    METADATA,
    Column("sequence", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("day", Date, nullable=False, index=True),
    Column("feature", Text),
    Column("text", Text, nullable=False),
    Column("actor", Text, nullable=False),
    sqlite_autoincrement=True,
)
# What the policy decided on findings of the stream's guard, before anything was asked for: the row of the decision as JSON.
GUARD_DECISIONS = Table(
    "guard_decisions",
    METADATA,
    Column("decision_id", Text, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("stream_at", UtcTime, nullable=False),
    Column("day", Date, nullable=False, index=True),
    Column("feature", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("level", Text),
    Column("content", Text, nullable=False),
)
# What became true of a decision on an entity, which may be weeks later; `decision` is its trace where it was still known then.
DECISION_OUTCOMES = Table(
    "decision_outcomes",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("decision_id", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("happened_at", UtcTime, nullable=False),
    Column("received_at", UtcTime, nullable=False, index=True),
    Column("value", Float),
    Column("decision", Text),
)
# Which process holds a lease, until when, and the token, which increases whenever another process takes it over.
LEASES = Table(
    "leases",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("owner", Text),
    Column("until", UtcTime),
    Column("token", Integer, nullable=False),
)
# Targets that asked to receive no requests until a certain time (rate limiting).
TARGET_RESTS = Table(
    "target_rests",
    METADATA,
    Column("target", Text, primary_key=True),
    Column("until", UtcTime, nullable=False),
    Column("reason", Text, nullable=False),
)
# What a judge said about answers, without their texts.
ANSWER_VERDICTS = Table(
    "answer_verdicts",
    METADATA,
    Column("sequence", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("event_date", Date, nullable=False),
    Column("source", Text, nullable=False),
    Column("answer_id", Text, nullable=False),
    Column("feature", Text, nullable=False),
    Column("model", Text, nullable=False, index=True),
    Column("verdict", Text, nullable=False),
    sqlite_autoincrement=True,
)
# Calls to a server of language models: what was asked as a digest, and the reply, so that it is not asked for twice.
CHAT_CALLS = Table(
    "chat_calls",
    METADATA,
    Column("sequence", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("day", Date, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("digest", Text, nullable=False, index=True),
    Column("model", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reply", Text),
    Column("tokens_in", Integer),
    Column("tokens_out", Integer),
    Index("chat_calls_by_day", "day", "purpose"),
    sqlite_autoincrement=True,
)

APPEND_ONLY = (
    PROMOTIONS,
    OVERRULED_VERDICTS,
    OUTBOX_EVENTS,
    PAUSES,
    FLAG_LOCKS,
    FLAG_CHANGES,
    FLAG_LOSSES,
    ROLLOUTS,
    NOTES,
    GUARD_DECISIONS,
    DECISION_OUTCOMES,
)


def _guards(table: str) -> Iterator[tuple[str, str]]:
    """Yield, by dialect, the statements that make a table append-only."""
    for change in ("UPDATE", "DELETE"):
        refusal = f"SELECT RAISE(ABORT, {literal(f'{table} is append-only')});"
        yield "sqlite", f"CREATE TRIGGER {table}_no_{change} BEFORE {change} ON {table} BEGIN {refusal} END"
    refusal = f"BEGIN RAISE EXCEPTION {literal(f'{table} is append-only')}; END"
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
        statement = DDL(_statement)  # type: ignore[no-untyped-call] # SQLAlchemy has not annotated it
        event.listen(_table, "after_create", statement.execute_if(dialect=_dialect))
