-- The names that a question may hold, by what they name.
SELECT 'feature' AS kind, feature AS name FROM warehouse.dim_feature_metadata
UNION
SELECT 'experiment', experiment FROM experiments.experiment_verdicts
UNION
SELECT 'segment', segment FROM metrics.kpi_day WHERE segment <> 'all'
UNION
SELECT 'series', series FROM forecasts.forecasts
ORDER BY kind, name
