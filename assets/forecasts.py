"""Forecasts: what comes next of each figure, and how what was forecast before turned out."""

import dagster as dg

from assets.graph.building import Graph
from assets.graph.partitions import days_of, deps_of
from assets.graph.plots import forecast_plot
from intelligence.forecasts.tables import ACCURACY, FORECASTS
from resources.lake.door import Lake
from resources.services.annotations import AnnotationService
from resources.services.forecasts import READS, ForecastService


def assets(graph: Graph) -> list[dg.AssetsDefinition]:
    """Return the assets of the layer forecasts for this product."""

    @dg.asset(**graph.table_asset(FORECASTS, kinds={"polars"}), deps=deps_of(READS[FORECASTS]))
    def forecasts(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        forecasts: dg.ResourceParam[ForecastService],
        annotations: dg.ResourceParam[AnnotationService],
    ) -> dg.MaterializeResult:
        """What is expected of active users, conversion, value, ratings, retention and the largest features, day by day.

        Each forecast has intervals of 80 and 95 per cent, with the coverage that such intervals had when they were tried on earlier
        days. It is the seasonal naive one where nothing better is known. Forecasts stay as they were made.
        """
        days = days_of(context)
        found = forecasts.over(lake).forecasts_of_days(days)
        written = lake.replace(FORECASTS, days, "FROM found", frames={"found": found})
        return graph.materialized(
            lake, FORECASTS, days, written=written, outlook=forecast_plot(found, lake, days, annotations)
        )

    @dg.asset(**graph.table_asset(ACCURACY, kinds={"polars"}), deps=deps_of(READS[ACCURACY]))
    def accuracy(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        forecasts: dg.ResourceParam[ForecastService],
    ) -> dg.MaterializeResult:
        """What came, held against what had been forecast for the day: errors, and whether intervals held it.

        A forecast that was wrong beyond its interval on several days is a signal: something happened that it could not know.
        """
        days = days_of(context)
        found = forecasts.over(lake).accuracy_of_days(days)
        written = lake.replace(ACCURACY, days, "FROM found", frames={"found": found})
        return graph.materialized(lake, ACCURACY, days, written=written)

    return [forecasts, accuracy]
