"""Use cases: each service reads through the rooms of `resources`, calls pure functions and writes through the rooms.

Nothing here knows Dagster, the command line or a page; the doors call the same service and get the same rows.
"""
