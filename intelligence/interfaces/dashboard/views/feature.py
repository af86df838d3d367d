"""One feature: its health over time with what happened, why it is at risk, what was decided and why not more."""

import streamlit as st

from intelligence.catalog.pages import Page, Part
from intelligence.catalog.reading.wording import OBJECTIVE_WORDS
from intelligence.interfaces.dashboard import charts, filters, layout, links, reader
from intelligence.interfaces.dashboard.text import html_of
from intelligence.interfaces.dashboard.views.today import state_html


def show() -> None:
    """Show the page."""
    names = reader.choices().features
    if not names:
        layout.head("One feature", reader.page_of("features"))
        return
    top = st.container()
    left, right = st.columns([2, 1])
    with left:
        name = filters.choice("Feature", "feature", names)
    with right:
        days = filters.days()
    page = reader.page_of("feature", name=name, days=days)
    with top:
        layout.head(name, page)
    if page.is_empty:
        return
    facts = page.facts
    st.html(
        f'<p style="margin:0">{state_html(facts["state"])} <span class="pi-quiet">tier {facts["tier"]}, owner'
        f" {html_of(facts['owner'])}, flag {html_of(facts['flag_key'] or 'none')}</span></p>"
    )
    _objectives(page)
    layout.part(page["users"], "users", lambda found: charts.line(found.rows, "users", "users", marks=found.marks))
    why, decided, did, raw = st.tabs(["Why", "Decisions", "Effects", "Rows"])
    with why:
        layout.part(
            page["movements"],
            "movements",
            order=("feature", "metric", "since", "before", "after", "low", "high", "suspect", "accounts_for", "grade"),
        )
        for answer in page["movements"].rows["answer"] if not page["movements"].is_empty else ():
            layout.set_apart(answer)
        layout.part(page["episodes"], "episodes")
        layout.part(page["anomalies"], "anomalies")
        layout.part(page["happened"], "happened")
    with decided:
        layout.part(page["decision"], "decision")
        layout.part(page["actions"], "actions")
        links.to("decisions", "All decisions on it", feature=name)
    with did:
        layout.part(
            page["effects"],
            "effects",
            order=("treatment", "outcome", "estimate", "low", "high", "naive", "grade", "answer"),
        )
        layout.part(page["experiments"], "experiments")
        links.to("causes", "Causes", feature=name)
    with raw:
        layout.part(page["raw"], "raw")
        st.link_button("Its table in Dagster", links.dagster("assets/metrics/fact_feature_metrics"))


def _objectives(page: Page) -> None:
    """Show one objective: the worst at first."""
    worst = page.facts["worst_objective"] or "errors"
    chosen = filters.choice("Promise", "objective", list(OBJECTIVE_WORDS), first=worst, words=OBJECTIVE_WORDS)
    layout.part(page[chosen] if chosen in OBJECTIVE_WORDS else page[worst], chosen, _shares)


def _shares(found: Part) -> charts.Chart:
    return charts.line(
        found.rows, "rate", "share of events", band=("low", "high"), limit="promised", percent=True, marks=found.marks
    )
