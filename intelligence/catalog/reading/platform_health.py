"""Health of the platform: whether its data are whole, its tables current, and its models in order."""

from collections.abc import Mapping
from typing import Final

import polars as pl

from intelligence.catalog.pages import AsOf, Page, Part
from intelligence.catalog.reading.wording import counted, named, period_of, sentence
from intelligence.catalog.summary import WAITING
from intelligence.core.sql import sql

QUERIES: Final[Mapping[str, str]] = {
    "freshness": sql("catalog/reading/freshness.sql"),
    "quality": sql("catalog/reading/quality.sql"),
    "waiting": WAITING,
    "models": sql("catalog/reading/models.sql"),
    "drift": sql("catalog/reading/drift.sql"),
    "pages": sql("catalog/reading/drift_pages.sql"),
}
FAULTY: Final = ("partial", "empty")


def health_page(as_of: AsOf, read: Mapping[str, pl.DataFrame]) -> Page:
    """Return the page.

    Args:
        as_of: What it was read from.
        read: The rows of QUERIES.
    """
    fresh = read["freshness"].with_columns(
        days_behind=(pl.lit(as_of.day, dtype=pl.Date) - pl.col("newest_day")).dt.total_days()
    )
    drift = read["drift"]
    return Page(
        as_of,
        (
            freshness_finding(as_of, fresh),
            quality_finding(read["quality"], read["waiting"]),
            models_finding(read["models"]),
        ),
        {
            "freshness": Part(
                freshness_finding(as_of, fresh),
                fresh,
                str(as_of.day or ""),
                "Newest day of each layer's main table beside the newest day of the figures.",
                "the tables named",
            ),
            "quality": Part(
                quality_finding(read["quality"], read["waiting"]),
                read["quality"],
                period_of(read["quality"]),
                "Events of each day beside the number that the days before let expect.",
                "telemetry.day_quality",
            ),
            "waiting": Part(
                waiting_finding(read["waiting"]),
                read["waiting"],
                "all that wait now",
                "Rows that could not be taken in, kept with their payload; `intelligence redrive` tries them again.",
                "telemetry.rejected_events",
            ),
            "models": Part(
                models_finding(read["models"]),
                read["models"],
                period_of(read["models"], "trained_on"),
                "PR-AUC on unseen time; `expected_pr_auc` estimates it today, before labels are known, with its 95 % interval.",
                "risk.feature_verdict, risk.user_verdict, drift.model_watch",
            ),
            "drift": Part(
                drift_finding(drift),
                drift,
                period_of(drift),
                "Distance of each predictor from the training data as a share of the distance that chance alone explains.",
                "drift.feature_drift, drift.user_drift",
            ),
            "pages": Part(
                f"{counted(read['pages'].height, 'Evidently page')}"
                if read["pages"].height
                else "No Evidently page was made yet.",
                read["pages"],
                period_of(read["pages"]),
                "",
                "drift.drift_pages",
            ),
        },
    )


def freshness_finding(as_of: AsOf, fresh: pl.DataFrame) -> str:
    """Return whether any layer is behind the figures.

    Args:
        as_of: What the page was read from.
        fresh: `layer`, `newest_day` and `days_behind`.
    """
    if as_of.is_behind:
        return (
            f"Events up to {as_of.delivered_day} were taken in, and figures end on {as_of.day}: the tables are behind."
        )
    late = fresh.filter(pl.col("days_behind") > 0)["layer"].to_list()
    never = fresh.filter(pl.col("newest_day").is_null())["layer"].to_list()
    told = [f"behind: {named(late)}"] if late else [f"every layer that has rows reaches {as_of.day}"]
    told += [f"without any row yet: {named(never)}"] if never else []
    return sentence("; ".join(told))


def quality_finding(quality: pl.DataFrame, waiting: pl.DataFrame) -> str:
    """Return how many days of telemetry are whole, and what waits in quarantine.

    Args:
        quality: Rows of telemetry.day_quality.
        waiting: Rows in quarantine by reason.
    """
    if quality.is_empty():
        return f"No day of telemetry was judged yet. {waiting_finding(waiting)}"
    faulty = quality.filter(pl.col("verdict").is_in(FAULTY))
    whole = quality.filter(pl.col("verdict") == "whole").height
    said = f"{whole:,} of {counted(quality.height, 'day')} of telemetry are whole"
    if faulty.height:
        row = faulty.row(-1, named=True)
        said = f"{said}; {faulty.height:,} {'is' if faulty.height == 1 else 'are'} faulty, the last on {row['event_date']}: {row['reason']}"
    unjudged = quality.height - whole - faulty.height
    said = f"{said}; {unjudged:,} could not be judged" if unjudged else said
    return f"{said}. {waiting_finding(waiting)}"


def waiting_finding(waiting: pl.DataFrame) -> str:
    """Return how many rows wait in quarantine.

    Args:
        waiting: Rows in quarantine by reason.
    """
    if waiting.is_empty():
        return "No row waits in quarantine."
    first = waiting.row(0, named=True)
    return f"{counted(int(waiting['rows'].sum()), 'row')} wait in quarantine, most of them from {first['source']}: {first['reason']}."


def models_finding(models: pl.DataFrame) -> str:
    """Return whether each model is in order.

    Args:
        models: What `catalog/reading/models.sql` returns.
    """
    if models.is_empty():
        return "No model was trained yet: it needs some weeks of days and enough cases."
    told = []
    for row in models.iter_rows(named=True):
        name = row["model"].replace("_", " ")
        if row["drift"] is None:
            state = f"{row['decision'].replace('_', ' ')} at its last training on {row['trained_on']}"
        else:
            state = f"version {row['watched_version']} is {row['drift'].replace('_', ' ')} on {row['watched_on']}"
        told.append(f"{name}: {state}")
    return sentence("; ".join(told))


def drift_finding(drift: pl.DataFrame) -> str:
    """Return which predictors have moved beyond chance.

    Args:
        drift: What `catalog/reading/drift.sql` returns.
    """
    if drift.is_empty():
        return "Drift was not looked for yet: it needs a champion."
    moved = drift.filter("is_moved")
    if moved.is_empty():
        return f"None of {counted(drift.height, 'predictor')} has moved beyond chance."
    return (
        f"{moved.height:,} of {counted(drift.height, 'predictor')} have moved: {named(moved['predictor'].to_list())}."
    )
