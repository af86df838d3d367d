"""How every page looks: its head, its sentences, and its parts with a chart, the numbers behind it and a download."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import altair as alt
import polars as pl
import streamlit as st

from intelligence.catalog.pages import AsOf, Page, Part
from intelligence.catalog.reading.wording import counted
from intelligence.core.csv_text import flat, without_formulas
from intelligence.core.errors import PlatformError
from intelligence.core.marks import Mark
from intelligence.interfaces.dashboard import links, reader
from intelligence.interfaces.dashboard.text import html_of, shown_rows

# How often an open page looks for a newer snapshot.
LOOK_EVERY_S: Final = 60
STALE_AFTER: Final = timedelta(days=2)
STYLE: Final = """
<style>
.block-container {max-width: 1120px; padding-top: 3.2rem; padding-bottom: 4rem}
h1 {overflow-wrap: anywhere; margin: 0 0 -.6rem 0 !important; padding: 0 !important}
.pi-sentences p {margin: 0 0 .5rem 0; line-height: 1.55; max-width: 74ch; overflow-wrap: anywhere}
.pi-sentences p:first-child {font-size: 1.12rem}
.pi-told h3 {font-size: 1.02rem; margin: .9rem 0 .1rem 0; padding: 0}
.pi-told ul {margin: 0 0 .2rem 0; padding-left: 1.1rem}
.pi-told li {margin: 0 0 .25rem 0; line-height: 1.5; max-width: 84ch; overflow-wrap: anywhere; font-size: .97rem}
.pi-told h3:first-child + ul li {font-size: 1.08rem}
.pi-finding {font-weight: 600; font-size: 1.02rem; line-height: 1.4; margin: 1.1rem 0 .15rem 0; overflow-wrap: anywhere; max-width: 92ch}
.pi-quiet {font-size: .84rem; opacity: .72; line-height: 1.45; margin: 0; overflow-wrap: anywhere; max-width: 92ch}
.pi-empty {border-left: 3px solid rgba(128,128,128,.45); padding: .35rem 0 .35rem .8rem; margin: .3rem 0 .6rem 0; opacity: .85}
.pi-state {display: inline-block; font-size: .8rem; font-weight: 600; border: 1px solid currentColor; border-radius: 4px; padding: 0 .4rem}
[data-testid="stPageLink"] a p {color: light-dark(#1f6fb2, #5aa6e0); text-decoration: underline; text-underline-offset: 3px}
[data-testid="stPageLink"] a p {white-space: normal; overflow-wrap: anywhere}
[data-testid="stPageLink"] a {padding-left: 0; padding-top: 0; padding-bottom: 0}
[data-testid="stApp"] :focus-visible {outline: 2px solid light-dark(#1f6fb2, #5aa6e0) !important; outline-offset: -2px}
[data-testid="stElementToolbarButton"]:has(button[aria-label^="Download as CSV"]) {display: none}
.pi-bad {color: light-dark(#b84a08, #f2935c)} .pi-warn {color: light-dark(#876200, #dcae45)}
.pi-good {color: light-dark(#007a58, #45c49a)}
@media (max-width: 640px) {h1 {font-size: 1.6rem !important}}
@media (max-width: 640px) {.block-container {padding-left: 1rem; padding-right: 1rem}}
</style>
"""


def styled() -> None:
    """Add the style of all pages."""
    st.html(STYLE)


@contextmanager
def guarded() -> Iterator[None]:
    """Show an error that a person can act on in words: what is wrong, and the next step."""
    try:
        yield
    except PlatformError as error:
        st.error("This page cannot be shown.")
        st.html(
            f'<div class="pi-sentences"><p>{html_of(error.culprit)}: {html_of(error.problem)}</p><p>{html_of(error.hint)}</p></div>'
        )


@st.fragment(run_every=LOOK_EVERY_S)
def keep_fresh() -> None:
    """Show the page anew as soon as the lake has a newer snapshot."""
    try:
        now = reader.snapshot()
    except PlatformError:
        return
    before = st.session_state.get("snapshot_shown", now)
    st.session_state["snapshot_shown"] = now
    if before != now:
        st.rerun()


def head(title: str, page: Page, *, now: datetime | None = None) -> None:
    """Show a page's title, what it was read from, and its sentences.

    Args:
        title: The title; text of any origin.
        page: The page.
        now: The current time in UTC; the clock's by default.
    """
    # Streamlit's titles are Markdown, in which an address becomes a link however it is escaped.
    st.html(f"<h1>{html_of(title)}</h1>")
    st.html(f'<p class="pi-quiet">{html_of(page.as_of.product)}: {html_of(page.as_of.sentence())}</p>')
    for warning in stale(page.as_of, now or datetime.now(UTC)):
        st.warning(warning)
    if len(page.told) > 1:
        headed(page.told)
    else:
        sentences([each for said in page.told.values() for each in said] or page.sentences)


def stale(as_of: AsOf, now: datetime) -> list[str]:
    """Return what is to be said of figures that are old or not whole.

    Args:
        as_of: What a page was read from.
        now: The current time in UTC.
    """
    said = []
    if as_of.is_behind and as_of.day is not None:
        said.append(f"Events up to {as_of.delivered_day} were taken in; the figures end on {as_of.day}.")
    if as_of.taken_in_at is not None and now.replace(tzinfo=None) - as_of.taken_in_at > STALE_AFTER:
        days = (now.replace(tzinfo=None) - as_of.taken_in_at).days
        said.append(f"Nothing was taken in for {days} days: what is shown is as old.")
    if as_of.verdict in ("partial", "empty"):
        said.append(f"The telemetry of {as_of.day} is {as_of.verdict}: its last point on every chart says little.")
    return said


def sentences(told: Sequence[str]) -> None:
    """Show sentences, each on its own.

    Args:
        told: The sentences.
    """
    paragraphs = "".join(f"<p>{html_of(each)}</p>" for each in told)
    st.html(f'<div class="pi-sentences">{paragraphs}</div>')


def headed(told: Mapping[str, Sequence[str]]) -> None:
    """Show sentences below their headings, one a line, the first heading's larger.

    Args:
        told: The sentences by heading.
    """
    shown = "".join(
        f"<h3>{html_of(heading)}</h3><ul>{''.join(f'<li>{html_of(each)}</li>' for each in said)}</ul>"
        for heading, said in told.items()
    )
    st.html(f'<div class="pi-told">{shown}</div>')


def set_apart(said: str) -> None:
    """Show a sentence set apart from others: why there is nothing, what was decided, or what became of a click.

    Args:
        said: The words.
    """
    st.html(f'<p class="pi-empty">{html_of(said)}</p>')


def part(
    found: Part,
    name: str,
    chart: Callable[[Part], alt.Chart | alt.LayerChart | alt.HConcatChart | alt.FacetChart | None] | None = None,
    *,
    columns: Mapping[str, Any] | None = None,
    order: Sequence[str] | None = None,
    table: bool = False,
) -> None:
    """Show a part: what it says, its period and meaning, a chart where there is one, the numbers, and a download.

    Args:
        found: The part.
        name: Its name, for the download.
        chart: Draws it; None for a part that is a table only.
        columns: Streamlit's settings of columns, by name.
        order: The columns that are shown, in order; None for all.
        table: Whether the rows are shown at once, and not only on request.
    """
    if found.is_empty:
        set_apart(found.finding)
        return
    st.html(f'<p class="pi-finding">{html_of(found.finding)}</p><p class="pi-quiet">{html_of(_about(found))}</p>')
    drawn = chart(found) if chart else None
    if drawn is not None:
        st.altair_chart(drawn, width="stretch", alt=found.finding)
        happened(found.marks)
    rows = shown_rows(found.rows)
    shown = [each for each in order if each in rows.columns] if order else None
    if table or chart is None:
        st.dataframe(
            rows, hide_index=True, column_config=configured(rows, columns), column_order=shown, alt=found.finding
        )
        _download(rows, name, found)
        return
    with st.expander(f"The {counted(rows.height, 'row')} behind it"):
        st.dataframe(
            rows, hide_index=True, column_config=configured(rows, columns), column_order=shown, alt=found.finding
        )
        _download(rows, name, found)


def happened(marks: Sequence[Mark]) -> None:
    """Show what the marks on a chart say, each as a sentence that leads to its evidence where there is some.

    Args:
        marks: The marks.
    """
    for mark in marks:
        if mark.page:
            links.to(mark.page, mark.sentence, **dict(mark.asked))
        else:
            st.html(f'<p class="pi-quiet">{html_of(mark.sentence)}</p>')


def configured(rows: pl.DataFrame, columns: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return how each column is shown: days as days, numbers with the digits that matter, names in words.

    Args:
        rows: The rows.
        columns: Settings that differ, by name.
    """
    found: dict[str, Any] = {}
    for name, kind in rows.schema.items():
        label = name.replace("_", " ")
        if kind == pl.Date:
            found[name] = st.column_config.DateColumn(label, format="YYYY-MM-DD")
        elif kind.is_float():
            found[name] = st.column_config.NumberColumn(label, format="%.4g")
        else:
            found[name] = label
    return {**found, **(columns or {})}


def _about(found: Part) -> str:
    return " · ".join(filter(None, (found.period, found.meaning)))


def _download(rows: pl.DataFrame, name: str, found: Part) -> None:
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.html(f'<p class="pi-quiet">From {html_of(found.source)}</p>')
    right.download_button(
        "Download as CSV",
        data=lambda: without_formulas(flat(rows)).write_csv().encode(),
        file_name=f"{name}.csv",
        mime="text/csv",
        key=f"download_{name}",
        on_click="ignore",
        type="tertiary",
    )
