"""What comes next: a forecast with its measured coverage, what would come after a change, and how earlier forecasts turned out."""

import polars as pl
import streamlit as st

from intelligence.catalog.pages import Page, Part
from intelligence.catalog.reading.coming import SERIES_WORDS
from intelligence.catalog.reading.scenario import ASK, KINDS, ROLLBACK, change_text
from intelligence.interfaces.dashboard import charts, filters, layout, links, reader

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
    st.subheader("What if", anchor=False)
    _scenario(names)
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


def _scenario(names: pl.DataFrame) -> None:
    """Show what would come after the change that a person or the address asks for; nothing is computed before."""
    forecast = set(names.filter(segment="all")["series"])
    kinds = [name for name in KINDS if name in forecast or name == ROLLBACK]
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    with left:
        words = {name: kind.words for name, kind in KINDS.items()}
        chosen = filters.choice("What changes", "scenario", kinds, nothing="Nothing", words=words)
    if chosen not in KINDS:
        layout.set_apart(ASK)
        return
    kind, strength, feature = KINDS[chosen], 0, ""
    with middle:
        if chosen == ROLLBACK:
            feature = filters.choice("Rolled back", "rollback", reader.choices().features)
        else:
            strength = filters.number(
                "By how much", "strength", low=kind.low, high=kind.high, first=kind.first, unit=kind.unit, of=chosen
            )
    with right:
        outcomes = [name for name in kind.outcomes if name in forecast]
        outcome = filters.choice("Looked at in", "outcome", outcomes, words=SERIES, of=chosen)
    ahead = filters.number("Days ahead", "ahead", low=7, high=90, first=28, unit="days")
    page = reader.page_of("scenario", change=change_text(chosen, strength, feature), series=outcome, ahead=ahead)
    layout.sentences(page.sentences)
    if page.is_empty:
        return
    unit, is_share = page.facts["unit"], page.facts["is_share"]
    layout.part(
        page["paths"],
        "scenario_paths",
        lambda found: charts.line(
            found.rows, "value", unit, band=("low_80", "high_80"), by="path", percent=is_share, zero=False
        ),
    )
    layout.part(
        page["difference"],
        "scenario_difference",
        lambda found: charts.line(
            found.rows,
            "difference_value",
            f"difference in {unit}",
            band=("difference_low_80", "difference_high_80"),
            percent=is_share,
        ),
    )
    layout.part(page["evidence"], "scenario_evidence")
    for name in page.facts["experiments"]:
        links.to("experiments", f"The experiment {name}", experiment=name)
    if page.facts["feature"]:
        links.to("causes", f"What {page.facts['feature']} does to its users", feature=page.facts["feature"])
