"""Experiments: who was exposed to what, what they did since, and what follows from it for each variant."""

from collections.abc import Iterator

import dagster as dg

from assets.graph.building import Graph
from assets.graph.partitions import days_of, deps_of, earlier_self
from assets.graph.plots import experiment_plots
from assets.graph.tables import key_of
from intelligence.core.sql import sql
from intelligence.experiments.tables import (
    EXPERIMENT_MOMENTS,
    EXPERIMENT_RESULTS,
    EXPERIMENT_VERDICTS,
    FACT_EXPOSURES,
)
from resources.lake.door import Lake
from resources.services.experiments import READS, ExperimentService

STANDING = (EXPERIMENT_RESULTS, EXPERIMENT_VERDICTS)


def assets(graph: Graph) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer experiments for this product."""

    @dg.asset(
        **graph.table_asset(FACT_EXPOSURES, kinds={"duckdb"}),
        deps=[
            *deps_of(READS[FACT_EXPOSURES]),
            dg.AssetDep(key_of(FACT_EXPOSURES), partition_mapping=earlier_self(1)),
        ],
    )
    def fact_exposures(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult:
        """The first time that each unit was seen in each variant of an experiment, as the events say.

        A unit with a second variant is counted, named, and left out of all results from then on.
        """
        days = days_of(context)
        written = lake.replace(FACT_EXPOSURES, days, sql("experiments/fact_exposures.sql"))
        return graph.materialized(lake, FACT_EXPOSURES, days, written=written)

    @dg.asset(
        **graph.table_asset(EXPERIMENT_MOMENTS, kinds={"duckdb", "polars"}), deps=deps_of(READS[EXPERIMENT_MOMENTS])
    )
    def experiment_moments(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        experiments: dg.ResourceParam[ExperimentService],
    ) -> dg.MaterializeResult:
        """Counts, sums and products of what the units of each experiment did since their exposure.

        They add up over days, variants and segments: every effect and interval is computed from them alone.
        """
        days = days_of(context)
        found = experiments.over(lake).moments_of(days)
        written = lake.replace(EXPERIMENT_MOMENTS, days, "FROM found", frames={"found": found})
        return graph.materialized(lake, EXPERIMENT_MOMENTS, days, written=written)

    @dg.multi_asset(
        specs=[
            graph.table_spec(table, kinds={"polars"}).replace_attributes(
                deps=deps_of(READS[EXPERIMENT_RESULTS]), skippable=True
            )
            for table in STANDING
        ],
        check_specs=[spec for table in STANDING for spec in graph.check_specs(table)],
        partitions_def=graph.days,
        can_subset=True,
    )
    def experiment_standing(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        experiments: dg.ResourceParam[ExperimentService],
    ) -> Iterator[dg.MaterializeResult]:
        """What is known of each experiment at the end of each day: its effects, and what should become of each variant.

        Health comes first: an unhealthy experiment shows no effect, only what is wrong. The intervals are those that the design
        allows on that day, so that looking every day misleads nobody.
        """
        days = days_of(context)
        plots: dict[str, dg.MarkdownMetadataValue] = {}
        for table, rows in zip(STANDING, experiments.over(lake).standing_of(days), strict=True):
            if key_of(table) in context.selected_asset_keys:
                written = lake.replace(table, days, "FROM rows", frames={"rows": rows})
                plots = plots or experiment_plots(lake, days)
                yield graph.materialized(lake, table, days, written=written, **plots)

    return [fact_exposures, experiment_moments, experiment_standing]
