-- How earlier forecasts of the newest day that can be judged turned out, the surprises first.
SELECT
    event_date, series, segment, feature, band, forecasts, actual, forecast, low_95, high_95, relative_error, inside_80,
    inside_95, judged_days, is_signal, answer
FROM forecasts.accuracy
WHERE event_date = (SELECT max(event_date) FROM forecasts.accuracy WHERE actual IS NOT NULL)
ORDER BY is_signal DESC, segment <> 'all', series, segment, feature, band
