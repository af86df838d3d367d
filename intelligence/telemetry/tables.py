"""The tables of the telemetry layer."""

from dataclasses import replace
from typing import Final

from intelligence.core.tables import Claim, Column, Recipe, Table, unique_claim
from intelligence.telemetry.answers import ANSWER
from intelligence.telemetry.contract import CONTRACT

_EVENT_COLUMNS: Final = tuple(
    Column(field.name, field.type, field.description, field.required or field.name == "event_id") for field in CONTRACT
)
_ORIGIN_COLUMNS: Final = (
    Column("event_date", "DATE", "day of event_time.", True),
    Column("ingested_at", "TIMESTAMP", "When the row was taken in, UTC.", True),
    Column("source", "VARCHAR", "Source in product.yaml that delivered it.", True),
    Column("source_file", "VARCHAR", "File that it stood in.", True),
    Column("source_row", "BIGINT", "Its position in that file; 1 is the first row after the header.", True),
    Column("batch_id", "VARCHAR", "Batch that it came with.", True),
)

RAW_EVENTS: Final = Table(
    layer="telemetry",
    name="raw_events",
    description="Every delivered row that satisfies the event contract, repeated deliveries included and marked.",
    columns=(
        *_EVENT_COLUMNS,
        *_ORIGIN_COLUMNS,
        Column(
            "is_duplicate",
            "BOOLEAN",
            "Whether another row stands for the event, so that this one does not count.",
            True,
        ),
        Column(
            "is_conflict", "BOOLEAN", "Whether that row has the same id but other content; NULL where never looked at."
        ),
        Column("delivered_user_id", "VARCHAR", "The user as delivered, where aliases say that it is another."),
    ),
    key=("batch_id", "source_row"),
    position_key=True,
    day="event_date",
    page="""
        SELECT event_date, count(*) AS rows, count(*) FILTER (is_duplicate) AS repeated,
               count(*) FILTER (is_conflict) AS conflicting
        FROM telemetry.raw_events WHERE event_date >= $start AND event_date < $end
        GROUP BY event_date ORDER BY event_date DESC LIMIT 12""",
    claims=(
        Claim(
            name="an_id_has_one_content",
            description="Rows with the same id are the same event, delivered again; one with other content does not count.",
            contradictions="""
                SELECT event_date, source, event_id, count(*) AS rows,
                       min(parse_filename(source_file) || ':' || source_row) AS found_at
                FROM telemetry.raw_events WHERE is_conflict AND event_date >= $start AND event_date < $end
                GROUP BY ALL ORDER BY rows DESC, event_date, source, event_id""",
            severity="WARN",
            blocking=False,
        ),
    ),
)

EVENTS: Final = Table(
    layer="telemetry",
    name="events",
    recipe=Recipe(queries=("telemetry/events.sql",)),
    description="What counts: each event once. A view over raw_events.",
    columns=(*_EVENT_COLUMNS, *_ORIGIN_COLUMNS),
    key=("event_date", "source", "event_id"),
    day="event_date",
    is_view=True,
    page="""
        WITH hours AS (
            SELECT event_type, hour(local_time(event_time)) AS hour, count(*) AS events
            FROM telemetry.events WHERE event_date >= $start AND event_date < $end GROUP BY ALL
        )
        SELECT event_type, sum(events) AS events, list(events ORDER BY hour) AS by_hour
        FROM hours GROUP BY event_type ORDER BY events DESC LIMIT 12""",
    claims=(
        unique_claim(
            "telemetry.events",
            ("event_date", "source", "event_id"),
            where="event_date >= $start AND event_date < $end",
            by="hash",
        ),
        Claim(
            name="events_stay_in_their_time",
            description="Each event lies on its own day and not after the moment it was taken in, give or take a day.",
            contradictions="""
                SELECT source_file, source_row, event_time, event_date, ingested_at FROM telemetry.events
                WHERE event_date >= $start AND event_date < $end
                  AND (CAST(local_time(event_time) AS DATE) <> event_date OR event_time > ingested_at + INTERVAL 1 DAY)""",
        ),
    ),
)

REJECTED_EVENTS: Final = Table(
    layer="telemetry",
    name="rejected_events",
    description="Quarantine: every delivered row that breaks the contract, whole, with the reason.",
    columns=(
        Column("batch_id", "VARCHAR", "Batch that it came with.", True),
        Column("source", "VARCHAR", "Source in product.yaml that delivered it.", True),
        Column("source_file", "VARCHAR", "File that it stood in.", True),
        Column("source_row", "BIGINT", "Its position in that file; 1 is the first row after the header.", True),
        Column("column_name", "VARCHAR", "Contract column that it breaks; NULL where the line itself is broken."),
        Column("reason", "VARCHAR", "What is wrong.", True),
        Column("value", "VARCHAR", "The value found, cut at 1,000 characters; the payload holds all of it."),
        Column("payload", "VARCHAR", "The row as delivered: a JSON object, or the text of an unreadable line.", True),
        Column("is_readable", "BOOLEAN", "Whether the payload is a row that a mended mapping could accept.", True),
        Column("content_id", "VARCHAR", "Identity derived from the row's content.", True),
        Column("feature", "VARCHAR", "Feature that the row names; NULL where it names none that can be read."),
        Column("ingested_at", "TIMESTAMP", "When the row was rejected, UTC.", True),
        Column("redriven_in", "VARCHAR", "Batch in which it was accepted later; NULL while it waits."),
    ),
    key=("batch_id", "source_row"),
    position_key=True,
    page="""
        SELECT reason, count(*) AS rows, count(*) FILTER (redriven_in IS NULL) AS waiting,
               any_value(parse_filename(source_file) || ':' || source_row) AS found_at
        FROM telemetry.rejected_events GROUP BY ALL ORDER BY rows DESC LIMIT 20""",
    numbers="""
        SELECT 'rejected: ' || reason AS name, count(*) AS value FROM telemetry.rejected_events
        WHERE redriven_in IS NULL GROUP BY reason ORDER BY value DESC, name LIMIT 20""",
    claims=(
        Claim(
            name="no_feature_is_wholly_rejected",
            description="Each feature that a rejected row names has accepted events too: else it is in no table.",
            contradictions="""
                SELECT feature, count(*) AS rows, mode(reason) AS reason FROM telemetry.rejected_events
                WHERE redriven_in IS NULL AND feature IS NOT NULL
                  AND feature NOT IN (SELECT DISTINCT feature FROM telemetry.raw_events)
                GROUP BY feature ORDER BY rows DESC""",
            severity="WARN",
            blocking=False,
        ),
    ),
)

_KEPT_OF_ALL: Final = ("batch_id", "source", "source_file", "source_row", "ingested_at")

BATCHES: Final = Table(
    layer="telemetry",
    name="batches",
    description="Ledger of deliveries: one row per file or redrive, with the count of its rows and what became of them.",
    columns=(
        Column(
            "batch_id", "VARCHAR", "SHA-256 of the file's bytes, or redrive-… for rows taken from quarantine.", True
        ),
        Column("source", "VARCHAR", "Source in product.yaml.", True),
        Column("source_file", "VARCHAR", "File name at delivery.", True),
        Column("bytes", "BIGINT", "Size of the file.", True),
        Column("columns", "VARCHAR", "Names and types of the file's own columns, as JSON.", True),
        Column("rows_in", "BIGINT", "Rows found in the file, unreadable ones included.", True),
        Column("accepted", "BIGINT", "Rows that became events, or pairs.", True),
        Column("duplicates", "BIGINT", "Rows for whose event, or pair, another row stands.", True),
        Column("rejected", "BIGINT", "Rows in quarantine.", True),
        Column("days", "DATE[]", "days to which accepted rows belong.", True),
        Column("ingested_at", "TIMESTAMP", "When it was taken in, UTC.", True),
        Column("conflicts", "BIGINT", "Those of the duplicates whose content is not that of the event."),
        Column(
            "changed_days", "DATE[]", "Days on which it changed which rows of other batches count, or whose they are."
        ),
        Column(
            "names", "VARCHAR[]", "Names of files whose latest content it is, where the source replaces; NULL: its own."
        ),
        Column("withdrawn", "BIGINT", "Rows that were taken back since, all that it had; NULL where none was."),
        Column("withdrawn_at", "TIMESTAMP", "When it was taken back, UTC; NULL while it counts."),
        Column("withdrawn_by", "VARCHAR", "Batch that its file came with instead."),
        Column("withdrawn_days", "DATE[]", "Days that lost events of it, or on which rows of others count since."),
        Column("of_aliases", "BOOLEAN", "Whether its rows are pairs of aliases; otherwise, or NULL, they are events."),
        Column("answer_days", "DATE[]", "Days to which accepted answers belong; NULL where its rows are none."),
    ),
    key=("batch_id",),
    page="""
        SELECT parse_filename(source_file) AS file, rows_in, accepted, duplicates, rejected
        FROM telemetry.batches ORDER BY ingested_at DESC, source_file DESC LIMIT 12""",
    claims=(
        Claim(
            name="events_are_conserved",
            description="In every batch, rows in = accepted + duplicates + rejected + withdrawn, counted again in the tables.",
            contradictions="""
                WITH archived AS (
                    SELECT batch_id, count(*) AS withdrawn FROM telemetry.withdrawn_rows GROUP BY batch_id
                ), stored AS (
                    SELECT batch_id, count(*) FILTER (NOT is_duplicate) AS accepted, count(*) FILTER (is_duplicate) AS duplicates
                    FROM telemetry.raw_events GROUP BY batch_id
                    UNION ALL
                    SELECT batch_id, count(*), sum(rows_in_file) - count(*)
                    FROM telemetry.aliases WHERE rows_in_file IS NOT NULL GROUP BY batch_id
                    UNION ALL
                    SELECT batch_id, count(*) FILTER (NOT is_duplicate), count(*) FILTER (is_duplicate)
                    FROM telemetry.raw_answers GROUP BY batch_id
                ), refused AS (
                    SELECT batch_id, count(*) AS rejected FROM telemetry.rejected_events GROUP BY batch_id
                )
                SELECT batch_id, source_file, rows_in, coalesce(stored.accepted, 0) AS stored_accepted,
                       coalesce(stored.duplicates, 0) AS stored_duplicates, coalesce(refused.rejected, 0) AS stored_rejected,
                       coalesce(archived.withdrawn, 0) AS stored_withdrawn
                FROM telemetry.batches LEFT JOIN stored USING (batch_id) LEFT JOIN refused USING (batch_id)
                LEFT JOIN archived USING (batch_id)
                WHERE rows_in <> coalesce(stored.accepted, 0) + coalesce(stored.duplicates, 0) + coalesce(refused.rejected, 0)
                    + coalesce(archived.withdrawn, 0)
                   OR coalesce(batches.withdrawn, 0) <> coalesce(archived.withdrawn, 0)
                   OR batches.accepted <> coalesce(stored.accepted, 0)
                   OR batches.duplicates <> coalesce(stored.duplicates, 0)
                   OR batches.rejected <> coalesce(refused.rejected, 0)""",
        ),
        Claim(
            name="every_source_delivers_events",
            description="Of each source that delivered rows some were accepted.",
            contradictions="""
                SELECT source, sum(rows_in) AS rows FROM telemetry.batches
                WHERE withdrawn_at IS NULL GROUP BY source HAVING sum(rows_in) > 0 AND sum(accepted + duplicates) = 0""",
            severity="WARN",
            blocking=False,
        ),
    ),
)

WITHDRAWN_ROWS: Final = Table(
    layer="telemetry",
    name="withdrawn_rows",
    description="Rows that count no more, since their file came with other content: kept for tracing, as they were.",
    columns=(
        *(replace(column, required=column.name in _KEPT_OF_ALL) for column in RAW_EVENTS.columns),
        *(
            replace(column, required=False)
            for column in REJECTED_EVENTS.columns
            if column.name not in {each.name for each in RAW_EVENTS.columns}
        ),
        Column("is_rejected", "BOOLEAN", "Whether it stood in quarantine, and not among the events.", True),
        Column("withdrawn_at", "TIMESTAMP", "When it was taken back, UTC.", True),
        Column("withdrawn_by", "VARCHAR", "Batch that its file came with instead.", True),
    ),
    key=("batch_id", "source_row"),
    page="""
        SELECT parse_filename(source_file) AS file, withdrawn_at, count(*) AS rows,
               count(*) FILTER (NOT is_rejected AND NOT is_duplicate) AS events
        FROM telemetry.withdrawn_rows GROUP BY ALL ORDER BY withdrawn_at DESC, file LIMIT 12""",
)

RAW_ANSWERS: Final = Table(
    layer="telemetry",
    name="raw_answers",
    description="Every delivered answer of a language model, and every further rating of one, repeated deliveries marked.",
    columns=(
        *(
            Column(field.name, field.type, field.description, field.required or field.name == "answer_id")
            for field in ANSWER
        ),
        *_ORIGIN_COLUMNS,
        Column("is_duplicate", "BOOLEAN", "Whether another row stands for it, so that this one does not count.", True),
        Column("is_conflict", "BOOLEAN", "Whether that row has other content.", True),
        Column("content_id", "VARCHAR", "Digest of the row as it was delivered.", True),
        Column("has_texts", "BOOLEAN", "Whether it has texts from which anything can be scored.", True),
        Column("erased_at", "TIMESTAMP", "When its texts were erased at the wish of the user, UTC; NULL: never."),
    ),
    key=("batch_id", "source_row"),
    position_key=True,
    day="event_date",
    page="""
        SELECT feature, count(*) AS answers, count(DISTINCT user_id) AS users, count(rating) AS ratings,
               count(*) FILTER (has_texts) AS with_texts
        FROM telemetry.raw_answers WHERE NOT is_duplicate AND event_date >= $start AND event_date < $end
        GROUP BY feature ORDER BY answers DESC LIMIT 12""",
    claims=(
        Claim(
            name="answers_are_given_once",
            description="Of the rows of one answer and rater on a day, one counts.",
            contradictions="""
                SELECT event_date, source, answer_id, rater, count(*) AS rows FROM telemetry.raw_answers
                WHERE NOT is_duplicate AND event_date >= $start AND event_date < $end
                GROUP BY ALL HAVING count(*) > 1""",
        ),
    ),
)

ALIASES: Final = Table(
    layer="telemetry",
    name="aliases",
    description="Who is who: each pair of an id and the user that it is, with the batch that says so.",
    columns=(
        Column("alias", "VARCHAR", "Id that somebody bears before the user is known.", True),
        Column("user_id", "VARCHAR", "User that it is, as delivered.", True),
        Column("source", "VARCHAR", "Source in product.yaml that delivered the pair.", True),
        Column("batch_id", "VARCHAR", "Batch that it came with.", True),
        Column("ingested_at", "TIMESTAMP", "When it was taken in, UTC.", True),
        Column("rows_in_file", "BIGINT", "Rows of a file of pairs that say it; NULL where rows of events do."),
    ),
    key=("batch_id", "alias", "user_id"),
    page="""
        WITH said AS (
            SELECT alias, count(DISTINCT user_id) AS users, max(ingested_at) AS latest FROM telemetry.aliases GROUP BY alias
        )
        SELECT users AS users_of_one_alias, count(*) AS aliases, any_value(alias) AS example, max(latest) AS latest
        FROM said GROUP BY users ORDER BY users LIMIT 12""",
)

OPTIONAL_COLUMNS: Final = (
    "session_id",
    "latency_ms",
    "error_count",
    "crashed",
    "rating",
    "duration_s",
    "platform",
    "app_version",
)
DAY_QUALITY: Final = Table(
    layer="telemetry",
    name="day_quality",
    recipe=Recipe(
        queries=("telemetry/day_quality_hours.sql",),
        functions=(
            "intelligence.telemetry.day_quality:day_quality_frame",
            "intelligence.telemetry.measured:measured_from",
            "intelligence.telemetry.doubts:with_doubts",
        ),
        settings=("conversion_events", "telemetry"),
        tables=(EVENTS,),
    ),
    description="Whether a day's telemetry is whole, so that a fault of the pipeline is not read as one of the product.",
    columns=(
        Column("event_date", "DATE", "Day on the product's clock.", True),
        Column("events", "BIGINT", "Events of the day.", True),
        Column(
            "expected_events", "DOUBLE", "Median of the same weekday in the four weeks before; NULL without history."
        ),
        Column("volume_ratio", "DOUBLE", "events / expected_events."),
        Column("events_by_hour", "BIGINT[]", "Events in each of the 24 hours of the product's clock.", True),
        Column("silent_hours", "INTEGER[]", "Hours without one event in which events were expected.", True),
        Column("missing_rate", "DOUBLE", "Share of the day's expected events that those hours should have had."),
        Column(
            "filled", "BIGINT[]", "Events with a value in each optional column, in the order of OPTIONAL_COLUMNS.", True
        ),
        Column("emptied_columns", "VARCHAR[]", "Columns that used to be filled and hold no value on this day.", True),
        Column(
            "flat_columns",
            "VARCHAR[]",
            "Measurements with one and the same value in at least 50 events, all of the day.",
            True,
        ),
        Column("stuck_columns", "VARCHAR[]", "Those of them that used to vary.", True),
        Column("faults", "VARCHAR[]", "What is at fault or in doubt: columns, parts of the product, or arrival."),
        Column("faults_since", "DATE[]", "The day on which each of these faults began."),
        Column(
            "doubted_columns",
            "VARCHAR[]",
            "Columns that alone are in doubt on a partial day: what does not rest on them is assessed. Empty: nothing is.",
        ),
        Column("since", "DATE", "The day on which the newest of the faults began."),
        Column("verdict", "VARCHAR", "whole, partial, empty or unknown (not enough history to judge).", True),
        Column("reason", "VARCHAR", "The verdict in words.", True),
    ),
    key=("event_date",),
    day="event_date",
    lookback_days=28,
    page="""
        SELECT event_date, verdict, reason AS why, events, events_by_hour AS by_hour
        FROM telemetry.day_quality WHERE event_date < $end ORDER BY (verdict IN ('partial', 'empty')) DESC, event_date DESC
        LIMIT 14""",
    claims=(
        Claim(
            name="telemetry_is_whole",
            description="No silent hours, no column gone empty, stuck or in another unit, no event sent twice, nothing that changed"
            " in nearly all features at once: otherwise the pipeline is at fault, or everything is.",
            contradictions="""
                SELECT event_date, verdict, reason FROM telemetry.day_quality
                WHERE event_date >= $start AND event_date < $end AND verdict IN ('partial', 'empty')""",
            severity="WARN",
            blocking=False,
        ),
        Claim(
            name="volume_matches_its_weekday",
            description="Between half and twice the events of the same weekday in the four weeks before.",
            contradictions="""
                SELECT event_date, events, expected_events, volume_ratio FROM telemetry.day_quality
                WHERE event_date >= $start AND event_date < $end AND volume_ratio NOT BETWEEN 0.5 AND 2""",
            severity="WARN",
            blocking=False,
        ),
    ),
)


def freshness_claim(max_lag_hours: float) -> Claim:
    """Return the claim that the newest event was at most `max_lag_hours` hours old at the last intake."""
    return Claim(
        name="events_arrive_in_time",
        description=f"At the last intake the newest event was at most {max_lag_hours:g} hours old.",
        contradictions=f"""
            SELECT max(event_time) AS newest_event, max(ingested_at) AS last_intake FROM telemetry.events
            HAVING max(ingested_at) - max(event_time) > INTERVAL {round(max_lag_hours * 3600)} SECOND""",
        severity="WARN",
        blocking=False,
    )


TABLES: Final = (RAW_EVENTS, EVENTS, REJECTED_EVENTS, BATCHES, WITHDRAWN_ROWS, ALIASES, RAW_ANSWERS, DAY_QUALITY)
