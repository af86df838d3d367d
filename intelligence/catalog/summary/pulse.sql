WITH days AS (FROM metrics.kpi_day WHERE segment = 'all'),
newest AS (FROM days WHERE event_date = (SELECT max(event_date) FROM days)),
before AS (
    SELECT days.* FROM days, newest
    WHERE days.event_date IN (newest.event_date - 7, newest.event_date - 14, newest.event_date - 21, newest.event_date - 28)
)
SELECT
    newest.event_date, newest.dau, newest.wau, newest.mau, newest.stickiness, newest.converted_users,
    newest.conversion_rate, newest.mean_rating, newest.ratings, newest.value,
    (SELECT avg(dau) FROM before) AS usual_dau,
    (SELECT sum(converted_users) / nullif(sum(dau), 0) FROM before) AS usual_conversion_rate,
    (SELECT avg(value) FROM before) AS usual_value,
    (SELECT count(*) FROM before) AS days_before
FROM newest
