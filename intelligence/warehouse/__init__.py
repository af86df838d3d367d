"""The warehouse layer: a star schema around events and sessions, with users, features and releases as dimensions.

Here belong the SQL and the pure functions that build facts and dimensions from accepted events and from the features in
product.yaml. Validation of delivered rows belongs in `telemetry`; counts, rates and any assessment belong in `metrics`.
"""
