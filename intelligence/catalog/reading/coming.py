"""What comes next: the forecast of a figure, how often its intervals held, and how earlier forecasts turned out."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from intelligence.briefs.morning import coming_sentence, wrong_sentences
from intelligence.catalog.pages import AsOf, Page, Part
from intelligence.catalog.reading.wording import between, counted, percent, period_of, sentence
from intelligence.catalog.summary import COMING, WRONG
from intelligence.core.marks import Mark
from intelligence.core.sql import sql

QUERIES: Final[Mapping[str, str]] = {
    "coming": COMING,
    "wrong": WRONG,
    "names": sql("catalog/reading/forecast_names.sql"),
    "forecast": sql("catalog/reading/forecast.sql"),
    "past": sql("catalog/reading/forecast_past.sql"),
    "coverage": sql("catalog/reading/coverage.sql"),
    "accuracy": sql("catalog/reading/accuracy.sql"),
}
# How a series is called, and whether it is a share.
SERIES_WORDS: Final[Mapping[str, tuple[str, bool]]] = {
    "dau": ("daily users", False),
    "wau": ("weekly users", False),
    "mau": ("monthly users", False),
    "new_users": ("new users", False),
    "conversion_rate": ("conversion", True),
    "retention_7d": ("return after a week", True),
    "value": ("value", False),
    "mean_rating": ("mean rating", False),
    "feature_users": ("users", False),
}


def coming_page(
    as_of: AsOf,
    read: Mapping[str, pl.DataFrame],
    *,
    series: str = "dau",
    segment: str = "all",
    feature: str = "",
    marks: tuple[Mark, ...] = (),
) -> Page:
    """Return the page.

    Args:
        as_of: What it was read from.
        read: The rows of QUERIES.
        series: The series whose forecast is asked for.
        segment: The segment; `all` for the whole product.
        feature: The feature, of `feature_users`.
        marks: What its chart shows of what happened.
    """
    forecast, past, accuracy = read["forecast"], read["past"], read["accuracy"]
    if read["names"].is_empty():
        return Page(as_of, ("No forecast was made yet: a series needs some weeks of days.",))
    told: list[str] = [coming_sentence(next(read["coming"].iter_rows(named=True), None))]
    told += wrong_sentences(next(read["wrong"].iter_rows(named=True), None))
    said = forecast_finding(forecast, series=series, segment=segment, feature=feature)
    if (series, segment, feature) != ("dau", "all", ""):
        told.insert(0, said)
    return Page(
        as_of,
        tuple(told),
        {
            "forecast": Part(
                said,
                forecast,
                period_of(forecast, "forecast_date"),
                coverage_meaning(forecast),
                "forecasts.forecasts",
                marks,
            ),
            "past": Part("What was", past, period_of(past), "", "metrics.kpi_day, metrics.lifecycle_day"),
            "coverage": Part(
                coverage_finding(read["coverage"]),
                read["coverage"],
                "four weeks ahead, or as far as there is a forecast",
                "Share of past forecasts whose 80 % interval held the truth, with the 95 % interval of that share.",
                "forecasts.forecasts",
            ),
            "accuracy": Part(
                accuracy_finding(accuracy),
                accuracy,
                period_of(accuracy),
                "What earlier forecasts of the newest days said, and what came.",
                "forecasts.accuracy",
            ),
            "names": Part("The series that are forecast", read["names"], "", "", "forecasts.forecasts"),
        },
        {
            "series": series,
            "segment": segment,
            "feature": feature,
            "is_share": SERIES_WORDS.get(series, ("", False))[1],
        },
    )


def forecast_finding(forecast: pl.DataFrame, *, series: str, segment: str, feature: str) -> str:
    """Return what is expected four weeks ahead, or as far as there is a forecast.

    Args:
        forecast: What `catalog/reading/forecast.sql` returns.
        series: The series.
        segment: The segment; `all` for the whole product.
        feature: The feature; empty for none.
    """
    word, is_share = SERIES_WORDS.get(series, (series.replace("_", " "), False))
    of = f" of {feature or segment}" if feature or segment != "all" else ""
    known = (
        forecast.filter(pl.col("value").is_not_null(), pl.col("horizon_days") <= 28) if forecast.height else forecast
    )
    if known.is_empty():
        note = forecast["note"].drop_nulls() if forecast.height else pl.Series([], dtype=pl.String)
        return f"{word.capitalize()}{of} are not forecast{f': {note[0]}' if note.len() else '.'}"
    row = known.row(-1, named=True)
    value, low, high = (written(row[name], is_share) for name in ("value", "low_80", "high_80"))
    return f"{word.capitalize()}{of}: {value} expected on {row['forecast_date']} ({low} to {high}, nominally 80 %)."


def coverage_meaning(forecast: pl.DataFrame) -> str:
    """Return how often such intervals held, beside the share that they are made for.

    Args:
        forecast: What `catalog/reading/forecast.sql` returns.
    """
    known = (
        forecast.filter(pl.col("coverage_80").is_not_null(), pl.col("horizon_days") <= 28)
        if forecast.height
        else forecast
    )
    if known.is_empty():
        return "Bands of 80 % and 95 %; how often they hold is not known yet."
    row: Mapping[str, Any] = known.row(-1, named=True)
    held = f"{percent(row['coverage_80'], digits=0)} of the time"
    ends = between(row["coverage_80_low"], row["coverage_80_high"], digits=0)
    return (
        f"Bands of 80 % and 95 %. Measured on {counted(row['origins'], 'past forecast')} {row['horizon_days']} days ahead, the"
        f" first held {held} ({ends}) and the second {percent(row['coverage_95'], digits=0)}."
        f" Model: {row['model'].replace('_', ' ')}."
    )


def coverage_finding(coverage: pl.DataFrame) -> str:
    """Return of how many series the measured coverage speaks against the nominal one.

    Args:
        coverage: What `catalog/reading/coverage.sql` returns.
    """
    known = coverage.filter(pl.col("coverage_80").is_not_null()) if coverage.height else coverage
    if known.is_empty():
        return "How often intervals hold is not known yet."
    short = known.filter(pl.col("coverage_80_high") < 0.8).height
    return (
        f"The 80 % intervals of {short:,} of {known.height:,} series hold less often than they say."
        if short
        else f"Nothing speaks against the 80 % intervals of {known.height:,} series, as far as few past forecasts can tell."
    )


def accuracy_finding(accuracy: pl.DataFrame) -> str:
    """Return how the forecasts of the newest day turned out.

    Args:
        accuracy: What `catalog/reading/accuracy.sql` returns.
    """
    if accuracy.is_empty():
        return "No forecast's day has come yet, so that none can be judged."
    wrong = accuracy.filter("is_signal")
    if wrong.height:
        return sentence(wrong["answer"][0])
    held = accuracy["inside_95"].drop_nulls()
    return f"{int(held.sum()):,} of {held.len():,} forecasts of {accuracy['event_date'][0]} held within their 95 % interval."


def written(value: float | None, is_share: bool) -> str:
    """Return a value of a series; `unknown` where there is none.

    Args:
        value: The value.
        is_share: Whether it is a share.
    """
    if value is None:
        return "unknown"
    return percent(value) if is_share else f"{value:,.2f}" if abs(value) < 20 else f"{value:,.0f}"
