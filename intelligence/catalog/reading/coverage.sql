-- How often the intervals of each series held, four weeks ahead or as far as there is a forecast.
SELECT
    series, segment, feature, horizon_days, model, coverage_80, coverage_80_low, coverage_80_high, coverage_95,
    coverage_95_low, coverage_95_high, pooled_80, pooled_95, origins, error, note
FROM forecasts.forecasts
WHERE event_date = (SELECT max(event_date) FROM forecasts.forecasts) AND horizon_days <= 28
QUALIFY row_number() OVER (PARTITION BY series, segment, feature ORDER BY horizon_days DESC) = 1
ORDER BY segment <> 'all', series, segment, feature
