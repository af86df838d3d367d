"""Causes: what features do to their users with grade and plain difference, and where changes of metrics lie."""

import polars as pl
import streamlit as st

from intelligence.catalog.pages import Part
from intelligence.interfaces.dashboard import charts, filters, layout, links, reader

MOST_DRAWN = 12
RECORD = (
    "method",
    "pairs",
    "bias",
    "bias_low",
    "bias_high",
    "coverage",
    "coverage_low",
    "coverage_high",
    "out_of_bounds",
    "answer",
)


def show() -> None:
    """Show the page."""
    top = st.container()
    feature = filters.choice("Feature", "feature", reader.choices().features, nothing="All features")
    page = reader.page_of("causes", feature=feature)
    with top:
        layout.head("Causes", page)
    if page.is_empty:
        return
    st.subheader("Why did it move", anchor=False)
    movements = page["movements"]
    layout.part(
        movements,
        "movements",
        order=(
            "feature",
            "metric",
            "since",
            "before",
            "after",
            "change",
            "low",
            "high",
            "suspect",
            "accounts_for",
            "grade",
        ),
    )
    for row in movements.rows.head(5).iter_rows(named=True):
        layout.set_apart(f"{row['feature']}: {row['answer']}")
        links.to("feature", row["feature"], feature=row["feature"])
    st.subheader("What features do to their users", anchor=False)
    for outcome in page["claimed"].rows["outcome"].unique(maintain_order=True) if not page["claimed"].is_empty else ():
        claimed = page["claimed"]
        mine = claimed.rows.filter(outcome=outcome).head(MOST_DRAWN)
        said = f"Effects on {outcome.replace('_', ' ')} that the evidence carries, and the plain difference beside each (diamond)"
        layout.part(Part(said, mine, claimed.period, claimed.meaning, claimed.source), f"claimed_{outcome}", _forest)
    if page["claimed"].is_empty:
        layout.set_apart(page["claimed"].finding)
    layout.part(
        page["effects"],
        "effects",
        order=(
            "feature",
            "treatment",
            "outcome",
            "estimate",
            "low",
            "high",
            "naive",
            "grade",
            "grade_reason",
            "q_value",
            "answer",
        ),
    )
    layout.part(page["record"], "record", order=RECORD)


def _forest(found: Part) -> charts.Chart:
    rows = found.rows.with_columns(label=pl.format("{} ({}, grade {})", "feature", "treatment", "grade"))
    return charts.intervals(rows, "label", "estimate", "low", "high", "effect", beside="naive")
