"""The warehouse layer: SQL and pure functions."""
