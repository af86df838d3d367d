"""Experiments: verdicts, effects on goals and guardrails, the course of one, for whom it works, and plans of new ones."""

import polars as pl
import streamlit as st

from intelligence.catalog.pages import Page, Part
from intelligence.catalog.reading.trials import ASK_PLAN
from intelligence.interfaces.dashboard import charts, filters, layout, reader
from intelligence.metrics.registry import METRICS

PLANNED = tuple(name for name, metric in METRICS.items() if metric.kind != "quantile")


def show() -> None:
    """Show the page."""
    page = reader.page_of(
        "experiments", name=st.query_params.get("experiment", ""), segment=st.query_params.get("segment", "")
    )
    layout.head("Experiments", page)
    if not page.is_empty:
        _standing(page)
    if page.as_of.day is not None:
        st.subheader("Plan a new one", anchor=False)
        _plan()


def _standing(page: Page) -> None:
    """Show the verdicts and effects of all experiments, and one of them."""
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
    st.subheader("For whom it works", anchor=False)
    _uplift(name)


def _uplift(name: str) -> None:
    """Show for whom the variants of an experiment work, or that it is not shown that they differ."""
    page = reader.page_of("uplift", name=name)
    layout.sentences(page.sentences)
    if page.is_empty:
        return
    unit = f"effect on {page.facts['metric']}"
    if page["groups"].is_empty:
        layout.part(page["average"], "uplift_average", lambda found: _intervals(found, "variant", unit))
        return
    layout.part(page["groups"], "uplift_groups", lambda found: _intervals(found, "units_in_order", unit))
    layout.part(page["who"], "uplift_who")
    layout.part(page["average"], "uplift_average")


def _intervals(found: Part, name: str, unit: str) -> charts.Chart:
    return charts.intervals(found.rows, name, "effect", "low", "high", unit)


def _plan() -> None:
    """Show how long an experiment has to run; nothing is computed before a metric is chosen."""
    left, right = st.columns(2)
    with left:
        metric = filters.choice("Metric that decides", "metric", PLANNED, nothing="Choose a metric")
    with right:
        feature = filters.choice("On users of", "feature", reader.choices().features, nothing="The whole product")
    if not metric:
        layout.set_apart(ASK_PLAN)
        return
    first, second, third = st.columns(3)
    with first:
        effect = filters.number("Change to be found", "effect", low=1, high=50, first=5, unit="%")
    with second:
        share = filters.number("Share in the variant", "share", low=5, high=95, first=50, unit="%")
    with third:
        length = filters.number("Length", "length", low=7, high=90, first=28, unit="days")
    page = reader.page_of("plan", metric=metric, feature=feature, effect=effect, share=share, length=length)
    layout.sentences(page.sentences)
    if not page.is_empty:
        percent = st.column_config.NumberColumn("smallest effect", format="percent")
        layout.part(page["plans"], "plans", columns={"smallest_effect": percent})


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
