"""What changed with a new version of a model or a prompt: the answers of its first days beside those of the days before it."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from math import sqrt
from typing import Any, Final

import polars as pl

from intelligence.answers.intervals import Counts, difference
from intelligence.answers.tables import VERSION_CHANGES
from intelligence.core.tables import Days

SIDE_DAYS: Final = 14
# A version is told of for so many days.
TOLD_DAYS: Final = 42
LEAST_ANSWERS: Final = 50
LEAST_DIFFERENCE: Final = 0.03
# Standard errors at which a change is told. Chance exceeds it once in 15,000 comparisons, of which each day makes some dozens.
LIMIT: Final = 4.0
_SUMS: Final = ("total", "hits", "users", "hit_square_sum", "cross_sum", "total_square_sum")
_GOOD: Final = ("good_rating",)
# That more people rate or correct is neither good nor bad.
_NEUTRAL: Final = ("rated", "corrected")


def version_changes(quality: pl.DataFrame, *, days: Days) -> pl.DataFrame:
    """Return the rows of answers.version_changes of these days.

    Of each version that began in the last six weeks the measures of its first 14 days are compared with those of the feature's other
    answers in the 14 days before it. What came at the same time may be the reason as well: the evidence is of grade D.

    Args:
        quality: Rows of answers.quality_day, of `days` and of the 55 days before.
        days: The days to tell of.
    """
    rows = [row for day in days.each for row in _of_day(quality, day)]
    return VERSION_CHANGES.frame(rows)


def _of_day(quality: pl.DataFrame, day: date) -> Iterator[dict[str, Any]]:
    known = quality.filter(pl.col("event_date") <= day)
    for changed in ("model_version", "prompt_version"):
        for feature, version, since in _begun(known, changed, day):
            of_feature = known.filter(pl.col("feature") == feature)
            is_new = pl.col(changed) == version
            before = _counted(of_feature.filter(~is_new, _between(since - timedelta(days=SIDE_DAYS), since)))
            after = _counted(of_feature.filter(is_new, _between(since, since + timedelta(days=SIDE_DAYS))))
            for measure in sorted({*before} & {*after} - {*_NEUTRAL}):
                compared = _compared(before[measure], after[measure], measure)
                if compared:
                    yield {
                        "event_date": day,
                        "feature": feature,
                        "changed": changed,
                        "version": version,
                        "since": since,
                        "measure": measure,
                        **compared,
                    }


def _begun(known: pl.DataFrame, changed: str, day: date) -> list[tuple[str, str, date]]:
    """Return the feature, version and first day of each version that came in the last six weeks to a feature that had others."""
    seen = known.group_by("feature", changed).agg(since=pl.col("event_date").min())
    first = known.group_by("feature").agg(first=pl.col("event_date").min())
    return (
        seen.join(first, on="feature")
        .filter(pl.col("since") > pl.col("first"), pl.col("since") > day - timedelta(days=TOLD_DAYS))
        .select("feature", changed, "since")
        .sort("feature", changed)
        .rows()
    )


def _between(start: date, end: date) -> pl.Expr:
    return (pl.col("event_date") >= start) & (pl.col("event_date") < end)


def _counted(rows: pl.DataFrame) -> Mapping[str, Counts]:
    sums = rows.group_by("measure").agg(pl.col(*_SUMS).sum())
    return {measure: Counts(*numbers) for measure, *numbers in sums.select("measure", *_SUMS).iter_rows()}


def _compared(before: Counts, after: Counts, measure: str) -> dict[str, Any] | None:
    if min(before.total, after.total) < LEAST_ANSWERS or not (before.effective and after.effective):
        return None
    found = difference(before, after)
    far = abs(found.rate) >= LIMIT * sqrt(before.variance() + after.variance()) and abs(found.rate) >= LEAST_DIFFERENCE
    is_worse = (found.rate < 0) if measure in _GOOD else (found.rate > 0)
    return {
        "total_before": int(before.total),
        "hits_before": int(before.hits),
        "total_after": int(after.total),
        "hits_after": int(after.hits),
        "difference": found.rate,
        "low": found.low,
        "high": found.high,
        "verdict": ("worse" if is_worse else "better") if far else "none shown",
        "grade": "D",
    }
