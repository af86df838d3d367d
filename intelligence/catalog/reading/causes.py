"""Causes: what features do to their users, how far that can be believed, and where a change of a metric lies."""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from intelligence.catalog.pages import AsOf, Page, Part
from intelligence.catalog.reading.wording import MOST_NAMED, counted, named, period_of, sentence
from intelligence.core.sql import sql

QUERIES: Final[Mapping[str, str]] = {
    "effects": sql("catalog/reading/effects.sql"),
    "movements": sql("catalog/reading/movements.sql"),
    "record": "FROM causality.estimator_record WHERE event_date = (SELECT max(event_date) FROM causality.estimator_record) ORDER BY method",
}


def causes_page(as_of: AsOf, read: Mapping[str, pl.DataFrame], *, feature: str = "") -> Page:
    """Return the page.

    Args:
        as_of: What it was read from.
        read: The rows of QUERIES.
        feature: The feature that is asked for; empty for all.
    """
    effects, movements, record = read["effects"], read["movements"], read["record"]
    if effects.is_empty() and movements.is_empty():
        of = f" of {feature}" if feature else ""
        return Page(as_of, (f"No effect{of} is estimated yet, and no degraded feature's change was split up.",))
    claimed = effects.filter("is_claimed")
    told = [effects_finding(effects), movements_finding(movements)]
    told += [sentence(answer) for answer in record["answer"].drop_nulls().head(1)]
    answered = effects.filter(pl.col("estimate").is_not_null())
    return Page(
        as_of,
        tuple(told),
        {
            "claimed": Part(
                effects_finding(effects),
                claimed,
                period_of(effects),
                "Adjusted effect with its 95 % interval beside the plain difference between users and others, which is biased by who"
                " they are. Grades: A experiment, B natural experiment, C adjusted and unrefuted, D association.",
                "causality.feature_effects",
            ),
            "effects": Part(
                f"{counted(answered.height, 'effect')} estimated, {effects.height - answered.height:,} without enough evidence",
                effects,
                period_of(effects),
                "All questions of the day with their answer or the reason why there is none.",
                "causality.feature_effects",
            ),
            "movements": Part(
                movements_finding(movements),
                movements,
                period_of(movements),
                "Where the change of a degraded feature's metric lies; where is not why, so that it is of grade D.",
                "causality.degradations",
            ),
            "record": Part(
                sentence(record["answer"][0])
                if record.height and record["answer"][0]
                else "The method was not compared with own experiments yet.",
                record,
                period_of(record),
                "Bias and coverage of each method where an own experiment knows the answer.",
                "causality.estimator_record",
            ),
        },
    )


def effects_finding(effects: pl.DataFrame) -> str:
    """Return which effects the evidence carries.

    Args:
        effects: What `catalog/reading/effects.sql` returns.
    """
    answered = effects.filter(pl.col("estimate").is_not_null()) if effects.height else effects
    if answered.is_empty():
        return "What features do to their users is not known: there is not enough evidence."
    claimed = effects.filter("is_claimed")
    if claimed.is_empty():
        return f"None of {counted(answered.height, 'estimated effect')} stands out beyond chance and bias."
    told = [
        f"{row['treatment'].replace('_', ' ')} {row['feature']} on {row['outcome'].replace('_', ' ')} {row['estimate']:+.3g}"
        f" ({row['low']:+.3g} to {row['high']:+.3g}, grade {row['grade']})"
        for row in claimed.iter_rows(named=True)
    ]
    return f"The evidence carries {claimed.height:,} of {counted(answered.height, 'estimated effect')}: {named(told)}."


def movements_finding(movements: pl.DataFrame) -> str:
    """Return where the changes of degraded features lie.

    Args:
        movements: What `catalog/reading/movements.sql` returns.
    """
    if movements.is_empty():
        return "No feature is degraded whose change could be split up."
    told = [f"{row['feature']}: {moved(row)}" for row in movements.iter_rows(named=True)]
    return f"{'; '.join(told[:MOST_NAMED])}{'; and others' if len(told) > MOST_NAMED else ''}."


def moved(row: Mapping[str, Any]) -> str:
    """Return where the change of a degraded feature's metric lies, in short.

    Args:
        row: A row of `catalog/reading/movements.sql`.
    """
    if row["change"] is None or row["low"] is None:
        return "not enough evidence to say by how much it changed"
    change = f"{row['metric'].replace('_', ' ')} {row['change']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f}, 95 %)"
    if row["suspect"] is None or row["accounts_for"] is None:
        return f"{change}; no part of the product stands out beyond chance"
    return f"{change}; {row['accounts_for']:.0%} of it in {row['suspect']} (where, not why: grade {row['grade']})"
