-- Usage and failures of the $features by platform and release on the days [$start, $end), with sums over users.
SELECT
    event_date,
    feature,
    platform,
    app_version,
    CAST(sum(events) AS BIGINT) AS events,
    CAST(sum(failed_events) AS BIGINT) AS failed_events,
    count(*) AS users,
    count(*) FILTER (failed_events > 0) AS failed_users,
    CAST(sum(failed_events * failed_events) AS BIGINT) AS failed_square_sum,
    CAST(sum(failed_events * events) AS BIGINT) AS failed_cross_sum,
    CAST(sum(events * events) AS BIGINT) AS events_square_sum,
    CAST(sum(CAST(failed_events / events AS DECIMAL(18, 9))) AS DOUBLE) AS failed_share_sum,
    CAST(sum(CAST((failed_events / events) ** 2 AS DECIMAL(18, 9))) AS DOUBLE) AS failed_share_square_sum
FROM (
    SELECT
        event_date,
        feature,
        coalesce(platform, 'unknown') AS platform,
        app_version,
        user_id,
        count(*) AS events,
        count(*) FILTER (error_count > 0 OR crashed) AS failed_events
    FROM warehouse.fact_events
    WHERE event_date >= $start AND event_date < $end AND app_version IS NOT NULL
        AND feature IN (SELECT unnest(CAST($features AS VARCHAR[])))
    GROUP BY ALL
)
GROUP BY ALL
