"""Redrives rows from quarantine: they are validated again with the present mapping, and those that pass become events."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from intelligence.catalog.product import AliasSource, AnswerSource, FileSource, Product
from intelligence.core.errors import SourceFileError
from intelligence.core.sql import sql
from intelligence.telemetry.mapping import raw_expressions, rejected_query
from intelligence.telemetry.reading import REDRIVEN_CONTENT_ID, Format, format_of, redriven_delivered
from resources.intake.answers import without_rejected_texts
from resources.intake.identity import settle, write_rows
from resources.intake.ingest import batches_of
from resources.intake.validation import absent_keys, mapping_error, validate
from resources.lake.door import Lake
from resources.lake.extent import renew


@dataclass(frozen=True, slots=True)
class RedriveReport:
    """The outcome of a redrive, in numbers of rows.

    Attributes:
        taken: Rows that were validated again.
        accepted: Rows that became events or pairs.
        duplicates: Rows that repeat an event or pair.
        refused: Errors for files whose columns the present mapping does not fit; their rows were not validated.
        without_content: Unreadable lines, and rows of which no content is kept; they were not validated.
    """

    taken: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: tuple[SourceFileError, ...] = ()
    without_content: int = 0

    @property
    def still_rejected(self) -> int:
        """Return how many rows stay in quarantine."""
        return self.taken - self.accepted - self.duplicates

    def __add__(self, other: "RedriveReport") -> "RedriveReport":
        return RedriveReport(
            self.taken + other.taken,
            self.accepted + other.accepted,
            self.duplicates + other.duplicates,
            self.refused + other.refused,
            self.without_content + other.without_content,
        )


def redriven(lake: Lake, product: Product, *, source: str | None, now: datetime) -> RedriveReport:
    """Redrive the readable rows in quarantine, and return the outcome.

    Rows that still break the contract stay in quarantine with the reason that applies now. Rows that pass are written as events,
    in one new batch for each batch that delivered them, with the position and identity that they had in their file; their entries
    in quarantine name the new batch.

    Args:
        lake: The product's lake.
        product: The product, which describes the sources.
        source: Name of the source to redrive; None for all.
        now: The time of the redrive, UTC without a time zone.

    Raises:
        SourceFileError: There is no such source, or its mapping fits the columns of none of the files.
    """
    sources = {known.name: known for known in product.all_sources if source in (None, known.name)}
    if source and not sources:
        known = ", ".join(each.name for each in product.all_sources)
        raise SourceFileError(source, "product.yaml has no such source.", hint=f"It has {known}.")
    shapes = lake.frame(
        "SELECT source, columns, any_value(source_file) FROM telemetry.rejected_events"
        " JOIN telemetry.batches USING (batch_id, source, source_file)"
        " WHERE is_readable AND redriven_in IS NULL GROUP BY ALL ORDER BY ALL"
    )
    report = RedriveReport(without_content=lake.frame(_WITHOUT_CONTENT, {"sources": list(sources)}).item())
    for name, shape, file in shapes.iter_rows():
        if name in sources:
            try:
                report += _redriven(lake, product, sources[name], shape, format_of(file), now=now)
            except SourceFileError as error:
                report = replace(report, refused=(*report.refused, error))
    if report.refused and not report.taken:
        raise report.refused[0]
    return report


def _redriven(
    lake: Lake, product: Product, source: FileSource, shape: str, format_: Format, *, now: datetime
) -> RedriveReport:
    columns: dict[str, str] = json.loads(shape)
    with lake.staging() as connection:
        connection.execute(
            "CREATE TEMP TABLE waiting AS SELECT batch_id || ':' || source_file AS file_key, rejected.* "
            " FROM lake.telemetry.rejected_events AS rejected"
            " JOIN lake.telemetry.batches USING (batch_id, source, source_file)"
            " WHERE source = $source AND columns = $shape AND is_readable AND redriven_in IS NULL",
            {"source": source.name, "shape": shape},
        )
        if format_ == "jsonl":
            columns |= dict.fromkeys(absent_keys(connection, source, list(columns)), "VARCHAR")
        connection.execute(redriven_delivered(columns))
        try:
            raw = raw_expressions(source.mapping, list(columns), origin=source.name, fields=source.fields)
            validate(connection, raw, product, source, content_id=REDRIVEN_CONTENT_ID, origin=source.name, now=now)
            connection.execute(f"CREATE TEMP TABLE refused AS {rejected_query(source.fields)}")
            if isinstance(source, AnswerSource):
                without_rejected_texts(connection, product, table="refused")
        except duckdb.Error as error:
            raise mapping_error(source.name, error) from error
        if not _count(connection, _PASSED) and not _count(connection, sql("telemetry/reasons_changed.sql")):
            return RedriveReport(_count(connection, "SELECT count(*) FROM judged"))
        facts = {"source": source.name, "ingested_at": now}
        return lake.commit(lambda connection: _written(connection, product, source, facts, shape), on=connection)


_WITHOUT_CONTENT = """
SELECT count(*)::BIGINT FROM telemetry.rejected_events
WHERE list_contains($sources, source) AND NOT is_readable AND redriven_in IS NULL
"""

_PASSED = "SELECT count(*) FROM judged WHERE broken IS NULL"

_WAITING_NO_LONGER = """
DELETE FROM judged WHERE (file_key, source_row) NOT IN (
    SELECT (batch_id || ':' || source_file, source_row) FROM telemetry.rejected_events WHERE redriven_in IS NULL
)
"""

_DELIVERIES = """
CREATE TEMP TABLE deliveries AS
SELECT
    file_key,
    waiting.source_file,
    'redrive-' || left(sha256(string_agg(concat(file_key, ':', source_row), ',' ORDER BY source_row)), 56) AS batch_id,
    row_number() OVER (ORDER BY file_key) AS delivery_number
FROM judged INNER JOIN waiting USING (file_key, source_row)
WHERE broken IS NULL
GROUP BY file_key, waiting.source_file
"""

_MARK = """
UPDATE telemetry.rejected_events SET redriven_in = deliveries.batch_id
FROM judged INNER JOIN deliveries USING (file_key)
WHERE rejected_events.batch_id || ':' || rejected_events.source_file = judged.file_key
    AND rejected_events.source_row = judged.source_row AND judged.broken IS NULL
"""


def _written(
    connection: duckdb.DuckDBPyConnection,
    product: Product,
    source: FileSource,
    facts: Mapping[str, object],
    shape: str,
) -> RedriveReport:
    """Write events, marks, reasons and ledger inside one transaction, and return the outcome."""
    # Another process may have redriven the same rows since this one read them.
    connection.execute(_WAITING_NO_LONGER)
    taken = _count(connection, "SELECT count(*) FROM judged")
    if _count(connection, sql("telemetry/reasons_changed.sql")):
        connection.execute(sql("telemetry/reasons_renewed.sql"))
    if not _count(connection, _PASSED):
        return RedriveReport(taken)
    connection.execute(_DELIVERIES)
    write_rows(connection, product, source, facts)
    connection.execute(_MARK)
    kind = {"of_aliases": isinstance(source, AliasSource), "of_answers": isinstance(source, AnswerSource)}
    connection.execute(sql("telemetry/redriven.sql"), {**facts, "columns": shape, **kind})
    settle(connection)
    renew(connection, product)
    batches = batches_of(connection)
    return RedriveReport(taken, sum(batch.accepted for batch in batches), sum(batch.duplicates for batch in batches))


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
