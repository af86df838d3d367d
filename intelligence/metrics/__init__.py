"""The metrics layer: usage, latency, errors and ratings by feature and day, KPIs by segment, and the health of features.

Here belong the SQL that aggregates facts, and the pure functions that compare the counts with the features' promises.
Facts and dimensions belong in `warehouse`; anomalies, forecasts and predictions belong in their own layers.
"""
