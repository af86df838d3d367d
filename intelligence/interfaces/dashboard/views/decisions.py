"""Decisions: the ledger of what was decided and done, why, why not, and what came of it; and what the policy allows."""

import streamlit as st

from intelligence.catalog.reading.decisions import candidates_of
from intelligence.interfaces.dashboard import approvals, filters, layout, links, reader
from intelligence.interfaces.dashboard.text import html_of, shown_rows

MOST_SHOWN = 12


def show() -> None:
    """Show the page."""
    top = st.container()
    left, right = st.columns([2, 1])
    with left:
        feature = filters.choice("Feature", "feature", reader.choices().features, nothing="All features")
    with right:
        days = filters.days()
    page = reader.page_of("decisions", feature=feature, days=days)
    with top:
        layout.head("Decisions", page)
    for sentence in reader.platform().actions.decided_on_the_stream():
        layout.set_apart(sentence)
    approvals.show()
    if not page.parts:
        return
    if "decisions" in page.parts:
        st.subheader("What was decided", anchor=False)
        decided = page["decisions"]
        for row in decided.rows.head(MOST_SHOWN).iter_rows(named=True):
            _decision(row)
        layout.part(
            decided,
            "decisions",
            order=(
                "event_date",
                "feature",
                "action",
                "level",
                "score",
                "confidence",
                "reasons",
                "why_not_more",
                "lowered_by",
                "missing",
                "model_version",
                "lake_snapshot",
            ),
        )
        st.subheader("What was done, and what came of it", anchor=False)
        layout.part(page["actions"], "actions")
    st.subheader("What the policy allows", anchor=False)
    layout.part(page["policy"], "policy")


def _decision(row: dict[str, object]) -> None:
    with st.container(border=True):
        st.html(
            f'<p style="margin:0"><b>{html_of(str(row["action"]).replace("_", " "))}</b> <b style="overflow-wrap:anywhere">'
            f'{html_of(row["feature"])}</b> <span class="pi-quiet">{html_of(row["event_date"])}, level {html_of(row["level"] or "none")},'
            f" decision {html_of(str(row['decision_id'])[:12])}, lake snapshot {html_of(row['lake_snapshot'])}</span></p>"
            f'<div class="pi-sentences"><p style="font-size:1rem">{html_of(row["reasons"])}</p></div>'
        )
        with st.expander("Why not something else"):
            st.dataframe(shown_rows(candidates_of(row)), hide_index=True)
        links.to("feature", str(row["feature"]), feature=str(row["feature"]))
