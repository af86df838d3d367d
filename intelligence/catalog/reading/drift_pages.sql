-- The newest pages of each model.
SELECT event_date, model, model_version, kind, state, reason, drift_page, quality_page
FROM drift.drift_pages
QUALIFY row_number() OVER (PARTITION BY model, kind ORDER BY event_date DESC) = 1
ORDER BY model, kind
