"""The way out of quarantine: rows are judged again by the present mapping, and those that pass become events."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from intelligence.errors import SourceFileError
from intelligence.product import Product, Source
from intelligence.telemetry.mapping import raw_expressions
from intelligence.telemetry.reading import redriven_delivered
from resources.ingest import judge, mapping_error, write_events
from resources.lake import Lake


@dataclass(frozen=True, slots=True)
class RedriveReport:
    """What became of the waiting rows that were taken again."""

    taken: int = 0
    accepted: int = 0
    duplicates: int = 0

    @property
    def still_rejected(self) -> int:
        """Return how many rows stay in quarantine."""
        return self.taken - self.accepted - self.duplicates

    def __add__(self, other: "RedriveReport") -> "RedriveReport":
        return RedriveReport(
            self.taken + other.taken, self.accepted + other.accepted, self.duplicates + other.duplicates
        )


def redriven(lake: Lake, product: Product, *, source: str | None, now: datetime) -> RedriveReport:
    """Return what became of the readable rows in quarantine, of one source or of all.

    Rows that still break the contract stay as they are. Rows that pass are written as events of a batch of their own,
    under the position and identity that they had in their file, and their rejections name that batch.
    """
    report = RedriveReport()
    sources = {known.name: known for known in product.sources if source in (None, known.name)}
    if source and not sources:
        known = ", ".join(each.name for each in product.sources)
        raise SourceFileError(source, "product.yaml has no such source.", hint=f"It has {known}.")
    shapes = lake.frame(
        "SELECT DISTINCT source, columns FROM telemetry.rejected_events JOIN telemetry.batches USING (batch_id, source)"
        " WHERE is_readable AND redriven_in IS NULL ORDER BY ALL"
    )
    for name, columns in shapes.iter_rows():
        if name in sources:
            report += _redriven(lake, product, sources[name], json.loads(columns), columns, now=now)
    return report


def _redriven(
    lake: Lake, product: Product, source: Source, columns: Mapping[str, str], shape: str, *, now: datetime
) -> RedriveReport:
    with lake.get_connection() as connection:
        connection.execute(
            "CREATE TEMP TABLE waiting AS SELECT batch_id || ':' || source_file AS file_key, rejected.* "
            " FROM telemetry.rejected_events AS rejected JOIN telemetry.batches USING (batch_id, source, source_file)"
            " WHERE source = $source AND columns = $shape AND is_readable AND redriven_in IS NULL",
            {"source": source.name, "shape": shape},
        )
        connection.execute(redriven_delivered(columns))
        try:
            raw = raw_expressions(source.mapping, list(columns), origin=source.name)
            judge(connection, raw, product, origin=source.name, now=now)
        except duckdb.Error as error:
            raise mapping_error(source.name, error) from error
        rows = connection.execute(
            "SELECT file_key, source_row FROM judged WHERE broken IS NULL ORDER BY ALL"
        ).fetchall()
        taken = _count(connection, "SELECT count(*) FROM waiting")
        if not rows:
            return RedriveReport(taken)
        batch_id = "redrive-" + hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:56]
        _declare(connection, batch_id)
        facts = {"source": source.name, "ingested_at": now}
        return lake.commit(lambda connection: _written(connection, facts, batch_id, shape, taken), on=connection)


def _declare(connection: duckdb.DuckDBPyConnection, batch_id: str) -> None:
    connection.execute(
        "CREATE TEMP TABLE deliveries AS SELECT DISTINCT file_key, source_file, $batch_id AS batch_id,"
        " dense_rank() OVER (ORDER BY file_key) AS delivery_number, 0 AS bytes FROM waiting",
        {"batch_id": batch_id},
    )


def _written(
    connection: duckdb.DuckDBPyConnection, facts: Mapping[str, object], batch_id: str, shape: str, taken: int
) -> RedriveReport:
    write_events(connection, facts)
    connection.execute(
        "UPDATE telemetry.rejected_events SET redriven_in = $batch_id FROM judged"
        " WHERE rejected_events.batch_id || ':' || rejected_events.source_file = judged.file_key"
        " AND rejected_events.source_row = judged.source_row AND judged.broken IS NULL",
        {"batch_id": batch_id},
    )
    stored = "FROM telemetry.raw_events WHERE batch_id = $batch_id"
    accepted, duplicates = connection.execute(
        f"SELECT count(*) FILTER (NOT is_duplicate), count(*) FILTER (is_duplicate) {stored}", {"batch_id": batch_id}
    ).fetchone() or (0, 0)
    connection.execute(
        "INSERT INTO telemetry.batches BY NAME SELECT $batch_id AS batch_id, $source AS source,"
        " 'quarantine of ' || $source AS source_file, 0 AS bytes, $shape AS columns,"
        " (SELECT count(*) FROM judged WHERE broken IS NULL) AS rows_in, $accepted AS accepted,"
        " $duplicates AS duplicates, 0 AS rejected, $ingested_at AS ingested_at,"
        f" coalesce((SELECT list_sort(list(DISTINCT event_date)) {stored} AND NOT is_duplicate), []) AS days",
        {**facts, "batch_id": batch_id, "shape": shape, "accepted": accepted, "duplicates": duplicates},
    )
    return RedriveReport(taken, accepted, duplicates)


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
