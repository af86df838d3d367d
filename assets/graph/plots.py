"""Plots as asset metadata: the last weeks are read from the lake, and a pure function draws them."""

import base64

import dagster as dg
import polars as pl

from intelligence.core.tables import Days
from intelligence.warehouse.tables import RELEASES
from resources.lake.door import Lake
from resources.services.annotations import AnnotationService

SHOWN_DAYS = 90


def kpi_plot(lake: Lake, days: Days, annotations: AnnotationService) -> dg.MarkdownMetadataValue:
    """Return a plot of users, stickiness and conversion over the last 90 days, with what happened on them.

    Args:
        lake: The lake after the write.
        days: The days of the run; the plot ends with the last one.
        annotations: Says what happened.
    """
    from intelligence.core.plots import kpi_picture

    kpis = lake.frame(_LAST_DAYS.format("metrics.kpi_day"), {"end": days.end})
    return markdown_picture("KPIs", kpi_picture(kpis, annotations.over(lake).on_kpis(days)))


def health_plot(lake: Lake, days: Days, annotations: AnnotationService) -> dg.MarkdownMetadataValue:
    """Return a plot of the states of the features with most trouble over the last 90 days, with what happened on them.

    Args:
        lake: The lake after the write.
        days: The days of the run; the plot ends with the last one.
        annotations: Says what happened.
    """
    from intelligence.core.plots import health_picture

    health = lake.frame(_LAST_DAYS.format("metrics.feature_health"), {"end": days.end})
    return markdown_picture("health", health_picture(health, annotations.over(lake).on_kpis(days)))


_LAST_DAYS = f"FROM {{}} WHERE event_date >= $end - INTERVAL {SHOWN_DAYS} DAY AND event_date < $end"


def watch_plot(lake: Lake, days: Days) -> dg.MarkdownMetadataValue:
    """Return a plot of each champion's expected and observed performance over the last 90 days.

    Args:
        lake: The lake after the write.
        days: The days of the run; the plot ends with the last one.
    """
    from intelligence.drift.pictures import watch_picture

    return markdown_picture(
        "watch", watch_picture(lake.frame(_LAST_DAYS.format("drift.model_watch"), {"end": days.end}))
    )


def record_plot(record: pl.DataFrame) -> dict[str, dg.MarkdownMetadataValue]:
    """Return a plot of what each method says against what the experiments say; nothing where there is no record."""
    from intelligence.causality.pictures import record_picture

    return {"compared": markdown_picture("methods and experiments", record_picture(record))} if record.height else {}


def effect_plots(effects: pl.DataFrame) -> dict[str, dg.MarkdownMetadataValue]:
    """Return the declared causal graph, and a forest plot of the effects that lie furthest from 0."""
    from intelligence.causality.feature_effects import pictured_graph
    from intelligence.causality.graph import graph_picture
    from intelligence.causality.pictures import forest_picture

    return {
        "largest_effects": markdown_picture("effects", forest_picture(effects)),
        "causal_graph": markdown_picture("causal graph", graph_picture(pictured_graph())),
    }


def experiment_plots(lake: Lake, days: Days) -> dict[str, dg.MarkdownMetadataValue]:
    """Return the newest effects of the experiments on all metrics, and those on the goals over time with their boundaries.

    Args:
        lake: The lake after the write.
        days: The days of the run; what is shown ends with the last one and begins 90 days before.
    """
    from intelligence.experiments.pictures import forest_picture, path_picture

    results = lake.frame(_LAST_DAYS.format("experiments.experiment_results"), {"end": days.end})
    return {
        "effects": markdown_picture("effects", forest_picture(results)),
        "over_time": markdown_picture("effects over time", path_picture(results)),
    }


def signal_plots(lake: Lake, shown: pl.DataFrame) -> dict[str, dg.MarkdownMetadataValue]:
    """Return a plot of the series with the most unusual days lately, each with its band and the days of releases.

    Args:
        lake: The lake after the write.
        shown: The series with their bands.
    """
    from intelligence.signals.pictures import bands_picture

    return {"unusual_lately": markdown_picture("unusual lately", bands_picture(shown, lake.frame(RELEASES)))}


def forecast_plot(
    made: pl.DataFrame, lake: Lake, days: Days, annotations: AnnotationService
) -> dg.MarkdownMetadataValue:
    """Return fan charts of the newest forecasts after the last 90 days, with what happened on them and is known to come.

    Args:
        made: The forecasts of the run.
        lake: The lake after the write.
        days: The days of the run; the forecasts of the last one are drawn.
        annotations: Says what happened.
    """
    from intelligence.forecasts.pictures import fan_picture

    history = lake.frame(_LAST_DAYS.format("metrics.kpi_day"), {"end": days.end})
    return markdown_picture("forecasts", fan_picture(made, history, annotations.over(lake).on_forecasts(days)))


def triangle_plot(lake: Lake) -> dg.MarkdownMetadataValue:
    """Return the retention triangle of the weekly cohorts as a heat map.

    Args:
        lake: The lake after the write.
    """
    from intelligence.metrics.pictures import triangle_picture

    weekly = "FROM metrics.retention_cohorts WHERE grain = 'week' AND dimension = 'all' AND definition = 'n_week'"
    return markdown_picture("retention", triangle_picture(lake.frame(weekly)))


def funnel_plot(lake: Lake, days: Days) -> dg.MarkdownMetadataValue:
    """Return the bars of the funnels over their last complete days.

    Args:
        lake: The lake after the write.
        days: The days of the run; what is shown ends with the last one and begins 90 days before.
    """
    from intelligence.metrics.pictures import funnel_picture

    return markdown_picture(
        "funnels", funnel_picture(lake.frame(_LAST_DAYS.format("metrics.funnel_day"), {"end": days.end}))
    )


def lifecycle_plot(lake: Lake, days: Days, annotations: AnnotationService) -> dg.MarkdownMetadataValue:
    """Return active users by state over the last 90 days, and who fell silent, with what happened on them.

    Args:
        lake: The lake after the write.
        days: The days of the run; the plot ends with the last one.
        annotations: Says what happened.
    """
    from intelligence.metrics.pictures import lifecycle_picture

    query = f"{_LAST_DAYS.format('metrics.lifecycle_day')} AND dimension = 'all'"
    marks = annotations.over(lake).on_kpis(days)
    return markdown_picture("lifecycle", lifecycle_picture(lake.frame(query, {"end": days.end}), marks))


def power_plot(lake: Lake, days: Days) -> dg.MarkdownMetadataValue:
    """Return the power-user curve of the newest day.

    Args:
        lake: The lake after the write.
        days: The days of the run; the curve is that of the last one.
    """
    from intelligence.metrics.pictures import power_picture

    return markdown_picture(
        "power users", power_picture(lake.frame(_LAST_DAYS.format("metrics.adoption_day"), {"end": days.end}))
    )


def markdown_picture(title: str, png: bytes) -> dg.MarkdownMetadataValue:
    """Return the picture as Markdown for an asset's page.

    Args:
        title: The alternative text.
        png: The picture as the bytes of a PNG file.
    """
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")
