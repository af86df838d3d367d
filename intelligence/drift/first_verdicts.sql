-- The verdict of each day that was given first: what a later champion says of it is hindsight.
SELECT event_date, model, model_version, state, that_matter, reason FROM drift.model_watch WHERE model = $model
QUALIFY row_number() OVER (PARTITION BY event_date ORDER BY lake_snapshot, model_version) = 1
