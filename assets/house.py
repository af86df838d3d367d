"""What every asset of this code location has in common: the product, its days, the shape of a table's asset and page."""

import warnings
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl

from intelligence.product import Product
from intelligence.sparkline import sparkline
from intelligence.tables import Claim, Days, Table, schema_contradictions, standard_claims
from intelligence.telemetry.local_time import UTC_NAME
from intelligence.telemetry.tables import EVENTS, freshness_claim
from resources.delivery import days_made
from resources.inspection import Inspection
from resources.lake import Lake
from resources.product_file import product_at
from resources.settings import settings

PRODUCT: Product = product_at(settings().product_file)
# What a table that is not made day by day is replaced for.
ALWAYS = Days(date(1, 1, 1), date(9999, 12, 31))
SCHEMA_CHECK = "schema_is_as_defined"
SHOWN_CONTRADICTIONS = 10
TRY_AGAIN = "0 * * * *"
LARGE = (dg.TableMetadataValue, dg.MarkdownMetadataValue)


def first_day() -> date:
    """Return the first day of the product: `start` in product.yaml, or the first of the simulator's and those in the lake."""
    if PRODUCT.start:
        return PRODUCT.start
    span = _span()
    known = [PRODUCT.first_declared_day(), span.start if span else None]
    return min((day for day in known if day), default=date(2000, 1, 1))


def _span() -> Days | None:
    lake = Lake.of(settings())
    return lake.span() if lake.exists() else None


def end_of_days() -> date | None:
    """Return the day after the product's last, where its data is known to end; else days go on until yesterday.

    A demo that was given more days once has them also for a server that was not told so.
    """
    last = PRODUCT.last_declared_day()
    if last is None:
        return None
    made = [] if PRODUCT.end else list(days_made(PRODUCT, settings().landing))
    span = None if PRODUCT.end or PRODUCT.timezone == UTC_NAME else _span()
    return max([last, *made, *([span.end - timedelta(days=1)] if span else [])]) + timedelta(days=1)


# A product whose data goes on is expected to have yesterday in these by the next noon; one that ended is never late.
RELIED_ON = ("metrics.feature_health", "metrics.kpi_day", "risk.feature_risk", "drift.model_watch")
FRESH = (
    None
    if end_of_days()
    else dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=26))
)
DAY = dg.DailyPartitionsDefinition(
    start_date=first_day().isoformat(),
    end_date=end.isoformat() if (end := end_of_days()) else None,
    timezone=PRODUCT.timezone,
)


def days_of(context: dg.AssetExecutionContext) -> Days:
    """Return the days that this run works on, one or a range."""
    window = context.partition_time_window
    return Days(window.start.date(), window.end.date())


def looking_back(days: int) -> dg.TimeWindowPartitionMapping:
    """Return the mapping of a day that is made from itself and the `days` before."""
    return _days_from_to(-days, 0)


def earlier_self(days: int) -> dg.TimeWindowPartitionMapping:
    """Return the mapping of a day that is made from the `days` before it of the same table."""
    return _days_from_to(-days, -1)


def _days_from_to(start_offset: int, end_offset: int) -> dg.TimeWindowPartitionMapping:
    with warnings.catch_warnings():
        # The first days of a product have no earlier ones; the parameter that says so is in beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.TimeWindowPartitionMapping(
            start_offset=start_offset, end_offset=end_offset, allow_nonexistent_upstream_partitions=True
        )


def table_asset(
    table: Table, *, kinds: set[str], daily: bool = True, more_checks: Sequence[dg.AssetCheckSpec] = (), **others: Any
) -> dict[str, Any]:
    """Return the decorator arguments by which every table's asset has its key, group, owner, kinds, schema and checks."""
    relied_on = {"freshness_policy": FRESH} if table.path in RELIED_ON and FRESH else {}
    return {
        **relied_on,
        **others,
        "name": table.name,
        "key_prefix": table.layer,
        "group_name": table.layer,
        "kinds": kinds,
        "owners": [PRODUCT.owner],
        "metadata": table_schema(table),
        "check_specs": [*check_specs(table), *more_checks],
        **({"partitions_def": DAY} if daily else {}),
    }


def when_updated(*tables: Table) -> dg.AutomationCondition:
    """Return the rule that an asset follows these tables, day by day, while no check that it stands on has failed.

    What else it reads may be rebuilt for the whole past without asking for hindsight on it. A run that failed or was
    killed is asked for again every hour: the update that it was to follow does not come a second time.
    """
    rule = dg.AutomationCondition
    followed = rule.any_deps_updated().allow(dg.AssetSelection.assets(*map(key_of, tables)))
    failed = rule.execution_failed() & rule.cron_tick_passed(TRY_AGAIN).since_last_handled()
    return (
        (followed.since_last_handled() | failed)
        & ~rule.any_deps_in_progress()
        & ~rule.in_progress()
        & rule.in_latest_time_window(timedelta(days=7))
        & rule.all_deps_blocking_checks_passed()
    )


def table_spec(table: Table, *, kinds: set[str], deps: Sequence[dg.AssetKey] = ()) -> dg.AssetSpec:
    """Return the same for a table that is one of several outputs."""
    return dg.AssetSpec(
        key=key_of(table),
        description=table.description,
        group_name=table.layer,
        kinds=kinds,
        owners=[PRODUCT.owner],
        metadata=table_schema(table),
        deps=deps,
    )


def key_of(table: Table) -> dg.AssetKey:
    """Return the table's asset key."""
    return dg.AssetKey([table.layer, table.name])


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


def claims_of(table: Table) -> tuple[Claim, ...]:
    """Return the claims that are checked on each write of the table."""
    freshness = (freshness_claim(PRODUCT.max_lag_hours),) if table == EVENTS and PRODUCT.max_lag_hours else ()
    return (*standard_claims(table), *table.claims, *freshness)


def check_specs(table: Table) -> list[dg.AssetCheckSpec]:
    """Return the schema check and one check per claim, as they show on the asset's page."""
    schema = dg.AssetCheckSpec(
        SCHEMA_CHECK,
        asset=key_of(table),
        blocking=True,
        description="The columns and types are those of the definition.",
    )
    claims = [
        dg.AssetCheckSpec(claim.name, asset=key_of(table), blocking=claim.blocking, description=claim.description)
        for claim in claims_of(table)
    ]
    return [schema, *claims]


def materialized(
    lake: Lake,
    table: Table,
    days: Days,
    *,
    written: int | None = None,
    more_checks: Sequence[dg.AssetCheckResult] = (),
    **extra: Any,
) -> dg.MaterializeResult:
    """Return the result of a write: what the asset's page shows, and the checks, all as of one snapshot of the lake.

    Of a run over several days only the newest one shows tables and pictures: every day would show the same.
    """
    found = lake.inspected(table, claims_of(table), days)
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
            _schema_result(found, table),
            *(_claim_result(found, table, claim, days) for claim in claims_of(table)),
            *more_checks,
        ],
    )


def _newest_of_several_days() -> str | None:
    """Return the last day that the present step works on; None where that is one day or none."""
    context = dg.AssetExecutionContext.get()
    if not context.assets_def.partitions_def or not context.has_partition_key_range:
        return None
    days = context.partition_keys
    return days[-1] if len(days) > 1 else None


def _counts(found: Inspection, days: Days) -> dict[str, Any]:
    counted = {} if found.row_count is None else {"dagster/row_count": found.row_count}
    return {**counted, **_told(days), "lake_snapshot": found.snapshot_id}


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


def _schema_result(found: Inspection, table: Table) -> dg.AssetCheckResult:
    wrong = schema_contradictions(table, found.columns)
    return dg.AssetCheckResult(
        check_name=SCHEMA_CHECK,
        asset_key=key_of(table),
        passed=not wrong,
        metadata={"columns": len(table.columns), "differences": list(wrong)},
    )


def _claim_result(found: Inspection, table: Table, claim: Claim, days: Days) -> dg.AssetCheckResult:
    contradictions = found.contradictions[claim.name]
    metadata: dict[str, Any] = {"contradictions": contradictions.height, **_told(days)}
    if contradictions.height:
        metadata["examples"] = table_value(contradictions.head(SHOWN_CONTRADICTIONS))
    return dg.AssetCheckResult(
        check_name=claim.name,
        asset_key=key_of(table),
        passed=contradictions.height == 0,
        severity=dg.AssetCheckSeverity[claim.severity],
        metadata=metadata,
    )


def _told(days: Days) -> dict[str, str]:
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


def parameters(**chosen: Any) -> Mapping[str, Any]:
    """Return SQL parameters that come from product.yaml, with those given."""
    return {
        "session_gap_minutes": PRODUCT.session_gap_minutes,
        "conversion_events": list(PRODUCT.conversion_events),
        "bots": list(PRODUCT.bots),
        **chosen,
    }
