"""What every asset has in common: partitions, tables, checks, results, automation, requests and the runner.

Nothing here belongs to one layer; the layers are the modules of `assets`.
"""
