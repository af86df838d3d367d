"""The report: all pages in one HTML file, which needs no network, for mail or an archive."""

import base64
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from html import escape
from typing import Any, Final

import polars as pl

from intelligence.catalog.pages import Page, Part
from intelligence.core.marks import Mark

MOST_ROWS: Final = 12
MOST_COLUMNS: Final = 9
MOST_CHARACTERS: Final = 240
# Nothing is loaded and nothing runs, whatever a name in the data says.
POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# The section in which the evidence of a mark stands, by the page of the dashboard that has it.
SECTIONS: Final[Mapping[str, str]] = {
    "features": "Features",
    "feature": "Features",
    "people": "People",
    "experiments": "Experiments",
    "causes": "Causes",
    "decisions": "Decisions",
    "platform": "Health of the platform",
}
STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2433; --soft: #5d6678; --line: #d9dde5; --ground: #ffffff; --mark: #1f4e8c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #9aa3b5; --line: #333b4a; --ground: #141922; --mark: #8ab4e8; } }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem 1rem 4rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
nav a, li a { color: var(--mark); } nav a { margin-right: 1rem; white-space: nowrap; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.25rem; border-top: 1px solid var(--line); padding-top: 1.5rem; margin-top: 2.5rem; }
h3 { font-size: 1rem; margin: 2rem 0 .25rem; }
.soft { color: var(--soft); font-size: .85rem; margin: .25rem 0 .75rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
img { max-width: 100%; background: #ffffff; border-radius: 4px; }
""".strip()


def html_report(pages: Mapping[str, Page], pictures: Mapping[tuple[str, str], bytes]) -> str:
    """Return the pages as one HTML document.

    Args:
        pages: The pages by their titles, in order; all of one snapshot.
        pictures: PNG files by the title of the page and the name of the part that they show.
    """
    as_of = next(iter(pages.values())).as_of
    links = "".join(f'<a href="#{_anchor(title)}">{escape(title)}</a>' for title in pages)
    body = "\n".join(_page(title, page, pictures) for title, page in pages.items())
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(as_of.product)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{escape(as_of.product)}</h1>\n<p class="soft">{escape(as_of.sentence())}</p>\n<nav>{links}</nav>\n'
        f"{body}\n</body>\n</html>\n"
    )


def _page(title: str, page: Page, pictures: Mapping[tuple[str, str], bytes]) -> str:
    said = "\n".join(f"<p>{escape(sentence)}</p>" for sentence in page.sentences)
    parts = "\n".join(_part(part, pictures.get((title, name))) for name, part in page.parts.items())
    return f'<section id="{_anchor(title)}">\n<h2>{escape(title)}</h2>\n{said}\n{parts}\n</section>'


def _part(part: Part, picture: bytes | None) -> str:
    about = " · ".join(filter(None, (part.period, part.meaning, part.source)))
    shown = [f"<h3>{escape(part.finding)}</h3>"] if part.finding else []
    if about:
        shown.append(f'<p class="soft">{escape(about)}</p>')
    if picture:
        inline = base64.b64encode(picture).decode("ascii")
        shown.append(f'<img alt="{escape(part.finding)}" src="data:image/png;base64,{inline}">')
    elif not part.is_empty:
        shown.append("".join(_table(part.rows)))
    if part.marks and not part.is_empty:
        shown.append(f'<ul class="soft">{"".join(map(_happened, part.marks))}</ul>')
    return "\n".join(shown)


def _happened(mark: Mark) -> str:
    """Return what a mark says as an item of a list, which leads to the section with its evidence."""
    section, said = SECTIONS.get(mark.page), escape(mark.sentence)
    return f'<li><a href="#{_anchor(section)}">{said}</a></li>' if section else f"<li>{said}</li>"


def _table(rows: pl.DataFrame) -> Iterator[str]:
    columns = [name for name, kind in rows.schema.items() if not isinstance(kind, pl.List | pl.Struct)][:MOST_COLUMNS]
    yield '<div class="wide"><table><thead><tr>'
    yield from (f"<th>{escape(name.replace('_', ' '))}</th>" for name in columns)
    yield "</tr></thead><tbody>"
    for row in rows.select(columns).head(MOST_ROWS).iter_rows():
        yield f"<tr>{''.join(_cell(value) for value in row)}</tr>"
    yield "</tbody></table></div>"
    if rows.height > MOST_ROWS:
        yield f'<p class="soft">The first {MOST_ROWS} of {rows.height:,} rows.</p>'


def _cell(value: Any) -> str:
    if isinstance(value, float | int) and not isinstance(value, bool):
        return (
            f'<td class="number">{value:,.4g}</td>'
            if isinstance(value, float)
            else f'<td class="number">{value:,}</td>'
        )
    if value is None:
        return "<td></td>"
    if isinstance(value, datetime | date):
        return f"<td>{value:%Y-%m-%d}</td>"
    text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    shown = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
    return f"<td>{escape(shown)}</td>"


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")
