"""Today: the morning paragraph, what needs a person, and the state of product, models and data."""

from typing import Any

import streamlit as st

from intelligence.catalog.pages import Part
from intelligence.interfaces.dashboard import approvals, charts, layout, links, reader
from intelligence.interfaces.dashboard.text import html_of

MOST_SHOWN = 8
MOST_LINKED = 5
COLOURS = {"degraded": "pi-bad", "at_risk": "pi-warn", "healthy": "pi-good"}


def show() -> None:
    """Show the page."""
    page = reader.page_of("today")
    layout.head("Today", page)
    approvals.show()
    if page.is_empty:
        return
    _tiles(page.facts)
    st.subheader("Features in trouble", anchor=False)
    _trouble(page["trouble"])
    st.subheader("What the policy decided", anchor=False)
    _decisions(page["decisions"])
    st.subheader("Where most is at stake", anchor=False)
    layout.part(
        page["stake"],
        "stake",
        _stake,
        order=(
            "feature",
            "impact_score",
            "impact_low",
            "impact_high",
            "risk_score",
            "users_7d",
            "reason_1",
            "reason_2",
        ),
    )
    with st.container(horizontal=True):
        for row in page["stake"].rows.head(MOST_LINKED).iter_rows(named=True):
            links.to("feature", row["feature"], feature=row["feature"])
    st.subheader("Product pulse", anchor=False)
    layout.part(page["pulse"], "pulse", lambda found: charts.line(found.rows, "dau", "users a day", marks=found.marks))
    links.to("people", "Who stays, who leaves, and where funnels lose users")
    links.to("coming", "What comes next if nothing is done")
    st.subheader("Models and data", anchor=False)
    layout.part(
        page["models"],
        "models",
        order=("model", "watched_version", "drift", "drift_reason", "trained_on", "decision", "reason"),
    )
    layout.part(page["data"], "data", charts.telemetry)
    links.to("platform", "Freshness, quarantine, drift and model versions")


def state_html(state: str | None) -> str:
    """Return a state as a small label.

    Args:
        state: The state of a feature; None where it is not known.
    """
    said = (state or "unknown").replace("_", " ")
    return f'<span class="pi-state {COLOURS.get(state or "", "")}">{html_of(said)}</span>'


def _tiles(facts: Any) -> None:
    if not facts:
        return
    weeks = facts["days_before"]
    shown = [
        ("Users", f"{facts['dau']:,}", facts["usual_dau"] and f"{facts['usual_dau']:,.0f}"),
        (
            "Conversion",
            None if facts["conversion_rate"] is None else f"{facts['conversion_rate']:.1%}",
            facts["usual_conversion_rate"] and f"{facts['usual_conversion_rate']:.1%}",
        ),
        (
            "Mean rating",
            None if facts["mean_rating"] is None else f"{facts['mean_rating']:.2f}",
            f"{facts['ratings']:,} ratings on this day",
        ),
        (
            "Value",
            f"{facts['value']:,.0f}" if facts["value"] else None,
            facts["usual_value"] and f"{facts['usual_value']:,.0f}",
        ),
    ]
    known = [(name, value, usual) for name, value, usual in shown if value is not None]
    for column, (name, value, usual) in zip(st.columns(len(known)), known, strict=True):
        beside = _beside(name, usual, weeks)
        column.html(
            f'<p class="pi-quiet">{name} on {facts["event_date"]}</p><p style="font-size:1.5rem;font-weight:600;margin:0">{value}</p>'
            f'<p class="pi-quiet">{beside}</p>'
        )


def _beside(name: str, usual: str | None, weeks: int) -> str:
    """Return what stands below a number: what it is compared with, or how many it is the mean of."""
    if name == "Mean rating":
        return usual or ""
    return f"{usual} on the same weekday, mean of {weeks} weeks before" if usual and weeks else "on this day"


def _trouble(found: Part) -> None:
    layout.sentences([found.finding])
    for row in found.rows.head(MOST_SHOWN).iter_rows(named=True):
        with st.container(border=True):
            st.html(_card(row))
            links.to("feature", f"Why, since when, and what to do: {row['feature']}", feature=row["feature"])
    if found.rows.height > MOST_SHOWN:
        links.to("features", f"All {found.rows.height:,} features in trouble", state="in trouble")


def _card(row: dict[str, Any]) -> str:
    where = f"<p>{html_of(row['where'])}</p>" if row["where"] else ""
    return (
        f'<p style="margin:0"><b style="overflow-wrap:anywhere">{html_of(row["feature"])}</b> {state_html(row["state"])}'
        f' <span class="pi-quiet">since {html_of(row["since"])}, {html_of(row["owner"])}</span></p>'
        f'<div class="pi-sentences"><p style="font-size:1rem">{html_of(row["reason"])}</p>{where}</div>'
    )


def _decisions(found: Part) -> None:
    layout.sentences([found.finding])
    for row in found.rows.head(MOST_SHOWN).iter_rows(named=True):
        layout.set_apart(row["reasons"])
    links.to("decisions", "The ledger: what was decided and done, why, and why not")


def _stake(found: Part) -> charts.Chart:
    return charts.bars(
        found.rows, "feature", "impact_score", "users a day expected to be hit", low="impact_low", high="impact_high"
    )
