"""Telemetry: sources in, typed events out, everything else in quarantine; no metric is computed here."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import polars as pl

from assets.graph.building import Graph
from assets.graph.metadata import table_value
from assets.graph.partitions import days_of, earlier_self
from assets.graph.tables import key_of
from intelligence.catalog.layers import DELIVERED
from intelligence.core.sql import sql
from intelligence.core.tables import Days
from intelligence.telemetry.tables import BATCHES, DAY_QUALITY, EVENTS, RAW_EVENTS
from resources.intake.ingest import IngestReport
from resources.lake.door import Lake
from resources.services.intake import IntakeService

READABLE = dg.AssetCheckSpec(
    "every_file_is_readable",
    asset=key_of(BATCHES),
    description="No delivered file was refused; a refused one is listed with the reason and is tried again next time.",
)


def _readable(report: IngestReport) -> dg.AssetCheckResult:
    found = {
        "refused": table_value(pl.DataFrame(report.refusals)) if report.refused else None,
        "changed": "\n".join(report.changes) or None,
        "left": table_value(pl.DataFrame(report.left, ["file", "why"], orient="row")) if report.left else None,
    }
    return dg.AssetCheckResult(
        check_name=READABLE.name,
        asset_key=READABLE.asset_key,
        passed=not report.refused,
        metadata={name: value for name, value in found.items() if value},
    )


def assets(graph: Graph) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer telemetry for this product."""

    @dg.multi_asset(
        specs=[graph.table_spec(table, kinds={"duckdb", "parquet"}) for table in DELIVERED],
        check_specs=[*(spec for table in DELIVERED for spec in graph.check_specs(table)), READABLE],
    )
    def delivered(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], intake: dg.ResourceParam[IntakeService]
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        """Take in every file that the sources name and the lake does not hold yet."""
        taken = intake.over(lake).take_in(progress=context.log.info)
        counts = {"new_batches": len(taken.report.batches), "known_files": taken.report.known}
        for table in DELIVERED:
            yield graph.materialized(lake, table, taken.days, **counts, **taken.said)
        yield _readable(taken.report)

    @dg.asset(**graph.table_asset(EVENTS, kinds={"duckdb", "view"}), deps=[key_of(RAW_EVENTS)])
    def events(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        """What counts: each delivered event once, as a view over `raw_events` that leaves repeated deliveries out.

        Nothing is copied; materializing a day checks it.
        """
        days = days_of(context)
        return graph.materialized(lake, EVENTS, days, written=lake.counted(EVENTS, days))

    @dg.asset(
        **graph.table_asset(DAY_QUALITY, kinds={"polars"}),
        deps=[key_of(EVENTS)],
        ins={
            "history": dg.AssetIn(key_of(DAY_QUALITY), partition_mapping=earlier_self(DAY_QUALITY.lookback_days or 0))
        },
    )
    def day_quality(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], history: pl.DataFrame
    ) -> dg.MaterializeResult:
        """Whether each day's telemetry is whole, so that a fault of the pipeline is not read as a fault of the product.

        Silent hours, a column gone empty, a measurement stuck at one value and a day that repeats the one before are faults, and so
        is a change in nearly all features at once: another unit, a flag that is always set, a platform gone silent. A weekday
        on which nobody ever comes and hours that move when clocks are changed are none.
        """
        from intelligence.telemetry.day_quality import day_quality_frame
        from intelligence.telemetry.doubts import with_doubts
        from intelligence.telemetry.measured import measured_from
        from intelligence.telemetry.measurement_base import LOOK_BACK_DAYS

        days = days_of(context)
        hours = lake.frame(sql("telemetry/day_quality_hours.sql"), days.parameters)
        arrived = day_quality_frame(hours, history, days, since=lake.first_day(days), timezone=lake.timezone)
        seen = Days(days.start - timedelta(days=LOOK_BACK_DAYS), days.end)
        measured = measured_from(lake.frame, seen, conversions=graph.product.conversion_events)
        assessed = with_doubts(arrived, history, measured, rules=graph.product.telemetry)
        written = lake.replace(DAY_QUALITY, days, "FROM judged", frames={"judged": assessed})
        return graph.materialized(lake, DAY_QUALITY, days, written=written)

    return [delivered, events, day_quality]
