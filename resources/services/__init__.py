"""Use cases: each service reads through the other packages of `resources`, calls pure functions, and writes through the packages.

Nothing here uses Dagster, the command line or a page: all interfaces call the same service and get the same rows.
"""
