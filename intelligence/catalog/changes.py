"""The changes that a run made, in sentences, from the contents of the lake before and after it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Protocol

import polars as pl

# Withdrawn rows are counted as well: otherwise a corrected file would seem to have delivered nothing.
_BATCHES: Final = """
WITH fates AS (
    SELECT sum(accepted) AS accepted, sum(duplicates) AS duplicates, sum(rejected) AS rejected FROM telemetry.batches
    UNION ALL
    SELECT count(*) FILTER (NOT is_rejected AND NOT is_duplicate), count(*) FILTER (is_duplicate), count(*) FILTER (is_rejected)
    FROM telemetry.withdrawn_rows
)
SELECT (SELECT count(*) FROM telemetry.batches) AS files,
       (SELECT CAST(coalesce(sum(rows_in), 0) AS BIGINT) FROM telemetry.batches) AS rows_in,
       CAST(coalesce(sum(accepted), 0) AS BIGINT) AS accepted, CAST(coalesce(sum(duplicates), 0) AS BIGINT) AS duplicates,
       CAST(coalesce(sum(rejected), 0) AS BIGINT) AS rejected
FROM fates
"""
NOTHING: Final = "Nothing has changed: there is no new file, and every day is up to date."
_VERDICTS: Final = """
SELECT model, decision, reason, as_of, lake_snapshot FROM (
    SELECT 'feature_risk' AS model, decision, reason, as_of, lake_snapshot FROM risk.feature_verdict
    UNION ALL
    SELECT 'user_churn', decision, reason, as_of, lake_snapshot FROM risk.user_verdict
)
ORDER BY lake_snapshot, model
"""


@dataclass(slots=True)
class Outcome:
    """The result: runs done, days built, checks that failed, messages that were sent, and the error that stopped it, if any.

    `changed` lists what is new in sentences; `interrupted` is whether a person stopped it.
    """

    runs: int = 0
    days: set[date] = field(default_factory=set)
    failed_checks: list[tuple[str, str, str]] = field(default_factory=list)
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    error: str | None = None
    interrupted: bool = False


class Frame(Protocol):
    """Reads a query of the lake into a frame."""

    def __call__(self, query: str, parameters: dict[str, Any] | None = None) -> pl.DataFrame:
        """Return the rows of the query."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of the lake at one moment.

    Attributes:
        batches: Totals over all batches: files, rows_in, accepted, duplicates and rejected.
        verdicts: Verdicts on trained models, in the order of training.
    """

    batches: Mapping[str, int]
    verdicts: pl.DataFrame


def contents(frame: Frame) -> Contents:
    """Return the present contents of the lake that `frame` reads."""
    return Contents(frame(_BATCHES).row(0, named=True), frame(_VERDICTS))


def changes(before: Contents | None, after: Contents, *, days: Collection[date]) -> list[str]:
    """Return in sentences what is new in the lake, and which days were built.

    Args:
        before: Contents before the run; None where the lake did not exist.
        after: Contents after the run.
        days: Days that the run built.
    """
    new = {name: total - (before.batches[name] if before else 0) for name, total in after.batches.items()}
    sentences = []
    if new["files"]:
        sentences.append(
            f"Taken in: {_number(new['files'], 'delivery', 'deliveries')}, {new['rows_in']:,} rows: {new['accepted']:,} accepted,"
            f" {new['duplicates']:,} duplicates, {new['rejected']:,} rejected."
        )
    if days:
        first, last = min(days), max(days)
        span = f"{first}" if first == last else f"{first} to {last}"
        sentences.append(f"Built: {_number(len(days), 'day', 'days')}, {span}.")
    known = before.verdicts.height if before else 0
    sentences += [_verdict(row) for row in after.verdicts[known:].iter_rows(named=True)]
    return sentences or [NOTHING]


def _verdict(row: Mapping[str, Any]) -> str:
    return f"Trained {row['model']} through {row['as_of']}: {row['decision'].replace('_', ' ')}; {row['reason'].rstrip('.')}."


def _number(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"
