-- The forecasts that were wrong beyond their interval for days, on the newest day that can be judged, those of the whole product
-- first. The newest day of all may be partial still.
SELECT event_date, answer, count(*) OVER () AS forecasts
FROM forecasts.accuracy
WHERE is_signal
    AND event_date = (SELECT max(event_date) FROM forecasts.accuracy WHERE actual IS NOT NULL)
    AND event_date >= (SELECT max(event_date) FROM metrics.kpi_day) - 2
ORDER BY segment <> 'all', feature <> '', series, feature, segment, band
LIMIT 1
