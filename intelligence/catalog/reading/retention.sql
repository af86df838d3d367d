-- The share of each weekly cohort that was there in each of the weeks after.
SELECT cohort, first_age, users, retained, rate, low, high, is_mature, is_surely_new, known_on
FROM metrics.retention_cohorts
WHERE grain = 'week' AND definition = 'n_week' AND dimension = $dimension AND value = $value AND cohort > known_on - 98
ORDER BY cohort, first_age
