"""Services to which actions go, one module each: sent, found again before anything is sent twice, and undone.

Each has a local twin in `resources/twins`. Retries, order and leases belong to the outbox, the file of flags to flags.
"""
