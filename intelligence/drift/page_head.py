"""The head of each Evidently page: product, model and day, the platform's own verdict, and links to the other pages."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Any, Final

import polars as pl

# Evidently draws all series and tabs in an alarming red, whatever the verdict is.
_ALARMING: Final = re.compile("#ed0[45]00", re.IGNORECASE)
_NEUTRAL: Final = "#3d6d99"
_BODY: Final = re.compile(r"</head>\s*<body>")
STATES: Final = ("moved", "suspended", "steady", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageHead:
    """The content of the head of a page.

    Attributes:
        product: The product's name.
        about: What the page shows, such as "Drift".
        model: The model's title, such as "Feature risk".
        version: The champion's version.
        day: The last day of the week that is shown.
        state: The verdict: moved, suspended, steady or unknown.
        reason: The verdict in words.
        beside: The other pages of the day, as name and file.
        judged: A row for each column that is drawn: predictor, distance, limit, is_moved.
    """

    product: str
    about: str
    model: str
    version: int
    day: date
    state: str
    reason: str
    beside: Sequence[tuple[str, str]] = ()
    judged: Sequence[Mapping[str, Any]] = ()

    @property
    def title(self) -> str:
        """Return the title of the page, which the browser shows on its tab."""
        return f"{self.about} of {self.model} version {self.version}, week to {self.day}: {self.state} · {self.product}"


def assessed_columns(drift: pl.DataFrame, shown: Sequence[str]) -> list[dict[str, Any]]:
    """Return a record for each drawn column: those that have moved first, each group by distance in relation to its limit.

    Args:
        drift: The rows of one day and champion in drift.feature_drift or drift.user_drift.
        shown: Names of the columns that the page draws.
    """
    rows = drift.filter(pl.col("predictor").is_in(list(shown))).select("predictor", "distance", "limit", "is_moved")
    return sorted(rows.to_dicts(), key=lambda row: (not row["is_moved"], -row["distance"] / (row["limit"] or 1)))


def headed(page: str, head: PageHead, *, index: str = "index.html") -> str:
    """Return Evidently's HTML page with our title and head, and with its red replaced by a neutral colour.

    Args:
        page: HTML that Evidently has written.
        head: Content of the head.
        index: Link to the index of all pages.

    Raises:
        ValueError: The page has no <body> directly after its </head>, as Evidently's pages have.
    """
    page, found = _BODY.subn(
        lambda _: f"<title>{escape(head.title)}</title>{_STYLE}</head><body>{head_html(head, index=index)}",
        page,
        count=1,
    )
    if not found:
        raise ValueError(f"{head.title}: no <body> follows the </head> of Evidently's page")
    return _ALARMING.sub(_NEUTRAL, page)


def plain_page(head: PageHead, body: str, *, index: str = "index.html") -> str:
    """Return an HTML page without Evidently, with the same head.

    Args:
        head: Content of the head.
        body: HTML below the head.
        index: Link to the index of all pages.
    """
    start = '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    return f"{start}<title>{escape(head.title)}</title>{_STYLE}</head><body>{head_html(head, index=index)}{body}</body></html>\n"


def head_html(head: PageHead, *, index: str) -> str:
    """Return the HTML of the head alone.

    Args:
        head: Content of the head, which is escaped here.
        index: Link to the index of all pages.
    """
    links = [("All pages", index), *head.beside]
    ways = " · ".join(f'<a href="{escape(file)}">{escape(name)}</a>' for name, file in links)
    # Only a known state becomes the name of a CSS class; text from outside never does.
    state = head.state if head.state in STATES else "unknown"
    return _HEAD.format(
        product=escape(head.product),
        about=escape(f"{head.about} of {head.model}"),
        version=head.version,
        day=head.day,
        ways=ways,
        state=state,
        verdict=escape(head.state),
        reason=escape(head.reason),
        judged=_columns_html(head.judged) if head.judged else "",
    )


def _columns_html(columns: Sequence[Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr class='{'pi-moved' if row['is_moved'] else 'pi-steady'}'><td>{escape(row['predictor'])}</td>"
        f"<td>{row['distance']:.3f}</td><td>{row['limit']:.3f}</td>"
        f"<td>{'moved' if row['is_moved'] else 'within chance'}</td></tr>"
        for row in columns
    )
    return _COLUMNS.format(rows=rows)


_HEAD: Final = """<header class="pi-head">
<nav>{ways}</nav>
<h1>{about}</h1>
<p class="pi-where">{product} · champion version {version} · week to {day}</p>
<p class="pi-verdict"><b class="pi-{state}">{verdict}</b> {reason}</p>
{judged}</header>
"""
_COLUMNS: Final = """<details><summary>Distances and limits of this champion</summary>
<table><thead><tr><th>Column</th><th>Distance</th><th>Limit</th><th></th></tr></thead><tbody>{rows}</tbody></table>
<p>The verdict measures all rows of the training. Evidently draws and measures a sample of them below, so that its distances differ
a little.</p></details>
"""
_STYLE: Final = """<style>
.pi-head { font: 15px/1.5 system-ui, sans-serif; background: #f4f6f8; color: #1c2733; padding: 1rem 2rem;
  border-bottom: 1px solid #d5dbe1; }
.pi-head h1 { font-size: 1.5rem; margin: .3rem 0 0; }
.pi-head p { margin: .3rem 0; }
.pi-head a { color: #2b5c8a; }
.pi-where { color: #52606d; }
.pi-verdict b { border-radius: .25rem; padding: .1rem .5rem; background: #e2e7ec; color: #1c2733; }
.pi-verdict b.pi-moved { background: #b3261e; color: #fff; }
.pi-verdict b.pi-suspended { background: #9a6700; color: #fff; }
.pi-head table { border-collapse: collapse; }
.pi-head th, .pi-head td { text-align: left; padding: .15rem 1.2rem .15rem 0; }
.pi-head tr.pi-moved td { color: #b3261e; font-weight: 600; }
.pi-body { font: 15px/1.5 system-ui, sans-serif; padding: 1rem 2rem; color: #1c2733; max-width: 60rem; }
body { margin: 0; }
</style>"""
