"""The telemetry layer: SQL and pure functions."""
