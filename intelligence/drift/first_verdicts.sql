-- The first verdict on each day; verdicts of later champions on the same day would be hindsight.
SELECT event_date, model, model_version, state, that_matter, reason FROM drift.model_watch WHERE model = $model
QUALIFY row_number() OVER (PARTITION BY event_date ORDER BY lake_snapshot, model_version) = 1
