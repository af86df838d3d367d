-- The newest forecast of a series of the whole product for a day; the last one where it reaches no further.
SELECT event_date, series, forecast_date, horizon_days, value, low_80, high_80, coverage_80, coverage_80_low, coverage_80_high, note
FROM forecasts.forecasts
WHERE event_date = (SELECT max(event_date) FROM forecasts.forecasts)
    AND series = $series AND segment = 'all' AND feature = '' AND forecast_date <= $day
ORDER BY horizon_days DESC
LIMIT 1
