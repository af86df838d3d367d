-- The weekly cohorts of the whole product with the share that was there in each of the weeks after: those of the last thirteen weeks.
SELECT * FROM metrics.retention_cohorts
WHERE grain = 'week' AND dimension = 'all' AND definition = 'n_week' AND cohort > known_on - 98
ORDER BY cohort, first_age
