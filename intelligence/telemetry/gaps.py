"""What is wholly missing: sources, features and columns without data, and promises of features without events.

Missing data is in no table, so no count reveals it: this module finds it and describes it.
"""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

NAMED_AT_MOST: Final = 5
_NEAR: Final = 0.75

# The features with events: queried from the warehouse where it is built, otherwise from the events themselves.
SEEN_FEATURES: Final = "SELECT feature FROM warehouse.dim_feature_metadata WHERE first_seen_date IS NOT NULL"
FEATURES_OF_EVENTS: Final = "SELECT DISTINCT feature FROM telemetry.events"
# The rejected rows by feature, in total and in the newest intake, and whether the newest intake, or any, accepted any of its rows:
# an event or an answer.
REJECTED_FEATURES: Final = """
WITH newest AS (SELECT max(ingested_at) AS ingested_at FROM telemetry.batches),
refused AS (
    SELECT
        feature,
        count(*) AS rows,
        mode(reason) AS reason,
        count(*) FILTER (ingested_at = (SELECT ingested_at FROM newest)) AS newest_rows,
        mode(reason) FILTER (ingested_at = (SELECT ingested_at FROM newest)) AS newest_reason
    FROM telemetry.rejected_events
    WHERE redriven_in IS NULL AND feature IS NOT NULL
    GROUP BY feature
)
SELECT
    refused.*,
    feature IN (
        SELECT feature FROM telemetry.raw_events WHERE ingested_at = (SELECT ingested_at FROM newest)
        UNION ALL
        SELECT feature FROM telemetry.raw_answers WHERE ingested_at = (SELECT ingested_at FROM newest)
    ) AS newest_accepted,
    feature IN (SELECT feature FROM telemetry.raw_answers) AS answered
FROM refused
ORDER BY rows DESC, feature
"""
DELIVERED_SOURCES: Final = """
SELECT source, CAST(sum(rows_in) AS BIGINT) AS rows, CAST(sum(accepted + duplicates) AS BIGINT) AS events
FROM telemetry.batches WHERE withdrawn_at IS NULL GROUP BY source
"""
# Whether there is such an event at all is quick to say; which types there are takes a look at every event.
ONE_OF_TYPE: Final = "SELECT event_type FROM telemetry.events WHERE event_type = $event_type LIMIT 1"
EVENT_TYPES: Final = (
    "SELECT event_type, count(*) AS events FROM telemetry.events GROUP BY event_type ORDER BY events DESC"
)
# The consequence for each column of which no event has a value.
_CONSEQUENCES: Final = {
    "session_id": "visits are told apart by silence",
    "latency_ms": "latency is not assessed",
    "error_count": "errors are not assessed",
    "crashed": "crashes are not assessed",
    "rating": "ratings are not assessed",
    "duration_s": "time spent is not known",
    "value": "value is not known",
    "platform": "platforms are not told apart",
    "app_version": "no release can be blamed",
    "segment": "all users are of one kind",
}
CHECKED_COLUMNS: Final = tuple(_CONSEQUENCES)


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that product.yaml or the contract names and of which there is no data.

    Attributes:
        kind: What kind of thing is missing.
        name: Its name, as in product.yaml or the data.
        says: A sentence for people, which names it and what is known about it.
        next_step: What to do about it.
    """

    kind: Literal["source", "feature", "promise", "conversion", "experiment", "column"]
    name: str
    says: str
    next_step: str


def gaps(
    *,
    sources: Sequence[str],
    declared: Collection[str],
    conversion_events: Sequence[str],
    delivered: pl.DataFrame,
    seen: Collection[str],
    rejected: pl.DataFrame,
    event_types: Sequence[str],
) -> list[Gap]:
    """Return what is missing, the most important first.

    Args:
        sources: Names of the sources in product.yaml.
        declared: Names of the features in product.yaml.
        conversion_events: The event types that count as conversion.
        delivered: The rows of DELIVERED_SOURCES, one per source.
        seen: Features with at least one accepted event.
        rejected: The rows of REJECTED_FEATURES, one per feature.
        event_types: The types of accepted events, the most frequent first.
    """
    return [
        *_sources(sources, delivered),
        *_rejected_features(seen, rejected),
        *_promises(declared, seen, set(rejected["feature"])),
        *_conversion(conversion_events, event_types),
    ]


def _sources(sources: Sequence[str], delivered: pl.DataFrame) -> list[Gap]:
    counts = {name: (rows, events) for name, rows, events in delivered.iter_rows()}
    found = []
    for name in sources:
        rows, events = counts.get(name, (0, 0))
        if not rows:
            says = f"Nothing has come from the source {name}."
            found.append(Gap("source", name, says, "Look whether its files are there: `intelligence check`."))
        elif not events:
            says = f"None of the {rows:,} rows of the source {name} was accepted."
            found.append(Gap("source", name, says, "Mend its mapping: `intelligence check` shows the reasons."))
    return found


def _rejected_features(seen: Collection[str], rejected: pl.DataFrame) -> list[Gap]:
    found = []
    for row in rejected.iter_rows(named=True):
        name = row["feature"]
        if name not in seen and not row["answered"]:
            says = f"None of the {row['rows']:,} rows of the feature {name} was accepted ({row['reason']}), so it is in no table."
        elif row["newest_rows"] and not row["newest_accepted"]:
            says = (
                f"None of the {row['newest_rows']:,} rows of the feature {name} in the newest intake was accepted"
                f" ({row['newest_reason']})."
            )
        else:
            continue
        found.append(Gap("feature", name, says, "Mend the mapping, then `intelligence redrive`."))
    return found


def _promises(declared: Collection[str], seen: Collection[str], rejected: Collection[str]) -> list[Gap]:
    if not seen:
        return []
    others = sorted(set(seen) - set(declared))
    found = []
    for name in sorted(set(declared) - set(seen) - set(rejected)):
        near = difflib.get_close_matches(name, others, n=1, cutoff=_NEAR)
        says = f"The feature {name} is declared in product.yaml but no event names it."
        hint = f"Is it {near[0]}, which is there and not declared?" if near else "Mend its name, or take it out."
        found.append(Gap("promise", name, says, hint))
    return found


def _conversion(conversion_events: Sequence[str], event_types: Sequence[str | None]) -> list[Gap]:
    named = [name for name in event_types if name is not None]
    if not named or set(conversion_events) & set(named):
        return []
    counted, there = (_listed(names) for names in (conversion_events, named))
    says = f"Conversion is 0 throughout: it counts events of type {counted}, and there are only {there}."
    return [
        Gap("conversion", "conversion_events", says, "Name yours in product.yaml: `conversion_events: [purchase]`.")
    ]


def empty_columns(filled: Mapping[str, int]) -> list[Gap]:
    """Return the optional columns of which no event has a value, with the consequence of each.

    >>> [gap.says for gap in empty_columns({"rating": 0, "latency_ms": 12})]
    ['No event has a value in rating: ratings are not assessed.']
    """
    return [
        Gap(
            "column", name, f"No event has a value in {name}: {_CONSEQUENCES[name]}.", "Map it where the source has it."
        )
        for name in CHECKED_COLUMNS
        if filled.get(name) == 0
    ]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED_AT_MOST:,} more" if len(names) > NAMED_AT_MOST else ""
    return ", ".join(names[:NAMED_AT_MOST]) + more
