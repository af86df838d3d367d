-- The newest forecast of a series.
SELECT * FROM forecasts.forecasts
WHERE
    event_date = (SELECT max(event_date) FROM forecasts.forecasts)
    AND series = $series AND segment = $segment AND feature = $feature
ORDER BY horizon_days
