"""Feature flags in a file: read, changed and read back as an application would, with the memory of who changed what.

Whether a flag is to be changed is decided elsewhere; this room says what it is, and makes it so.
"""
