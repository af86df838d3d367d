"""Actions on the outside world that decisions lead to: their states, flag documents, message texts and measured outcomes.

Pure functions and values only. Storing actions and sending them belongs to `resources/outbox` and `resources/targets`, and
deciding on them to `intelligence/decisions`.
"""
