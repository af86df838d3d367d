"""A table of the lake as an asset: its key, and its columns as metadata."""

from typing import Any

import dagster as dg

from intelligence.core.tables import Table


def key_of(table: Table) -> dg.AssetKey:
    """Return the table's asset key."""
    return dg.AssetKey([table.layer, table.name])


def until_yesterday(table: Table) -> dg.AssetKey:
    """Return the key of the graph's node for the table as it was before the run, which an earlier layer reads."""
    return dg.AssetKey([table.layer, f"{table.name}_until_yesterday"])


def table_schema(table: Table) -> dict[str, Any]:
    """Return the table's columns as asset metadata."""
    columns = [
        dg.TableColumn(
            column.name,
            column.type,
            description=column.description,
            constraints=dg.TableColumnConstraints(nullable=not column.required, unique=table.key == (column.name,)),
        )
        for column in table.columns
    ]
    scope = "the newest day only; earlier days keep what was said of them then"
    return {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "dagster/table_name": f"lake.{table.path}",
        **({"built_for": scope} if table.newest_day_only else {}),
    }
