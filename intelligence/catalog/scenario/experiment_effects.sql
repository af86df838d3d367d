-- What healthy experiments measured of each metric, relative to the control, as their newest verdict with an interval says.
SELECT experiment, feature, metric, relative, relative_low, relative_high, results.grade
FROM experiments.experiment_results AS results
INNER JOIN experiments.experiment_verdicts AS verdicts USING (event_date, experiment, variant)
WHERE segment = 'all' AND is_healthy AND event_date <= $day
    AND relative IS NOT NULL AND isfinite(relative_low) AND isfinite(relative_high) AND low IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY experiment, metric ORDER BY event_date DESC, variant) = 1
ORDER BY experiment, metric
