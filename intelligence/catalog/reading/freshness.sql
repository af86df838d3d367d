-- The newest day of each layer's main table.
SELECT * FROM (
    SELECT 'metrics' AS layer, 'metrics.kpi_day' AS "table", max(event_date) AS newest_day FROM metrics.kpi_day
    UNION ALL SELECT 'health', 'metrics.feature_health', max(event_date) FROM metrics.feature_health
    UNION ALL SELECT 'signals', 'signals.episodes', max(event_date) FROM signals.episodes
    UNION ALL SELECT 'forecasts', 'forecasts.forecasts', max(event_date) FROM forecasts.forecasts
    UNION ALL SELECT 'risk', 'risk.feature_risk', max(event_date) FROM risk.feature_risk
    UNION ALL SELECT 'drift', 'drift.model_watch', max(event_date) FROM drift.model_watch
    UNION ALL SELECT 'experiments', 'experiments.experiment_results', max(event_date) FROM experiments.experiment_results
    UNION ALL SELECT 'causality', 'causality.feature_effects', max(event_date) FROM causality.feature_effects
    UNION ALL SELECT 'decisions', 'decisions.feature_decisions', max(event_date) FROM decisions.feature_decisions
)
