-- The experiments in the events, with their variants and units, and whether any of them ever had a verdict. Flags with a rollout
-- are decided on their own.
SELECT
    experiment,
    count(DISTINCT variant) AS variants,
    count(*) FILTER (is_first) AS units,
    experiment IN (SELECT experiment FROM experiments.experiment_verdicts) AS has_verdict
FROM experiments.fact_exposures
WHERE experiment NOT IN (SELECT flag_key FROM decisions.feature_decisions WHERE scope = 'rollout')
GROUP BY experiment
ORDER BY experiment
