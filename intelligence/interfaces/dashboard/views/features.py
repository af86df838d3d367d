"""Features: which of them most is at stake in, and two of them side by side."""

import polars as pl
import streamlit as st

from intelligence.catalog.pages import Part
from intelligence.catalog.reading.wording import OBJECTIVE_WORDS
from intelligence.interfaces.dashboard import charts, filters, layout, links, reader

STATES = ("in trouble", "healthy", "unknown")
LINKED = 10
COLUMNS = {
    "feature": st.column_config.TextColumn("Feature", width="medium"),
    "state": "State",
    "since": st.column_config.DateColumn("Since", format="YYYY-MM-DD"),
    "impact_score": st.column_config.NumberColumn("Impact, users a day", format="%.1f"),
    "impact_low": st.column_config.NumberColumn("from", format="%.1f"),
    "impact_high": st.column_config.NumberColumn("to", format="%.1f"),
    "risk_score": st.column_config.NumberColumn("Risk", format="percent"),
    "users": "Users",
    "burn_28_days": st.column_config.LineChartColumn(
        "Burn, 28 days", y_min=0, help="Bad events of three days as a multiple of what is promised"
    ),
    "owner": "Owner",
    "tier": "Tier",
    "flag_key": "Flag",
    "reason": st.column_config.TextColumn("Why", width="large"),
}


def show() -> None:
    """Show the page."""
    page = reader.page_of("features")
    layout.head("Features", page)
    if page.is_empty:
        return
    names = reader.choices().features
    ranking = page["ranking"]
    left, middle, right = st.columns(3)
    with left:
        state = filters.choice("State", "state", STATES, nothing="All states")
    with middle:
        owner = filters.choice("Owner", "owner", sorted(set(ranking.rows["owner"].drop_nulls())), nothing="All owners")
    rows = _kept(ranking.rows, state, owner)
    if rows.is_empty():
        layout.set_apart("No feature has this state and owner.")
    else:
        kept = Part(ranking.finding, rows, ranking.period, ranking.meaning, ranking.source)
        layout.part(kept, "features", columns=COLUMNS, order=tuple(COLUMNS))
        with st.container(horizontal=True):
            for row in rows.head(LINKED).iter_rows(named=True):
                links.to("feature", row["feature"], feature=row["feature"])
    st.subheader("Two side by side", anchor=False)
    if len(names) < 2:
        layout.set_apart("There are no two features with users to compare.")
        return
    with right:
        days = filters.days()
    one, other = st.columns(2)
    with one:
        first = filters.choice("First", "first", names, first=names[0])
    with other:
        second = filters.choice("Second", "second", names, first=names[1])
    compared = reader.page_of("compared", names=(first, second), days=days)
    layout.sentences(compared.sentences)
    objective = filters.choice("Promise", "objective", list(OBJECTIVE_WORDS), first="errors", words=OBJECTIVE_WORDS)
    shares = compared["shares"] if compared.parts else Part("Nothing was counted for them.")
    mine = shares.rows.filter(objective=objective) if not shares.is_empty else shares.rows
    layout.part(
        Part(shares.finding, mine, shares.period, shares.meaning, shares.source),
        "compared",
        lambda found: charts.line(
            found.rows, "rate", "share of events", band=("low", "high"), percent=True, by="feature"
        ),
    )


def _kept(rows: pl.DataFrame, state: str, owner: str) -> pl.DataFrame:
    if state == "in trouble":
        rows = rows.filter(pl.col("state").is_in(["degraded", "at_risk"]))
    elif state == "unknown":
        rows = rows.filter(pl.col("state").is_null() | ~pl.col("state").is_in(["degraded", "at_risk", "healthy"]))
    elif state:
        rows = rows.filter(state=state)
    return rows.filter(owner=owner) if owner else rows
