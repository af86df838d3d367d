"""Experiments: verdicts, effects on goals and guardrails, and the course of one of them."""

import polars as pl
import streamlit as st

from intelligence.catalog.pages import Part
from intelligence.interfaces.dashboard import charts, filters, layout, reader


def show() -> None:
    """Show the page."""
    page = reader.page_of(
        "experiments", name=st.query_params.get("experiment", ""), segment=st.query_params.get("segment", "")
    )
    layout.head("Experiments", page)
    if page.is_empty:
        return
    layout.part(
        page["verdicts"],
        "verdicts",
        order=(
            "experiment",
            "variant",
            "verdict",
            "reason",
            "metric",
            "relative",
            "relative_low",
            "relative_high",
            "grade",
            "problems",
            "event_date",
            "owner",
        ),
        columns={
            name: st.column_config.NumberColumn(label, format="percent")
            for name, label in {"relative": "Effect", "relative_low": "from", "relative_high": "to"}.items()
        },
    )
    st.subheader("Effects on goals", anchor=False)
    layout.part(page["goals"], "goals", _forest)
    st.subheader("One experiment", anchor=False)
    names = page["verdicts"].rows["experiment"].unique(maintain_order=True).to_list()
    left, right = st.columns(2)
    with left:
        name = filters.choice("Experiment", "experiment", names, first=page.facts["experiment"])
    with right:
        segment = filters.choice("Segment", "segment", reader.choices().segments, nothing="All units")
    mine = reader.page_of("experiments", name=name, segment=segment)
    if mine.is_empty:
        layout.sentences(mine.sentences)
        return
    layout.part(mine["course"], "course", _course)
    metrics = mine["metrics"]
    layout.part(
        Part(
            metrics.finding,
            metrics.rows.with_columns(experiment=pl.col("role")) if metrics.rows.height else metrics.rows,
            metrics.period,
            metrics.meaning,
            metrics.source,
        ),
        "metrics",
        _forest,
    )


def _forest(found: Part) -> charts.Chart | None:
    known = found.rows.filter(pl.col("relative_low").is_not_null(), pl.col("relative_high").is_not_null())
    if known.is_empty():
        return None
    varying = [
        name
        for name in ("variant", "metric")
        if known.group_by("experiment").agg(pl.col(name).n_unique())[name].max() != 1
    ]
    rows = known.with_columns(label=pl.concat_str(["experiment", *varying], separator=" · "))
    return charts.intervals(
        rows, "label", "relative", "relative_low", "relative_high", "effect relative to control", percent=True
    )


def _course(found: Part) -> charts.Chart:
    rows = found.rows.with_columns(line=pl.format("{} · {}", "variant", "metric"))
    has_watched = rows["watched_low"].drop_nulls().len() > 0
    band = ("watched_low", "watched_high") if has_watched else ("low", "high")
    return charts.line(rows, "effect", "effect so far", band=band, by="line")
