-- The series that are forecast.
SELECT DISTINCT series, segment, feature
FROM forecasts.forecasts
WHERE event_date = (SELECT max(event_date) FROM forecasts.forecasts)
ORDER BY series, segment <> 'all', segment, feature
