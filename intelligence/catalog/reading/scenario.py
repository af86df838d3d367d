"""Scenarios: what would come if something changed, beside what is expected without it, and how the effect of the change is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from intelligence.catalog.pages import AsOf, Page, Part, days_in_words
from intelligence.catalog.reading.coming import SERIES_WORDS, coverage_meaning, written
from intelligence.catalog.reading.wording import refusal_sentence, sentence
from intelligence.core.errors import PlatformError
from intelligence.core.sql import sql

if TYPE_CHECKING:
    from intelligence.forecasts.scenarios import Scenario

QUERIES: Final[Mapping[str, str]] = {"forecast": sql("catalog/reading/forecast.sql")}
ROLLBACK: Final = "rollback"
ASK: Final = (
    "Ask for a change: 'conversion_rate +2 points', 'new_users -50 %' or 'rollback FEATURE'. It is shown beside what is expected"
    " without it, with how its effect is known."
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of change that a reader can ask for.

    Attributes:
        words: What it is called.
        unit: `points` of a rate or `%` of the figure; empty for a rollback, which has no strength.
        low: Least strength that is offered.
        high: Greatest one.
        first: Strength that is shown at first.
        outcomes: Series that it can be looked at in, the usual one first.
    """

    words: str
    unit: str
    low: int
    high: int
    first: int
    outcomes: tuple[str, ...]


KINDS: Final[Mapping[str, Kind]] = {
    "new_users": Kind("New users", "%", -100, 100, -50, ("dau", "wau", "mau", "new_users")),
    "conversion_rate": Kind("Conversion", "points", -20, 20, 2, ("value", "conversion_rate")),
    "dau": Kind("Daily users", "%", -50, 50, -5, ("dau", "value")),
    "retention_7d": Kind("Return after a week", "points", -20, 20, 2, ("retention_7d",)),
    "value": Kind("Value", "%", -50, 50, 5, ("value",)),
    "mean_rating": Kind("Mean rating", "%", -20, 20, 2, ("mean_rating",)),
    ROLLBACK: Kind(
        "Roll a feature back", "", 0, 0, 0, ("dau", "conversion_rate", "value", "mean_rating", "retention_7d")
    ),
}
HOW_WORDS: Final = {"measured": "Measured", "assumed": "An assumption", "given": "Given"}


def change_text(kind: str, strength: int, feature: str = "") -> str:
    """Return a change as `intelligence forecast scenario` takes it.

    Args:
        kind: A name in KINDS.
        strength: By how much, in the unit of the kind.
        feature: The feature, of a rollback.

    >>> change_text("conversion_rate", 2), change_text("new_users", -50), change_text("rollback", 0, "live_poll")
    ('conversion_rate +2 points', 'new_users -50 %', 'rollback live_poll')
    """
    return f"{ROLLBACK} {feature}" if kind == ROLLBACK else f"{kind} {strength:+d} {KINDS[kind].unit}"


def unanswered_page(as_of: AsOf, why: PlatformError | None = None) -> Page:
    """Return the page where no change is asked for, or the evidence does not answer.

    Args:
        as_of: What it was read from.
        why: Why there is no answer; None where nothing is asked.
    """
    if why is None:
        return Page(as_of, (ASK,))
    return Page(as_of, (refusal_sentence(why),))


def scenario_page(as_of: AsOf, found: "Scenario", forecast: pl.DataFrame, *, day: date) -> Page:
    """Return the page.

    Args:
        as_of: What it was read from.
        found: The scenario.
        forecast: The forecast of its series without the change, as `catalog/reading/forecast.sql` returns it.
        day: The last day that is known: the change holds from the next one on.
    """
    word, is_share = SERIES_WORDS.get(found.series, (found.series.replace("_", " "), False))
    days = found.days.filter(pl.col("horizon_days") > 0)
    mean = found.days.filter(horizon_days=0).row(0, named=True)
    rows = days.select(
        event_date=pl.lit(day) + pl.duration(days=pl.col("horizon_days")),
        **{name: pl.col(name) for name in days.columns},
    ).with_columns(pl.col("event_date").cast(pl.Date))
    last = day + timedelta(days=days.height)
    period = days_in_words(day + timedelta(days=1), last)
    said = scenario_sentence(word, mean, change=str(found.change), days=days.height, is_share=is_share)
    link = found.link
    evidence = evidence_rows(found, forecast)
    return Page(
        as_of,
        (said, f"{HOW_WORDS[link.how]}{f', grade {link.grade}' if link.grade else ''}: {sentence(link.text)}"),
        {
            "paths": Part(
                f"{word.capitalize()} in the {days.height} days ahead, with {found.change} and without it",
                _long(rows),
                period,
                "Median of 2,000 simulated paths each, with 80 % bands; both come from the same paths.",
                "forecasts.forecasts",
            ),
            "difference": Part(
                difference_sentence(word, mean, is_share=is_share),
                rows,
                period,
                "Difference of the paths, with the band that holds 80 % of them. An assumption has no uncertainty of its own.",
                "forecasts.forecasts",
            ),
            "evidence": Part(
                evidence_sentence(found),
                evidence,
                f"as of {day}",
                "Where each number comes from: measured with its grade (A to C), given by the question, or assumed.",
                ", ".join(dict.fromkeys(evidence["table"].drop_nulls())),
            ),
        },
        {
            "change": str(found.change),
            "series": found.series,
            "is_share": is_share,
            "unit": word,
            "how": link.how,
            "grade": link.grade,
            "experiments": link.experiments,
            "feature": found.change.feature,
        },
    )


def scenario_sentence(word: str, mean: Mapping[str, Any], *, change: str, days: int, is_share: bool) -> str:
    """Return what comes with the change and without it, as the mean of all days.

    Args:
        word: What the series is called.
        mean: The row of a scenario's mean over all days.
        change: The change.
        days: How many days ahead.
        is_share: Whether the values are shares.
    """
    with_it, without = (written(mean[f"{name}_value"], is_share) for name in ("scenario", "base"))
    return (
        f"After {change}, {word} would be {with_it} on the mean of {days} days instead of {without}:"
        f" {_difference(mean, is_share)}."
    )


def difference_sentence(word: str, mean: Mapping[str, Any], *, is_share: bool) -> str:
    """Return whether the change moves the series beyond what its interval leaves open.

    Args:
        word: What the series is called.
        mean: The row of a scenario's mean over all days.
        is_share: Whether the values are shares.
    """
    low, high = mean["difference_low_95"], mean["difference_high_95"]
    if low == high == 0:
        return f"The change leaves {word} as they are."
    moved = "raises" if low > 0 else "lowers" if high < 0 else "may raise or lower"
    return f"The change {moved} {word}: {_difference(mean, is_share)}."


def evidence_sentence(found: "Scenario") -> str:
    """Return on what the effect of the change rests.

    Args:
        found: The scenario.
    """
    link, series = found.link, found.series.replace("_", " ")
    if link.how == "given":
        return f"The question itself says how far {series} moves; nothing is claimed about how to get there."
    if link.how == "assumed":
        return f"Nothing measured what the change does to {series}: its effect is an assumption."
    by = f"experiment {' and '.join(link.experiments)}" if link.experiments else "what was observed"
    return f"What the change does to {series} is measured by {by}{f', grade {link.grade}' if link.grade else ''}."


def evidence_rows(found: "Scenario", forecast: pl.DataFrame) -> pl.DataFrame:
    """Return what the scenario rests on, a row for each driver.

    Args:
        found: The scenario.
        forecast: The forecast of its series without the change.
    """
    link, change = found.link, found.change
    tables = {
        "given": None,
        "assumed": "metrics.user_day" if change.feature or change.series == "new_users" else None,
        "measured": "experiments.experiment_results"
        if link.experiments
        else "causality.feature_effects"
        if change.feature
        else "metrics.user_day",
    }
    rows = [
        ("the change", "given", None, f"{change}, from the first day ahead on", None, None, None, None),
        (
            f"its effect on {found.series}",
            link.how,
            link.grade,
            link.text,
            link.low,
            link.estimate,
            link.high,
            tables[link.how],
        ),
        (
            f"{found.series} without it",
            "measured",
            None,
            coverage_meaning(forecast),
            None,
            None,
            None,
            "forecasts.forecasts",
        ),
    ]
    names = ("driver", "how", "grade", "text", "low", "relative_change", "high", "table")
    kinds = {name: pl.Float64 if name in ("low", "relative_change", "high") else pl.String for name in names}
    return pl.DataFrame(rows, schema=kinds, orient="row")


def _difference(mean: Mapping[str, Any], is_share: bool) -> str:
    middle, low, high = (
        _signed(mean[f"difference_{each}"], is_share=is_share) for each in ("value", "low_80", "high_80")
    )
    return f"{middle} ({low} to {high}, 80 %)"


def _signed(value: float, *, is_share: bool) -> str:
    if is_share:
        return f"{100 * value:+.1f} points"
    return f"{value:+,.2f}" if abs(value) < 20 else f"{value:+,.0f}"


def _long(rows: pl.DataFrame) -> pl.DataFrame:
    """Return both paths below each other, told apart by `path`."""
    ends = ("value", "low_80", "high_80", "low_95", "high_95")
    return pl.concat(
        [
            rows.select(
                "event_date",
                "horizon_days",
                pl.lit(label).alias("path"),
                *(pl.col(f"{name}_{each}").alias(each) for each in ends),
            )
            for name, label in (("base", "without the change"), ("scenario", "with the change"))
        ]
    )
