"""Health of the platform: freshness, quarantine, drift, model versions, and the way to the other UIs."""

import polars as pl
import streamlit as st

from intelligence.catalog.pages import Part
from intelligence.interfaces.dashboard import charts, filters, layout, links, reader
from resources.config.settings import settings

MOST_DRAWN = 12


def show() -> None:
    """Show the page."""
    top = st.container()
    days = filters.days()
    page = reader.page_of("health", days=days)
    with top:
        layout.head("Health of the platform", page)
    for column, (label, address) in zip(
        st.columns(3),
        {"Dagster": links.dagster(), "MLflow": settings().mlflow_ui, "Evidently": settings().reports_ui}.items(),
        strict=True,
    ):
        column.link_button(label, address, width="stretch")
    if page.is_empty:
        return
    st.subheader("Data", anchor=False)
    layout.part(page["quality"], "quality", charts.telemetry)
    layout.part(page["waiting"], "waiting")
    layout.part(page["freshness"], "freshness")
    st.subheader("Models", anchor=False)
    layout.part(page["models"], "models")
    layout.part(page["drift"], "drift", _drift)
    pages = page["pages"]
    layout.part(
        Part(pages.finding, _linked(pages.rows), pages.period, "The page of each model's drift.", pages.source),
        "pages",
        columns={"page": st.column_config.LinkColumn("Page", display_text="open")},
        order=("event_date", "model", "model_version", "kind", "state", "reason", "page"),
    )


def _drift(found: Part) -> charts.Chart | None:
    known = found.rows.filter(pl.col("of_limit").is_not_null()).head(MOST_DRAWN)
    return (
        charts.bars(known, "predictor", "of_limit", "share of the distance that chance explains", percent=True)
        if known.height
        else None
    )


def _linked(rows: pl.DataFrame) -> pl.DataFrame:
    if rows.is_empty():
        return rows
    made = [links.report(each) if each else None for each in rows["drift_page"]]
    return rows.with_columns(page=pl.Series(made, dtype=pl.String))
