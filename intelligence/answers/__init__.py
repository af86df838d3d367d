"""Answers: the quality of what language models answer, by feature, version, segment and day, and what changed with a version.

The scores themselves are in the warehouse, so that the metrics before this layer can hold them against a promise.
"""
