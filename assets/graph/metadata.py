"""Values of the lake as a page of the Dagster UI shows them."""

import dagster as dg
import polars as pl

from intelligence.core.sparkline import sparkline
from intelligence.core.tables import ALWAYS, Days


def in_words(days: Days) -> dict[str, str]:
    """Return the range of days as metadata; empty for a table without days."""
    return {} if days == ALWAYS else {"days": f"{days.start} to {days.end} (exclusive)"}


def table_value(frame: pl.DataFrame) -> dg.TableMetadataValue:
    """Return the frame as a table on a page; lists of numbers become sparklines."""
    records = [
        dg.TableRecord({name: _cell(value) for name, value in row.items()}) for row in frame.iter_rows(named=True)
    ]
    columns = [dg.TableColumn(name, "string" if _is_text(dtype) else "number") for name, dtype in frame.schema.items()]
    return dg.TableMetadataValue(records, dg.TableSchema(columns))


def _is_text(dtype: pl.DataType) -> bool:
    return not dtype.is_numeric()


def _cell(value: object) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return (
            sparkline(value)
            if all(item is None or isinstance(item, int | float) for item in value)
            else ", ".join(map(str, value))
        )
    return str(value)
