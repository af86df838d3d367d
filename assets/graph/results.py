"""The result of a write: what the asset's page shows, and the results of the checks."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.graph.checks import claim_result, schema_result
from assets.graph.metadata import in_words, table_value
from assets.graph.tables import key_of
from intelligence.core.tables import Claim, Days, Table
from resources.lake.door import Lake
from resources.lake.inspection import Inspection

LARGE = (dg.TableMetadataValue, dg.MarkdownMetadataValue)


def materialized(
    lake: Lake,
    table: Table,
    days: Days,
    *,
    claims: Sequence[Claim],
    written: int | None = None,
    more_checks: Sequence[dg.AssetCheckResult] = (),
    **extra: Any,
) -> dg.MaterializeResult:
    """Return the result of a write with its metadata and check results, all from one snapshot of the lake.

    In a run over several days only the newest day shows tables and pictures, since they would be the same for every
    day.

    Args:
        lake: The lake after the write.
        table: The definition of the table.
        days: The days that were written, or ALWAYS for a table without days.
        claims: The claims to check.
        written: The number of rows that were written; None where it is not known.
        more_checks: Results of checks besides those of the table's schema and claims.
        **extra: Further metadata by name.
    """
    found = lake.inspected(table, claims, days)
    metadata = {**_counts(found, days), **_at_a_glance(found), **extra}
    newest = _newest_of_several_days()
    metadata |= _numbers(found, table, by_day=newest is not None)
    if newest:
        large = {name: value for name, value in metadata.items() if isinstance(value, LARGE)}
        context = dg.AssetExecutionContext.get()
        context.add_asset_metadata(large, asset_key=key_of(table), partition_key=newest)
        metadata |= dict.fromkeys(large, f"shown with {newest}, the newest day of this run")
    if written is not None:
        metadata["rows_written" if newest or not table.day else "dagster/partition_row_count"] = written
    return dg.MaterializeResult(
        asset_key=key_of(table),
        metadata=metadata,
        check_results=[
            schema_result(found, table),
            *(claim_result(found, table, claim, days) for claim in claims),
            *more_checks,
        ],
    )


def _newest_of_several_days() -> str | None:
    """Return the last day of the present step; None where it works on a single day or on no days."""
    context = dg.AssetExecutionContext.get()
    if not context.assets_def.partitions_def or not context.has_partition_key_range:
        return None
    days = context.partition_keys
    return days[-1] if len(days) > 1 else None


def _counts(found: Inspection, days: Days) -> dict[str, Any]:
    counted = {} if found.row_count is None else {"dagster/row_count": found.row_count}
    return {**counted, **in_words(days), "lake_snapshot": found.snapshot_id}


def _numbers(found: Inspection, table: Table, *, by_day: bool) -> dict[str, Any]:
    """Return the numbers that the asset's page plots; in a run over several days each day gets its own."""
    if found.numbers.is_empty():
        return {}
    if "event_date" not in found.numbers.columns:
        return {str(name): value for name, value in found.numbers.iter_rows()}
    rows = {str(row.pop("event_date")): row for row in found.numbers.to_dicts()}
    there = {day: {name: value for name, value in row.items() if value is not None} for day, row in rows.items()}
    if not by_day:
        return next(iter(there.values()))
    context = dg.AssetExecutionContext.get()
    known = set(context.partition_keys)
    for day, numbers in there.items():
        if day in known:
            context.add_asset_metadata(numbers, asset_key=key_of(table), partition_key=day)
    return {}


def _at_a_glance(found: Inspection) -> dict[str, Any]:
    return {"at_a_glance": table_value(found.shown)} if found.shown.height else {}
