"""Feature flags in a file: read, changed and read back as an application would, with the record of who changed what.

The decision whether a flag is to be changed belongs to `intelligence/decisions`; when a change is sent, to `outbox`.
"""
