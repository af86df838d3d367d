"""Text on pages: what comes from outside shows as text, and never as markup, a link or an instruction to the page."""

import string
from html import escape
from typing import Any, Final

import polars as pl

from intelligence.core.foreign import harmless

_MARKED: Final = str.maketrans({sign: f"\\{sign}" for sign in string.punctuation})


def html_of(text: object) -> str:
    """Return text of any origin as HTML that shows it.

    >>> html_of("<b>quiz</b>")
    '&lt;b&gt;quiz&lt;/b&gt;'
    """
    return escape(harmless(str(text)))


def label_of(text: object) -> str:
    r"""Return text of any origin as a label in Streamlit's Markdown, which shows it as it is.

    >>> print(label_of("[quiz](http://x) :red[a]"))
    \[quiz\]\(http\:\/\/x\) \:red\[a\]
    """
    return harmless(str(text)).translate(_MARKED)


def shown_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows in which text of any origin is safe to show, and lists and objects are text.

    Args:
        rows: The rows.
    """
    return rows.with_columns(_shown(rows[name]) for name in rows.columns)


def _shown(column: pl.Series) -> pl.Series:
    if column.dtype == pl.String:
        return pl.Series(column.name, [None if each is None else harmless(each) for each in column], dtype=pl.String)
    if column.dtype == pl.List(pl.String):
        said = [None if each is None else harmless(", ".join(map(_written, each))) for each in column.to_list()]
        return pl.Series(column.name, said, dtype=pl.String)
    return column


def _written(value: Any) -> str:
    return "" if value is None else str(value)
