-- The newest forecast of daily users, four weeks ahead, or as far ahead as there is one.
SELECT forecast_date, value, low_80, high_80, coverage_80, coverage_80_low, coverage_80_high, model, note
FROM forecasts.forecasts
WHERE event_date = (SELECT max(event_date) FROM forecasts.forecasts)
    AND series = 'dau'
    AND segment = 'all'
    AND horizon_days <= 28
ORDER BY horizon_days DESC
LIMIT 1
