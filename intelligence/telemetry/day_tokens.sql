-- One token per table and day of the calendar. It changes exactly when the product's time zone changes, or when a batch in the
-- lake as of snapshot $as_of adds rows from which the day is built, changes which of these rows count, is withdrawn, or has
-- answers of the day. Answers alone make no day a day of the product.
-- `$tables` lists each table with the number of days that it looks back (NULL: all of them) and the version of its recipe.
WITH ledger AS MATERIALIZED (
    SELECT batch_id, days, changed_days, withdrawn_days, answer_days FROM telemetry.batches WHERE snapshot_id <= $as_of
),
held AS (
    SELECT * FROM (SELECT unnest(days) AS day, batch_id FROM ledger)
    ANTI JOIN bookkeeping.days_set_aside USING (day)
),
touched AS (
    FROM held
    UNION ALL
    SELECT unnest(changed_days), batch_id || ' changed' FROM ledger
    UNION ALL
    SELECT unnest(withdrawn_days), batch_id || ' withdrawn' FROM ledger
    UNION ALL
    SELECT unnest(answer_days), batch_id || ' answers' FROM ledger
),
calendar AS (
    SELECT CAST(day AS DATE) AS day
    FROM generate_series(
        (SELECT min(day) FROM held), (SELECT max(day) FROM held), INTERVAL 1 DAY
    ) AS series (day)
),
day_marks AS (
    SELECT
        calendar.day,
        md5_number_lower(concat(
            calendar.day,
            string_agg(batch_id, ',' ORDER BY batch_id),
            (SELECT any_value(timezone) FROM bookkeeping.lake_clock WHERE snapshot_id <= $as_of)
        )) AS mark
    FROM calendar LEFT JOIN touched USING (day)
    GROUP BY calendar.day
)
SELECT
    name AS table_name,
    later.day,
    concat(bit_xor(earlier.mark), ':', any_value(version)) AS token
FROM (SELECT unnest($tables, recursive := true)) AS tables
CROSS JOIN day_marks AS later
INNER JOIN day_marks AS earlier
    ON earlier.day BETWEEN later.day - coalesce(lookback_days, 100000) AND later.day
GROUP BY ALL
