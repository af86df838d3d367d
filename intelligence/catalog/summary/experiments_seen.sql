-- The experiments in the events, with their variants and units, and whether any of them ever had a verdict.
SELECT
    experiment,
    count(DISTINCT variant) AS variants,
    count(*) FILTER (is_first) AS units,
    experiment IN (SELECT experiment FROM experiments.experiment_verdicts) AS has_verdict
FROM experiments.fact_exposures
GROUP BY experiment
ORDER BY experiment
