"""Findings from a sample of a source in a temporary lake: which column fills which field, and what looks wrong."""

import json

import polars as pl

from intelligence.catalog.product import AliasSource, AnswerSource, FileSource, Product
from intelligence.core.errors import SourceFileError
from intelligence.metrics.promises import FEATURE_DAYS_OF_EVENTS
from intelligence.telemetry.aliases import pair_warnings, persons
from intelligence.telemetry.gaps import EVENT_TYPES, FEATURES_OF_EVENTS, REJECTED_FEATURES, gaps
from intelligence.telemetry.mapped import RATES_BY_FEATURE, MappedField, mapped_fields, odd_rates
from intelligence.telemetry.mapping import raw_expressions
from intelligence.telemetry.previewed import SampleFindings
from intelligence.telemetry.remedies import PAIR_REMEDIES
from resources.intake.time_step import time_step
from resources.lake.door import Lake


def sample_findings(lake: Lake, product: Product, source: FileSource) -> SampleFindings:
    """Return the findings from a sample of a source.

    Args:
        lake: A lake that contains only the sample.
        product: The product, which declares features and thresholds.
        source: The source of the sample.
    """
    fields = _fields(lake, source)
    if isinstance(source, AliasSource):
        pairs = lake.frame("SELECT DISTINCT alias, user_id FROM telemetry.aliases").rows()
        return SampleFindings(tuple(fields), warnings=pair_warnings(persons(pairs)), next_steps=PAIR_REMEDIES)
    if isinstance(source, AnswerSource):
        return SampleFindings(tuple(fields), next_steps=_next_steps(lake, source))
    seen = frozenset(lake.frame(FEATURES_OF_EVENTS)["feature"])
    lost = gaps(
        sources=(),
        declared=(),
        conversion_events=(),
        delivered=pl.DataFrame(schema={"source": pl.String, "rows": pl.Int64, "events": pl.Int64}),
        seen=seen,
        rejected=lake.frame(REJECTED_FEATURES),
        event_types=(),
    )
    return SampleFindings(
        fields=tuple(fields),
        warnings=tuple(odd_rates(lake.frame(RATES_BY_FEATURE), fields)),
        next_steps=_next_steps(lake, source),
        lost=tuple(gap for gap in lost if gap.kind == "feature"),
        features=seen,
        event_types=tuple(lake.frame(EVENT_TYPES)["event_type"]),
        feature_days=_feature_days(lake, product),
    )


def _fields(lake: Lake, source: FileSource) -> list[MappedField]:
    """Return which column fills which field in the newest file; an empty list if no file was ingested."""
    shapes = lake.frame("SELECT columns FROM telemetry.batches ORDER BY source_file DESC LIMIT 1")["columns"]
    try:
        columns = json.loads(shapes[0]) if len(shapes) else None
        raw = (
            {}
            if columns is None
            else raw_expressions(source.mapping, list(columns), origin=source.name, fields=source.fields)
        )
    except SourceFileError:
        return []
    return mapped_fields(raw, source.mapping)


def _next_steps(lake: Lake, source: FileSource) -> dict[str, str]:
    """Return, by the reason of rejection, what to write in the mapping so that the rejected times can be read."""
    refused = lake.frame(
        "SELECT reason, list(DISTINCT value) AS samples FROM telemetry.rejected_events"
        " WHERE column_name = 'event_time' AND value IS NOT NULL GROUP BY reason"
    )
    with lake.staging() as connection:
        steps = {reason: time_step(connection, source.mapping, samples) for reason, samples in refused.iter_rows()}
    return {reason: step for reason, step in steps.items() if step and " is not a " in reason}


def _feature_days(lake: Lake, product: Product) -> pl.DataFrame:
    default = product.feature_defaults.slow_latency_ms
    # The first entry is no feature; it gives the list its types if no feature is declared.
    limits = [{"feature": "", "slow_latency_ms": default}]
    limits += [{"feature": name, "slow_latency_ms": own.slow_latency_ms} for name, own in product.features.items()]
    return lake.frame(FEATURE_DAYS_OF_EVENTS, {"limits": limits, "slow_latency_ms": default})
