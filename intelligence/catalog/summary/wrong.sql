-- The forecasts that were wrong beyond their interval for days, those of the whole product first.
SELECT answer, count(*) OVER () AS forecasts
FROM forecasts.accuracy
WHERE is_signal AND event_date = (SELECT max(event_date) FROM metrics.kpi_day)
ORDER BY segment <> 'all', feature <> '', series, feature, segment, band
LIMIT 1
