"""The services to which actions are sent, one module each: send, find before sending again, and undo.

Each has a local twin in `resources/twins`. Retries, order and leases belong to `outbox`, the file of flags to `flags`.
"""
