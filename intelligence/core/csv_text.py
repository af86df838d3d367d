"""Rows as CSV, which knows neither lists nor that a spreadsheet takes some texts for formulas."""

import polars as pl


def flat(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows whose lists are texts, joined by `; `.

    Args:
        rows: The rows.

    >>> flat(pl.DataFrame({"days": [[1, 2], []], "name": ["a", None]})).rows()
    [('1; 2', 'a'), ('', None)]
    """
    lists = [name for name, kind in rows.schema.items() if isinstance(kind, pl.List)]
    return rows.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join("; ") for name in lists)


def without_formulas(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows in which no text is a formula for a spreadsheet: for people, since programs want texts as they are.

    Args:
        rows: The rows.

    >>> without_formulas(pl.DataFrame({"name": ["=1+1", "a"], "n": [-1, 2]})).rows()
    [("'=1+1", -1), ('a', 2)]
    """
    texts = [name for name, kind in rows.schema.items() if kind == pl.String]
    if not texts:
        return rows
    starts = pl.col(texts).str.contains(r"^[=+\-@\t\r]")
    return rows.with_columns(pl.when(starts).then("'" + pl.col(texts)).otherwise(pl.col(texts)).name.keep())
