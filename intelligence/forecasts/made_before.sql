-- What had been forecast for the days $first to $day on days before each of them.
SELECT event_date, series, segment, feature, horizon_days, forecast_date, value, low_80, high_80, low_95, high_95
FROM forecasts.forecasts
WHERE event_date >= $first - 90 AND event_date < $day AND forecast_date >= $first AND forecast_date <= $day AND horizon_days > 0
ORDER BY series, segment, feature, forecast_date, horizon_days
