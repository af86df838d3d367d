"""Rows of any table of the lake, made up from its columns, for tests of what only reads them."""

from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from intelligence.core.tables import Days, Table
from resources.lake.door import Lake

FIRST = date(2026, 5, 4)
DAYS = Days(FIRST, FIRST + timedelta(days=5))
HOSTILE = ("'; DROP TABLE metrics.kpi_day; --", "<script>alert(1)</script>", "../../etc/passwd", "%00", "ä€😀", '"')
VALUES: dict[str, Any] = {"BIGINT": 7, "INTEGER": 7, "DOUBLE": 0.25, "BOOLEAN": True}


def rows_for(table: Table) -> pl.DataFrame:
    """A row for each day, and each hostile text in its columns of text."""
    rows = []
    for number in range(12):
        row: dict[str, Any] = {}
        for column in table.columns:
            kind, is_list = column.type.removesuffix("[]"), column.type.endswith("[]")
            if kind == "VARCHAR" and "JSON" in column.description:
                value: Any = "{}"
            elif kind == "VARCHAR":
                value = HOSTILE[number % len(HOSTILE)] if number % 3 else f"{column.name} {number}"
            elif kind == "DATE":
                value = FIRST + timedelta(days=number % 5)
            elif kind == "TIMESTAMP":
                value = datetime(2026, 5, 4, 12, number)
            else:
                value = VALUES[kind] if number else None if not column.required else VALUES[kind]
            row[column.name] = [value] if is_list else value
        rows.append(row)
    return table.frame(rows)


def filled(lake: Lake, *tables: Table) -> None:
    """Put made-up rows into the tables, and make their days known."""
    for table in tables:
        lake.replace(table, DAYS, "FROM made", frames={"made": rows_for(table)})
    lake.commit(
        lambda connection: connection.execute(
            "INSERT INTO telemetry.batches BY NAME SELECT 'b' AS batch_id, $days AS days, 0 AS accepted",
            {"days": DAYS.each},
        )
    )
