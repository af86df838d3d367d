"""The set of Evidently pages: what a day's page is for, how long it is kept, and the index of all of them."""

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from typing import Any, Final, Literal

import polars as pl

from intelligence.drift.page_head import PageHead, plain_page

PageKind = Literal["alarm", "week", "newest"]
SHOWN_PREDICTORS: Final = 8
_SUNDAY: Final = 7


def page_kind(day: date, state: str, *, is_shown: bool) -> PageKind:
    """Return what the day's page is for: an alarm, the end of a week, or the newest day.

    An alarm is the first page of a period in which something has moved.

    Args:
        day: Last day of the week that the page shows.
        state: The verdict of the day.
        is_shown: Whether an earlier page shows the same period already.

    >>> page_kind(date(2026, 8, 5), "moved", is_shown=False)
    'alarm'
    >>> page_kind(date(2026, 8, 2), "steady", is_shown=False)
    'week'
    """
    if state == "moved" and not is_shown:
        return "alarm"
    return "week" if day.isoweekday() == _SUNDAY else "newest"


def page_name(day: date, model: str, version: int, part: str = "-drift.html") -> str:
    """Return the file name of a page.

    The name contains the version, so that the pages of a new champion do not replace those of an earlier one.

    Args:
        day: Last day of the week that the page shows.
        model: Name of the model in the registry.
        version: Version of the champion.
        part: End of the name, with the suffix.
    """
    return f"{day}-{model}-v{version}{part}"


def pages_kept(pages: pl.DataFrame, *, newest_day: date, keep_days: int) -> pl.DataFrame:
    """Return the pages to keep: those of the newest day, and alarms and weeks that are not older than `keep_days`.

    Args:
        pages: One row per page: `event_date` and `kind`.
        newest_day: Newest day that has a page.
        keep_days: Greatest age of alarms and weeks, in days before `newest_day`.
    """
    age_days = (pl.lit(newest_day) - pl.col("event_date")).dt.total_days()
    return pages.filter((age_days == 0) | ((pl.col("kind") != "newest") & (age_days <= keep_days)))


def shown_predictors(drift: pl.DataFrame) -> list[str]:
    """Return the columns to draw: the eight most important ones, the score first, and the eight that have moved furthest."""
    assessed = drift.filter(pl.col("distance").is_not_null(), pl.col("role") != "outcome")
    moved = assessed.filter("is_moved").sort("distance", descending=True)["predictor"].to_list()
    important = assessed.sort("importance", descending=True, nulls_last=False)["predictor"].to_list()
    return list(dict.fromkeys([*important[:SHOWN_PREDICTORS], *moved[:SHOWN_PREDICTORS]]))


def page_without_evidence(head: PageHead) -> str:
    """Return the HTML page of a week in which no predictor and no score could be compared."""
    from intelligence.drift.verdict import LEAST_ROWS

    return plain_page(head, _WITHOUT_EVIDENCE.format(least=LEAST_ROWS))


_WITHOUT_EVIDENCE: Final = """<p class="pi-body">No predictor and no score is drawn here: each is compared with the training where it
varied there and the week has {least} values of it or more.</p>
"""


def index_page(pages: Sequence[Mapping[str, Any]], *, product: str) -> str:
    """Return the HTML page that lists all pages with their verdicts, newest first.

    Args:
        pages: One record per row of drift.drift_pages; its links are relative to the index.
        product: Name of the product.
    """
    rows = "".join(
        f"<tr class='{escape(row['state'])}'><td>{row['event_date']}</td><td>{escape(row['model'])}"
        f" version {row['model_version']}</td><td>{escape(row['kind'])}</td><td>{escape(row['state'])}</td>"
        f"<td>{escape(row['reason'])}</td><td>{_links(row)}</td></tr>"
        for row in sorted(pages, key=lambda row: (row["event_date"], row["model"], row["model_version"]), reverse=True)
    )
    empty = "<p>No page was made yet: a model must have become champion first.</p>" if not rows else ""
    return _FRAME.format(product=escape(product), rows=rows, empty=empty)


def _links(row: Mapping[str, Any]) -> str:
    named = (("drift", "drift_page"), ("quality", "quality_page"), ("JSON", "report"))
    return " · ".join(f"<a href='{escape(row[column])}'>{name}</a>" for name, column in named if row[column])


_FRAME: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Drift of {product}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1c2733; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .4rem .7rem; border-bottom: 1px solid #dde3ea; vertical-align: top; }}
td:first-child {{ white-space: nowrap; }}
tr.moved td:nth-child(4) {{ color: #b3261e; font-weight: 600; }}
tr.suspended td:nth-child(4) {{ color: #9a6700; font-weight: 600; }}
</style></head><body>
<h1>Drift of {product}</h1>
<p>The last seven days against what each champion was trained on. A verdict of <b>moved</b> means further than chance goes,
<b>suspended</b> that the telemetry itself is at fault and nothing is judged. Values on the pages are drawn in to the
range between the half and the 99.5th per cent of the training.</p>
{empty}<table><thead><tr><th>Day</th><th>Champion</th><th>Kept as</th><th>Verdict</th><th>Why</th><th>Pages</th></tr></thead>
<tbody>{rows}</tbody></table></body></html>
"""


def clipped_columns(rows: pl.DataFrame, ranges: Mapping[str, tuple[float, float]]) -> pl.DataFrame:
    """Return the columns of `ranges` with their values clipped as in the distances of the verdict.

    Args:
        rows: Rows with at least these columns.
        ranges: Least and greatest value of each column to return, by name.
    """
    return rows.select(pl.col(name).cast(pl.Float64).clip(low, high) for name, (low, high) in ranges.items())
