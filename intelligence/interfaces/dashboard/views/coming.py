"""What comes next: a forecast with its measured coverage, and how earlier forecasts turned out."""

import polars as pl
import streamlit as st

from intelligence.catalog.pages import Page, Part
from intelligence.catalog.reading.coming import SERIES_WORDS
from intelligence.interfaces.dashboard import charts, filters, layout, reader

SERIES = {name: word for name, (word, _) in SERIES_WORDS.items()} | {"feature_users": "users of a feature"}


def show() -> None:
    """Show the page."""
    first = reader.page_of("coming")
    if first.is_empty:
        layout.head("What comes next", first)
        return
    top = st.container()
    names = first["names"].rows
    series, part, days = _asked(names)
    is_feature = series == "feature_users"
    asked = {
        "series": series,
        "segment": "" if is_feature or part == "all" else part,
        "feature": part if is_feature else "",
    }
    page = reader.page_of("coming", **asked, days=days)
    with top:
        layout.head("What comes next", page)
    if page.is_empty:
        return
    layout.part(page["forecast"], "forecast", lambda found: _fan(page, found))
    st.subheader("How far such forecasts can be believed", anchor=False)
    coverage = page["coverage"]
    layout.part(
        Part(coverage.finding, _labelled(coverage.rows), coverage.period, coverage.meaning, coverage.source),
        "coverage",
        _coverage,
    )
    layout.part(page["accuracy"], "accuracy")


def _asked(names: pl.DataFrame) -> tuple[str, str, int]:
    """Return the series, its segment or feature, and the number of days, as a person chose them."""
    left, middle, right = st.columns(3)
    with left:
        offered = names["series"].unique().sort().to_list()
        series = filters.choice("Figure", "series", offered, first="dau", words=SERIES)
    mine = names.filter(series=series)
    is_feature = series == "feature_users"
    parts = mine["feature" if is_feature else "segment"].unique().sort().to_list()
    with middle:
        key = "feature" if is_feature else "segment"
        part = filters.choice(
            "Feature" if is_feature else "Segment",
            key,
            parts,
            first=parts[0] if is_feature and parts else "all",
            words={"all": "all users"},
        )
    with right:
        days = filters.days()
    return series, part, days


def _fan(page: Page, found: Part) -> charts.Chart | None:
    known = found.rows.filter(pl.col("value").is_not_null())
    if known.is_empty():
        return None
    series = page.facts["series"]
    unit = SERIES_WORDS.get(series, (series.replace("_", " "), False))[0]
    return charts.fan(page["past"].rows, known, unit, percent=page.facts["is_share"], marks=found.marks)


def _labelled(rows: pl.DataFrame) -> pl.DataFrame:
    if rows.is_empty():
        return rows
    of = pl.when(pl.col("feature") != "").then(pl.col("feature")).otherwise(pl.col("segment"))
    words = {name: word for name, (word, _) in SERIES_WORDS.items()}
    return rows.with_columns(
        label=pl.format("{}, {}", pl.col("series").replace_strict(words, default=pl.col("series")), of)
    )


def _coverage(found: Part) -> charts.Chart | None:
    known = found.rows.filter(pl.col("coverage_80").is_not_null()).head(12)
    if known.is_empty():
        return None
    return charts.bars(
        known,
        "label",
        "coverage_80",
        "80 % intervals that held",
        percent=True,
        low="coverage_80_low",
        high="coverage_80_high",
    )
