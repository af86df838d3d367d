"""Replace days of a table, many transactions in a row, for tests that run several of these at once.

Usage: write_days.py CATALOG STORE WORKER TRANSACTIONS
"""

import sys
from datetime import date, timedelta

from intelligence.core.tables import Days
from intelligence.metrics.tables import KPI_DAY
from resources.lake.door import Lake

catalog, store, worker, transactions = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
lake = Lake(catalog=catalog, store=store)
QUERY = """
SELECT day::DATE AS event_date, 'segment ' || n AS segment, 1 AS dau, 0 AS events, 0 AS sessions, 0 AS crashed_users,
       0 AS converted_users, 0 AS ratings, 0 AS value
FROM generate_series($start, $end - INTERVAL 1 DAY, INTERVAL 1 DAY) AS days (day), range(50) AS segments (n)
"""
for number in range(transactions):
    start = date(2026, 1, 1) + timedelta(days=4 * number + worker)
    lake.replace(KPI_DAY, Days(start, start + timedelta(days=1)), QUERY)
    shared = date(2025, 1, 1)
    lake.replace(KPI_DAY, Days(shared, shared + timedelta(days=1)), QUERY)
print("done")
