-- Releases that were first seen on the days $first to $last.
SELECT
    CAST(local_time(first_seen_at) AS DATE) AS day,
    CAST(NULL AS VARCHAR) AS feature,
    'release ' || app_version || ' on ' || platform AS text
FROM warehouse.dim_releases
WHERE CAST(local_time(first_seen_at) AS DATE) >= $first AND CAST(local_time(first_seen_at) AS DATE) <= $last
ORDER BY first_seen_at, app_version, platform
