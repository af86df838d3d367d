"""The preview of each source before anything is ingested: which files it matches and what a sample of them contains."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl

from intelligence.catalog.check import product_warnings, proposed_promises
from intelligence.catalog.product import AliasSource, AnswerSource, FileSource, Product, Simulate, Source
from intelligence.core.errors import SourceFileError
from intelligence.core.sql import literal
from intelligence.metrics.promises import COUNTS, FEATURE_DAYS
from intelligence.telemetry.beginnings import DayCount, DaySetAside, days_set_aside, set_aside_sentences
from intelligence.telemetry.lookalikes import lookalike_warnings, nobody_warnings
from intelligence.telemetry.mapping import two_users_question, unmapped_columns
from intelligence.telemetry.previewed import PreviewedSource
from intelligence.telemetry.reading import first_rows
from resources.intake.delivery import (
    BROKEN_FILE,
    Delivery,
    delivered_file,
    display_name,
    matched_files,
    opened,
    own_files,
)
from resources.intake.ingest import ingested
from resources.intake.sample import sample_findings
from resources.intake.shapes import is_cut_by_lines
from resources.intake.validation import named_columns
from resources.intake.withdrawal import other_content
from resources.lake.door import Lake

ROWS_LOOKED_AT = 10_000
_COMPARED = ("feature", "event_type", "platform", "region", "segment")
BYTES_LOOKED_AT = 32_000_000
_NONE_ACCEPTED = {
    "events": "None of these rows is an event; mend the mapping or `start` for the reasons below.",
    "pairs": "None of these rows is a pair; mend the mapping for the reasons below.",
    "answers": "None of these rows is an answer; mend the mapping or `start` for the reasons below.",
}


def previewed_sources(product: Product) -> Iterator[PreviewedSource]:
    """Yield a preview of each source: the outcome of ingesting the first rows of its first and newest file.

    The rows are ingested into a temporary lake, which is removed afterwards.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    for source in (*product.sources, *product.aliases, *product.answer_sources):
        if isinstance(source, Source) and source.simulate:
            yield _simulated(source.name, source.simulate, now.date())
        elif isinstance(source, AnswerSource) and source.simulate:
            size = f"{source.simulate.days} days of about {source.simulate.answers_per_day:,} answers"
            yield PreviewedSource(source.name, f"simulates {size}")
        elif isinstance(source, Source) and source.topics:
            yield PreviewedSource(
                source.name, f"reads {', '.join(source.topics)} from Kafka, where nothing was looked at"
            )
        else:
            yield _previewed(product, source, now)


@dataclass(frozen=True, slots=True)
class PreviewedProduct:
    """The preview of a product as a whole.

    Attributes:
        warnings: Problems that concern more than one source.
        proposal: Promises (service levels) that the product's history suggests, as lines of product.yaml.
    """

    warnings: list[str]
    proposal: str


def previewed_product(
    product: Product, sources: Sequence[PreviewedSource], lake: Lake, landing: Path | None = None
) -> PreviewedProduct:
    """Return the preview of the product as a whole, from the previews of its sources.

    The history is that of the product's lake, or of the previewed rows if the lake has none.

    Args:
        product: The product.
        sources: The previews of its sources.
        lake: The product's lake, which need not exist.
        landing: Folder of remembered digests, which saves hashing files again; None hashes all.
    """
    of_others = {source.name for source in (*product.aliases, *product.answer_sources)}
    found = [each.found_in for each in sources if each.found_in and each.name not in of_others]
    built = lake.frame(FEATURE_DAYS) if lake.exists() else pl.DataFrame()
    sampled = [each.feature_days for each in found if each.feature_days.height]
    history = built if built.height else pl.concat(sampled) if sampled else pl.DataFrame(schema=_FEATURE_DAYS)
    features = {feature for each in found for feature in each.features} | set(history["feature"])
    types = {event_type: None for each in found for event_type in each.event_types}
    warnings = product_warnings(
        product,
        features=sorted(features),
        lost=[gap.name for each in found for gap in each.lost],
        event_types=list(types),
        history=history,
        looked_at="the lake or the rows looked at" if built.height else "the rows looked at",
    )
    return PreviewedProduct(
        [*(warnings if found else []), *other_content(lake, product, landing)], proposed_promises(product, history)
    )


_FEATURE_DAYS = pl.Schema({"event_date": pl.Date, "feature": pl.String, **dict.fromkeys(COUNTS, pl.Int64)})


def unmatched_globs(source: FileSource) -> list[str]:
    """Return the source's globs that match no file."""
    return [glob for glob in source.files if not matched_files(source.model_copy(update={"files": (glob,)}))]


def _simulated(name: str, simulate: Simulate, today: date) -> PreviewedSource:
    size = f"{simulate.days} days of about {simulate.events_per_day:,} events, {simulate.features} features"
    last_day, latest_start = simulate.plan().last_day, today - timedelta(days=simulate.days)
    warnings = (
        (
            f"Its days from {simulate.first_day} to {last_day} reach into the future, of which no event is taken in."
            f" Write `first_day: {latest_start}` or earlier, or fewer `days`.",
        )
        if last_day >= today
        else ()
    )
    return PreviewedSource(name, f"simulates {size}", warnings=warnings)


def _previewed(product: Product, source: FileSource, now: datetime) -> PreviewedSource:
    files = own_files(product, source)
    if not files:
        matching = "none but files of another source" if matched_files(source) else "no file"
        return PreviewedSource(
            source.name, f"{matching} matches {', '.join(source.files)}", problem="Put files there or mend the pattern."
        )
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(catalog=f"sqlite:{folder}/catalog.sqlite", store=f"{folder}/files")
        try:
            sample = [
                _head(lake, source.name, path, Path(folder, str(place))) for place, path in enumerate(_ends(files))
            ]
            report = ingested(lake, product, sample, now=now)
            reasons = lake.frame(
                "SELECT reason, count(*)::BIGINT AS rows, any_value(left(value, 60)) AS example FROM telemetry.rejected_events"
                " GROUP BY reason ORDER BY rows DESC LIMIT 5"
            )
            alike = _name_warnings(lake, product) if isinstance(source, Source) else ()
            unmapped, near = _unmapped_columns(lake, source)
            findings = sample_findings(lake, product, source)
            aside = set_aside_sentences(_set_aside_in_its_file(lake, product))
        finally:
            lake.close()
    warnings = (
        *(f"No file matches {glob}." for glob in unmatched_globs(source)),
        *near,
        *alike,
        *findings.warnings,
        *aside,
    )
    names = " and ".join(file.name for file in sample)
    if report.refused:
        refusals = " ".join(dict.fromkeys(str(error) for _, error in report.refused))
        return PreviewedSource(
            source.name, f"{len(files)} file(s); looked at {names}", problem=refusals, warnings=warnings
        )
    rows, accepted = sum(batch.rows_in for batch in report.batches), sum(batch.accepted for batch in report.batches)
    kind = "pairs" if isinstance(source, AliasSource) else "answers" if isinstance(source, AnswerSource) else "events"
    found = f"{len(files)} file(s); of {rows:,} rows looked at in {names}, {accepted:,} are {kind}"
    problem = _NONE_ACCEPTED[kind] if rows and not accepted else None
    return PreviewedSource(
        source.name,
        found,
        problem=problem,
        warnings=warnings,
        rejections=tuple(reasons.rows()),
        unmapped=unmapped,
        found_in=findings,
    )


def _unmapped_columns(lake: Lake, source: FileSource) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns of the sample that are mapped to no field, and a question on each that resembles an unfilled field."""
    shapes = lake.frame("SELECT DISTINCT columns FROM telemetry.batches ORDER BY columns")["columns"]
    with lake.staging() as connection:
        named = named_columns(connection, source.mapping)
        users = named_columns(connection, {"user_id": source.mapping.get("user_id", "user_id")})
    files = [list(json.loads(shape)) for shape in shapes]
    unmapped, questions = unmapped_columns(files, mapped=source.mapping, named=named, fields=source.fields)
    if not isinstance(source, Source):
        return unmapped, questions
    served = {*source.mapping, *(column.lower() for columns in files for column in columns)}
    two_users = two_users_question(source.mapping, users, served=served)
    return unmapped, (*questions, *filter(None, [two_users]))


def _name_warnings(lake: Lake, product: Product) -> tuple[str, ...]:
    """Return warnings on names that look alike, declared features included, and on user ids that may stand for no user."""
    distinct = ", ".join(f"list(DISTINCT {column}) AS {column}" for column in _COMPARED)
    held = lake.frame(f"SELECT count(*) AS rows, {distinct} FROM telemetry.events").row(0, named=True)
    held["feature"] = [*(held["feature"] or ()), *product.features]
    alike = (lookalike_warnings(column, filter(None, held[column] or ())) for column in _COMPARED)
    users = lake.frame(
        "SELECT user_id, count(*)::BIGINT FROM telemetry.events GROUP BY ALL ORDER BY 2 DESC, 1 LIMIT 100"
    )
    return (*(warning for warnings in alike for warning in warnings), *nobody_warnings(users.iter_rows(), held["rows"]))


def _set_aside_in_its_file(lake: Lake, product: Product) -> list[DaySetAside]:
    """Return the days that lie far from all others of the same file; days between two files may simply not be previewed."""
    counts = lake.frame(
        "SELECT source_file, event_date AS day, count(*) AS events, count(DISTINCT user_id) AS users"
        " FROM telemetry.raw_events WHERE NOT is_duplicate GROUP BY ALL ORDER BY ALL"
    )
    found: list[DaySetAside] = []
    for _, rows in counts.group_by("source_file", maintain_order=True):
        known = {day: DayCount(events, users) for _, day, events, users in rows.iter_rows()}
        found += days_set_aside(list(known), known, start=product.start, end=product.end)
    return found


def _ends(files: list[Path]) -> list[Path]:
    return files if len(files) == 1 else [files[0], files[-1]]


def _head(lake: Lake, source: str, path: Path, folder: Path) -> Delivery:
    """Return the file's first rows as a delivery under the file's name; the file itself if it cannot be read."""
    folder.mkdir()
    head = folder / path.name
    try:
        if path.suffix.lower() == ".parquet":
            with lake.staging() as connection:
                connection.execute(
                    f"COPY ({first_rows(str(path), ROWS_LOOKED_AT)}) TO {literal(str(head))} (FORMAT parquet)"
                )
        elif not is_cut_by_lines(path):
            return delivered_file(source, path)
        else:
            with opened(path) as whole, opened(head, "wb") as cut:
                cut.writelines(_first_lines(whole))
    except (*BROKEN_FILE, UnicodeEncodeError, SourceFileError, duckdb.Error):
        return delivered_file(source, path)
    return replace(delivered_file(source, head), name=display_name(path))


def _first_lines(file: Iterable[bytes]) -> Iterator[bytes]:
    quotes = size = 0
    for number, line in enumerate(file):
        if size > BYTES_LOOKED_AT or (number > ROWS_LOOKED_AT and quotes % 2 == 0):
            return
        quotes += line.count(b'"')
        size += len(line)
        yield line
