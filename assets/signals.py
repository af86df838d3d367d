"""Signals: what is unusual in every metric of every feature and of the product, and the troubles that it adds up to."""

import dagster as dg

from assets.graph.building import Graph
from assets.graph.partitions import days_of, deps_of
from assets.graph.plots import signal_plots
from intelligence.signals.tables import ANOMALIES, EPISODES
from resources.lake.door import Lake
from resources.services.signals import READS, SignalService


def assets(graph: Graph) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer signals for this product."""

    @dg.asset(**graph.table_asset(ANOMALIES, kinds={"polars"}), deps=deps_of(READS[ANOMALIES]))
    def anomalies(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], signals: dg.ResourceParam[SignalService]
    ) -> dg.MaterializeResult:
        """What was unusual on each day, measured against the product's own past: points, level shifts, trends, divergences.

        The thresholds follow from the false alarms per week that product.yaml asks for. What a guard speaks against, such as doubtful
        telemetry or a holiday, is kept with its reason.
        """
        days = days_of(context)
        found, shown = signals.over(lake).anomalies_of(days)
        written = lake.replace(ANOMALIES, days, "FROM found", frames={"found": found})
        plots = {} if shown is None else signal_plots(lake, shown)
        return graph.materialized(lake, ANOMALIES, days, written=written, **plots)

    @dg.asset(**graph.table_asset(EPISODES, kinds={"polars"}), deps=deps_of(READS[EPISODES]))
    def episodes(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], signals: dg.ResourceParam[SignalService]
    ) -> dg.MaterializeResult:
        """The troubles that anomalies add up to: one for each, however many days and metrics it shows in."""
        days = days_of(context)
        found = signals.over(lake).episodes_of(days)
        written = lake.replace(EPISODES, days, "FROM found", frames={"found": found})
        return graph.materialized(lake, EPISODES, days, written=written)

    return [anomalies, episodes]
