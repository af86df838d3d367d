"""Suggests what to write in a mapping so that times can be read; each suggestion is tried on samples first."""

from collections.abc import Mapping, Sequence

import duckdb

from intelligence.core.sql import identifier, literal
from intelligence.telemetry.guesses import READ_SHARE, time_expression
from intelligence.telemetry.mapping import is_name

MOST_SAMPLES = 50


def time_step(connection: duckdb.DuckDBPyConnection, mapping: Mapping[str, str], samples: Sequence[str]) -> str | None:
    """Return what to write for `event_time` so that DuckDB reads the samples; None if no expression reads most of them.

    Args:
        connection: Any connection; its tables are not read.
        mapping: The source's mapping: by field, a column or an SQL expression.
        samples: Values of the column that is mapped to `event_time`, as delivered.
    """
    column = mapping.get("event_time", "event_time")
    tried = list(samples)[:MOST_SAMPLES]
    expression = time_expression(column, tried) if is_name(column) else None
    if not expression:
        return None
    rows = ", ".join(f"({literal(sample)})" for sample in tried)
    name = identifier(column)
    query = f"SELECT {name} FROM (VALUES {rows}) AS samples ({name}) WHERE ({expression}) IS NOT NULL"
    try:
        read = [row[0] for row in connection.execute(query).fetchall()]
    except duckdb.Error:
        return None
    if len(read) < READ_SHARE * len(tried):
        return None
    return (
        f'Write `event_time: "{expression}"`, which reads {read[0]!r} and {len(read)} of {len(tried)} values looked at.'
    )
