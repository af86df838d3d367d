"""The telemetry layer: what a delivered row means, whether it satisfies the event contract, and whether a day's data is sound.

Here belong the event contract, the SQL that reads, types and validates rows of source files, and the pure functions that
assess the quality of a day. Opening files, running the SQL and writing to the lake belong in `resources/intake`; what is
derived from accepted events belongs in the layers `warehouse` and `metrics`.
"""
