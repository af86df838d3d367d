-- Decisions of a store of the stream after the one with the number $after, on events from $earliest to $latest, in ms since 1970.
-- The store is attached as `stream`.
SELECT
    $store AS store,
    number,
    $is_asked AS is_asked,
    {source} AS source,
    id AS event_id,
    make_timestamp_ms(at_ms) AS event_time,
    entity,
    json_extract_string(trace, '$.feature') AS feature,
    CAST(json_extract_string(trace, '$.value') AS DOUBLE) AS value,
    json_extract_string(trace, '$.answer') AS answer,
    CAST(json_extract_string(trace, '$.per_minute') AS DOUBLE) AS per_minute,
    json_extract_string(trace, '$.reason') AS reason,
    CAST(json_extract(trace, '$.rules') AS VARCHAR[]) AS rules,
    CAST(json_extract_string(trace, '$.is_fallback') AS BOOLEAN) AS is_fallback,
    json_extract_string(trace, '$.level') AS level,
    CAST(json_extract(trace, '$.lowered_by') AS VARCHAR[]) AS lowered_by,
    json_extract_string(trace, '$.status') AS status,
    CAST(json_extract_string(trace, '$.propensity') AS DOUBLE) AS propensity,
    CAST(json_extract_string(trace, '$.is_drawn') AS BOOLEAN) AS is_drawn,
    json_extract_string(trace, '$.learned_version') AS learned_version,
    CAST(json_extract_string(trace, '$.risk_score') AS DOUBLE) AS risk_score,
    json_extract_string(trace, '$.model_version') AS model_version,
    json_extract_string(trace, '$.policy') AS policy_version,
    nullif(CAST(json_extract(trace, '$.windows') AS VARCHAR), 'null') AS windows
FROM (
    SELECT number, {source}, id, at_ms, entity, decode(trace) AS trace FROM stream.{table} WHERE number > $after AND at_ms BETWEEN $earliest AND $latest
)
ORDER BY number
