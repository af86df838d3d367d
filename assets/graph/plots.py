"""Pictures as asset metadata: the lake is asked for the last weeks, a pure function draws them."""

import base64

import dagster as dg

from intelligence.core.tables import Days
from resources.lake.door import Lake

SHOWN_DAYS = 90


def kpi_plot(lake: Lake, days: Days) -> dg.MarkdownMetadataValue:
    """Return users, stickiness and conversion over the last 90 days."""
    from intelligence.core.plots import kpi_picture

    return markdown_picture("KPIs", kpi_picture(lake.frame(_LAST_DAYS.format("metrics.kpi_day"), {"end": days.end})))


def health_plot(lake: Lake, days: Days) -> dg.MarkdownMetadataValue:
    """Return the states of the most troubled features over the last 90 days."""
    from intelligence.core.plots import health_picture

    return markdown_picture(
        "health", health_picture(lake.frame(_LAST_DAYS.format("metrics.feature_health"), {"end": days.end}))
    )


_LAST_DAYS = f"FROM {{}} WHERE event_date >= $end - INTERVAL {SHOWN_DAYS} DAY AND event_date < $end"


def watch_plot(lake: Lake, days: Days) -> dg.MarkdownMetadataValue:
    """Return what each champion expected of itself and what came true over the last 90 days."""
    from intelligence.drift.pictures import watch_picture

    return markdown_picture(
        "watch", watch_picture(lake.frame(_LAST_DAYS.format("drift.model_watch"), {"end": days.end}))
    )


def markdown_picture(title: str, png: bytes) -> dg.MarkdownMetadataValue:
    """Return the picture as it is shown on an asset's page."""
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")
