-- The effect on the goals of an experiment day by day: its interval, and the wider one that holds however often one looks.
SELECT event_date, experiment, variant, metric, effect, low, high, watched_low, watched_high, n_control, n_variant, note
FROM experiments.experiment_results
WHERE segment = 'all' AND role = 'goal' AND experiment = $experiment
ORDER BY event_date, variant, metric
