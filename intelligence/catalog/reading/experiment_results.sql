-- Each variant's newest results on every metric, for all units.
SELECT
    event_date, experiment, variant, metric, role, direction, n_control, n_variant, control, value, effect, low, high,
    relative, relative_low, relative_high, watched_low, watched_high, p, p_adjusted, margin, scale, grade, note
FROM experiments.experiment_results
WHERE segment = $segment
QUALIFY event_date = max(event_date) OVER (PARTITION BY experiment)
ORDER BY event_date DESC, experiment, variant, list_position(['goal', 'guardrail'], role) NULLS LAST, metric
