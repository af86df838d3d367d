"""A look at each source before anything is ingested: which files it finds and what a sample of the first one holds."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from intelligence.errors import SourceFileError
from intelligence.product import Product, Source
from intelligence.telemetry.examined import ExaminedSource
from resources.delivery import Delivery, display_name, matched_files, sha256
from resources.ingest import ingested
from resources.lake import Lake


def examined_sources(product: Product) -> Iterator[ExaminedSource]:
    """Yield, source by source, what its first and newest file would become; a lake of its own is used and removed."""
    for source in product.sources:
        yield _simulated(source) if source.simulate else _examined(product, source)


def _simulated(source: Source) -> ExaminedSource:
    assert source.simulate
    size = f"{source.simulate.days} days of about {source.simulate.events_per_day:,} events, {source.simulate.features} features"
    return ExaminedSource(source.name, f"simulates {size}")


def _examined(product: Product, source: Source) -> ExaminedSource:
    files = matched_files(source)
    if not files:
        patterns = ", ".join(source.files)
        return ExaminedSource(
            source.name, f"no file matches {patterns}", problem="Put files there or mend the pattern."
        )
    sample = [
        Delivery(source.name, path, display_name(path), sha256(path), path.stat().st_size) for path in _ends(files)
    ]
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files")
        try:
            report = ingested(lake, product, sample, now=datetime.now(UTC).replace(tzinfo=None))
            reasons = lake.frame(
                "SELECT reason, count(*)::BIGINT AS rows, any_value(left(value, 60)) AS example FROM telemetry.rejected_events"
                " GROUP BY reason ORDER BY rows DESC LIMIT 5"
            )
        finally:
            lake.close()
    names = " and ".join(file.name for file in sample)
    if report.refused:
        error: SourceFileError = report.refused[0][1]
        return ExaminedSource(source.name, f"{len(files)} file(s); looked at {names}", problem=str(error))
    rows, accepted = sum(batch.rows_in for batch in report.batches), sum(batch.accepted for batch in report.batches)
    found = f"{len(files)} file(s); of {rows:,} rows in {names}, {accepted:,} are events"
    return ExaminedSource(source.name, found, rejections=tuple(reasons.rows()))


def _ends(files: list[Path]) -> list[Path]:
    return files if len(files) == 1 else [files[0], files[-1]]
