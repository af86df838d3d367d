-- Each variant's newest verdict, with the effect on the first goal of its experiment at that day.
WITH newest AS (
    SELECT * FROM experiments.experiment_verdicts
    QUALIFY event_date = max(event_date) OVER (PARTITION BY experiment)
),
goals AS (
    SELECT event_date, experiment, variant, metric, relative, relative_low, relative_high
    FROM experiments.experiment_results
    WHERE role = 'goal' AND segment = 'all'
    QUALIFY row_number() OVER (PARTITION BY event_date, experiment, variant ORDER BY p NULLS LAST, metric) = 1
)
SELECT
    newest.event_date, newest.experiment, newest.variant, newest.verdict, newest.until, newest.reason, newest.problems,
    newest.is_declared, newest.grade, newest.feature, newest.owner, newest.units_control, newest.units_variant,
    goals.metric, goals.relative, goals.relative_low, goals.relative_high
FROM newest
LEFT JOIN goals
    ON newest.event_date = goals.event_date AND newest.experiment = goals.experiment AND newest.variant = goals.variant
ORDER BY newest.event_date DESC, newest.experiment, newest.variant
