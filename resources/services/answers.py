"""Answers of language models: flagged examples where their texts are kept, and the erasure of a user's texts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import duckdb
import polars as pl

from intelligence.catalog.product import Product
from intelligence.core.errors import UsageError
from intelligence.warehouse.answer_scores import NAMES
from resources.lake.door import Lake

_FLAGS: Final = ", ".join(f"""CASE WHEN "{name}" THEN '{name}' END""" for name in NAMES)
_EXAMPLES: Final = f"""
SELECT
    event_date, feature, prompt_version, answer_id, list_filter([{_FLAGS}], lambda flag: flag IS NOT NULL) AS flags,
    left(question, 300) AS question, left(answer, 600) AS answer
FROM warehouse.fact_answers
INNER JOIN (
    SELECT event_date, source, answer_id, question, answer FROM telemetry.raw_answers
    WHERE NOT is_duplicate AND rater IS NULL AND has_texts
) USING (event_date, source, answer_id)
WHERE is_bad AND ($feature = '' OR feature = $feature)
ORDER BY event_date DESC, answer_id
LIMIT $most
"""
_ERASE: Final = """
UPDATE telemetry.raw_answers
SET question = NULL, context = NULL, answer = NULL, correction = NULL, has_texts = false, erased_at = $now
WHERE user_id = $user AND erased_at IS NULL
"""
# The payload of a rejected row is the row as it was delivered, so that it may name the user under any key.
_ERASE_REJECTED: Final = """
UPDATE telemetry.rejected_events SET payload = '{}', value = NULL, is_readable = false
WHERE list_contains($sources, source) AND contains(payload, $user)
"""
# DuckLake keeps the least and the greatest value of each column, of the table and of each file, which are texts here. Bounds that every
# text is within take their place: with none, DuckLake would take those of the next file for those of the table, and find less.
_FORGET: Final = tuple(
    f"""
    UPDATE __ducklake_metadata_lake.ducklake_{of}_column_stats SET min_value = '', max_value = chr(1114111)
    WHERE min_value IS NOT NULL AND (table_id, column_id) IN (
        SELECT columns.table_id, columns.column_id
        FROM __ducklake_metadata_lake.ducklake_column AS columns
        INNER JOIN __ducklake_metadata_lake.ducklake_table AS tables USING (table_id)
        WHERE tables.table_name IN ('raw_answers', 'rejected_events')
            AND columns.column_name IN ('question', 'context', 'answer', 'correction', 'payload', 'value')
    )
    """
    for of in ("table", "file")
)


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased.

    Attributes:
        answers: Answers and ratings whose texts were erased; what was scored from them stays until their days are built again.
        rejected: Rows in quarantine whose content was erased.
    """

    answers: int
    rejected: int


@dataclass(frozen=True, slots=True)
class AnswerService:
    """Shows and erases texts of answers."""

    product: Product
    lake: Lake
    clock: Callable[[], datetime]

    def examples(self, feature: str = "", *, most: int = 5) -> pl.DataFrame:
        """Return the newest answers that are bad, with the scores that say so.

        Args:
            feature: Only this feature; empty for all.
            most: The largest number of answers.

        Raises:
            UsageError: Where product.yaml does not keep texts.
        """
        if self.product.answers.texts != "keep":
            raise UsageError(
                "answers", f"no texts are shown: `texts` is {self.product.answers.texts}.", hint="See docs/answers.md."
            )
        return self.lake.frame(_EXAMPLES, {"feature": feature, "most": most})

    def erased(self, user: str) -> Erased:
        """Erase the texts of all answers that a user was given, and return how many rows that were.

        The least and greatest texts in the statistics of the lake's catalogue go too, those of other users included. Where a day is
        built again, its erased answers are no longer scored.

        Args:
            user: Id of the user, as delivered.

        Raises:
            UsageError: No user is named.
            LakeError: The lake is in use, so that the texts may be left in unused parts of the catalogue's file.
        """
        if not user:
            raise UsageError("answers", "no user is named whose texts are to be erased.", hint="Give the id of one.")
        sources = [source.name for source in self.product.answer_sources]
        now = self.clock().replace(tzinfo=None)

        def work(connection: duckdb.DuckDBPyConnection) -> Erased:
            answers = connection.execute(_ERASE, {"user": user, "now": now}).fetchone()
            rejected = connection.execute(_ERASE_REJECTED, {"user": user, "sources": sources}).fetchone()
            return Erased(answers[0] if answers else 0, rejected[0] if rejected else 0)

        gone = self.lake.commit(work)
        self.lake.commit(_forget)
        self.lake.overwrite_deleted()
        return gone


def _forget(connection: duckdb.DuckDBPyConnection) -> None:
    for statement in _FORGET:
        connection.execute(statement)
