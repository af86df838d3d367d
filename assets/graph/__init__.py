"""Parts that all assets share: partitions, tables, checks, results, automation, run requests and the runner.

Nothing here belongs to a single layer; the layers are the modules of `assets`.
"""
