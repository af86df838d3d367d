-- The first day of each user in the sample, on the product's clock.
SELECT user_id, CAST(local_time(first_seen_at) AS DATE) AS first_day
FROM warehouse.dim_users
WHERE hash(user_id) % 1000 < $users_per_thousand
