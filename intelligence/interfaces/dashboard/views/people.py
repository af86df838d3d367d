"""People: KPIs by segment, who stays, where funnels lose users, and who is about to leave."""

import polars as pl
import streamlit as st

from intelligence.catalog.pages import Part
from intelligence.interfaces.dashboard import charts, filters, layout, reader

KPIS = {
    "dau": ("Daily users", "users", False),
    "conversion_rate": ("Conversion", "share of users", True),
    "crash_free_user_rate": ("Users without a crash", "share of users", True),
    "mean_rating": ("Mean rating", "1 to 5", False),
    "sessions_per_user": ("Sessions a user", "sessions", False),
    "value": ("Value", "value", False),
}


def show() -> None:
    """Show the page."""
    top = st.container()
    left, right = st.columns(2)
    with left:
        segment = filters.choice("Segment", "segment", reader.choices().segments, nothing="All users")
    with right:
        days = filters.days()
    page = reader.page_of("people", segment=segment, days=days)
    with top:
        layout.head("People", page)
    if page.is_empty:
        return
    kpi = filters.choice("Figure", "kpi", list(KPIS), words={name: word for name, (word, _, _) in KPIS.items()})
    layout.part(page["kpis"], "kpis", lambda found: _kpi(found, kpi))
    st.subheader("Segments", anchor=False)
    levels = page["segments"]
    mine = levels.rows.filter(kpi=kpi if kpi != "value" else "dau")
    layout.part(
        Part(levels.finding, mine, levels.period, levels.meaning, levels.source),
        "segments",
        lambda found: (
            charts.levels(found.rows, "segment", "value", "low", "high", KPIS[mine["kpi"][0]][0].lower())
            if found.rows["low"].drop_nulls().len()
            else None
        ),
    )
    layout.part(page["differences"], "differences")
    st.subheader("Who stays", anchor=False)
    layout.part(
        page["retention"],
        "retention",
        lambda found: charts.triangle(found.rows) if found.rows.filter("is_mature").height else None,
    )
    layout.part(
        page["lifecycle"],
        "lifecycle",
        lambda found: charts.stacked(
            found.rows,
            {"new": "new", "resurrected": "came back", "dormant": "-fell silent"},
            "users",
            marks=found.marks,
        ),
    )
    st.subheader("Where funnels lose users", anchor=False)
    _funnels(page["funnels"])
    st.subheader("Who is about to leave", anchor=False)
    layout.part(page["leaving"], "leaving")
    layout.part(page["reasons"], "reasons", lambda found: charts.bars(found.rows, "reason", "users", "users"))
    layout.part(page["groups"], "groups")


def _kpi(found: Part, kpi: str) -> charts.Chart | None:
    _, unit, is_share = KPIS[kpi]
    if found.rows[kpi].drop_nulls().is_empty():
        return None
    return charts.line(found.rows, kpi, unit, percent=is_share, marks=found.marks)


def _funnels(found: Part) -> None:
    if found.is_empty:
        layout.set_apart(found.finding)
        return
    layout.sentences([found.finding])
    for name in found.rows["funnel"].unique(maintain_order=True):
        mine = found.rows.filter(funnel=name).with_columns(label=pl.format("{} {}", "step", "step_name"))
        ends = mine.row(-1, named=True)
        said = f"{name}: {ends['rate']:.1%} ({ends['low']:.1%} to {ends['high']:.1%}) of {ends['entered']:,} entries reach the end"
        layout.part(
            Part(said, mine, found.period, found.meaning, found.source),
            f"funnel_{name}",
            lambda each: charts.bars(
                each.rows, "label", "rate", "share of entries", percent=True, low="low", high="high"
            ),
        )
