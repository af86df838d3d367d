"""Answers of language models: their quality by version and segment, what changed it, and what a good one costs."""

import streamlit as st

from intelligence.catalog.pages import Part
from intelligence.interfaces.dashboard import charts, filters, layout, links, reader

VERSIONS = ("feature", "model_version", "prompt_version", "total", "hits", "rate", "low", "high")
SCORES = ("feature", "measure", "total", "hits", "rate", "low", "high", "true_rate", "true_low", "true_high")
CHANGES = (
    "feature",
    "changed",
    "version",
    "since",
    "shown_on",
    "measure",
    "difference",
    "low",
    "high",
    "verdict",
    "grade",
)


def show() -> None:
    """Show the page."""
    top = st.container()
    feature = filters.choice("Feature", "feature", reader.choices().features, nothing="All features")
    page = reader.page_of("answers", feature=feature)
    with top:
        layout.head("AI answers", page)
    if page.is_empty:
        return
    st.subheader("What changed", anchor=False)
    layout.part(page["changes"], "answer_changes", order=CHANGES)
    for name in page["changes"].rows.filter(verdict="worse")["feature"].unique(maintain_order=True).head(5):
        links.to("feature", name, feature=name)
    st.subheader("How good they are", anchor=False)
    layout.part(page["versions"], "answer_versions", _versions, order=VERSIONS)
    layout.part(page["course"], "answer_course", _course)
    layout.part(page["scores"], "answer_scores", order=SCORES)
    st.subheader("For whom, and who says so", anchor=False)
    layout.part(
        page["segments"], "answer_segments", order=("measure", "segment", "total", "hits", "rate", "low", "high")
    )
    layout.part(page["raters"], "answer_raters")
    st.subheader("What they cost", anchor=False)
    layout.part(page["costs"], "answer_costs")


def _versions(found: Part) -> charts.Chart:
    import polars as pl

    rows = found.rows.drop_nulls("low").with_columns(
        label=pl.format("{} ({}, {})", "feature", "model_version", "prompt_version")
    )
    return charts.intervals(rows, "label", "rate", "low", "high", "share of bad answers")


def _course(found: Part) -> charts.Chart:
    return charts.line(found.rows, "bad_rate", "share of bad answers", percent=True, by="feature")
