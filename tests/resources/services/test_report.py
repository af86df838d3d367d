"""The report is one file that loads and runs nothing, on an empty lake and whatever names the data hold."""

from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import polars as pl

from intelligence.catalog.layers import TABLES
from intelligence.catalog.pages import AsOf, Page, Part
from intelligence.catalog.report import html_report
from intelligence.core.marks import Mark
from tests.made_up_rows import HOSTILE, filled
from tests.platforms import platform_in

# The verdicts of model_watch are few, and none is made up.
LEFT_OUT = ("telemetry.batches", "telemetry.events", "warehouse.fact_events", "drift.model_watch")


class Elements(HTMLParser):
    """Collects the elements of a document with their attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(text: str) -> Elements:
    elements = Elements()
    elements.feed(text)
    return elements


def test_an_empty_lake_has_a_report_that_says_so(tmp_path: Path) -> None:
    found = read(platform_in(tmp_path).report.html())
    assert "The lake is empty." in found.text
    assert [tag for tag, _ in found.found if tag in ("img", "table", "script")] == []


def test_what_happened_stands_below_a_part_and_leads_to_the_section_with_its_evidence() -> None:
    marks = (
        Mark(date(2026, 5, 4), "quiz", "<b>quiz</b> degraded", "feature", (("feature", "quiz"),)),
        Mark(date(2026, 5, 5), "DE: holiday"),
    )
    rows = pl.DataFrame({"users": [1]})
    shown = Page(AsOf("Tiny"), ("calm",), {"users": Part("users", rows, marks=marks), "none": Part("", marks=marks)})
    text = html_report({"People": shown, "Features": Page(AsOf("Tiny"), ("calm",))}, {})
    assert '<a href="#features">2026-05-04: &lt;b&gt;quiz&lt;/b&gt; degraded.</a>' in text
    assert text.count("<li>2026-05-05: DE: holiday.</li>") == 1


def test_hostile_names_are_text_and_nothing_is_loaded_or_run(tmp_path: Path) -> None:
    platform = platform_in(tmp_path)
    filled(platform.lake, *(table for table in TABLES if not table.is_view and table.path not in LEFT_OUT))
    text = platform.report.html()
    found = read(text)
    assert HOSTILE[1] in found.text
    assert "<script" not in text
    tags = {tag for tag, _ in found.found}
    assert tags & {"script", "iframe", "object", "embed", "link", "form"} == set()
    sources = [given.get("src") or "" for tag, given in found.found if tag == "img"]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    attributes = [(name, value or "") for _, given in found.found for name, value in given.items()]
    assert [name for name, _ in attributes if name.startswith("on")] == []
    assert all(value.startswith("#") for name, value in attributes if name == "href")
    ids = {given.get("id") for _, given in found.found}
    leads = [given["href"] or "" for tag, given in found.found if tag == "a"]
    assert {each.removeprefix("#") for each in leads} <= ids
    policies = [given["content"] for _, given in found.found if given.get("http-equiv")]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
