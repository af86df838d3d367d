"""The metrics layer: SQL and pure functions."""
